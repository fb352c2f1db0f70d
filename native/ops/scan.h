#pragma once

#include "tensor/tensor.h"

namespace ondol {

/// y[0] = b[0], y[k] = a[k] y[k - 1] + b[k] along dim; a[0] does not count. Its derivative is a recurrence of the same
/// kind, so products of factors that may be zero have derivatives of every order without a division (Blelloch 1990,
/// section 1.4).
Tensor linear_recurrence(const Tensor& a, const Tensor& b, int64_t dim);
/// The product of all elements before each one, 1 for the first.
Tensor exclusive_product(const Tensor& x, int64_t dim);

}  // namespace ondol
