// Largest and smallest elements: max, min, amax, amin, aminmax, argmax, argmin.

#include "ops/functions.h"
#include "ops/reduction.h"
#include "ops/registry.h"

namespace ondol {
namespace {

enum class Extreme { Smallest, Largest };

template <Extreme extreme>
auto value_kernel() {
  return [](const auto& kernels) { return extreme == Extreme::Largest ? kernels.maximum : kernels.minimum; };
}
template <Extreme extreme>
constexpr const char* plain_name = extreme == Extreme::Largest ? "max" : "min";

Tensor restored(const Tensor& reduced, const Dims& kept_sizes) { return reshape(reduced, kept_sizes); }

template <Extreme extreme>
Tensor values_over(const ReductionPlan& plan, Dtype dtype) {
  NoGrad silent;
  return to_dtype(reduce_lines(plan, reduction_dtype(dtype), value_kernel<extreme>()), dtype);
}

/// amax and amin: elements that are equally extreme share the gradient.
template <Extreme extreme>
Tensor extreme_over(const Tensor& self, const Dims& dims, bool keepdim) {
  const char* name = extreme == Extreme::Largest ? "amax" : "amin";
  check_has_order(name, self.dtype());
  check_not_empty(name, self, dims);
  ReductionPlan plan = plan_reduction(self, dims, keepdim);
  Tensor result = values_over<extreme>(plan, self.dtype());
  if (needs_gradient(self))
    record(extreme == Extreme::Largest ? "AmaxBackward0" : "AminBackward0", result, {self},
           [saved = save(self), y = save_output(result), kept = plan.kept_sizes, dims = plan.dims](
               const Tensor& gradient, Gradients& in) {
             Tensor here = eq(detach(saved()), detach(restored(y(), kept)));
             in[0] = mul(div(restored(gradient, kept), sum(here, dims, true)), here);
           });
  return result;
}

/// max and min of everything: a NaN shares the gradient with the other NaNs.
template <Extreme extreme>
Tensor extreme_of_all(const Tensor& self) {
  check_has_order(plain_name<extreme>, self.dtype());
  check_not_empty(plain_name<extreme>, self, {});
  Tensor result = values_over<extreme>(plan_reduction(self, {}, false), self.dtype());
  if (needs_gradient(self))
    record(extreme == Extreme::Largest ? "MaxBackward1" : "MinBackward1", result, {self},
           [saved = save(self), y = save_output(result)](const Tensor& gradient, Gradients& in) {
             Tensor value = detach(y()), x = detach(saved()), here = eq(x, value);
             if (has_nan(value)) here = isnan(x);
             in[0] = mul(div(gradient, sum(here)), here);
           });
  return result;
}

/// Where the extreme of each line stands; and, if `values` is given, the extreme itself.
template <Extreme extreme>
Tensor positions_over(const ReductionPlan& plan, Dtype dtype, Tensor* values) {
  NoGrad silent;
  Dtype compute = reduction_dtype(dtype);
  Tensor input = to_dtype(plan.input, compute), indices = empty(plan.result_sizes, Dtype::I64), found;
  if (values) found = empty(plan.result_sizes, compute);
  launch({{&input}, {&indices}}, input.numel(), [&] {
    visit_reduced(compute, [&](auto tag) {
      using T = typename decltype(tag)::type;
      auto kernel = extreme == Extreme::Largest ? reductions<T>().maximum_index : reductions<T>().minimum_index;
      kernel(input.data<T>(), found.defined() ? found.data<T>() : nullptr, indices.data<int64_t>(), plan.lines());
    });
  });
  if (values) *values = to_dtype(found, dtype);
  return indices;
}

template <Extreme extreme>
std::tuple<Tensor, Tensor> extreme_along(const Tensor& self, int64_t dim, bool keepdim) {
  check_has_order(plain_name<extreme>, self.dtype());
  dim = wrap_dim(dim, self.ndim());
  check_not_empty(plain_name<extreme>, self, {dim});
  Tensor values, indices = positions_over<extreme>(plan_reduction(self, {dim}, keepdim), self.dtype(), &values);
  if (needs_gradient(self))
    record_selection(extreme == Extreme::Largest ? "MaxBackward0" : "MinBackward0", values, self, dim, indices,
                     keepdim);
  return {values, indices};
}

template <Extreme extreme>
Tensor position(const Tensor& self, std::optional<int64_t> dim, bool keepdim) {
  const char* name = extreme == Extreme::Largest ? "argmax" : "argmin";
  if (is_complex(self.dtype())) runtime_error(name, "(): does not support complex input");
  if (self.dtype() == Dtype::Bool) runtime_error(name, "(): does not support bool input");
  if (!dim && self.numel() == 0)
    index_error(name, "(): Expected reduction dim to be specified for input.numel() == 0.");
  Dims dims = dim ? Dims{wrap_dim(*dim, self.ndim())} : Dims{};
  check_not_empty(name, self, dims);
  return positions_over<extreme>(plan_reduction(self, dims, keepdim), self.dtype(), nullptr);
}

std::tuple<Tensor, Tensor> aminmax(const Tensor& self, std::optional<int64_t> dim, bool keepdim) {
  if (!dim && self.numel() == 0)
    runtime_error("aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity.");
  Dims dims = dim ? Dims{*dim} : Dims{};
  check_not_empty("aminmax", self, dims);
  return {extreme_over<Extreme::Smallest>(self, dims, keepdim), extreme_over<Extreme::Largest>(self, dims, keepdim)};
}

}  // namespace

void record_selection(const char* node, Tensor& values, const Tensor& self, int64_t dim, const Tensor& indices,
                      bool keepdim) {
  bool raise_back = !keepdim && self.ndim() > 0;
  record(node, values, {self}, [=, sizes = self.sizes(), at = save(indices)](const Tensor& gradient, Gradients& in) {
    Tensor index = at(), chosen = gradient;
    if (raise_back) {
      index = unsqueeze(index, dim);
      chosen = unsqueeze(chosen, dim);
    }
    in[0] = scatter(zeros(sizes, gradient.dtype()), dim, index, chosen);
  });
}

Tensor amax(const Tensor& self, const Dims& dims, bool keepdim) {
  return extreme_over<Extreme::Largest>(self, dims, keepdim);
}
Tensor amin(const Tensor& self, const Dims& dims, bool keepdim) {
  return extreme_over<Extreme::Smallest>(self, dims, keepdim);
}

void register_extreme(Registry& r) {
  // A 0-d integer tensor could be a dimension as well: two tensors are asked for their larger elements first.
  r.add("max(Tensor self) -> Tensor", extreme_of_all<Extreme::Largest>);
  r.add("max.other(Tensor self, Tensor other) -> Tensor", maximum);
  r.add("max.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
        extreme_along<Extreme::Largest>);
  r.add("min(Tensor self) -> Tensor", extreme_of_all<Extreme::Smallest>);
  r.add("min.other(Tensor self, Tensor other) -> Tensor", minimum);
  r.add("min.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
        extreme_along<Extreme::Smallest>);
  r.add("amax(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor", amax);
  r.add("amin(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor", amin);
  r.add("aminmax(Tensor self, *, int? dim=None, bool keepdim=False) -> (Tensor min, Tensor max)", aminmax);
  r.add("argmax(Tensor self, int? dim=None, bool keepdim=False) -> Tensor", position<Extreme::Largest>);
  r.add("argmin(Tensor self, int? dim=None, bool keepdim=False) -> Tensor", position<Extreme::Smallest>);
}

}  // namespace ondol
