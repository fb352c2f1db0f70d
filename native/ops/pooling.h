#pragma once

#include "kernels/cpu/pooling.h"
#include "tensor/tensor.h"

namespace ondol {

/// A pooling operation worked out: what the kernels need, and the sizes on both sides.
struct PoolingPlan {
  kernel::PoolingShape shape;
  Dims x_sizes, y_sizes;
  bool adaptive = false;
};

/// Windows of fixed size over the last `rank` dimensions, after PyTorch's checks. An empty stride is the kernel size.
PoolingPlan plan_pooling(const char* operation, int64_t rank, const Tensor& x, const Dims& kernel, const Dims& stride,
                         const Dims& padding, const Dims& dilation, bool ceil_mode);
/// As many windows as `output` says.
PoolingPlan plan_adaptive_pooling(const char* operation, int64_t rank, const Tensor& x, const Dims& output);

/// The kernels read contiguous float or double tensors.
inline Dtype pooling_dtype(Dtype dtype) { return dtype == Dtype::F64 ? Dtype::F64 : Dtype::F32; }
[[noreturn]] void refuse_pooling_dtype(const char* operation, Dtype dtype);

/// Each element of g [planes, outputs...] added at its index in the input's plane; linear in g, and differentiable.
Tensor spread_to_indices(const Tensor& g, const Tensor& indices, const PoolingPlan& plan);

/// The gradient of max pooling by squares (see kernel::are_squares) from the places of the maxima. A place of 4 and
/// more stands for a maximum through which nothing flows. Linear in g, and differentiable.
Tensor spread_to_places(const Tensor& g, const Tensor& places, const PoolingPlan& plan);

// For integers (ops/pooling_integer.cpp), plain loops. The mean is rounded towards zero.
void max_pool_integers(const kernel::PoolingShape& shape, const int64_t* x, int64_t* y, int64_t* indices);
void average_pool_integers(const kernel::PoolingShape& shape, bool count_include_pad, int64_t divisor, const int64_t* x,
                           int64_t* y);

}  // namespace ondol
