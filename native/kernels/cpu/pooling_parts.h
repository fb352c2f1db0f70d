#pragma once

#include <type_traits>

#include "base/parallel.h"
#include "kernels/cpu/convolution_frame.h"
#include "kernels/cpu/pooling.h"
#include "kernels/cpu/scratch.h"

namespace ondol::kernel::ONDOL_LEVEL {

// The parts of the pooling family, one file each; they set their functions.
template <class T>
void fill_max_pooling(PoolingFunctions<T>&);
template <class T>
void fill_square_pooling(PoolingFunctions<T>&);
template <class T>
void fill_fractional_pooling(PoolingFunctions<T>&);
template <class T>
void fill_average_pooling(PoolingFunctions<T>&);

/// An index with the size of a T.
template <class T>
using IndexOf = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;

/// Whether `value` replaces the best so far: the first of equal values and the last NaN stay.
template <class V>
inline auto is_better(V value, V best) {
  return (value > best) | (value != value);
}

inline int64_t plane_size(const int64_t size[3]) { return size[0] * size[1] * size[2]; }

/// Positions [begin, end) of one axis, `step` apart.
struct PoolingWindow {
  int64_t begin, end, step;
};

/// The part of an output's window that lies in the input.
inline PoolingWindow window_in_input(const PoolingShape& s, int axis, int64_t output) {
  const int64_t dilation = s.dilation[axis];
  int64_t begin = output * s.stride[axis] - s.padding[axis];
  const int64_t last = begin + s.kernel[axis] * dilation;
  if (begin < 0) begin += (-begin + dilation - 1) / dilation * dilation;
  return {begin, last < s.input[axis] ? last : s.input[axis], dilation};
}

/// Window o of n over `size` elements: floor(o size / n) .. ceil((o + 1) size / n).
inline PoolingWindow adaptive_window(const PoolingShape& s, int axis, int64_t output) {
  const int64_t size = s.input[axis], n = s.output[axis];
  return {output * size / n, ((output + 1) * size + n - 1) / n, 1};
}

/// max_forward of squares (see are_squares) in planes of less than 2^31 elements.
template <class T>
void max_of_squares(const PoolingShape& s, const T* x, T* y, int64_t* indices);

inline int64_t pooling_grain(int64_t work_per_plane) { return grain_for(32768, work_per_plane); }

/// The reading of an input plane by the windows, tap by tap; `offsets` has room for the three of each tap.
inline PatchGather window_gather(const PoolingShape& s, int64_t* offsets) {
  PatchGather gather = {1, 1, {}, {}, {}, plane_size(s.kernel), offsets};
  for (int axis = 0; axis < 3; axis++) {
    gather.source[axis] = s.input[axis], gather.points[axis] = s.output[axis], gather.step[axis] = s.stride[axis];
  }
  for (int64_t k = 0; k < gather.taps; k++) {
    const int64_t at[3] = {k / (s.kernel[1] * s.kernel[2]), k / s.kernel[2] % s.kernel[1], k % s.kernel[2]};
    for (int axis = 0; axis < 3; axis++) *offsets++ = at[axis] * s.dilation[axis] - s.padding[axis];
  }
  return gather;
}

/// Adaptive pooling whose windows are all equal and side by side is pooling with the window as stride.
inline bool is_even(const PoolingShape& s) {
  for (int axis = 0; axis < 3; axis++) {
    if (s.output[axis] == 0 || s.input[axis] == 0 || s.input[axis] % s.output[axis] != 0) return false;
  }
  return true;
}
inline PoolingShape even_shape(const PoolingShape& s) {
  PoolingShape even = s;
  for (int axis = 0; axis < 3; axis++) {
    even.kernel[axis] = even.stride[axis] = s.input[axis] / s.output[axis];
    even.padding[axis] = 0, even.dilation[axis] = 1;
  }
  return even;
}

/// Calls f(position in the output plane, window of each axis) for every output of a plane.
template <class WindowOf, class F>
inline void for_each_window(const PoolingShape& s, WindowOf&& window_of, F&& f) {
  int64_t at = 0;
  for (int64_t d = 0; d < s.output[0]; d++) {
    const PoolingWindow depth = window_of(s, 0, d);
    for (int64_t h = 0; h < s.output[1]; h++) {
      const PoolingWindow height = window_of(s, 1, h);
      for (int64_t w = 0; w < s.output[2]; w++, at++) f(at, depth, height, window_of(s, 2, w));
    }
  }
}

}  // namespace ondol::kernel::ONDOL_LEVEL
