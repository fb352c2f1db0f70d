#pragma once

#include "tensor/tensor.h"

namespace ondol {

/// The gradient of a map made of straight pieces (a pool, a pad): it does not change with the input, but PyTorch's
/// graph of the backward pass leads to the input all the same, so that `grad(grad(f))` is zero instead of an error.
/// Joins a gradient to the inputs of the node that is running, with slope 0; only while a graph of the pass is
/// recorded.
Tensor joined_to_inputs(const Tensor& gradient);

/// The same where the map is composed of others: `self`, whose gradient will be joined to it.
Tensor with_joined_gradient(const Tensor& self);

}  // namespace ondol
