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

/// Products of float matrices on all threads. Each element is summed in an order that depends on k alone, so that a row
/// of the result depends neither on the number of threads nor on the other rows.
struct ProductKernels {  // null for instruction sets that leave products to OpenBLAS
  void (*multiply)(const MatrixProduct& product);

  /// A right operand rearranged for repeated use: `packed` holds packed_size(k, n) elements.
  int64_t (*packed_size)(int64_t k, int64_t n);
  void (*pack)(MatrixView b, int64_t k, int64_t n, float* packed);
  /// multiply with `packed` in the place of product.b.
  void (*multiply_packed)(const MatrixProduct& product, const float* packed);
};

}  // namespace ondol::kernel
