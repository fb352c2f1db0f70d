#pragma once

#include "kernels/fft_plan.h"

namespace ondol::kernel {

/// The lines of a tensor along one dimension and where their transforms go. All strides count real numbers, of which a
/// complex element is two.
template <class T>
struct FftLines {
  const T* x;
  T* y;
  int64_t x_stride, y_stride;  // along the line
  int64_t count;               // of lines
  int64_t ndim;                // the other dimensions, the last one running fastest
  const int64_t *sizes, *x_strides, *y_strides;
};

// Results are multiplied by `scale`. In the transforms of real signals `inner` multiplies the bins that stand for their
// mirror image as well: all but the first and, of an even number of points, the last. y may be exactly x in
// complex_to_complex.

template <class T>
struct FftFunctions {
  void (*complex_to_complex)(const FftPlan<T>& plan, const FftLines<T>& lines, bool forward, T scale);
  /// Forward: n real numbers to the first n / 2 + 1 of their transform.
  void (*real_to_complex)(const FftRealPlan<T>& plan, const FftLines<T>& lines, T scale, T inner);
  /// Backward: n / 2 + 1 complex numbers, the rest of which is conjugate, to n real ones.
  void (*complex_to_real)(const FftRealPlan<T>& plan, const FftLines<T>& lines, T scale, T inner);
};

struct FftKernels {
  FftFunctions<float> float32;
  FftFunctions<double> float64;
};

}  // namespace ondol::kernel
