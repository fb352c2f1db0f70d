#pragma once

#include "kernels/cpu/math.h"
#include "kernels/cpu/pooling_parts.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// The maxima of one row of windows of the shape's input and kernel. They share rows of the input but may begin at any
/// columns: the maximum of a window at every column is found, with vectors, and the columns in demand are picked. A
/// window spans less than 2^31 elements.
template <class T>
class RowMaxima {
 public:
  using Index = IndexOf<T>;

  explicit RowMaxima(const PoolingShape& s) : s_(s), values_(2 * room()), indices_(2 * room()) {
    for (int64_t i = 0; i < 2 * room(); ++i) values_.get()[i] = 0, indices_.get()[i] = 0;
    for (int lane = 0; lane < lanes<T>; ++lane) ramp_[lane] = static_cast<Index>(lane);
  }

  /// `x` is the first row of the windows, at position `at` of its plane; `indices` may be null.
  void run(const T* x, int64_t at, const int64_t* starts, T* y, int64_t* indices) const {
    over_rows(x);
    over_columns();
    const T* values = values_.get() + room();
    const Index* positions = indices_.get() + room();
    for (int64_t w = 0; w < s_.output[2]; ++w) y[w] = values[starts[w]];
    if (!indices) return;
    for (int64_t w = 0; w < s_.output[2]; ++w) indices[w] = at + positions[starts[w]];
  }

 private:
  int64_t room() const { return s_.input[2] + s_.kernel[2] + lanes<T>; }

  /// The largest element of each column and its index, relative to `x`: the first of equals, the last NaN.
  void over_rows(const T* x) const {
    const int64_t width = s_.input[2];
    for (int64_t w = 0; w < width; w += lanes<T>) {
      const int64_t left = width - w;
      Vec<T> best{};
      Vec<Index> index{};
      for (int64_t d = 0; d < s_.kernel[0]; ++d)
        for (int64_t h = 0; h < s_.kernel[1]; ++h) {
          const int64_t at = (d * s_.input[1] + h) * width + w;
          const Vec<T> value = load_up_to(x + at, left);
          const auto better = (value > best) | (value != value);
          const Vec<Index> here = ramp_ + static_cast<Index>(at);
          const bool first = d == 0 && h == 0;
          best = first ? value : (better ? value : best);
          index = first ? here : (better ? here : index);
        }
      store(values_.get() + w, best);
      store(indices_.get() + w, index);
    }
  }

  /// The same over kernel[2] neighbouring columns. Indices grow from row to row, so they tell first and last.
  void over_columns() const {
    for (int64_t w = 0; w + s_.kernel[2] <= s_.input[2]; w += lanes<T>) {
      Vec<T> best = load(values_.get() + w);
      Vec<Index> index = load(indices_.get() + w);
      for (int64_t k = 1; k < s_.kernel[2]; ++k) {
        const Vec<T> value = load(values_.get() + w + k);
        const Vec<Index> here = load(indices_.get() + w + k);
        const auto better = (value > best) | ((value == best) & (here < index)) |
                            ((value != value) & ((best == best) | (here > index)));
        best = better ? value : best;
        index = better ? here : index;
      }
      store(values_.get() + room() + w, best);
      store(indices_.get() + room() + w, index);
    }
  }

  const PoolingShape& s_;
  Scratch<T> values_;       // of the columns, then of the windows
  Scratch<Index> indices_;  // likewise
  Vec<Index> ramp_;
};

}  // namespace ondol::kernel::ONDOL_LEVEL
