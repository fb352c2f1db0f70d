#include "kernels/cpu/pooling_parts.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

/// How many positions of an axis an output's window counts.
int64_t window_count(const PoolingShape& s, int axis, int64_t output, bool include_pad) {
  const int64_t begin = output * s.stride[axis] - s.padding[axis], end = begin + s.kernel[axis];
  const int64_t low = include_pad || begin > 0 ? begin : 0, high = s.input[axis] + (include_pad ? s.padding[axis] : 0);
  const int64_t last = end < high ? end : high;
  return last > low ? last - low : 0;
}

/// Sums over windows and their transpose, through a frame padded with zeros.
template <class T>
class AveragePool {
 public:
  AveragePool(const PoolingShape& s, bool include_pad, int64_t divisor_override)
      : s_(s),
        taps_(plane_size(s.kernel)),
        offsets_(3 * taps_),
        frame_(window_gather(s, offsets_.get()), lanes<T>),
        reads_(taps_),
        padded_width_((s.output[2] + lanes<T> - 1) / lanes<T> * lanes<T>),
        divisors_(s.output[0] * s.output[1] * padded_width_) {
    for (int64_t k = 0; k < taps_; k++) reads_.get()[k] = frame_.tap(k);
    for (int64_t row = 0; row < s.output[0] * s.output[1]; row++) {
      const int64_t rows =
          window_count(s, 0, row / s.output[1], include_pad) * window_count(s, 1, row % s.output[1], include_pad);
      for (int64_t w = 0; w < padded_width_; w++) {
        int64_t count = divisor_override;
        if (count == 0) count = w < s.output[2] ? rows * window_count(s, 2, w, include_pad) : 1;
        // A window without any element has the sum 0.
        divisors_.get()[row * padded_width_ + w] = static_cast<T>(count ? count : 1);
      }
    }
  }

  void forward(const T* x, T* y) const {
    const int64_t in = plane_size(s_.input), out = plane_size(s_.output);
    parallel_for(s_.planes, pooling_grain(in + out * taps_ / lanes<T>), [&](int64_t begin, int64_t end) {
      Scratch<T> frame(frame_.size());
      for (int64_t plane = begin; plane < end; plane++) {
        frame_.copy_in(T(0), x + plane * in, frame.get());
        for (int64_t row = 0; row < s_.output[0] * s_.output[1]; row++) {
          const T* from = frame.get() + frame_.point_row(row / s_.output[1], row % s_.output[1]);
          const T* divisors = divisors_.get() + row * padded_width_;
          T* to = y + plane * out + row * s_.output[2];
          for (int64_t w = 0; w < s_.output[2]; w += lanes<T>) {
            Vec<T> sum{};
            for (int64_t k = 0; k < taps_; k++) sum += load(from + reads_.get()[k] + w);
            sum /= load(divisors + w);
            if (s_.output[2] - w >= lanes<T>) {
              store(to + w, sum);
            } else {
              for (int64_t i = w; i < s_.output[2]; i++) to[i] = sum[i - w];
            }
          }
        }
      }
    });
  }

  void backward(const T* gy, T* gx) const {
    const int64_t in = plane_size(s_.input), out = plane_size(s_.output), width = s_.output[2];
    parallel_for(s_.planes, pooling_grain(in + out * taps_ / lanes<T>), [&](int64_t begin, int64_t end) {
      Scratch<T> frame(frame_.size()), quotients(padded_width_);
      for (int64_t plane = begin; plane < end; plane++) {
        for (int64_t i = 0; i < frame_.size(); i++) frame.get()[i] = 0;
        for (int64_t row = 0; row < s_.output[0] * s_.output[1]; row++) {
          const T* from = gy + plane * out + row * width;
          const T* divisors = divisors_.get() + row * padded_width_;
          for (int64_t w = 0; w < padded_width_; w++) quotients.get()[w] = w < width ? from[w] / divisors[w] : T(0);
          T* to = frame.get() + frame_.point_row(row / s_.output[1], row % s_.output[1]);
          for (int64_t k = 0; k < taps_; k++) {
            T* at = to + reads_.get()[k];
            for (int64_t w = 0; w < width; w += lanes<T>) store(at + w, load(at + w) + load(quotients.get() + w));
          }
        }
        for (int64_t i = 0; i < in; i++) gx[plane * in + i] = 0;  // what no window covers
        frame_.copy_out(frame.get(), gx + plane * in);
      }
    });
  }

 private:
  const PoolingShape& s_;
  int64_t taps_;
  Scratch<int64_t> offsets_;
  PlaneFrame frame_;
  Scratch<int64_t> reads_;  // [taps]: where in the frame a tap reads for point 0
  int64_t padded_width_;
  Scratch<T> divisors_;  // [output depth * height, padded width]
};

template <class T>
void average_forward(const PoolingShape& s, bool count_include_pad, int64_t divisor_override, const T* x, T* y) {
  if (s.planes == 0 || plane_size(s.output) == 0) return;
  AveragePool<T>(s, count_include_pad, divisor_override).forward(x, y);
}

template <class T>
void average_backward(const PoolingShape& s, bool count_include_pad, int64_t divisor_override, const T* gy, T* gx) {
  if (s.planes == 0 || plane_size(s.input) == 0) return;
  if (plane_size(s.output) == 0) {
    for (int64_t i = 0; i < s.planes * plane_size(s.input); i++) gx[i] = 0;
    return;
  }
  AveragePool<T>(s, count_include_pad, divisor_override).backward(gy, gx);
}

template <class T>
T sum_of_row(const T* x, int64_t n) {
  Vec<T> sums{};
  int64_t i = 0;
  for (; i + lanes<T> <= n; i += lanes<T>) sums += load(x + i);
  T sum = 0;
  for (int lane = 0; lane < lanes<T>; lane++) sum += sums[lane];
  for (; i < n; i++) sum += x[i];
  return sum;
}

/// total[w] = the sum over the rows of a window of depth and height.
template <class T>
void add_rows(const PoolingShape& s, PoolingWindow depth, PoolingWindow height, const T* plane, T* total) {
  const int64_t width = s.input[2];
  bool first = true;
  for (int64_t d = depth.begin; d < depth.end; d++) {
    for (int64_t h = height.begin; h < height.end; h++, first = false) {
      const T* row = plane + (d * s.input[1] + h) * width;
      for (int64_t w = 0; w < width; w++) total[w] = first ? row[w] : total[w] + row[w];
    }
  }
}

inline int64_t length(PoolingWindow window) { return window.end - window.begin; }

/// Windows of so few elements go through the frame of average_forward, a vector of neighbouring outputs at a time.
inline bool has_small_windows(const PoolingShape& s) { return plane_size(s.input) <= 8 * plane_size(s.output); }

/// The rows of a window are added up across the whole width before they are cut into windows.
template <class T>
void adaptive_average_forward(const PoolingShape& s, const T* x, T* y) {
  if (s.planes == 0 || plane_size(s.output) == 0) return;
  const int64_t in = plane_size(s.input), out = plane_size(s.output);
  if (is_even(s) && out > 1 && has_small_windows(s)) return average_forward(even_shape(s), false, 0, x, y);
  parallel_for(s.planes, pooling_grain(in), [&](int64_t begin, int64_t end) {
    Scratch<T> sums(s.input[2]);
    for (int64_t plane = begin; plane < end; plane++) {
      const T* from = x + plane * in;
      if (out == 1) {
        y[plane] = sum_of_row(from, in) / static_cast<T>(in);
        continue;
      }
      T* to = y + plane * out;
      for (int64_t d = 0; d < s.output[0]; d++) {
        const PoolingWindow depth = adaptive_window(s, 0, d);
        for (int64_t h = 0; h < s.output[1]; h++) {
          const PoolingWindow height = adaptive_window(s, 1, h);
          add_rows(s, depth, height, from, sums.get());
          for (int64_t w = 0; w < s.output[2]; w++) {
            const PoolingWindow width = adaptive_window(s, 2, w);
            const int64_t count = length(depth) * length(height) * length(width);
            *to++ = sum_of_row(sums.get() + width.begin, length(width)) / static_cast<T>(count);
          }
        }
      }
    }
  });
}

/// The shares of a row of windows are spread over the width once, then added to each of its rows.
template <class T>
void adaptive_average_backward(const PoolingShape& s, const T* gy, T* gx) {
  if (s.planes == 0 || plane_size(s.input) == 0) return;
  const int64_t in = plane_size(s.input), out = plane_size(s.output), columns = s.input[2];
  if (is_even(s) && out > 1 && has_small_windows(s)) return average_backward(even_shape(s), false, 0, gy, gx);
  parallel_for(s.planes, pooling_grain(in), [&](int64_t begin, int64_t end) {
    Scratch<T> shares(columns);
    for (int64_t plane = begin; plane < end; plane++) {
      T* to = gx + plane * in;
      const T whole = out == 1 ? gy[plane] / static_cast<T>(in) : T(0);
      for (int64_t i = 0; i < in; i++) to[i] = whole;
      if (out == 1) continue;
      const T* g = gy + plane * out;
      for (int64_t d = 0; d < s.output[0]; d++) {
        const PoolingWindow depth = adaptive_window(s, 0, d);
        for (int64_t h = 0; h < s.output[1]; h++) {
          const PoolingWindow height = adaptive_window(s, 1, h);
          T* share = shares.get();
          for (int64_t w = 0; w < columns; w++) share[w] = 0;
          for (int64_t w = 0; w < s.output[2]; w++, g++) {
            const PoolingWindow width = adaptive_window(s, 2, w);
            const T each = *g / static_cast<T>(length(depth) * length(height) * length(width));
            for (int64_t i = width.begin; i < width.end; i++) share[i] += each;
          }
          for (int64_t i = depth.begin; i < depth.end; i++) {
            for (int64_t k = height.begin; k < height.end; k++) {
              T* row = to + (i * s.input[1] + k) * columns;
              for (int64_t w = 0; w < columns; w++) row[w] += share[w];
            }
          }
        }
      }
    }
  });
}

}  // namespace

template <class T>
void fill_average_pooling(PoolingFunctions<T>& functions) {
  functions.average_forward = average_forward<T>;
  functions.average_backward = average_backward<T>;
  functions.adaptive_average_forward = adaptive_average_forward<T>;
  functions.adaptive_average_backward = adaptive_average_backward<T>;
}

template void fill_average_pooling(PoolingFunctions<float>&);
template void fill_average_pooling(PoolingFunctions<double>&);

}  // namespace ondol::kernel::ONDOL_LEVEL
