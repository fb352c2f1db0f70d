#pragma once

#include "kernels/cpu/reduction_lines.h"

namespace ondol::kernel {

// x is contiguous [outer, n, inner]; each line of n elements is sorted by itself. A NaN is greater than every number,
// -0 equals 0, and equal elements keep their order in both directions. Results must not overlap x. n < 2^32.

template <class T>
struct SortFunctions {
  /// values (may be null) and indices (may be null) are [outer, n, inner].
  void (*sort)(const T* x, T* values, int64_t* indices, Lines lines, bool descending);
  /// The k <= n largest (or smallest) of each line in sorted order; results are [outer, k, inner].
  void (*topk)(const T* x, T* values, int64_t* indices, int64_t k, Lines lines, bool largest);
  /// The k-th smallest, 1 <= k <= n; results are [outer, inner]. Of equal elements the one that a stable sort would put
  /// there.
  void (*kthvalue)(const T* x, T* values, int64_t* indices, int64_t k, Lines lines);
};

struct SortKernels {
  SortFunctions<float> float32;
  SortFunctions<double> float64;
  SortFunctions<int64_t> int64;
  SortFunctions<uint8_t> uint8;  // also for bool
};

}  // namespace ondol::kernel
