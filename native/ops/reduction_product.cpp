// prod.

#include "ops/functions.h"
#include "ops/reduction.h"
#include "ops/registry.h"
#include "ops/scan.h"

namespace ondol {
namespace {

Tensor product_lines(const ReductionPlan& plan, Dtype dtype) {
  if (!is_complex(dtype)) {
    Tensor result = reduce_lines(plan, reduction_dtype(dtype), [](const auto& kernels) { return kernels.product; });
    return to_dtype(result, dtype);
  }
  Tensor input = to_dtype(plan.input, Dtype::C128), result = full(plan.result_sizes, 1, Dtype::C128);
  auto *x = input.data<c128>(), *y = result.data<c128>();
  for (int64_t o = 0; o < plan.outer && plan.inner > 0; ++o)  // of no lines, n may be any number
    for (int64_t r = 0; r < plan.n; ++r)
      for (int64_t j = 0; j < plan.inner; ++j) y[o * plan.inner + j] *= x[(o * plan.n + r) * plan.inner + j];
  return to_dtype(result, dtype);
}

/// The product of all other elements of each line.
Tensor product_of_others(const Tensor& x, int64_t dim) {
  Tensor behind = flip(exclusive_product(flip(x, {dim}), dim), {dim});
  return mul(exclusive_product(x, dim), behind);
}

Tensor product_as(const Tensor& self, const Dims& dims, bool keepdim, Dtype dtype) {
  ReductionPlan plan = plan_reduction(self, dims, keepdim);
  Tensor result;
  {
    NoGrad silent;
    result = product_lines(plan, dtype);
  }
  if (needs_gradient(self) && is_differentiable(dtype))
    record("ProdBackward0", result, {self},
           [dims, dtype, saved = save(self), y = save_output(result), kept = plan.kept_sizes](const Tensor& gradient,
                                                                                              Gradients& in) {
             Tensor x = to_dtype(saved(), dtype), up = reshape(gradient, kept);
             if (x.numel() == 0) {
               in[0] = mul(up, zeros(x.sizes(), dtype));
               return;
             }
             bool any_zero = element(sum(eq(detach(x), wrapped_number(0)))).to_int() != 0;
             if (!any_zero) {
               in[0] = mul(up, conj(div(reshape(y(), kept), x)));
             } else if (dims.empty()) {
               Tensor line = reshape(x, {-1});
               in[0] = mul(up, conj(reshape(product_of_others(line, 0), x.sizes())));
             } else {
               in[0] = x.ndim() == 0 ? gradient : mul(up, conj(product_of_others(x, wrap_dim(dims[0], x.ndim()))));
             }
           });
  return result;
}

Dtype product_dtype(const Tensor& self, std::optional<Dtype> dtype) {
  return dtype.value_or(is_integral(self.dtype()) ? Dtype::I64 : self.dtype());
}
Tensor prod_all(const Tensor& self, std::optional<Dtype> dtype) {
  return product_as(self, {}, false, product_dtype(self, dtype));
}
Tensor prod_dim(const Tensor& self, int64_t dim, bool keepdim, std::optional<Dtype> dtype) {
  return product_as(self, {dim}, keepdim, product_dtype(self, dtype));
}

}  // namespace

void register_reduction_product(Registry& r) {
  r.add("prod(Tensor self, *, ScalarType? dtype=None) -> Tensor", prod_all);
  r.add("prod.dim_int(Tensor self, int dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", prod_dim);
}

}  // namespace ondol
