#pragma once

#include <cstdint>

namespace ondol::kernel {

/// A pooling window over up to three spatial axes; 1d and 2d ones have leading sizes of 1 (kernel 1, stride 1, padding
/// 0). x, gx [planes, input...] and y, gy [planes, output...] are contiguous; planes = batch * channels. Adaptive
/// pooling reads planes, input and output only: window o of an axis covers floor(o*in/out) .. ceil((o+1)*in/out).
struct PoolingShape {
  int64_t planes;
  int64_t input[3], output[3], kernel[3], stride[3], padding[3], dilation[3];
};

/// Whether the windows are squares of 2 x 2 elements, side by side and whole: in ceil_mode the last may be cut.
inline bool are_squares(const PoolingShape& s) {
  for (int axis = 0; axis < 3; axis++) {
    const int64_t size = axis == 0 ? 1 : 2;
    if (s.kernel[axis] != size || s.stride[axis] != size || s.padding[axis] != 0) return false;
    if ((axis > 0 && s.dilation[axis] != 1) || s.output[axis] * size > s.input[axis]) return false;
  }
  return true;
}

template <class T>
struct PoolingFunctions {
  /// The largest value of each window, padding counted as -inf; a NaN wins. `indices` (may be null) gets the position
  /// of the first largest value (the last NaN) in the flattened input plane.
  void (*max_forward)(const PoolingShape&, const T* x, T* y, int64_t* indices);
  /// gx, overwritten: each gy is added at its index. Serves the adaptive form as well. An index outside the plane is
  /// skipped.
  void (*max_backward)(const PoolingShape&, const T* gy, const int64_t* indices, T* gx);
  /// The same for squares (see are_squares). Instead of an index they have a place, which takes an eighth of the
  /// memory: twice the row plus the column of the largest element in its square.
  void (*max_places)(const PoolingShape&, const T* x, T* y, uint8_t* places);
  void (*spread_to_places)(const PoolingShape&, const T* gy, const uint8_t* places, T* gx);
  /// The mean of each window. The divisor is `divisor_override` unless that is 0; else the window's size clipped to the
  /// padded input (count_include_pad) or to the input itself.
  void (*average_forward)(const PoolingShape&, bool count_include_pad, int64_t divisor_override, const T* x, T* y);
  void (*average_backward)(const PoolingShape&, bool count_include_pad, int64_t divisor_override, const T* gy, T* gx);
  void (*adaptive_average_forward)(const PoolingShape&, const T* x, T* y);
  void (*adaptive_average_backward)(const PoolingShape&, const T* gy, T* gx);
  void (*adaptive_max_forward)(const PoolingShape&, const T* x, T* y, int64_t* indices);
  /// Windows that begin at starts[axis][plane][output]; of the shape planes, input, output and kernel count, and a
  /// window spans less than 2^31 elements. A NaN wins.
  void (*fractional_max_forward)(const PoolingShape&, const int64_t* const* starts, const T* x, T* y, int64_t* indices);
};

struct PoolingKernels {
  PoolingFunctions<float> float32;
  PoolingFunctions<double> float64;
};

}  // namespace ondol::kernel
