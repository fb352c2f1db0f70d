#pragma once

// Triangles and diagonals that other operations call by name.

#include "tensor/tensor.h"

namespace ondol {

Tensor tril(const Tensor& self, int64_t diagonal = 0);
Tensor triu(const Tensor& self, int64_t diagonal = 0);
/// The last dimension as the diagonal of new matrices.
Tensor diag_embed(const Tensor& self, int64_t offset = 0, int64_t dim1 = -2, int64_t dim2 = -1);

}  // namespace ondol
