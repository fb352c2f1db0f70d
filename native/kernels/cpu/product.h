#pragma once

#include <cstdint>

namespace ondol::kernel {

/// A matrix in memory: element (i, j) is data[i * row + j * column], and one of the two steps is 1.
struct MatrixView {
  const float* data;
  int64_t row, column;
};

/// c [m, n] = a [m, k] b [k, n] + bias of each column, or + what c holds. c has rows of consecutive elements and
/// overlaps neither operand.
struct MatrixProduct {
  int64_t m, n, k;
  MatrixView a, b;
  const float* bias;  // n elements, or null
  bool accumulate;    // onto c; then there is no bias
  float* c;
  int64_t c_row;
};

/// Products of float matrices on all threads. Each element is summed in an order that depends on k and on whether there
/// are only a few rows, so that the number of threads makes no difference, nor do, from 17 rows on, the other rows.
struct ProductKernels {
  void (*multiply)(const MatrixProduct& product);  // null for instruction sets that leave products to OpenBLAS
};

}  // namespace ondol::kernel
