#include "kernels/cpu/division.h"
#include "kernels/cpu/pooling_row_maxima.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

/// One element at a time: windows of any size, planes of any size.
template <class T, class WindowOf>
void max_scalar(const PoolingShape& s, WindowOf&& window_of, const T* x, T* y, int64_t* indices) {
  const int64_t in = plane_size(s.input), out = plane_size(s.output);
  parallel_for(s.planes, pooling_grain(in), [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; plane++) {
      const T* from = x + plane * in;
      for_each_window(s, window_of, [&](int64_t at, PoolingWindow depth, PoolingWindow height, PoolingWindow width) {
        T best = -__builtin_inff();
        int64_t index = (depth.begin * s.input[1] + height.begin) * s.input[2] + width.begin;
        for (int64_t d = depth.begin; d < depth.end; d += depth.step) {
          for (int64_t h = height.begin; h < height.end; h += height.step) {
            const int64_t row = (d * s.input[1] + h) * s.input[2];
            for (int64_t w = width.begin; w < width.end; w += width.step) {
              if (is_better(from[row + w], best)) best = from[row + w], index = row + w;
            }
          }
        }
        y[plane * out + at] = best;
        if (indices) indices[plane * out + at] = index;
      });
    }
  });
}

/// A vector of neighbouring outputs at a time, from a frame padded with -inf.
template <class T>
class MaxPool {
 public:
  using Index = IndexOf<T>;

  explicit MaxPool(const PoolingShape& s)
      : s_(s),
        taps_(plane_size(s.kernel)),
        offsets_(3 * taps_),
        frame_(window_gather(s, offsets_.get()), lanes<T>),
        reads_(taps_),
        positions_(taps_),
        first_column_(s.output[2] + lanes<T>) {
    for (int64_t k = 0; k < taps_; k++) {
      const int64_t* offset = offsets_.get() + 3 * k;
      reads_.get()[k] = frame_.tap(k);
      positions_.get()[k] = static_cast<Index>((offset[0] * s.input[1] + offset[1]) * s.input[2] + offset[2]);
    }
    for (int64_t w = 0; w < s.output[2] + lanes<T>; w++) {
      first_column_.get()[w] = w < s.output[2] ? static_cast<Index>(window_in_input(s, 2, w).begin) : 0;
    }
    for (int lane = 0; lane < lanes<T>; lane++) ramp_[lane] = static_cast<Index>(lane * s.stride[2]);
  }

  void run(const T* x, T* y, int64_t* indices) const {
    const int64_t in = plane_size(s_.input), out = plane_size(s_.output);
    parallel_for(s_.planes, pooling_grain(in + out * taps_ / lanes<T>), [&](int64_t begin, int64_t end) {
      Scratch<T> frame(frame_.size());
      frame_.fill(static_cast<T>(-__builtin_inff()), frame.get());
      for (int64_t plane = begin; plane < end; plane++) {
        frame_.replace(x + plane * in, frame.get());
        for (int64_t row = 0; row < s_.output[0] * s_.output[1]; row++) {
          const int64_t at = plane * out + row * s_.output[2];
          if (indices) {
            row_with_indices(row, frame.get(), y + at, indices + at);
          } else {
            row_of_values(row, frame.get(), y + at);
          }
        }
      }
    });
  }

 private:
  void row_of_values(int64_t row, const T* frame, T* y) const {
    const T* from = frame + frame_.point_row(row / s_.output[1], row % s_.output[1]);
    for (int64_t w = 0; w < s_.output[2]; w += lanes<T>) {
      Vec<T> best = broadcast(static_cast<T>(-__builtin_inff()));
      for (int64_t k = 0; k < taps_; k++) {
        const Vec<T> value = load(from + reads_.get()[k] + w);
        best = is_better(value, best) ? value : best;
      }
      put(y + w, best, s_.output[2] - w);
    }
  }

  void row_with_indices(int64_t row, const T* frame, T* y, int64_t* indices) const {
    const int64_t d = row / s_.output[1], h = row % s_.output[1];
    const T* from = frame + frame_.point_row(d, h);
    const int64_t start = (d * s_.stride[0] * s_.input[1] + h * s_.stride[1]) * s_.input[2];
    const int64_t first_row =
        (window_in_input(s_, 0, d).begin * s_.input[1] + window_in_input(s_, 1, h).begin) * s_.input[2];
    for (int64_t w = 0; w < s_.output[2]; w += lanes<T>) {
      Vec<T> best = broadcast(static_cast<T>(-__builtin_inff()));
      Vec<Index> index = load(first_column_.get() + w) + static_cast<Index>(first_row);
      const Vec<Index> base = ramp_ + static_cast<Index>(start + w * s_.stride[2]);
      for (int64_t k = 0; k < taps_; k++) {
        const Vec<T> value = load(from + reads_.get()[k] + w);
        const auto better = is_better(value, best);
        best = better ? value : best;
        index = better ? base + positions_.get()[k] : index;
      }
      put(y + w, best, s_.output[2] - w);
      Index flat[lanes<T>];
      store(flat, index);
      const int64_t n = s_.output[2] - w < lanes<T> ? s_.output[2] - w : lanes<T>;
      for (int64_t i = 0; i < n; i++) indices[w + i] = flat[i];
    }
  }

  static void put(T* to, Vec<T> value, int64_t room) {
    if (room >= lanes<T>) return store(to, value);
    for (int64_t i = 0; i < room; i++) to[i] = value[i];
  }

  const PoolingShape& s_;
  int64_t taps_;
  Scratch<int64_t> offsets_;
  PlaneFrame frame_;
  Scratch<int64_t> reads_;       // [taps]: where in the frame a tap reads for point 0
  Scratch<Index> positions_;     // [taps]: the same in the plane, as an index
  Scratch<Index> first_column_;  // [output width]: where a window that holds nothing but -inf has its index
  Vec<Index> ramp_;
};

template <class T>
void max_forward(const PoolingShape& s, const T* x, T* y, int64_t* indices) {
  if (s.planes == 0 || plane_size(s.output) == 0) return;
  // Padding is at most half a window, so that this bounds the numbers met on the way as well.
  const bool small = plane_size(s.input) < (int64_t{1} << 29);
  if (sizeof(T) == 4 && !small) return max_scalar(s, window_in_input, x, y, indices);
  if (are_squares(s)) return max_of_squares(s, x, y, indices);
  MaxPool<T>(s).run(x, y, indices);
}

/// Windows side by side, without padding, of which a row of the output has less than a vector.
template <class T>
void max_of_few(const PoolingShape& s, const T* x, T* y, int64_t* indices) {
  const int64_t in = plane_size(s.input), out = plane_size(s.output);
  Scratch<int64_t> starts(s.output[2]);
  for (int64_t w = 0; w < s.output[2]; w++) starts.get()[w] = w * s.stride[2];
  parallel_for(s.planes, pooling_grain(in), [&](int64_t begin, int64_t end) {
    const RowMaxima<T> maxima(s);
    for (int64_t plane = begin; plane < end; plane++)
      for (int64_t row = 0; row < s.output[0] * s.output[1]; row++) {
        const int64_t d = row / s.output[1] * s.stride[0], h = row % s.output[1] * s.stride[1];
        const int64_t from = (d * s.input[1] + h) * s.input[2], to = plane * out + row * s.output[2];
        maxima.run(x + plane * in + from, from, starts.get(), y + to, indices ? indices + to : nullptr);
      }
  });
}

/// Where a lane has found its largest element so far.
template <class T>
struct Found {
  T value;
  IndexOf<T> index;
};

/// The first of equal values and the last NaN, as one element after the other would find them.
template <class T>
inline Found<T> better_of(Found<T> a, Found<T> b) {
  const bool both_nan = a.value != a.value && b.value != b.value;
  const bool later = both_nan ? b.index > a.index : b.value > a.value || b.value != b.value;
  return later || (b.value == a.value && b.index < a.index) ? b : a;
}

/// The largest element of one window at `x`, whose rows hold at least a vector, and its index relative to x.
template <class T>
Found<T> max_of_window(const PoolingShape& s, const T* x, Vec<IndexOf<T>> ramp) {
  using Index = IndexOf<T>;
  Vec<T> best = broadcast(-infinity<T>);
  Vec<Index> index{};
  for (int64_t d = 0; d < s.kernel[0]; d++)
    for (int64_t h = 0; h < s.kernel[1]; h++) {
      const int64_t row = (d * s.input[1] + h) * s.input[2];
      for (int64_t w = 0; w < s.kernel[2]; w += lanes<T>) {
        const int64_t left = s.kernel[2] - w;
        const Vec<T> value =
            left >= lanes<T> ? load(x + row + w) : load_part(x + row + w, static_cast<int>(left), -infinity<T>);
        const auto better = is_better(value, best);
        best = better ? value : best;
        index = better ? ramp + static_cast<Index>(row + w) : index;
      }
    }
  T values[lanes<T>];
  Index indices[lanes<T>];
  store(values, best);
  store(indices, index);
  Found<T> found = {values[0], indices[0]};
  for (int lane = 1; lane < lanes<T>; lane++) found = better_of(found, Found<T>{values[lane], indices[lane]});
  return found;
}

/// Windows side by side, without padding, of at least a vector in width.
template <class T>
void max_of_wide(const PoolingShape& s, const T* x, T* y, int64_t* indices) {
  const int64_t in = plane_size(s.input), out = plane_size(s.output);
  Vec<IndexOf<T>> ramp;
  for (int lane = 0; lane < lanes<T>; lane++) ramp[lane] = static_cast<IndexOf<T>>(lane);
  parallel_for(s.planes * out, grain_for(32768, plane_size(s.kernel)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t at = i % out, row = at / s.output[2];
      const int64_t d = row / s.output[1] * s.stride[0], h = row % s.output[1] * s.stride[1];
      const int64_t from = (d * s.input[1] + h) * s.input[2] + at % s.output[2] * s.stride[2];
      const Found<T> found = max_of_window(s, x + i / out * in + from, ramp);
      y[i] = found.value;
      if (indices) indices[i] = from + found.index;
    }
  });
}

template <class T>
void adaptive_max_forward(const PoolingShape& s, const T* x, T* y, int64_t* indices) {
  if (s.planes == 0 || plane_size(s.output) == 0) return;
  if (is_even(s) && plane_size(s.input) < (int64_t{1} << 31)) {
    if (s.input[2] / s.output[2] >= lanes<T>) return max_of_wide(even_shape(s), x, y, indices);
    if (s.output[2] < lanes<T>) return max_of_few(even_shape(s), x, y, indices);
  }
  if (is_even(s) && plane_size(s.output) > 1) return max_forward(even_shape(s), x, y, indices);
  max_scalar(s, adaptive_window, x, y, indices);
}

template <class T>
void max_backward(const PoolingShape& s, const T* gy, const int64_t* indices, T* gx) {
  const int64_t in = plane_size(s.input), out = plane_size(s.output);
  parallel_for(s.planes, pooling_grain(in + out), [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; plane++) {
      T* to = gx + plane * in;
      for (int64_t i = 0; i < in; i++) to[i] = 0;
      for (int64_t i = plane * out; i < (plane + 1) * out; i++) {
        if (static_cast<uint64_t>(indices[i]) < static_cast<uint64_t>(in)) to[indices[i]] += gy[i];
      }
    }
  });
}

}  // namespace

template <class T>
void fill_max_pooling(PoolingFunctions<T>& functions) {
  functions.max_forward = max_forward<T>;
  functions.max_backward = max_backward<T>;
  functions.adaptive_max_forward = adaptive_max_forward<T>;
}

template void fill_max_pooling(PoolingFunctions<float>&);
template void fill_max_pooling(PoolingFunctions<double>&);

}  // namespace ondol::kernel::ONDOL_LEVEL
