#include "ops/normalization.h"

namespace ondol {

Tensor kernel_operand(const Tensor& tensor, Dtype compute, MemoryFormat format) {
  if (!tensor.defined()) return tensor;
  NoGrad silent;
  return contiguous(to_dtype(detach(tensor), compute), format);
}

void check_parameter_dtype(const Tensor& input, const Tensor& parameter, const char* complaint) {
  if (!parameter.defined() || parameter.dtype() == input.dtype()) return;
  bool half = input.dtype() == Dtype::F16 || input.dtype() == Dtype::BF16;
  if (!half || parameter.dtype() != Dtype::F32)
    runtime_error("mixed dtype (CPU): ", complaint, ", got ", name(parameter.dtype()), " for an input of ",
                  name(input.dtype()));
}

void check_floating(const Tensor& input, const char* operation) {
  if (!is_floating(input.dtype()))
    not_implemented('"', operation, "\" not implemented for '", torch_name(input.dtype()), "'");
}

/// With h = (x - mean) rstd and g = gy weight: gx = rstd (g - avg(g) - h avg(g h)), where avg(g) is there if a mean is
/// subtracted, and neither average if mean and rstd do not depend on x. gw = sum(gy h), gb = sum(gy).
void composed_gradients(const NormalizationPlan& plan, const Tensor& gradient, const Tensor& input,
                        const Tensor& weight, Gradients& in) {
  const Dtype compute = reduction_dtype(input.dtype());
  const bool fixed = plan.fixed_rstd.defined();
  Tensor x = reshape(to_dtype(input, compute), plan.view), gy = reshape(to_dtype(gradient, compute), plan.view);
  Tensor distance = x, rstd = plan.fixed_rstd;
  if (fixed) {
    distance = sub(x, plan.fixed_mean);
  } else {
    if (plan.centered) distance = sub(x, mean(x, plan.reduced, true));
    rstd = rsqrt(add(mean(mul(distance, distance), plan.reduced, true), wrapped_number(plan.eps)));
  }
  Tensor normalized = mul(distance, rstd);
  if (in.wants(0)) {
    Tensor g = weight.defined() ? mul(gy, reshape(to_dtype(weight, compute), plan.parameter_view)) : gy, gx = g;
    if (!fixed) {
      if (plan.centered) gx = sub(gx, mean(g, plan.reduced, true));
      gx = sub(gx, mul(normalized, mean(mul(g, normalized), plan.reduced, true)));
    }
    in[0] = to_dtype(reshape(mul(gx, rstd), input.sizes()), input.dtype());
  }
  auto parameter_gradient = [&](const Tensor& each, Dtype dtype) {
    return to_dtype(reshape(sum(each, plan.summed, true), plan.parameter_sizes), dtype);
  };
  if (in.wants(1)) in[1] = parameter_gradient(mul(gy, normalized), weight.dtype());
  if (in.size() > 2 && in.wants(2)) in[2] = parameter_gradient(gy, plan.bias_dtype);
}

}  // namespace ondol
