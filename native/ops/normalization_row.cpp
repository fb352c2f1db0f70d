// Layer norm (Ba et al. 2016) and RMS norm (Zhang & Sennrich 2019): over the last dimensions.

#include <limits>

#include "ops/normalization.h"
#include "ops/shape_hint.h"

namespace ondol {
namespace {

/// Checks that `shape` is that of the input's last dimensions and that the parameters have it too.
NormalizationPlan plan_rows(const char* lead, const Tensor& input, const Dims& shape, const Tensor& weight,
                            const Tensor& bias) {
  if (shape.empty())
    runtime_error(
        "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
        "normalized_shape = ",
        shape);
  for (auto [what, parameter] : {std::pair("weight", &weight), std::pair("bias", &bias)})
    if (parameter->defined() && parameter->sizes() != shape)
      runtime_error("Expected ", what, " to be of same shape as normalized_shape, but got ", what, " of shape ",
                    parameter->sizes(), " and normalized_shape = ", shape);
  bool fits =
      input.ndim() >= shape.ssize() && std::equal(shape.begin(), shape.end(), input.sizes().end() - shape.ssize());
  if (!fits) {
    std::string wanted = text(shape).substr(1);
    runtime_error("Given normalized_shape=", shape, ", expected input with shape [*", lead, wanted,
                  ", but got input of size", input.sizes(),
                  shape.ssize() == 1 ? moved_hint(input.sizes(), input.ndim() - 1, shape[0]) : "");
  }
  int64_t n = count_elements(shape);
  int64_t rows = count_elements(Dims(input.sizes().begin(), input.sizes().end() - shape.ssize()));
  NormalizationPlan plan;
  plan.view = {rows, n};
  plan.reduced = {1};
  plan.parameter_view = {1, n};
  plan.summed = {0};
  plan.gradient_in_place = true;
  plan.parameter_sizes = shape;
  if (bias.defined()) plan.bias_dtype = bias.dtype();
  return plan;
}

Tensor layer_norm(const Tensor& input, const Dims& shape, const Tensor& weight, const Tensor& bias, double eps) {
  NormalizationPlan plan = plan_rows(", ", input, shape, weight, bias);
  check_floating(input, "LayerNormKernelImpl");
  check_parameter_dtype(input, weight, "expect parameter to have scalar type of Float");
  check_parameter_dtype(input, bias, "expect parameter to have scalar type of Float");
  plan.eps = eps;
  const int64_t rows = plan.view[0], n = plan.view[1];
  const Dtype compute = reduction_dtype(input.dtype());
  Tensor x = kernel_operand(input, compute), w = kernel_operand(weight, compute), b = kernel_operand(bias, compute);
  Tensor y = empty(input.sizes(), compute), mean = empty({rows}, compute), rstd = empty({rows}, compute);
  if (input.numel() > 0)
    launch({{&x, &w, &b}, {&y, &mean, &rstd}}, 4 * input.numel(), [&] {
      visit_floating(compute, [&](auto tag) {
        using T = typename decltype(tag)::type;
        normalizations<T>().layer_norm_forward(rows, n, eps, x.data<T>(), pointer<T>(w), pointer<T>(b), y.data<T>(),
                                               mean.data<T>(), rstd.data<T>());
      });
    });
  y = to_dtype(y, input.dtype());
  if (needs_gradient(input, weight, bias))
    record("NativeLayerNormBackward0", y, {input, weight, bias},
           [=, saved = save(input), saved_weight = save(weight)](const Tensor& gradient, Gradients& in) {
             normalization_gradients(
                 plan, gradient, saved(), saved_weight(), in,
                 [&]<class T>(TypeTag<T>, const T* gy, const T* px, const T* pw, T* gx, T* gw, T* gb) {
                   normalizations<T>().layer_norm_backward(rows, n, gy, px, pw, mean.data<T>(), rstd.data<T>(), gx, gw,
                                                           gb);
                 });
           });
  return y;
}
Tensor layer_norm_cudnn(const Tensor& input, const Dims& shape, const Tensor& weight, const Tensor& bias, double eps,
                        bool) {
  return layer_norm(input, shape, weight, bias, eps);
}

/// For complex numbers, which have no kernel: x / sqrt(mean(x^2) + eps) as PyTorch writes it, without absolute values.
Tensor composed_rms_norm(const NormalizationPlan& plan, const Tensor& input, const Tensor& weight) {
  Tensor x = reshape(input, plan.view);
  Tensor scale = rsqrt(add(mean(mul(x, x), plan.reduced, true), wrapped_number(plan.eps)));
  Tensor y = reshape(mul(x, scale), input.sizes());
  return weight.defined() ? mul(y, weight) : y;
}

/// eps = None is the machine epsilon of the dtype it computes in.
Tensor rms_norm(const Tensor& input, const Dims& shape, const Tensor& weight, std::optional<double> eps) {
  NormalizationPlan plan = plan_rows("", input, shape, weight, {});
  plan.centered = false;
  const bool wide = to_real(input.dtype()) == Dtype::F64;
  plan.eps =
      eps.value_or(wide ? std::numeric_limits<double>::epsilon() : double{std::numeric_limits<float>::epsilon()});
  if (is_complex(input.dtype())) return composed_rms_norm(plan, input, weight);
  check_floating(input, "rms_norm");
  const int64_t rows = plan.view[0], n = plan.view[1];
  const Dtype compute = reduction_dtype(input.dtype());
  Tensor x = kernel_operand(input, compute), w = kernel_operand(weight, compute);
  Tensor y = empty(input.sizes(), compute), rstd = empty({rows}, compute);
  if (input.numel() > 0)
    launch({{&x, &w}, {&y, &rstd}}, 4 * input.numel(), [&] {
      visit_floating(compute, [&](auto tag) {
        using T = typename decltype(tag)::type;
        normalizations<T>().rms_norm_forward(rows, n, plan.eps, x.data<T>(), pointer<T>(w), y.data<T>(),
                                             rstd.data<T>());
      });
    });
  y = to_dtype(y, input.dtype());
  if (needs_gradient(input, weight))
    record("FusedRmsNormBackward0", y, {input, weight},
           [=, saved = save(input), saved_weight = save(weight)](const Tensor& gradient, Gradients& in) {
             normalization_gradients(plan, gradient, saved(), saved_weight(), in,
                                     [&]<class T>(TypeTag<T>, const T* gy, const T* px, const T* pw, T* gx, T* gw, T*) {
                                       normalizations<T>().rms_norm_backward(rows, n, gy, px, pw, rstd.data<T>(), gx,
                                                                             gw);
                                     });
           });
  return y;
}

}  // namespace

void register_normalization_row(Registry& r) {
  r.add(
      "layer_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool "
      "cudnn_enable=True) -> Tensor",
      layer_norm_cudnn);
  r.add(
      "nn.layer_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05) -> "
      "Tensor",
      layer_norm);
  r.add("rms_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor", rms_norm);
  r.add("nn.rms_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor", rms_norm);
}

}  // namespace ondol
