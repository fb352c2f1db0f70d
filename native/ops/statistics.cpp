// Variance and standard deviation.

#include <limits>

#include "ops/functions.h"
#include "ops/reduction.h"
#include "ops/registry.h"

namespace ondol {
namespace {

struct Moments {
  Tensor variance, mean;
};

/// Mean and sum of squared differences in one pass; of complex numbers, those of both parts, the variances added.
Moments moments_of(const Tensor& self, const ReductionPlan& plan, double correction) {
  NoGrad silent;
  Dtype compute = is_complex(self.dtype()) ? self.dtype() : reduction_dtype(self.dtype());
  Tensor input = to_dtype(plan.input, compute), mean = empty(plan.result_sizes, compute),
         squares = empty(plan.result_sizes, compute);
  kernel::Lines lines = plan.lines();
  if (is_complex(compute)) lines.inner *= 2;
  launch({{&input}, {&mean, &squares}}, 2 * input.numel(), [&] {
    visit_floating(to_real(compute), [&](auto tag) {
      using T = typename decltype(tag)::type;
      reductions<T>().moments(parts<T>(input), parts<T>(mean), parts<T>(squares), lines);
    });
  });
  if (is_complex(compute)) squares = add(real(squares), imag(squares));
  Tensor variance =
      plan.n == 0 ? full(plan.result_sizes, std::numeric_limits<double>::quiet_NaN(), to_real(self.dtype()))
                  : to_dtype(div(squares, wrapped_number(std::max(0.0, static_cast<double>(plan.n) - correction))),
                             to_real(self.dtype()));
  return {variance, to_dtype(mean, self.dtype())};
}

/// d variance / d x = 2 (x - mean) / (n - correction)
Tensor variance_backward(const Tensor& gradient, const Tensor& x, const Dims& dims, const Dims& kept,
                         double correction) {
  double freedom = std::max(0.0, static_cast<double>(reduced_count(x, dims)) - correction);
  Tensor difference = sub(x, mean(x, dims, true));
  return mul(mul_by(reshape(gradient, kept), 2.0 / freedom), difference);
}

void check_floating(const Tensor& self) {
  if (is_integral(self.dtype())) runtime_error("std and var only support floating point and complex dtypes");
}

struct Request {
  Dims dims;
  double correction;
  bool keepdim;
};
double given_correction(const std::optional<Scalar>& correction) { return correction ? correction->to_double() : 1.0; }
Request with_correction(const std::optional<Dims>& dims, const std::optional<Scalar>& correction, bool keepdim) {
  return {dims.value_or(Dims{}), given_correction(correction), keepdim};
}
Request with_bias(const std::optional<Dims>& dims, bool unbiased, bool keepdim) {
  return {dims.value_or(Dims{}), unbiased ? 1.0 : 0.0, keepdim};
}

enum class Spread { Variance, Deviation };

/// Both results; the mean is given a history only if it is wanted.
template <Spread kind>
std::tuple<Tensor, Tensor> spread_and_mean(const Tensor& self, const Request& request, bool wants_mean) {
  check_floating(self);
  ReductionPlan plan = plan_reduction(self, request.dims, request.keepdim);
  Moments moments = moments_of(self, plan, request.correction);
  Tensor result = moments.variance;
  if (kind == Spread::Deviation) {
    NoGrad silent;
    result = sqrt(result);
  }
  if (needs_gradient(self)) {
    auto backward = [request, saved = save(self), y = kind == Spread::Deviation ? save_output(result) : Saved(),
                     kept = plan.kept_sizes](const Tensor& gradient, Gradients& in) {
      Tensor up = gradient;
      if (kind == Spread::Deviation) {
        Tensor deviation = y();
        up = masked_fill(div(gradient, mul_by(deviation, 2)), eq(deviation, wrapped_number(0)), wrapped_number(0));
      }
      in[0] = variance_backward(up, saved(), request.dims, kept, request.correction);
    };
    record(kind == Spread::Deviation ? "StdBackward0" : "VarBackward0", result, {self}, backward);
    if (wants_mean)
      record("MeanBackward1", moments.mean, {self},
             [sizes = self.sizes(), kept = plan.kept_sizes, n = plan.n](const Tensor& gradient, Gradients& in) {
               in[0] = expand(reshape(div(gradient, wrapped_number(std::max<int64_t>(n, 1))), kept), sizes);
             });
  }
  return {result, moments.mean};
}

template <Spread kind>
Tensor spread_all(const Tensor& self, bool unbiased) {
  return std::get<0>(spread_and_mean<kind>(self, with_bias(std::nullopt, unbiased, false), false));
}
template <Spread kind>
Tensor spread_dims(const Tensor& self, std::optional<Dims> dims, bool unbiased, bool keepdim) {
  return std::get<0>(spread_and_mean<kind>(self, with_bias(dims, unbiased, keepdim), false));
}
template <Spread kind>
Tensor spread_corrected(const Tensor& self, std::optional<Dims> dims, std::optional<Scalar> correction, bool keepdim) {
  return std::get<0>(spread_and_mean<kind>(self, with_correction(dims, correction, keepdim), false));
}
template <Spread kind>
std::tuple<Tensor, Tensor> pair_all(const Tensor& self, bool unbiased) {
  return spread_and_mean<kind>(self, with_bias(std::nullopt, unbiased, false), true);
}
template <Spread kind>
std::tuple<Tensor, Tensor> pair_dims(const Tensor& self, std::optional<Dims> dims, bool unbiased, bool keepdim) {
  return spread_and_mean<kind>(self, with_bias(dims, unbiased, keepdim), true);
}
template <Spread kind>
std::tuple<Tensor, Tensor> pair_corrected(const Tensor& self, std::optional<Dims> dims,
                                          std::optional<Scalar> correction, bool keepdim) {
  return spread_and_mean<kind>(self, with_correction(dims, correction, keepdim), true);
}

template <Spread kind>
void register_spread(Registry& r, const std::string& name) {
  r.add(name + ".correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor",
        spread_corrected<kind>);
  r.add(name + "(Tensor self, bool unbiased=True) -> Tensor", spread_all<kind>);
  r.add(name + ".dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor", spread_dims<kind>);
  r.add(name +
            "_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> "
            "(Tensor, Tensor)",
        pair_corrected<kind>, kFunction);
  r.add(name + "_mean(Tensor self, bool unbiased=True) -> (Tensor, Tensor)", pair_all<kind>, kFunction);
  r.add(name + "_mean.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> (Tensor, Tensor)",
        pair_dims<kind>, kFunction);
}

}  // namespace

void register_statistics(Registry& r) {
  register_spread<Spread::Variance>(r, "var");
  register_spread<Spread::Deviation>(r, "std");
}

}  // namespace ondol
