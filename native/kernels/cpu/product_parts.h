#pragma once

#include "kernels/cpu/level.h"
#include "kernels/cpu/product.h"

namespace ondol::kernel::ONDOL_LEVEL {

// Products for other kernels of the same instruction set.
void multiply_product(const MatrixProduct& product);

// A right operand rearranged for repeated use, of packed_product_size(k, n) elements.
int64_t packed_product_size(int64_t k, int64_t n);
/// Where element (row, column) of a packed operand [k, n] is, the column being the first of a vector.
int64_t packed_product_offset(int64_t k, int64_t n, int64_t row, int64_t column);
/// multiply_product with `packed` in the place of product.b.
void multiply_packed_product(const MatrixProduct& product, const float* packed);

}  // namespace ondol::kernel::ONDOL_LEVEL
