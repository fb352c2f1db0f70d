#pragma once

// Blocks of lines on their way between a tensor and the two arrays of real and imaginary parts that transforms work on.

#include "kernels/cpu/fft.h"
#include "kernels/cpu/fft_pass.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// How the elements of a block lie in memory: complex numbers of a line one after the other (Rows), those of
/// neighbouring lines one after the other (Columns), real and imaginary parts each of neighbouring lines one after the
/// other (RealColumns).
enum class Layout { Rows, Columns, RealColumns, Scattered };

/// Up to a vector's lanes of lines in memory: element k of line i has its real part at at[i][k step] and its imaginary
/// part `part` behind it.
template <class Number>
struct Block {
  using T = std::remove_const_t<Number>;
  Number* at[lanes<T>];
  int count;
  int64_t step, part;

  Layout layout() const {
    if (count < lanes<T>) return Layout::Scattered;
    if (step == 2 && part == 1) return Layout::Rows;
    bool pairs = part == 1, reals = true;
    for (int i = 1; i < lanes<T>; ++i) {
      pairs &= at[i] - at[0] == 2 * i;
      reals &= at[i] - at[0] == i;
    }
    return pairs ? Layout::Columns : reals ? Layout::RealColumns : Layout::Scattered;
  }
};

/// Elements [first, n) one at a time; lanes without a line get zeros.
template <class T>
void load_scattered(const Block<const T>& from, int64_t first, int64_t n, int64_t width, Split<T> to) {
  for (int64_t i = 0; i < width; ++i) {
    if (i >= from.count) {
      for (int64_t k = first; k < n; ++k) to.re[k * width + i] = to.im[k * width + i] = T(0);
      continue;
    }
    const T* x = from.at[i];
    for (int64_t k = first; k < n; ++k) {
      to.re[k * width + i] = x[k * from.step];
      to.im[k * width + i] = x[k * from.step + from.part];
    }
  }
}
template <class T>
void store_scattered(Split<T> from, int64_t first, int64_t n, int64_t width, T scale, const Block<T>& to) {
  for (int64_t i = 0; i < to.count; ++i) {
    T* y = to.at[i];
    for (int64_t k = first; k < n; ++k) {
      y[k * to.step] = from.re[k * width + i] * scale;
      y[k * to.step + to.part] = from.im[k * width + i] * scale;
    }
  }
}

/// n elements of each line of a block, those of one place side by side: `width` is one or as many as a vector has
/// lanes.
template <class T>
void load_block(const Block<const T>& from, int64_t n, int64_t width, Split<T> to) {
  using V = Vec<T>;
  constexpr int W = lanes<T>;
  int64_t k = 0;
  if (width == W) switch (from.layout()) {
      case Layout::Rows:
        for (; k + W / 2 <= n; k += W / 2) {
          V rows[W];
          for (int i = 0; i < W; ++i) rows[i] = load(from.at[i] + 2 * k);
          transpose(rows);
          for (int i = 0; i < W / 2; ++i) {
            store(to.re + (k + i) * W, rows[2 * i]);
            store(to.im + (k + i) * W, rows[2 * i + 1]);
          }
        }
        break;
      case Layout::Columns:
        for (; k < n; ++k) to.template set<V>(k * W, take_pairs<V>(from.at[0] + k * from.step));
        break;
      case Layout::RealColumns:
        for (; k < n; ++k) {
          const T* x = from.at[0] + k * from.step;
          to.template set<V>(k * W, Pair<V>{load(x), load(x + from.part)});
        }
        break;
      case Layout::Scattered:
        break;
    }
  load_scattered(from, k, n, width, to);
}

template <class T>
void store_block(Split<T> from, int64_t n, int64_t width, T scale, const Block<T>& to) {
  using V = Vec<T>;
  constexpr int W = lanes<T>;
  int64_t k = 0;
  if (width == 1 && to.step == 2 && to.part == 1)
    for (; k + W <= n; k += W) {
      Pair<V> value = from.template get<V>(k);
      put_pairs(to.at[0] + 2 * k, Pair<V>{value.re * scale, value.im * scale});
    }
  if (width == W) switch (to.layout()) {
      case Layout::Rows:
        for (; k + W / 2 <= n; k += W / 2) {
          V rows[W];
          for (int i = 0; i < W / 2; ++i) {
            rows[2 * i] = load(from.re + (k + i) * W) * scale;
            rows[2 * i + 1] = load(from.im + (k + i) * W) * scale;
          }
          transpose(rows);
          for (int i = 0; i < W; ++i) store(to.at[i] + 2 * k, rows[i]);
        }
        break;
      case Layout::Columns:
        for (; k < n; ++k) {
          Pair<V> value = from.template get<V>(k * W);
          put_pairs(to.at[0] + k * to.step, Pair<V>{value.re * scale, value.im * scale});
        }
        break;
      case Layout::RealColumns:
        for (; k < n; ++k) {
          Pair<V> value = from.template get<V>(k * W);
          T* y = to.at[0] + k * to.step;
          store(y, value.re * scale);
          store(y + to.part, value.im * scale);
        }
        break;
      case Layout::Scattered:
        break;
    }
  store_scattered(from, k, n, width, scale, to);
}

/// The places of lines in memory, one after the other.
template <class T>
class LineWalk {
 public:
  explicit LineWalk(const FftLines<T>& lines) : lines_(lines) {}

  /// Fills both blocks with lines [first, first + width) as far as there are so many.
  void blocks(int64_t first, int64_t width, Block<const T>& x, Block<T>& y) const {
    const int64_t left = lines_.count - first;
    x.count = y.count = static_cast<int>(left < width ? left : width);
    for (int i = 0; i < x.count; ++i) {
      int64_t line = first + i, x_offset = 0, y_offset = 0;
      for (int64_t d = lines_.ndim - 1; d >= 0; --d) {
        const int64_t at = d > 0 ? line % lines_.sizes[d] : line;
        if (d > 0) line /= lines_.sizes[d];
        x_offset += at * lines_.x_strides[d];
        y_offset += at * lines_.y_strides[d];
      }
      x.at[i] = lines_.x + x_offset;
      y.at[i] = lines_.y + y_offset;
    }
  }

 private:
  const FftLines<T>& lines_;
};

}  // namespace ondol::kernel::ONDOL_LEVEL
