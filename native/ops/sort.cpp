// Order: sort, argsort, msort, topk, kthvalue.

#include "ops/functions.h"
#include "ops/order.h"
#include "ops/reduction.h"
#include "ops/registry.h"

namespace ondol {

std::tuple<Tensor, Tensor> sort(const Tensor& self, int64_t dim, bool descending) {
  if (is_complex(self.dtype())) runtime_error("Sort does not support complex dtypes on CPU");
  dim = wrap_dim(dim, self.ndim());
  Tensor values, indices = empty(self.sizes(), Dtype::I64);
  {
    NoGrad silent;
    Tensor input = contiguous(to_dtype(detach(self), sort_dtype(self.dtype()))),
           sorted = empty(self.sizes(), input.dtype());
    kernel::Lines lines = lines_along(self.sizes(), dim);
    check_sortable(lines.n);
    launch({{&input}, {&sorted, &indices}}, 16 * input.numel(), [&] {
      visit_sorted(input.dtype(), [&](const auto& kernels, auto tag) {
        using T = typename decltype(tag)::type;
        kernels.sort(reinterpret_cast<const T*>(input.bytes()), reinterpret_cast<T*>(sorted.bytes()),
                     indices.data<int64_t>(), lines, descending);
      });
    });
    values = to_dtype(sorted, self.dtype());
  }
  if (needs_gradient(self)) record_selection("SortBackward0", values, self, dim, indices, true);
  return {values, indices};
}

namespace {

std::tuple<Tensor, Tensor> sort_dim(const Tensor& self, int64_t dim, bool descending) {
  return sort(self, dim, descending);
}
std::tuple<Tensor, Tensor> sort_stable(const Tensor& self, std::optional<bool>, int64_t dim, bool descending) {
  return sort(self, dim, descending);
}
Tensor argsort(const Tensor& self, int64_t dim, bool descending) {
  NoGrad silent;
  return std::get<1>(sort(detach(self), dim, descending));
}
Tensor argsort_stable(const Tensor& self, bool, int64_t dim, bool descending) { return argsort(self, dim, descending); }
Tensor msort(const Tensor& self) { return std::get<0>(sort(self, 0, false)); }

/// The k first in order; `sorted` may ask for any order, and gets this one.
std::tuple<Tensor, Tensor> topk(const Tensor& self, int64_t k, int64_t dim, bool largest, bool) {
  if (is_complex(self.dtype()) || self.dtype() == Dtype::Bool)
    runtime_error("topk does not support ", is_complex(self.dtype()) ? "complex" : "bool", " dtypes on CPU");
  dim = wrap_dim(dim, self.ndim());
  int64_t n = self.ndim() ? self.sizes()[dim] : 1;
  if (k < 0 || k > n)
    runtime_error("selected index k out of range (topk: k is ", k, ", dimension ", dim, " has size ", n, ")");
  Dims sizes = self.sizes();
  if (self.ndim()) sizes[dim] = k;
  Tensor values, indices = empty(sizes, Dtype::I64);
  {
    NoGrad silent;
    Tensor input = contiguous(to_dtype(detach(self), sort_dtype(self.dtype()))), best = empty(sizes, input.dtype());
    kernel::Lines lines = lines_along(self.sizes(), dim);
    check_sortable(lines.n);
    launch({{&input}, {&best, &indices}}, 2 * input.numel(), [&] {
      visit_sorted(input.dtype(), [&](const auto& kernels, auto tag) {
        using T = typename decltype(tag)::type;
        kernels.topk(reinterpret_cast<const T*>(input.bytes()), reinterpret_cast<T*>(best.bytes()),
                     indices.data<int64_t>(), self.ndim() ? k : 1, lines, largest);
      });
    });
    values = to_dtype(best, self.dtype());
  }
  if (needs_gradient(self)) record_selection("TopkBackward0", values, self, dim, indices, true);
  return {values, indices};
}

std::tuple<Tensor, Tensor> kthvalue(const Tensor& self, int64_t k, int64_t dim, bool keepdim) {
  if (is_complex(self.dtype()) || self.dtype() == Dtype::Bool)
    not_implemented("\"kthvalue_cpu\" not implemented for '", torch_name(self.dtype()), "'");
  dim = wrap_dim(dim, self.ndim());
  check_not_empty("kthvalue", self, {dim});
  int64_t n = self.ndim() ? self.sizes()[dim] : 1;
  if (k < 1 || k > n)
    runtime_error("kthvalue(): selected number k out of range for dimension ", dim, " (k is ", k, ", the size is ", n,
                  ")");
  auto [values, indices] = kth_of_lines(plan_reduction(self, {dim}, keepdim), self.dtype(), k);
  if (needs_gradient(self)) record_selection("KthvalueBackward0", values, self, dim, indices, keepdim);
  return {values, indices};
}

}  // namespace

std::pair<Tensor, Tensor> kth_of_lines(const ReductionPlan& plan, Dtype dtype, int64_t k) {
  NoGrad silent;
  Tensor input = to_dtype(plan.input, sort_dtype(dtype)), found = empty(plan.result_sizes, input.dtype()),
         indices = empty(plan.result_sizes, Dtype::I64);
  check_sortable(plan.n);
  launch({{&input}, {&found, &indices}}, 4 * input.numel(), [&] {
    visit_sorted(input.dtype(), [&](const auto& kernels, auto tag) {
      using T = typename decltype(tag)::type;
      kernels.kthvalue(reinterpret_cast<const T*>(input.bytes()), reinterpret_cast<T*>(found.bytes()),
                       indices.data<int64_t>(), k, plan.lines());
    });
  });
  return {to_dtype(found, dtype), indices};
}

void register_sort(Registry& r) {
  r.add("sort(Tensor self, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)", sort_dim);
  r.add(
      "sort.stable(Tensor self, *, bool? stable, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)",
      sort_stable);
  r.add("argsort(Tensor self, int dim=-1, bool descending=False) -> Tensor", argsort);
  r.add("argsort.stable(Tensor self, *, bool stable, int dim=-1, bool descending=False) -> Tensor", argsort_stable);
  r.add("msort(Tensor self) -> Tensor", msort);
  r.add("topk(Tensor self, int k, int dim=-1, bool largest=True, bool sorted=True) -> (Tensor values, Tensor indices)",
        topk);
  r.add("kthvalue(Tensor self, int k, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)", kthvalue);
}

}  // namespace ondol
