#pragma once

#include "kernels/cpu/reduction_lines.h"

namespace ondol::kernel {

// Everywhere: x is contiguous [outer, n, inner], results are contiguous [outer, inner] and must not overlap x. Any size
// may be 0; with n == 0 a result is the value of the empty reduction (0 for a sum, 1 for a product, -inf for a maximum,
// NaN mean), so callers refuse an empty maximum first. The order of additions is a fixed binary tree, which makes
// results independent of the number of threads and the error grow with log n.

/// Writes one value a line.
template <class T>
using Reduction = void (*)(const T* x, T* y, Lines lines);
/// Writes the extreme value (unless `values` is null) and its position in the line. The first of equals wins, and a NaN
/// wins over every number, as in torch.
template <class T>
using IndexedReduction = void (*)(const T* x, T* values, int64_t* indices, Lines lines);

template <class T>
struct FloatingReductions {
  Reduction<T> sum;
  Reduction<T> mean;
  Reduction<T> product;
  Reduction<T> minimum;  // a NaN in the line gives NaN
  Reduction<T> maximum;
  IndexedReduction<T> minimum_index;
  IndexedReduction<T> maximum_index;
  Reduction<T> sum_of_squares;
  Reduction<T> absolute_sum;
  Reduction<T> absolute_maximum;  // NaN as in maximum
  Reduction<T> absolute_minimum;
  /// sum |x|^p
  void (*power_sum)(const T* x, T* y, double p, Lines lines);
  /// mean, and the sum of squared differences from it: variance = m2 / (n - correction). Null skips a result.
  void (*moments)(const T* x, T* mean, T* m2, Lines lines);
  /// log sum exp(x), without overflow; -inf for lines of -inf or without elements.
  Reduction<T> logsumexp;
};

template <class T>
struct CountingReductions {
  void (*any)(const T* x, uint8_t* y, Lines lines);
  void (*all)(const T* x, uint8_t* y, Lines lines);
  void (*count_nonzero)(const T* x, int64_t* y, Lines lines);
};

struct IntegerReductions {
  Reduction<int64_t> sum;  // wraps on overflow, and so does product
  Reduction<int64_t> product;
  Reduction<int64_t> minimum;
  Reduction<int64_t> maximum;
  IndexedReduction<int64_t> minimum_index;
  IndexedReduction<int64_t> maximum_index;
};

struct ReductionKernels {
  FloatingReductions<float> float32;
  FloatingReductions<double> float64;
  IntegerReductions int64;
  CountingReductions<float> count_float32;
  CountingReductions<double> count_float64;
  CountingReductions<int64_t> count_int64;
  CountingReductions<uint8_t> count_uint8;  // also for bool
};

}  // namespace ondol::kernel
