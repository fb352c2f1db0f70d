#pragma once

// What batch, layer, group and RMS norm share: y = (x - mean) rstd weight + bias, with rstd = 1 / sqrt(var + eps).

#include "kernels/table.h"
#include "ops/functions.h"
#include "ops/reduction.h"
#include "ops/registry.h"

namespace ondol {

template <class T>
const kernel::NormalizationFunctions<T>& normalizations() {
  if constexpr (std::is_same_v<T, float>)
    return kernel::table().normalization.float32;
  else
    return kernel::table().normalization.float64;
}

/// A tensor as kernels read it: without history, in their dtype and in one piece. Undefined stays undefined.
Tensor kernel_operand(const Tensor& tensor, Dtype compute, MemoryFormat format = MemoryFormat::Contiguous);

template <class T>
T* pointer(const Tensor& tensor) {
  return tensor.defined() ? tensor.data<T>() : nullptr;
}

/// Raises unless a parameter is undefined or of the input's dtype; halves may have float32 parameters.
void check_parameter_dtype(const Tensor& input, const Tensor& parameter, const char* complaint);
/// Raises NotImplementedError on anything but floating dtypes.
void check_floating(const Tensor& input, const char* operation);

/// Batch norm in evaluation as y = x * scale + shift, [channels] each.
struct BatchNormAffine {
  Tensor scale, shift;
};
/// The very numbers that batch_norm multiplies and adds, of float32 tensors. Raises on others, and on any that does not
/// hold one value for each channel; weight and bias may be undefined.
BatchNormAffine batch_norm_affine(int64_t channels, const Tensor& weight, const Tensor& bias,
                                  const Tensor& running_mean, const Tensor& running_var, double eps);

/// What a normalization is in terms of tensor operations.
struct NormalizationPlan {
  Dims view;             // what the input is seen as
  Dims reduced;          // the dimensions of the view that mean and variance are taken over
  Dims parameter_view;   // weight and bias, broadcast against the view
  Dims summed;           // the dimensions of the view that the gradients of weight and bias are summed over
  Dims parameter_sizes;  // weight and bias as they are
  Dtype bias_dtype = Dtype::F32;
  MemoryFormat format = MemoryFormat::Contiguous;  // how the kernels want input, gradient and result to lie
  double eps = 0;
  bool centered = true;            // whether a mean is subtracted
  bool gradient_in_place = false;  // whether the kernel of the gradients takes gx in the place of gy
  Tensor fixed_mean, fixed_rstd;   // constants that stand in for those of the input, shaped as parameter_view
};

/// Sets the gradients of (input, weight, bias) by differentiable operations: for derivatives of derivatives.
void composed_gradients(const NormalizationPlan& plan, const Tensor& gradient, const Tensor& input,
                        const Tensor& weight, Gradients& in);

/// Sets the gradients of (input, weight, bias), by the kernel unless they are to be differentiated themselves. It is
/// called with (type, gy, x, weight, gx, gw, gb), as pointers: null for what is not there or not wanted.
template <class Kernel>
void normalization_gradients(const NormalizationPlan& plan, const Tensor& gradient, const Tensor& input,
                             const Tensor& weight, Gradients& in, Kernel kernel) {
  if (needs_gradient(gradient, input, weight)) return composed_gradients(plan, gradient, input, weight, in);
  NoGrad silent;
  const Dtype compute = reduction_dtype(input.dtype());
  const bool wants_bias = in.size() > 2 && in.wants(2);
  const bool nobody_else_needs_it = may_overwrite(gradient) && gradient.dtype() == compute;
  Tensor x = kernel_operand(input, compute, plan.format), gy = kernel_operand(gradient, compute, plan.format);
  Tensor w = kernel_operand(weight, compute), gx, gw, gb;
  if (in.wants(0)) {
    const bool over = plan.gradient_in_place && nobody_else_needs_it && gradient.is_contiguous(plan.format);
    gx = over ? gradient : empty_strided(input.sizes(), strides_for(input.sizes(), plan.format), compute);
  }
  if (in.wants(1)) gw = zeros(plan.parameter_sizes, compute);
  if (wants_bias) gb = zeros(plan.parameter_sizes, compute);
  if (input.numel() > 0)
    launch({{&gy, &x, &w}, {&gx, &gw, &gb}}, 4 * input.numel(), [&] {
      visit_floating(compute, [&](auto tag) {
        using T = typename decltype(tag)::type;
        kernel(tag, gy.data<T>(), x.data<T>(), pointer<T>(w), pointer<T>(gx), pointer<T>(gw), pointer<T>(gb));
      });
    });
  if (in.wants(0)) in[0] = to_dtype(gx, input.dtype());
  if (in.wants(1)) in[1] = to_dtype(gw, weight.dtype());
  if (wants_bias) in[2] = to_dtype(gb, plan.bias_dtype);
}

}  // namespace ondol
