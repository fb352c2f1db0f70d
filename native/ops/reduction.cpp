// Sums and means.

#include "kernels/table.h"
#include "ops/functions.h"
#include "ops/reduction.h"
#include "ops/registry.h"
#include "tensor/launch.h"

namespace ondol {

ReductionPlan plan_reduction(const Tensor& self, const Dims& requested, bool keepdim) {
  ReductionPlan plan;
  plan.dims = wrap_dims(requested, self.ndim());
  if (plan.dims.empty())
    for (int64_t i = 0; i < self.ndim(); ++i) plan.dims.push_back(i);
  auto reduced = [&](int64_t dim) { return std::find(plan.dims.begin(), plan.dims.end(), dim) != plan.dims.end(); };
  Dims kept, order;
  for (int64_t i = 0; i < self.ndim(); ++i) {
    if (!reduced(i)) {
      kept.push_back(i);
      plan.result_sizes.push_back(self.sizes()[i]);
    } else if (keepdim) {
      plan.result_sizes.push_back(1);
    }
    plan.kept_sizes.push_back(reduced(i) ? 1 : self.sizes()[i]);
  }
  // Neighbouring reduced dimensions form the middle of [outer, n, inner]; otherwise they are moved to the end.
  int64_t first = self.ndim(), last = -1;
  for (int64_t i = 0; i < self.ndim(); ++i)
    if (reduced(i)) {
      first = std::min(first, i);
      last = std::max(last, i);
    }
  bool together = last - first + 1 == plan.dims.ssize();
  if (together) {
    for (int64_t i = 0; i < self.ndim(); ++i) order.push_back(i);
  } else {
    order = kept;
    for (int64_t i = 0; i < self.ndim(); ++i)
      if (reduced(i)) order.push_back(i);
    first = kept.ssize();
    last = self.ndim() - 1;
  }
  Dims sizes;
  for (int64_t dim : order) sizes.push_back(self.sizes()[dim]);
  for (int64_t i = 0; i < self.ndim(); ++i) {
    int64_t& group = i < first ? plan.outer : i <= last ? plan.n : plan.inner;
    group *= sizes[i];
  }
  NoGrad silent;
  plan.input = contiguous(together ? detach(self) : permute(detach(self), order));
  return plan;
}

namespace {

template <class T>
const kernel::FloatingReductions<T>& reductions() {
  if constexpr (std::is_same_v<T, float>) return kernel::table().reduction.float32;
  else return kernel::table().reduction.float64;
}

/// Sums in the dtype that is summed in: float for halves, int64 for integers; complex numbers as pairs.
Tensor sum_lines(const ReductionPlan& plan, Dtype dtype) {
  kernel::Lines lines{plan.outer, plan.n, plan.inner};
  int64_t work = plan.input.numel();
  if (is_complex(dtype)) {
    Tensor pairs = to_dtype(plan.input, dtype), result = empty(plan.result_sizes, dtype);
    kernel::Lines twice{plan.outer, plan.n, plan.inner * 2};
    launch({{&pairs}, {&result}}, work, [&] {
      if (dtype == Dtype::C64) reductions<float>().sum(pairs.data<float>(), result.data<float>(), twice);
      else reductions<double>().sum(pairs.data<double>(), result.data<double>(), twice);
    });
    return result;
  }
  Dtype compute = is_integral(dtype) ? Dtype::I64 : dtype == Dtype::F64 ? Dtype::F64 : Dtype::F32;
  Tensor input = to_dtype(plan.input, compute), result = empty(plan.result_sizes, compute);
  launch({{&input}, {&result}}, work, [&] {
    if (compute == Dtype::I64) kernel::table().reduction.int64.sum(input.data<int64_t>(), result.data<int64_t>(), lines);
    else if (compute == Dtype::F64) reductions<double>().sum(input.data<double>(), result.data<double>(), lines);
    else reductions<float>().sum(input.data<float>(), result.data<float>(), lines);
  });
  return to_dtype(result, dtype);
}

Tensor sum_as(const Tensor& self, const Dims& dims, bool keepdim, Dtype dtype, const char* node = "SumBackward1") {
  ReductionPlan plan = plan_reduction(self, dims, keepdim);
  Tensor result;
  {
    NoGrad silent;
    result = sum_lines(plan, dtype);
  }
  if (needs_gradient(self) && is_differentiable(dtype))
    record(node, result, {self}, [sizes = self.sizes(), kept = plan.kept_sizes](const Tensor& gradient, Gradients& in) {
      in[0] = expand(reshape(gradient, kept), sizes);
    });
  return result;
}

Dtype sum_dtype(const Tensor& self, std::optional<Dtype> dtype) {
  return dtype.value_or(is_integral(self.dtype()) ? Dtype::I64 : self.dtype());
}

Tensor sum_all(const Tensor& self, std::optional<Dtype> dtype) { return sum_as(self, {}, false, sum_dtype(self, dtype), "SumBackward0"); }
Tensor sum_dims(const Tensor& self, std::optional<Dims> dims, bool keepdim, std::optional<Dtype> dtype) {
  return sum_as(self, dims.value_or(Dims{}), keepdim, sum_dtype(self, dtype));
}

Dtype mean_dtype(const Tensor& self, std::optional<Dtype> dtype) {
  Dtype result = dtype.value_or(self.dtype());
  if (is_integral(result))
    runtime_error("mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: ", torch_name(result));
  return result;
}
Tensor mean_as(const Tensor& self, const Dims& dims, bool keepdim, Dtype dtype) {
  Tensor total = sum_as(self, dims, keepdim, dtype);
  int64_t count = 1;
  Dims reduced = wrap_dims(dims, self.ndim());
  if (reduced.empty()) count = self.numel();
  for (int64_t dim : reduced) count *= self.ndim() ? self.sizes()[dim] : 1;
  return div(total, wrapped_number(count));
}
Tensor mean_all(const Tensor& self, std::optional<Dtype> dtype) { return mean_as(self, {}, false, mean_dtype(self, dtype)); }
Tensor mean_dims(const Tensor& self, std::optional<Dims> dims, bool keepdim, std::optional<Dtype> dtype) {
  return mean_as(self, dims.value_or(Dims{}), keepdim, mean_dtype(self, dtype));
}

}  // namespace

Tensor sum(const Tensor& self) { return sum_all(self, std::nullopt); }
Tensor sum(const Tensor& self, const Dims& dims, bool keepdim) { return sum_dims(self, dims, keepdim, std::nullopt); }
Tensor mean(const Tensor& self, const Dims& dims, bool keepdim) { return mean_dims(self, dims, keepdim, std::nullopt); }

Tensor sum_to_size(const Tensor& self, const Dims& sizes) {
  if (self.sizes() == sizes) return self;
  int64_t extra = self.ndim() - sizes.ssize();
  bool expandable = extra >= 0;
  Dims dims;
  for (int64_t i = 0; expandable && i < self.ndim(); ++i) {
    int64_t wanted = i < extra ? 1 : sizes[i - extra];
    if (i < extra || (wanted == 1 && self.sizes()[i] != 1)) dims.push_back(i);
    else expandable = wanted == self.sizes()[i];
  }
  if (!expandable) runtime_error("size {", sizes, "} is not expandable to size {", self.sizes(), "}.");
  Tensor summed = dims.empty() ? self : sum_as(self, dims, true, sum_dtype(self, std::nullopt));
  return summed.sizes() == sizes ? summed : reshape(summed, sizes);
}
static Tensor sum_to_size_operation(const Tensor& self, const Dims& size) { return sum_to_size(self, size); }

bool has_nan(const Tensor& self) {
  if (!is_differentiable(self.dtype())) return false;
  NoGrad silent;
  Tensor total = sum(mul(isnan(self), wrapped_number(int64_t{1})));
  return element(total).to_int() != 0;
}

void register_reduction(Registry& r) {
  r.add("sum(Tensor self, *, ScalarType? dtype=None) -> Tensor", sum_all);
  r.add("sum.dim(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", sum_dims);
  r.add("mean(Tensor self, *, ScalarType? dtype=None) -> Tensor", mean_all);
  r.add("mean.dim(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", mean_dims);
  r.add("sum_to_size(Tensor self, int[] size) -> Tensor", sum_to_size_operation, kMethod);
}

}  // namespace ondol
