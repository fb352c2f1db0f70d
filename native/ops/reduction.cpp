// Sums and means.

#include "ops/reduction.h"
#include "ops/functions.h"
#include "ops/registry.h"

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

void check_not_empty(const char* operation, const Tensor& self, const Dims& dims) {
  if (self.numel() > 0) return;
  if (dims.empty() && self.ndim() > 0)
    runtime_error(operation,
                  "(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with "
                  "the 'dim' argument.");
  for (int64_t dim : dims) {
    int64_t wrapped = wrap_dim(dim, self.ndim());
    if (self.ndim() > 0 && self.sizes()[wrapped] == 0)
      index_error(operation, "(): Expected reduction dim ", wrapped, " to have non-zero size.");
  }
}

int64_t reduced_count(const Tensor& self, const Dims& dims) {
  Dims reduced = wrap_dims(dims, self.ndim());
  if (reduced.empty()) return self.numel();
  int64_t count = 1;
  for (int64_t dim : reduced) count *= self.ndim() ? self.sizes()[dim] : 1;
  return count;
}

namespace {

Tensor sum_lines(const ReductionPlan& plan, Dtype dtype) {
  auto sum_of = [](const auto& kernels) { return kernels.sum; };
  if (is_complex(dtype)) return reduce_floating_lines(plan, dtype, sum_of);
  return to_dtype(reduce_lines(plan, reduction_dtype(dtype), sum_of), dtype);
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

Tensor sum_all(const Tensor& self, std::optional<Dtype> dtype) {
  return sum_as(self, {}, false, sum_dtype(self, dtype), "SumBackward0");
}
Tensor sum_dims(const Tensor& self, std::optional<Dims> dims, bool keepdim, std::optional<Dtype> dtype) {
  return sum_as(self, dims.value_or(Dims{}), keepdim, sum_dtype(self, dtype));
}

Dtype mean_dtype(const Tensor& self, std::optional<Dtype> dtype) {
  Dtype result = dtype.value_or(self.dtype());
  if (is_integral(result))
    runtime_error("mean(): could not infer output dtype. ", dtype ? "Optional" : "Input",
                  " dtype must be either a floating point or complex dtype. Got: ", torch_name(result),
                  "; convert first, x.float().mean(), or x.mean(dtype=torch.float32)");
  return result;
}
Tensor mean_as(const Tensor& self, const Dims& dims, bool keepdim, Dtype dtype) {
  ReductionPlan plan = plan_reduction(self, dims, keepdim);
  Tensor result;
  {
    NoGrad silent;
    Dtype compute = is_complex(dtype) ? dtype : reduction_dtype(dtype);
    result = to_dtype(reduce_floating_lines(plan, compute, [](const auto& kernels) { return kernels.mean; }), dtype);
  }
  if (needs_gradient(self))
    record("MeanBackward1", result, {self},
           [sizes = self.sizes(), kept = plan.kept_sizes, n = plan.n](const Tensor& gradient, Gradients& in) {
             in[0] = expand(reshape(div(gradient, wrapped_number(std::max<int64_t>(n, 1))), kept), sizes);
           });
  return result;
}
Tensor mean_all(const Tensor& self, std::optional<Dtype> dtype) {
  return mean_as(self, {}, false, mean_dtype(self, dtype));
}
Tensor mean_dims(const Tensor& self, std::optional<Dims> dims, bool keepdim, std::optional<Dtype> dtype) {
  return mean_as(self, dims.value_or(Dims{}), keepdim, mean_dtype(self, dtype));
}

Tensor nansum(const Tensor& self, std::optional<Dims> dims, bool keepdim, std::optional<Dtype> dtype) {
  if (is_complex(self.dtype())) runtime_error("nansum does not support complex inputs");
  Tensor numbers = is_floating(self.dtype()) ? where(isnan(self), scalar_tensor(0, self.dtype()), self) : self;
  return sum_dims(numbers, dims, keepdim, dtype);
}
Tensor nanmean(const Tensor& self, std::optional<Dims> dims, bool keepdim, std::optional<Dtype> dtype) {
  if (is_integral(self.dtype()))
    runtime_error("nanmean(): expected input to have floating point or complex dtype but got ",
                  torch_name(self.dtype()));
  Tensor count = sum_dims(logical_not(isnan(detach(self))), dims, keepdim, std::nullopt);
  return div(nansum(self, dims, keepdim, dtype), count);
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
    if (i < extra || (wanted == 1 && self.sizes()[i] != 1))
      dims.push_back(i);
    else
      expandable = wanted == self.sizes()[i];
  }
  if (!expandable) runtime_error("size {", sizes, "} is not expandable to size {", self.sizes(), "}.");
  Tensor summed = dims.empty() ? self : sum_as(self, dims, true, sum_dtype(self, std::nullopt));
  return summed.sizes() == sizes ? summed : reshape(summed, sizes);
}
/// To size () it is the sum of all elements, with that one's dtype, even if there is nothing to sum.
static Tensor sum_to_size_operation(const Tensor& self, const Dims& size) {
  return size.empty() ? sum(self) : sum_to_size(self, size);
}

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
  r.add("nansum(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", nansum);
  r.add("nanmean(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", nanmean);
  r.add("sum_to_size(Tensor self, int[] size) -> Tensor", sum_to_size_operation, kMethod);
}

}  // namespace ondol
