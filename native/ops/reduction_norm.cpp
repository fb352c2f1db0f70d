// Norms of vectors, and log-sum-exp.

#include <cmath>

#include "ops/functions.h"
#include "ops/reduction.h"
#include "ops/registry.h"

namespace ondol {
namespace {

/// (sum |x|^p)^(1/p) over each line, or its limit.
Tensor norm_lines(const ReductionPlan& plan, double p, Dtype dtype) {
  Dtype compute = reduction_dtype(dtype);
  if (p == 0) {
    Tensor nonzero = to_dtype(ne(plan.input, wrapped_number(0)), compute);
    ReductionPlan counted = plan;
    counted.input = nonzero;
    return reduce_floating_lines(counted, compute, [](const auto& k) { return k.sum; });
  }
  if (p == 1) return reduce_floating_lines(plan, compute, [](const auto& k) { return k.absolute_sum; });
  if (p == 2) return sqrt(reduce_floating_lines(plan, compute, [](const auto& k) { return k.sum_of_squares; }));
  if (std::isinf(p))
    return reduce_floating_lines(plan, compute,
                                 [p](const auto& k) { return p > 0 ? k.absolute_maximum : k.absolute_minimum; });
  Tensor sums = reduce_floating_lines(plan, compute, [p](const auto& k) {
    return [&k, p](const auto* x, auto* y, kernel::Lines lines) { k.power_sum(x, y, p, lines); };
  });
  return pow(sums, wrapped_number(1 / p));
}

/// Zero where the norm is: there the smallest subgradient is taken.
Tensor zero_where(const Tensor& mask, const Tensor& x) { return masked_fill(x, mask, wrapped_number(0)); }

Tensor norm_backward(const Tensor& gradient, const Tensor& x, const Tensor& norm, double p, const Dims& dims) {
  if (p == 0) return zeros(x.sizes(), gradient.dtype());
  if (p == 1) return mul(gradient, sgn(x));
  Tensor vanishes = eq(norm, wrapped_number(0));
  if (p == 2) return mul(gradient, zero_where(vanishes, div(x, norm)));
  if (std::isinf(p)) {
    Tensor reaches = eq(detach(abs(x)), detach(norm));
    return mul(mul(sgn(x), reaches), div(gradient, sum(reaches, dims, true)));
  }
  Tensor size = abs(x), direction = sgn(x);
  Tensor power =
      p < 1 ? zero_where(eq(x, wrapped_number(0)), pow(size, wrapped_number(p - 1))) : pow(size, wrapped_number(p - 1));
  Tensor scale = zero_where(vanishes, pow(norm, wrapped_number(1 - p)));
  return mul(mul(direction, power), mul(gradient, scale));
}

void check_norm_dtype(const Tensor& self, std::optional<Dtype> dtype) {
  if (is_integral(self.dtype()))
    runtime_error("linalg.vector_norm: Expected a floating point or complex tensor as input. Got ",
                  torch_name(self.dtype()));
  if (!dtype) return;
  if (is_integral(*dtype))
    runtime_error("linalg.vector_norm: dtype should be floating point or complex, but got ", torch_name(*dtype));
  if (is_complex(self.dtype()) != is_complex(*dtype))
    runtime_error("linalg.vector_norm: dtype should be ",
                  is_complex(self.dtype()) ? "complex for complex" : "real for real", " inputs, but got ",
                  torch_name(*dtype));
  if (promote(self.dtype(), *dtype) != *dtype)
    runtime_error("linalg.vector_norm: the dtype of the input (", torch_name(self.dtype()),
                  ") should be convertible without narrowing to the specified dtype (", torch_name(*dtype), ")");
}

/// The largest and smallest of nothing do not exist.
void check_norm_exists(const Tensor& self, double p, const Dims& dims) {
  if (self.numel() > 0 || !(p < 0 || std::isinf(p))) return;
  if (dims.empty())
    runtime_error("linalg.vector_norm cannot compute the ", p,
                  " norm on an empty tensor because the operation does not have an identity");
  for (int64_t dim : dims)
    if (int64_t d = wrap_dim(dim, self.ndim()); self.ndim() && self.sizes()[d] == 0)
      runtime_error("linalg.vector_norm cannot compute the ", p, " norm on the dimension ", d,
                    " because this dimension is empty and the operation does not have an identity");
}

}  // namespace

Tensor vector_norm(const Tensor& self, const Scalar& order, std::optional<Dims> requested, bool keepdim,
                   std::optional<Dtype> dtype) {
  check_norm_dtype(self, dtype);
  if (order.is_complex()) runtime_error("linalg.vector_norm: Expected a non-complex scalar as the order of norm.");
  Tensor typed = dtype ? to_dtype(self, *dtype) : self;
  if (is_complex(typed.dtype())) return vector_norm(abs(typed), order, requested, keepdim, std::nullopt);
  double p = order.to_double();
  Dims dims = requested.value_or(Dims{});
  check_norm_exists(self, p, dims);
  ReductionPlan plan = plan_reduction(typed, dims, keepdim);
  Tensor result;
  {
    NoGrad silent;
    result = to_dtype(norm_lines(plan, p, typed.dtype()), typed.dtype());
  }
  if (needs_gradient(typed))
    record("LinalgVectorNormBackward0", result, {typed},
           [p, dims = plan.dims, kept = plan.kept_sizes, x = save(typed), y = save_output(result)](
               const Tensor& gradient, Gradients& in) {
             in[0] = norm_backward(reshape(gradient, kept), x(), reshape(y(), kept), p, dims);
           });
  return result;
}

Tensor logsumexp(const Tensor& self, const Dims& dims, bool keepdim) {
  if (is_complex(self.dtype())) {
    Tensor shift = amax(detach(real(self)), dims, true);
    Tensor total = log(sum(exp(sub(self, shift)), dims, true));
    Tensor result = add(total, shift);
    return keepdim ? result : reshape(result, plan_reduction(detach(self), dims, false).result_sizes);
  }
  Tensor x = is_integral(self.dtype()) ? to_dtype(self, default_dtype()) : self;
  ReductionPlan plan = plan_reduction(x, dims, keepdim);
  Tensor result;
  {
    NoGrad silent;
    result = to_dtype(
        reduce_floating_lines(plan, reduction_dtype(x.dtype()), [](const auto& k) { return k.logsumexp; }), x.dtype());
  }
  if (needs_gradient(x))
    record("LogsumexpBackward0", result, {x},
           [saved = save(x), y = save_output(result), kept = plan.kept_sizes](const Tensor& gradient, Gradients& in) {
             in[0] = mul(reshape(gradient, kept), exp(sub(saved(), reshape(y(), kept))));
           });
  return result;
}

void register_reduction_norm(Registry& r) {
  r.add(
      "linalg_vector_norm(Tensor self, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) "
      "-> Tensor",
      vector_norm, kFunction);
  r.add("logsumexp(Tensor self, int[1] dim, bool keepdim=False) -> Tensor", logsumexp);
}

}  // namespace ondol
