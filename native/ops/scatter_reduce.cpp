// scatter_reduce: sums, products, means and extremes of the elements that meet at a position.

#include <limits>

#include "ops/functions.h"
#include "ops/in_place.h"
#include "ops/reduction.h"
#include "ops/registry.h"
#include "ops/scatter.h"

namespace ondol {
namespace {

Combine named_reduction(std::string_view reduce) {
  if (reduce == "sum") return Combine::Sum;
  if (reduce == "prod") return Combine::Product;
  if (reduce == "mean") return Combine::Mean;
  if (reduce == "amax") return Combine::Largest;
  if (reduce == "amin") return Combine::Smallest;
  runtime_error("reduce argument must be either sum, prod, mean, amax or amin, got ", reduce);
}

/// What a position starts from when self does not count.
Tensor identity_of(Combine combine, Dtype dtype) {
  if (combine == Combine::Product) return scalar_tensor(1, dtype);
  if (combine == Combine::Sum || combine == Combine::Mean) return scalar_tensor(0, dtype);
  bool largest = combine == Combine::Largest;
  if (is_floating(dtype))
    return scalar_tensor(largest ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity(),
                         dtype);
  Tensor limit = empty({}, dtype);
  visit_dtype(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_integral_v<T>)
      *limit.data<T>() = largest ? std::numeric_limits<T>::lowest() : std::numeric_limits<T>::max();
  });
  return limit;
}

/// How many elements meet at each position.
Tensor meeting_counts(const Dims& sizes, int64_t dim, const Tensor& index, const Dims& source_sizes, bool include_self,
                      Dtype dtype) {
  Tensor counts = include_self ? ones(sizes, dtype) : zeros(sizes, dtype);
  counts = scatter_add(counts, dim, index, ones(source_sizes, dtype));
  return maximum(counts, scalar_tensor(1, dtype));
}

void check_reduction(const Tensor& self, const Tensor& index, const Tensor& source, Combine combine) {
  if (self.dtype() != source.dtype()) runtime_error("scatter(): Expected self.dtype to be equal to src.dtype");
  if (source.ndim() == 0 && index.ndim() > 0 && index.numel() > 0 && self.ndim() > 0)
    runtime_error("Index tensor must have the same number of dimensions as src tensor");
  if (combine == Combine::Mean && self.dtype() == Dtype::Bool)
    not_implemented("\"scatter_reduce\" not implemented for 'Bool' with reduce='mean'");
  if (combine == Combine::Largest || combine == Combine::Smallest) check_has_order("scatter_reduce", self.dtype());
}

/// `target` is without history and changes in place.
void reduce_into(const Tensor& target, int64_t dim, const Tensor& index, const Tensor& source, Combine combine,
                 bool include_self) {
  NoGrad silent;
  Tensor values = at_least_1d(apart_from(detach(source), target));
  if (!include_self) scatter_into(target, dim, index, identity_of(combine, target.dtype()), Combine::Replace);
  scatter_into(target, dim, index, values, combine == Combine::Mean ? Combine::Sum : combine);
  if (combine != Combine::Mean) return;
  Dtype count_dtype = target.dtype() == Dtype::Bool ? Dtype::I64 : to_real(target.dtype());
  Tensor counts = meeting_counts(target.sizes(), dim, index, values.sizes(), include_self, count_dtype);
  bool integers = is_integral(target.dtype());
  copy_elements(integers ? floor_divide(target, counts) : div(target, counts), target);
}

Tensor as_type_of(const Tensor& flags, const Tensor& model) { return to_dtype(flags, model.dtype()); }
Tensor zero_at(const Tensor& gradient, int64_t dim, const Tensor& index) {
  return scatter(gradient, dim, index, scalar_tensor(0, gradient.dtype()));
}
Tensor one_where(const Tensor& mask, const Tensor& x) { return where(mask, scalar_tensor(1, x.dtype()), x); }

struct Step {
  int64_t dim;
  Tensor index, self, source, result, gradient;
  bool include_self;

  /// Products without division by zero: a zero is replaced by one, and the product of the others is its factor.
  void product(Gradients& in) const {
    if (in.wants(0)) {
      Tensor apart = one_where(eq(self, wrapped_number(0)), self);
      Tensor others = scatter_reduce(apart, dim, index, source, "prod", include_self);
      in[0] = div(mul(gradient, others), apart);
    }
    if (!in.wants(1)) return;
    Tensor is_zero = eq(source, wrapped_number(0));
    Tensor zeros_met = gather(scatter_add(zeros_like(self), dim, index, as_type_of(is_zero, self)), dim, index);
    Tensor only_zero = mul(is_zero, eq(zeros_met, wrapped_number(1)));
    Tensor others = scatter_reduce(self, dim, index, one_where(only_zero, source), "prod", include_self);
    Tensor at_zero = gather(mul(gradient, others), dim, index);
    Tensor elsewhere = div(gather(mul(gradient, result), dim, index), one_where(is_zero, source));
    in[1] = where(only_zero, at_zero, elsewhere);
  }
  void mean(Gradients& in) const {
    Tensor counts = meeting_counts(self.sizes(), dim, index, source.sizes(), include_self, gradient.dtype());
    if (in.wants(0)) in[0] = div(gradient, counts);
    if (in.wants(1)) in[1] = div(gather(gradient, dim, index), gather(counts, dim, index));
  }
  /// All that are equally extreme share the gradient.
  void extreme(Gradients& in) const {
    Tensor in_self = as_type_of(eq(self, result), gradient);
    Tensor in_source = as_type_of(eq(source, gather(result, dim, index)), gradient);
    Tensor share = div(gradient, scatter_add(in_self, dim, index, in_source));
    if (in.wants(0)) in[0] = mul(in_self, share);
    if (in.wants(1)) in[1] = mul(in_source, gather(share, dim, index));
  }
};

/// The part of a source that lies under the index.
Tensor under_index(const Tensor& source, const Tensor& index) {
  Tensor part = source;
  for (int64_t d = 0; d < index.ndim() && d < source.ndim(); ++d) part = slice(part, d, 0, index.sizes()[d]);
  return part;
}

}  // namespace

Tensor scatter_reduce(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                      std::string_view reduce, bool include_self) {
  Combine combine = named_reduction(reduce);
  check_reduction(self, index, source, combine);
  Tensor result;
  {
    NoGrad silent;
    result = clone(detach(self));
  }
  reduce_into(result, dim, index, source, combine, include_self);
  if (needs_gradient(self, source))
    record("ScatterReduceBackward0", result, {self, source},
           [=, at = save(index), saved_self = save(self), saved_source = save(source), y = save_output(result)](
               const Tensor& gradient, Gradients& in) {
             Tensor whole = saved_source();
             Step step{dim, at(), saved_self(), under_index(whole, at()), y(), gradient, include_self};
             if (combine == Combine::Sum) {
               if (in.wants(0)) in[0] = gradient;
               if (in.wants(1)) in[1] = gather(gradient, dim, step.index);
             } else if (combine == Combine::Product) {
               step.product(in);
             } else if (combine == Combine::Mean) {
               step.mean(in);
             } else {
               step.extreme(in);
             }
             if (in.wants(0) && !include_self) in[0] = zero_at(in[0], dim, step.index);
             if (in.wants(1)) in[1] = padded_gradient(in[1], whole.sizes());
           });
  return result;
}

static Tensor scatter_reduce_in_place(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                                      std::string_view reduce, bool include_self) {
  Combine combine = named_reduction(reduce);
  check_reduction(self, index, source, combine);
  return change_in_place(
      self, needs_gradient(self, source), "scatter_reduce_",
      [&] { return scatter_reduce(clone(self), dim, index, source, reduce, include_self); },
      [&](const Tensor& target) { reduce_into(target, dim, index, source, combine, include_self); });
}

void register_scatter_reduce(Registry& r) {
  r.add(
      "scatter_reduce(Tensor self, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True) -> Tensor",
      scatter_reduce);
  r.add(
      "scatter_reduce_(Tensor self, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True) -> "
      "Tensor",
      scatter_reduce_in_place, kMethod);
}

}  // namespace ondol
