// all, any, count_nonzero.

#include "ops/functions.h"
#include "ops/reduction.h"
#include "ops/registry.h"

namespace ondol {
namespace {

/// The elements as one of the types that are counted, and the kernels for it.
template <class F>
void visit_counted(const Tensor& input, F&& f) {
  const kernel::ReductionKernels& kernels = kernel::table().reduction;
  switch (input.dtype()) {
    case Dtype::F32:
      return f(kernels.count_float32, input.data<float>());
    case Dtype::F64:
      return f(kernels.count_float64, input.data<double>());
    case Dtype::I64:
      return f(kernels.count_int64, input.data<int64_t>());
    default:
      return f(kernels.count_uint8, input.data<uint8_t>());
  }
}
Tensor as_counted(const Tensor& input) {
  switch (input.dtype()) {
    case Dtype::F32:
    case Dtype::F64:
    case Dtype::I64:
    case Dtype::U8:
    case Dtype::Bool:
      return input;
    default:
      return ne(input, wrapped_number(0));
  }
}

enum class Quantifier { All, Any };

Tensor quantify(Quantifier quantifier, const Tensor& self, const Dims& dims, bool keepdim) {
  NoGrad silent;
  ReductionPlan plan = plan_reduction(self, dims, keepdim);
  Tensor input = as_counted(plan.input),
         result = empty(plan.result_sizes, self.dtype() == Dtype::U8 ? Dtype::U8 : Dtype::Bool);
  launch({{&input}, {&result}}, input.numel(), [&] {
    visit_counted(input, [&](const auto& kernels, const auto* x) {
      (quantifier == Quantifier::All ? kernels.all : kernels.any)(x, result.data<uint8_t>(), plan.lines());
    });
  });
  return result;
}

template <Quantifier quantifier>
Tensor over_all(const Tensor& self) {
  return quantify(quantifier, self, {}, false);
}
template <Quantifier quantifier>
Tensor over_dim(const Tensor& self, int64_t dim, bool keepdim) {
  return quantify(quantifier, self, {dim}, keepdim);
}
/// An empty list of dimensions reduces none of them.
template <Quantifier quantifier>
Tensor over_dims(const Tensor& self, std::optional<Dims> dims, bool keepdim) {
  if (dims && dims->empty() && self.ndim() > 0)
    return to_dtype(ne(detach(self), wrapped_number(0)), self.dtype() == Dtype::U8 ? Dtype::U8 : Dtype::Bool);
  return quantify(quantifier, self, dims.value_or(Dims{}), keepdim);
}

Tensor count_in(const Tensor& self, const Dims& dims) {
  NoGrad silent;
  ReductionPlan plan = plan_reduction(self, dims, false);
  Tensor input = as_counted(plan.input), result = empty(plan.result_sizes, Dtype::I64);
  launch({{&input}, {&result}}, input.numel(), [&] {
    visit_counted(input, [&](const auto& kernels, const auto* x) {
      kernels.count_nonzero(x, result.data<int64_t>(), plan.lines());
    });
  });
  return result;
}
Tensor count_nonzero_dims(const Tensor& self, const Dims& dims) { return count_in(self, dims); }
Tensor count_nonzero(const Tensor& self, std::optional<int64_t> dim) {
  return count_in(self, dim ? Dims{*dim} : Dims{});
}

}  // namespace

void register_reduction_logical(Registry& r) {
  r.add("all(Tensor self) -> Tensor", over_all<Quantifier::All>);
  r.add("all.dim(Tensor self, int dim, bool keepdim=False) -> Tensor", over_dim<Quantifier::All>);
  r.add("all.dims(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor", over_dims<Quantifier::All>);
  r.add("any(Tensor self) -> Tensor", over_all<Quantifier::Any>);
  r.add("any.dim(Tensor self, int dim, bool keepdim=False) -> Tensor", over_dim<Quantifier::Any>);
  r.add("any.dims(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor", over_dims<Quantifier::Any>);
  r.add("count_nonzero(Tensor self, int? dim=None) -> Tensor", count_nonzero);
  r.add("count_nonzero.dim_IntList(Tensor self, int[] dim) -> Tensor", count_nonzero_dims);
}

}  // namespace ondol
