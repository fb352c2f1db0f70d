#pragma once

#include "kernels/cpu/reduction_lines.h"

namespace ondol::kernel {

// x and results are contiguous [outer, n, inner]; the scan runs over n. y may be exactly x.

template <class T>
struct ScanFunctions {
  void (*cumsum)(const T* x, T* y, Lines lines);   // float accumulates in double, as torch does
  void (*cumprod)(const T* x, T* y, Lines lines);  // so does this
  /// Running extremes and their positions. Of equals the last wins, and from the first NaN on the result is NaN, as in
  /// torch.
  void (*cummax)(const T* x, T* values, int64_t* indices, Lines lines);
  void (*cummin)(const T* x, T* values, int64_t* indices, Lines lines);
};

struct ScanKernels {
  ScanFunctions<float> float32;
  ScanFunctions<double> float64;
  ScanFunctions<int64_t> int64;
  void (*logcumsumexp_float32)(const float* x, float* y, Lines lines);
  void (*logcumsumexp_float64)(const double* x, double* y, Lines lines);
};

}  // namespace ondol::kernel
