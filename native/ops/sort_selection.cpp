// median, nanmedian, mode.

#include <limits>

#include "ops/functions.h"
#include "ops/order.h"
#include "ops/registry.h"

namespace ondol {
namespace {

enum class Nan { Wins, Ignored };

void check_median_dtype(const Tensor& self) {
  if (is_complex(self.dtype()) || self.dtype() == Dtype::Bool)
    not_implemented("\"median_cpu\" not implemented for '", torch_name(self.dtype()), "'");
}

/// The lower median of one line: element (count - 1) / 2 of its `count` sorted elements. A NaN sorts last, and is the
/// median of all if it wins.
template <Nan nan, class T>
void median_of_line(const T* values, const int64_t* order, kernel::Lines lines, int64_t from, T& value,
                    int64_t& index) {
  int64_t n = lines.n, step = lines.inner, numbers = n;
  while (numbers > 0 && values[from + (numbers - 1) * step] != values[from + (numbers - 1) * step]) --numbers;
  int64_t place = nan == Nan::Wins && numbers < n ? numbers : numbers == 0 ? 0 : (numbers - 1) / 2;
  value = values[from + place * step];
  index = order[from + place * step];
}

template <Nan nan>
std::pair<Tensor, Tensor> median_of_lines(const ReductionPlan& plan, Dtype dtype) {
  if (is_integral(dtype)) return kth_of_lines(plan, dtype, (plan.n - 1) / 2 + 1);
  NoGrad silent;
  Tensor input = to_dtype(plan.input, sort_dtype(dtype)), values = empty(plan.result_sizes, input.dtype()),
         indices = empty(plan.result_sizes, Dtype::I64);
  Tensor lines_of_input = reshape(input, {plan.outer, plan.n, plan.inner});
  // Without a NaN in the way a selection is enough.
  if (element(sum(isnan(input))).to_int() == 0) return kth_of_lines(plan, dtype, (plan.n - 1) / 2 + 1);
  auto [sorted, order] = sort(lines_of_input, 1, false);
  visit_floating(input.dtype(), [&, &sorted = sorted, &order = order](auto tag) {
    using T = typename decltype(tag)::type;
    auto* value = values.data<T>();
    auto* index = indices.data<int64_t>();
    for (int64_t o = 0; o < plan.outer; ++o)
      for (int64_t j = 0; j < plan.inner; ++j, ++value, ++index)
        median_of_line<nan>(static_cast<const T*>(sorted.template data<T>()), order.template data<int64_t>(),
                            plan.lines(), o * plan.n * plan.inner + j, *value, *index);
  });
  return {to_dtype(values, dtype), indices};
}

template <Nan nan>
constexpr const char* node_name = nan == Nan::Wins ? "MedianBackward0" : "NanmedianBackward0";

template <Nan nan>
std::tuple<Tensor, Tensor> median_along(const Tensor& self, int64_t dim, bool keepdim) {
  check_median_dtype(self);
  dim = wrap_dim(dim, self.ndim());
  check_not_empty("median", self, {dim});
  auto [values, indices] = median_of_lines<nan>(plan_reduction(self, {dim}, keepdim), self.dtype());
  if (needs_gradient(self)) record_selection(node_name<nan>, values, self, dim, indices, keepdim);
  return {values, indices};
}

/// NaN, or the smallest integer.
Tensor median_of_nothing(Dtype dtype) {
  if (is_floating(dtype)) return full({}, std::numeric_limits<double>::quiet_NaN(), dtype);
  Tensor result = empty({}, dtype);
  visit_dtype(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_integral_v<T>) *result.data<T>() = std::numeric_limits<T>::lowest();
  });
  return result;
}

/// Of everything: elements equal to the median share the gradient.
template <Nan nan>
Tensor median_of_all(const Tensor& self) {
  check_median_dtype(self);
  if (self.numel() == 0) return median_of_nothing(self.dtype());
  Tensor result = median_of_lines<nan>(plan_reduction(self, {}, false), self.dtype()).first;
  if (needs_gradient(self))
    record(node_name<nan>, result, {self},
           [saved = save(self), y = save_output(result)](const Tensor& gradient, Gradients& in) {
             Tensor value = detach(y()), x = detach(saved()), here = has_nan(value) ? isnan(x) : eq(x, value);
             in[0] = mul(div(gradient, sum(here)), here);
           });
  return result;
}

/// The most frequent element, the smallest of those; its last position.
std::tuple<Tensor, Tensor> mode(const Tensor& self, int64_t dim, bool keepdim) {
  check_has_order("mode", self.dtype());
  dim = wrap_dim(dim, self.ndim());
  check_not_empty("mode", self, {dim});
  ReductionPlan plan = plan_reduction(self, {dim}, keepdim);
  Tensor values, indices = empty(plan.result_sizes, Dtype::I64);
  {
    NoGrad silent;
    Tensor places = empty({plan.outer, 1, plan.inner}, Dtype::I64);
    auto [sorted, order] = sort(reshape(plan.input, {plan.outer, plan.n, plan.inner}), 1, false);
    auto *place = places.data<int64_t>(), *index = indices.data<int64_t>();
    const auto* positions = order.data<int64_t>();
    visit_dtype(self.dtype(), [&, &sorted = sorted](auto tag) {
      using T = typename decltype(tag)::type;
      const T* x = sorted.template data<T>();
      for (int64_t o = 0; o < plan.outer && plan.inner > 0; ++o)  // of no lines there may be any number
        for (int64_t j = 0; j < plan.inner; ++j) {
          const int64_t from = o * plan.n * plan.inner + j;
          int64_t best = 0, best_length = 0;
          for (int64_t start = 0, r = 1; r <= plan.n; ++r) {
            if (r < plan.n && widened(x[from + r * plan.inner]) == widened(x[from + start * plan.inner])) continue;
            if (r - start > best_length) {
              best = r - 1;
              best_length = r - start;
            }
            start = r;
          }
          place[o * plan.inner + j] = best;
          index[o * plan.inner + j] = positions[from + best * plan.inner];
        }
    });
    values = reshape(gather(sorted, 1, places), plan.result_sizes);
  }
  if (needs_gradient(self)) record_selection("ModeBackward0", values, self, dim, indices, keepdim);
  return {values, indices};
}

}  // namespace

void register_sort_selection(Registry& r) {
  r.add("median(Tensor self) -> Tensor", median_of_all<Nan::Wins>);
  r.add("median.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
        median_along<Nan::Wins>);
  r.add("nanmedian(Tensor self) -> Tensor", median_of_all<Nan::Ignored>);
  r.add("nanmedian.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
        median_along<Nan::Ignored>);
  r.add("mode(Tensor self, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)", mode);
}

}  // namespace ondol
