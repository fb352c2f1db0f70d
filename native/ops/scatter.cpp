// Elements written to positions: scatter, scatter_add, scatter_reduce, put.

#include <limits>

#include "base/parallel.h"
#include "ops/functions.h"
#include "ops/gather.h"
#include "ops/in_place.h"
#include "ops/registry.h"
#include "ops/scatter.h"
#include "tensor/launch.h"

namespace ondol {
namespace {

/// Runs step(position in target, position in source) for every element of the index. Tasks own disjoint columns and
/// walk them in order, so that elements which meet at one position meet in the same order whatever the number of
/// threads.
template <class Step>
void for_each_scattered(const IndexLines& lines, const LineOffsets& target, const LineOffsets& source, Step step) {
  const int64_t block = lines.block(), blocks = (lines.inner + block - 1) / block;
  const int64_t work_per_task = lines.n * std::min(lines.inner, block);
  parallel_for(lines.outer * blocks, grain_for(16384, work_per_task), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t o = task / blocks, first = task % blocks * block, last = std::min(first + block, lines.inner);
      if (lines.inner == 1) {
        const int64_t* at = lines.at + o * lines.n;
        const int64_t to = target.outer[o], from = source.outer[o];
        for (int64_t k = 0; k < lines.n; ++k) step(to + at[k] * target.step, from + k * source.step);
        continue;
      }
      for (int64_t k = 0; k < lines.n; ++k) {
        const int64_t* at = lines.at + (o * lines.n + k) * lines.inner;
        const int64_t to = target.outer[o], from = source.outer[o] + k * source.step;
        for (int64_t j = first; j < last; ++j) step(to + at[j] * target.step + target.inner[j], from + source.inner[j]);
      }
    }
  });
}

}  // namespace

void scatter_elements(const Tensor& target, const IndexLines& lines, const Tensor& source, Combine combine) {
  if (lines.index.numel() == 0) return;
  LineOffsets to = line_offsets(target, lines), from = line_offsets(source, lines);
  launch({{&source, &lines.index}, {&target}}, lines.index.numel(), [&] {
    if (combine == Combine::Replace) {
      visit_item_size(target.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        auto* out = reinterpret_cast<T*>(target.bytes());
        auto* in = reinterpret_cast<const T*>(source.bytes());
        for_each_scattered(lines, to, from, [=](int64_t t, int64_t s) { out[t] = in[s]; });
      });
      return;
    }
    visit_dtype(target.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      auto *out = target.data<T>(), *in = source.data<T>();
      visit_combination<T>(combine, [&](auto together) {
        for_each_scattered(lines, to, from, [=](int64_t t, int64_t s) {
          out[t] = narrowed<T>(together(widened(out[t]), widened(in[s])));
        });
      });
    });
  });
}

namespace {

/// Checks an index and a source against self; a number as source lies under every index.
IndexLines scatter_lines(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source) {
  IndexLines lines = index_lines("scatter", self, dim, index);
  if (index.numel() == 0) return lines;
  bool number = source.ndim() == 0;
  if (!number && source.ndim() != lines.index.ndim())
    runtime_error("Index tensor must have the same number of dimensions as src tensor");
  for (int64_t d = 0; d < lines.sizes.ssize(); ++d) {
    int64_t in_self = self.ndim() ? self.sizes()[d] : 1;
    if ((d != lines.dim && lines.sizes[d] > in_self) || (!number && lines.sizes[d] > source.sizes()[d])) {
      if (number)
        runtime_error("Expected index ", index.sizes(), " to be no larger than self ", self.sizes(),
                      " apart from dimension ", lines.dim);
      runtime_error("Expected index ", index.sizes(), " to be no larger than self ", self.sizes(),
                    " apart from dimension ", lines.dim, " and to be no larger size than src ", source.sizes());
    }
  }
  check_index_range(lines, self.ndim() ? self.sizes()[lines.dim] : 1);
  return lines;
}

void check_same_dtype(const Tensor& self, const Tensor& source) {
  if (self.dtype() != source.dtype()) runtime_error("scatter(): Expected self.dtype to be equal to src.dtype");
}

}  // namespace

void scatter_into(const Tensor& target, int64_t dim, const Tensor& index, const Tensor& source, Combine combine) {
  NoGrad silent;
  IndexLines lines = scatter_lines(target, dim, index, source);
  Tensor values = apart_from(detach(source), target);
  if (values.ndim() == 0) values = expand(values, lines.sizes);
  scatter_elements(target, lines, values, combine);
}

namespace {

Tensor scattered(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source, Combine combine) {
  NoGrad silent;
  Tensor result = clone(detach(self));
  scatter_into(result, dim, index, source, combine);
  return result;
}

}  // namespace

Tensor padded_gradient(const Tensor& gradient, const Dims& sizes) {
  if (gradient.sizes() == sizes) return gradient;
  Tensor padded = gradient;
  for (int64_t d = 0; d < sizes.ssize(); ++d) {
    if (padded.sizes()[d] == sizes[d]) continue;
    Dims whole = padded.sizes();
    whole[d] = sizes[d];
    padded = slice_backward(padded, whole, d, 0, gradient.sizes()[d], 1);
  }
  return padded;
}

Tensor scatter(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source) {
  check_same_dtype(self, source);
  Tensor result = scattered(self, dim, index, source, Combine::Replace);
  if (needs_gradient(self, source))
    record("ScatterBackward0", result, {self, source},
           [dim, at = save(index), sizes = source.sizes()](const Tensor& gradient, Gradients& in) {
             if (in.wants(0)) in[0] = scatter(gradient, dim, at(), scalar_tensor(0, gradient.dtype()));
             if (!in.wants(1)) return;
             Tensor taken = gather(gradient, dim, at());
             in[1] = sizes.empty() ? sum(taken) : padded_gradient(taken, sizes);
           });
  return result;
}

Tensor scatter_add(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source) {
  check_same_dtype(self, source);
  Tensor result = scattered(self, dim, index, source, Combine::Sum);
  if (needs_gradient(self, source))
    record("ScatterAddBackward0", result, {self, source},
           [dim, at = save(index), sizes = source.sizes()](const Tensor& gradient, Gradients& in) {
             if (in.wants(0)) in[0] = gradient;
             if (!in.wants(1)) return;
             Tensor taken = gather(gradient, dim, at());
             in[1] = sizes.empty() ? sum(taken) : padded_gradient(taken, sizes);
           });
  return result;
}

namespace {

Tensor as_value(const Tensor& self, const Scalar& value) {
  if (value.is_complex() && !is_complex(self.dtype()))
    runtime_error("value cannot be converted to type ", name(self.dtype()), " without overflow");
  return scalar_tensor(value, self.dtype());
}
Tensor scatter_value(const Tensor& self, int64_t dim, const Tensor& index, const Scalar& value) {
  return scatter(self, dim, index, as_value(self, value));
}

Combine named_combination(std::string_view reduce) {
  if (reduce == "add") return Combine::Sum;
  if (reduce == "multiply") return Combine::Product;
  runtime_error("reduce argument must be either add or multiply.");
}
Tensor scatter_combining(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                         std::string_view reduce) {
  Combine combine = named_combination(reduce);
  check_same_dtype(self, source);
  if (combine == Combine::Sum) return scatter_add(self, dim, index, source);
  Tensor result = scattered(self, dim, index, source, combine);
  if (needs_gradient(self, source)) record_not_differentiable("scatter(reduce='multiply')", result, {self, source});
  return result;
}
Tensor scatter_value_combining(const Tensor& self, int64_t dim, const Tensor& index, const Scalar& value,
                               std::string_view reduce) {
  return scatter_combining(self, dim, index, as_value(self, value), reduce);
}

Tensor scatter_in_place(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source) {
  check_same_dtype(self, source);
  return change_in_place(
      self, needs_gradient(self, source), "scatter_", [&] { return scatter(self, dim, index, source); },
      [&](const Tensor& target) { scatter_into(target, dim, index, source, Combine::Replace); });
}
Tensor scatter_value_in_place(const Tensor& self, int64_t dim, const Tensor& index, const Scalar& value) {
  return scatter_in_place(self, dim, index, as_value(self, value));
}
Tensor scatter_combining_in_place(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                                  std::string_view reduce) {
  Combine combine = named_combination(reduce);
  check_same_dtype(self, source);
  return change_in_place(
      self, needs_gradient(self, source), "scatter_",
      [&] { return scatter_combining(self, dim, index, source, reduce); },
      [&](const Tensor& target) { scatter_into(target, dim, index, source, combine); });
}
Tensor scatter_value_combining_in_place(const Tensor& self, int64_t dim, const Tensor& index, const Scalar& value,
                                        std::string_view reduce) {
  return scatter_combining_in_place(self, dim, index, as_value(self, value), reduce);
}
Tensor scatter_add_in_place(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source) {
  check_same_dtype(self, source);
  return change_in_place(
      self, needs_gradient(self, source), "scatter_add_", [&] { return scatter_add(self, dim, index, source); },
      [&](const Tensor& target) { scatter_into(target, dim, index, source, Combine::Sum); });
}

/// Values written to positions of the tensor read row by row.
void put_into(const Tensor& target, const Tensor& index, const Tensor& source, bool accumulate) {
  if (index.dtype() != Dtype::I64)
    runtime_error("put_(): Expected a long tensor for index, but got ", torch_name(index.dtype()));
  if (source.dtype() != target.dtype())
    runtime_error("put_(): self and source expected to have the same dtype, but got self.dtype = ",
                  torch_name(target.dtype()), " and source.dtype = ", torch_name(source.dtype()));
  if (index.numel() != source.numel())
    runtime_error("put_(): Expected source and index to have the same number of elements, but got source.numel() = ",
                  source.numel(), ", index.numel() = ", index.numel());
  if (target.numel() == 0 && index.numel() > 0) index_error("put_(): Tried to put elements into an empty tensor");
  Tensor positions = wrapped_positions(reshape(index, {-1}), target.numel());
  Tensor flat = contiguous(target), values = reshape(apart_from(detach(source), target), {-1});
  Tensor line = detach(reshape(flat, {-1}));
  scatter_into(line, 0, positions, values, accumulate ? Combine::Sum : Combine::Replace);
  if (!flat.is_same(target)) copy_elements(flat, target);
}

}  // namespace

Tensor put(const Tensor& self, const Tensor& index, const Tensor& source, bool accumulate) {
  Tensor result;
  {
    NoGrad silent;
    result = clone(detach(self));
    put_into(result, index, source, accumulate);
  }
  if (needs_gradient(self, source))
    record("PutBackward0", result, {self, source},
           [=, at = save(index), sizes = source.sizes()](const Tensor& gradient, Gradients& in) {
             if (in.wants(0))
               in[0] = accumulate ? gradient : put(gradient, at(), zeros(at().sizes(), gradient.dtype()), false);
             if (in.wants(1)) in[1] = reshape(take(gradient, at()), sizes);
           });
  return result;
}
static Tensor put_in_place(const Tensor& self, const Tensor& index, const Tensor& source, bool accumulate) {
  return change_in_place(
      self, needs_gradient(self, source), "put_", [&] { return put(self, index, source, accumulate); },
      [&](const Tensor& target) { put_into(target, index, source, accumulate); });
}

void register_scatter(Registry& r) {
  r.add("scatter.src(Tensor self, int dim, Tensor index, Tensor src) -> Tensor", scatter);
  r.add("scatter.value(Tensor self, int dim, Tensor index, Scalar value) -> Tensor", scatter_value);
  r.add("scatter.reduce(Tensor self, int dim, Tensor index, Tensor src, *, str reduce) -> Tensor", scatter_combining);
  r.add("scatter.value_reduce(Tensor self, int dim, Tensor index, Scalar value, *, str reduce) -> Tensor",
        scatter_value_combining);
  r.add("scatter_.src(Tensor self, int dim, Tensor index, Tensor src) -> Tensor", scatter_in_place, kMethod);
  r.add("scatter_.value(Tensor self, int dim, Tensor index, Scalar value) -> Tensor", scatter_value_in_place, kMethod);
  r.add("scatter_.reduce(Tensor self, int dim, Tensor index, Tensor src, *, str reduce) -> Tensor",
        scatter_combining_in_place, kMethod);
  r.add("scatter_.value_reduce(Tensor self, int dim, Tensor index, Scalar value, *, str reduce) -> Tensor",
        scatter_value_combining_in_place, kMethod);
  r.add("scatter_add(Tensor self, int dim, Tensor index, Tensor src) -> Tensor", scatter_add);
  r.add("scatter_add_(Tensor self, int dim, Tensor index, Tensor src) -> Tensor", scatter_add_in_place, kMethod);
  r.add("put(Tensor self, Tensor index, Tensor source, bool accumulate=False) -> Tensor", put);
  r.add("put_(Tensor self, Tensor index, Tensor source, bool accumulate=False) -> Tensor", put_in_place, kMethod);
}

}  // namespace ondol
