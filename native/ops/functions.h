#pragma once

// Operations that other operations, the engine and the bindings call by name. An operation that only Python calls is
// not listed.

#include <optional>
#include <string_view>
#include <tuple>
#include <vector>

#include "tensor/tensor.h"

namespace ondol {

// creation
Tensor zeros(const Dims& sizes, Dtype dtype);
Tensor ones(const Dims& sizes, Dtype dtype);
Tensor full(const Dims& sizes, const Scalar& value, Dtype dtype);
Tensor zeros_like(const Tensor& model);
Tensor ones_like(const Tensor& model);
Tensor full_like(const Tensor& model, const Scalar& value);
Tensor arange(int64_t end);
Tensor scalar_tensor(const Scalar& value, Dtype dtype);
Scalar element(const Tensor& tensor);
/// Raises RuntimeError if a number is outside of what a dtype holds.
void check_fits(const Scalar& value, Dtype dtype);  // of a tensor with one element

// copying
Tensor clone(const Tensor& self);
Tensor contiguous(const Tensor& self, MemoryFormat format = MemoryFormat::Contiguous);
Tensor to_dtype(const Tensor& self, Dtype dtype);
Tensor& copy_(Tensor& self, const Tensor& source);
Tensor& fill_(Tensor& self, const Tensor& value);
Tensor& zero_(Tensor& self);
void resize_(Tensor& self, const Dims& sizes);
Tensor cat(const std::vector<Tensor>& tensors, int64_t dim = 0);
Tensor stack(const std::vector<Tensor>& tensors, int64_t dim = 0);

// views
Tensor view(const Tensor& self, const Dims& sizes);
Tensor reshape(const Tensor& self, const Dims& sizes);
Tensor permute(const Tensor& self, const Dims& dims);
Tensor transpose(const Tensor& self, int64_t dim0, int64_t dim1);
Tensor squeeze(const Tensor& self, int64_t dim);
Tensor unsqueeze(const Tensor& self, int64_t dim);
Tensor expand(const Tensor& self, const Dims& sizes);
Tensor select(const Tensor& self, int64_t dim, int64_t index);
Tensor slice(const Tensor& self, int64_t dim, std::optional<int64_t> start, std::optional<int64_t> end,
             int64_t step = 1);
Tensor narrow(const Tensor& self, int64_t dim, int64_t start, int64_t length);
Tensor as_strided(const Tensor& self, const Dims& sizes, const Dims& strides, std::optional<int64_t> offset);
Tensor diagonal(const Tensor& self, int64_t offset, int64_t dim1, int64_t dim2);
Tensor flatten(const Tensor& self, int64_t start_dim, int64_t end_dim);
Tensor alias_with_history(const Tensor& self);
Tensor select_backward(const Tensor& gradient, const Dims& sizes, int64_t dim, int64_t index);
Tensor slice_backward(const Tensor& gradient, const Dims& sizes, int64_t dim, int64_t start, int64_t end, int64_t step);
Tensor diagonal_backward(const Tensor& gradient, const Dims& sizes, int64_t offset, int64_t dim1, int64_t dim2);

// Windows by sizes, strides and offset (ops/strided.cpp). A tensor is described by its geometry: base_sizes,
// base_strides, base_offset; the window by sizes, strides, offset in the same storage.
Tensor as_strided_backward(const Tensor& gradient, const Dims& base_sizes, const Dims& base_strides,
                           int64_t base_offset, const Dims& sizes, const Dims& strides, int64_t offset);
Tensor as_strided_scatter(const Tensor& base, const Tensor& source, const Dims& base_sizes, const Dims& base_strides,
                          int64_t base_offset, const Dims& sizes, const Dims& strides, int64_t offset);
Tensor as_strided_gather(const Tensor& base, const Dims& base_sizes, const Dims& base_strides, int64_t base_offset,
                         const Dims& sizes, const Dims& strides, int64_t offset);

// arithmetic
Tensor add(const Tensor& self, const Tensor& other, const Scalar& alpha = 1);
Tensor& add_(Tensor& self, const Tensor& other, const Scalar& alpha = 1);
Tensor sub(const Tensor& self, const Tensor& other, const Scalar& alpha = 1);
Tensor mul(const Tensor& self, const Tensor& other);
Tensor mul_by(const Tensor& self, const Scalar& factor);
Tensor div(const Tensor& self, const Tensor& other, std::optional<std::string_view> rounding_mode = std::nullopt);
Tensor floor_divide(const Tensor& self, const Tensor& other);
Tensor trunc_divide(const Tensor& self, const Tensor& other);
Tensor remainder(const Tensor& self, const Tensor& other);
Tensor pow(const Tensor& self, const Tensor& exponent);
Tensor neg(const Tensor& self);
Tensor abs(const Tensor& self);
Tensor sgn(const Tensor& self);
Tensor sign(const Tensor& self);
Tensor conj(const Tensor& self);
Tensor real(const Tensor& self);
Tensor imag(const Tensor& self);
Tensor complex(const Tensor& real, const Tensor& imag);
Tensor view_as_real(const Tensor& self);
Tensor view_as_complex(const Tensor& self);
Tensor angle(const Tensor& self);
Tensor where(const Tensor& condition, const Tensor& self, const Tensor& other);
/// The gradient where flags are set, 0 elsewhere; over the gradient where nobody else needs it.
Tensor passed_gradient(const Tensor& flags, const Tensor& gradient);
Tensor maximum(const Tensor& self, const Tensor& other);
Tensor minimum(const Tensor& self, const Tensor& other);

Tensor clamp(const Tensor& self, const Tensor& min, const Tensor& max);  // either limit may be undefined
Tensor addcmul(const Tensor& self, const Tensor& tensor1, const Tensor& tensor2, const Scalar& value = 1);
Tensor addcdiv(const Tensor& self, const Tensor& tensor1, const Tensor& tensor2, const Scalar& value = 1);
Tensor lerp(const Tensor& self, const Tensor& end, const Tensor& weight);

// functions
Tensor exp(const Tensor& self);
Tensor log(const Tensor& self);
Tensor sqrt(const Tensor& self);
Tensor rsqrt(const Tensor& self);
Tensor reciprocal(const Tensor& self);
Tensor sin(const Tensor& self);
Tensor cos(const Tensor& self);
Tensor tanh(const Tensor& self);
Tensor sigmoid(const Tensor& self);
Tensor erf(const Tensor& self);
Tensor lgamma(const Tensor& self);
Tensor expm1(const Tensor& self);
Tensor log1p(const Tensor& self);
Tensor floor(const Tensor& self);

// activations
Tensor relu(const Tensor& self);
/// Records a relu for a tensor to which the operation that made it has applied one already, and which nobody has seen.
Tensor relu_computed(const Tensor& self);
Tensor dropout(const Tensor& input, double p, bool train);
Tensor max_pool2d(const Tensor& self, const Dims& kernel, std::optional<Dims> stride, const Dims& padding,
                  const Dims& dilation, bool ceil_mode);
Tensor leaky_relu(const Tensor& self, const Scalar& negative_slope);
Tensor gelu(const Tensor& self, std::string_view approximate);
Tensor silu(const Tensor& self);

// comparison and bits
Tensor eq(const Tensor& self, const Tensor& other);
Tensor ne(const Tensor& self, const Tensor& other);
Tensor lt(const Tensor& self, const Tensor& other);
Tensor le(const Tensor& self, const Tensor& other);
Tensor gt(const Tensor& self, const Tensor& other);
Tensor ge(const Tensor& self, const Tensor& other);
Tensor isnan(const Tensor& self);
Tensor isinf(const Tensor& self);
Tensor isfinite(const Tensor& self);
Tensor logical_not(const Tensor& self);
Tensor logical_and(const Tensor& self, const Tensor& other);
Tensor bitwise_not(const Tensor& self);
Tensor bitwise_and(const Tensor& self, const Tensor& other);
Tensor bitwise_or(const Tensor& self, const Tensor& other);
Tensor bitwise_xor(const Tensor& self, const Tensor& other);
Tensor bitwise_left_shift(const Tensor& self, const Tensor& other);
Tensor bitwise_right_shift(const Tensor& self, const Tensor& other);

// reduction
Tensor sum(const Tensor& self);
Tensor sum(const Tensor& self, const Dims& dims, bool keepdim);
Tensor sum_to_size(const Tensor& self, const Dims& sizes);
Tensor mean(const Tensor& self, const Dims& dims, bool keepdim);
bool has_nan(const Tensor& self);

Tensor vector_norm(const Tensor& self, const Scalar& order, std::optional<Dims> dims, bool keepdim,
                   std::optional<Dtype> dtype);
Tensor logsumexp(const Tensor& self, const Dims& dims, bool keepdim = false);
Tensor softmax(const Tensor& self, int64_t dim, std::optional<Dtype> dtype = std::nullopt);
Tensor log_softmax(const Tensor& self, int64_t dim, std::optional<Dtype> dtype = std::nullopt);
Tensor cumsum(const Tensor& self, int64_t dim, std::optional<Dtype> dtype = std::nullopt);
Tensor cumprod(const Tensor& self, int64_t dim, std::optional<Dtype> dtype = std::nullopt);
Tensor flip(const Tensor& self, const Dims& dims);

// order
Tensor amax(const Tensor& self, const Dims& dims, bool keepdim = false);
Tensor amin(const Tensor& self, const Dims& dims, bool keepdim = false);
/// Gives `values`, which are the elements of self at `indices` along dim, the derivative of that choice.
void record_selection(const char* node, Tensor& values, const Tensor& self, int64_t dim, const Tensor& indices,
                      bool keepdim);

// products
Tensor matmul(const Tensor& self, const Tensor& other);
Tensor mm(const Tensor& self, const Tensor& other);
Tensor bmm(const Tensor& self, const Tensor& other);

// indexing
Tensor nonzero(const Tensor& self);
/// One entry a dimension; undefined ones stand for `:`. Integer tensors, which broadcast against each other.
Tensor index(const Tensor& self, const std::vector<Tensor>& indices);
Tensor index_put(const Tensor& self, const std::vector<Tensor>& indices, const Tensor& values, bool accumulate);
Tensor& index_put_(Tensor& self, const std::vector<Tensor>& indices, const Tensor& values, bool accumulate = false);
/// The same where masks may stand among the indices.
Tensor index_with_masks(const Tensor& self, const std::vector<Tensor>& indices);
Tensor& index_put_with_masks(Tensor& self, const std::vector<Tensor>& indices, const Tensor& values, bool accumulate);
Tensor index_select(const Tensor& self, int64_t dim, const Tensor& index);
Tensor index_add(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source);
Tensor index_fill(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& value);
Tensor gather(const Tensor& self, int64_t dim, const Tensor& index, bool sparse_grad = false);
Tensor scatter(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source);
Tensor scatter_add(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source);
Tensor scatter_reduce(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                      std::string_view reduce, bool include_self = true);
Tensor take(const Tensor& self, const Tensor& index);
Tensor put(const Tensor& self, const Tensor& index, const Tensor& source, bool accumulate);
/// Positions in a flat tensor of `count` elements, negative ones counted from the end; raises IndexError on others.
Tensor wrapped_positions(const Tensor& index, int64_t count);
Tensor masked_fill(const Tensor& self, const Tensor& mask, const Tensor& value);
Tensor index_by_mask(const Tensor& self, const Tensor& mask);
Tensor masked_select(const Tensor& self, const Tensor& mask);
Tensor masked_scatter(const Tensor& self, const Tensor& mask, const Tensor& source);

// layers
Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias);

}  // namespace ondol
