// One list of positions along one dimension: index_select, index_add, index_copy, index_fill, index_reduce.

#include <cstring>

#include "base/parallel.h"
#include "base/vectorize.h"
#include "ops/functions.h"
#include "ops/gather.h"
#include "ops/in_place.h"
#include "ops/reduction.h"
#include "ops/registry.h"
#include "ops/scatter.h"

namespace ondol {
namespace {

/// int64 positions of a 0-d or 1-d index.
Tensor positions_along(const char* operation, const Tensor& index) {
  if (index.ndim() > 1) index_error(operation, "(): Index is supposed to be a vector, but got shape ", index.sizes());
  if (index.dtype() != Dtype::I64 && index.dtype() != Dtype::I32)
    runtime_error(operation, "(): Expected dtype int32 or int64 for index, got ", name(index.dtype()));
  NoGrad silent;
  return at_least_1d(contiguous(to_dtype(detach(index), Dtype::I64)));
}

/// The first position that is not in [0, size), or -1.
int64_t first_outside(const Tensor& positions, int64_t size) {
  const auto* at = positions.data<int64_t>();
  if (all_inside(at, positions.numel(), size)) return -1;
  for (int64_t i = 0; i < positions.numel(); ++i)
    if (static_cast<uint64_t>(at[i]) >= static_cast<uint64_t>(size)) return i;
  return -1;
}

int64_t size_along(const Tensor& self, int64_t dim) { return self.ndim() ? self.sizes()[dim] : 1; }

/// Copies whole rows of [outer, size, inner] to [outer, positions, inner].
void select_rows(const Tensor& source, const Tensor& positions, kernel::Lines lines, const Tensor& result) {
  const int64_t count = positions.numel(), size = lines.n, inner = lines.inner;
  const auto* at = positions.data<int64_t>();
  launch({{&source, &positions}, {&result}}, result.numel(), [&] {
    visit_item_size(source.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      auto* from = reinterpret_cast<const T*>(source.bytes());
      auto* to = reinterpret_cast<T*>(result.bytes());
      parallel_for(lines.outer * count, grain_for(16384, inner), [&](int64_t begin, int64_t end) {
        if (inner == 1) {
          for (int64_t row = begin; row < end;) {
            const T* line = from + row / count * size;
            const int64_t first = row % count, n = std::min(count - first, end - row);
            for (int64_t k = 0; k < n; ++k) to[row + k] = line[at[first + k]];
            row += n;
          }
          return;
        }
        for (int64_t row = begin; row < end; ++row) {
          const T* piece = from + (row / count * size + at[row % count]) * inner;
          std::memcpy(to + row * inner, piece, static_cast<size_t>(inner) * sizeof(T));
        }
      });
    });
  });
}

template <class T, class Step>
[[gnu::always_inline]] inline void combine_loop(T* to, const T* from, int64_t n, Step step) {
  for (int64_t j = 0; j < n; ++j) step(to[j], from[j]);
}
template <class T, class Step>
ONDOL_VECTORIZE ONDOL_WIDE void combine_wide(T* __restrict to, const T* __restrict from, int64_t n, Step step) {
  combine_loop(to, from, n, step);
}
template <class T, class Step>
void combine_plain(T* to, const T* from, int64_t n, Step step) {
  combine_loop(to, from, n, step);
}

/// Runs step(target element, source element) for all rows. With one outer slice each thread takes a range of target
/// rows and reads all positions, so that every sum has the order of the positions.
template <class T, class Step>
void combine_rows(T* target, const T* source, const int64_t* at, int64_t count, kernel::Lines lines, Step step) {
  const int64_t size = lines.n, inner = lines.inner;
  const auto combine = wide_vectors() ? combine_wide<T, Step> : combine_plain<T, Step>;
  auto row = [=](int64_t o, int64_t k) {
    T* to = target + (o * size + at[k]) * inner;
    const T* from = source + (o * count + k) * inner;
    if (inner == 1)
      step(*to, *from);
    else
      combine(to, from, inner, step);
  };
  if (lines.outer == 1) {
    const int64_t work_per_row = count * inner / (size + 1) + 1;
    parallel_for(size, grain_for(32768, work_per_row), [&](int64_t begin, int64_t end) {
      for (int64_t k = 0; k < count; ++k)
        if (at[k] >= begin && at[k] < end) row(0, k);
    });
    return;
  }
  parallel_for(lines.outer, grain_for(32768, count, inner), [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o)
      for (int64_t k = 0; k < count; ++k) row(o, k);
  });
}

/// Calls body(contiguous target, lines): on the target itself or on a copy that is written back.
template <class Body>
void on_rows(const Tensor& target, int64_t dim, Body body) {
  Tensor dense = contiguous(target);
  body(dense, lines_along(dense.sizes(), dim));
  if (!dense.is_same(target)) copy_elements(dense, target);
}

/// The source as the rows for `count` positions.
Tensor as_rows(const Tensor& source, const Tensor& target) { return contiguous(apart_from(detach(source), target)); }

void combine_into(const Tensor& target, int64_t dim, const Tensor& positions, const Tensor& source, Combine combine) {
  if (positions.numel() == 0 || target.numel() == 0) return;
  Tensor rows = as_rows(source, target);
  on_rows(target, dim, [&](const Tensor& dense, kernel::Lines lines) {
    const auto* at = positions.data<int64_t>();
    const int64_t count = positions.numel();
    launch({{&rows, &positions}, {&dense}}, rows.numel(), [&] {
      if (combine == Combine::Replace) {
        visit_item_size(dense.dtype(), [&](auto tag) {
          using T = typename decltype(tag)::type;
          combine_rows(reinterpret_cast<T*>(dense.bytes()), reinterpret_cast<const T*>(rows.bytes()), at, count, lines,
                       [](T& to, T from) { to = from; });
        });
        return;
      }
      visit_dtype(dense.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        visit_combination<T>(combine, [&](auto together) {
          combine_rows(dense.data<T>(), static_cast<const T*>(rows.data<T>()), at, count, lines,
                       [=](T& to, T from) { to = narrowed<T>(together(widened(to), widened(from))); });
        });
      });
    });
  });
}

/// What a 0-d source stands for: one row of a 0-d or 1-d tensor.
void check_rows(const char* operation, const Tensor& self, int64_t dim, const Tensor& positions, const Tensor& source,
                ErrorKind kind) {
  int64_t rows = source.ndim() ? source.sizes()[wrap_dim(dim, source.ndim())] : 1;
  if (rows != positions.numel())
    raise(kind, operation, "(): Number of indices (", positions.numel(), ") should be equal to source.size(dim): (",
          rows, "), for dim: ", dim);
  bool fits = source.ndim() == self.ndim() || (source.ndim() == 0 && self.ndim() <= 1) ||
              (self.ndim() == 0 && source.ndim() <= 1);
  for (int64_t d = 0; fits && d < std::min(self.ndim(), source.ndim()); ++d)
    fits = d == dim || source.sizes()[d] == self.sizes()[d];
  if (!fits)
    raise(kind, operation, "(): source and self must have the same shape apart from dimension ", dim, ": got self ",
          self.sizes(), " and source ", source.sizes());
}

void check_dtypes(const char* operation, const Tensor& self, const Tensor& source) {
  if (self.dtype() != source.dtype())
    runtime_error(operation, "(): self (", torch_name(self.dtype()), ") and source (", torch_name(source.dtype()),
                  ") must have the same scalar type");
}

void add_into(const Tensor& target, int64_t dim, const Tensor& index, const Tensor& source, const Scalar& alpha) {
  NoGrad silent;
  check_dtypes("index_add_", target, source);
  dim = wrap_dim(dim, target.ndim());
  Tensor positions = positions_along("index_add_", index);
  check_rows("index_add_", target, dim, positions, source, ErrorKind::Runtime);
  int64_t size = size_along(target, dim), bad = first_outside(positions, size);
  if (bad >= 0)
    runtime_error("index ", positions.data<int64_t>()[bad], " is out of bounds for dimension ", dim, " with size ",
                  size, " (index_add_)");
  bool one = !alpha.is_complex() && alpha.to_double() == 1;
  combine_into(target, dim, positions, one ? detach(source) : to_dtype(mul_by(detach(source), alpha), target.dtype()),
               Combine::Sum);
}

void copy_into(const Tensor& target, int64_t dim, const Tensor& index, const Tensor& source) {
  NoGrad silent;
  check_dtypes("index_copy_", target, source);
  dim = wrap_dim(dim, target.ndim());
  Tensor positions = positions_along("index_copy_", index);
  check_rows("index_copy_", target, dim, positions, source, ErrorKind::Index);
  int64_t size = size_along(target, dim), bad = first_outside(positions, size);
  if (bad >= 0)
    index_error("index_copy_(): index ", positions.data<int64_t>()[bad], " is out of bounds for dimension ", dim,
                " with size ", size);
  combine_into(target, dim, positions, source, Combine::Replace);
}

/// Fills the rows of [outer, size, inner] that are chosen.
void fill_rows(const Tensor& dense, kernel::Lines lines, const std::vector<char>& chosen, const Tensor& value) {
  const int64_t size = lines.n, inner = lines.inner;
  launch({{&value}, {&dense}}, dense.numel(), [&] {
    visit_item_size(dense.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      T one;
      std::memcpy(&one, value.bytes(), sizeof(T));
      T* target = reinterpret_cast<T*>(dense.bytes());
      parallel_for(lines.outer * size, grain_for(16384, inner), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row)
          if (chosen[static_cast<size_t>(row % size)]) std::fill_n(target + row * inner, inner, one);
      });
    });
  });
}

void fill_into(const Tensor& target, int64_t dim, const Tensor& index, const Tensor& value) {
  NoGrad silent;
  if (value.ndim() != 0)
    runtime_error("index_fill_ only supports a 0-dimensional value tensor, but got tensor with ", value.ndim(),
                  " dimension(s).");
  if (is_complex(value.dtype()) && !is_complex(target.dtype()))
    runtime_error("index_fill_(): Converting complex Scalar to non-complex type is not supported");
  dim = wrap_dim(dim, target.ndim());
  if (index.dtype() != Dtype::I64)
    index_error("index_fill_(): Expected dtype int64 for index, got ", name(index.dtype()));
  Tensor positions = positions_along("index_fill_", index);
  int64_t size = size_along(target, dim);
  const auto* at = positions.data<int64_t>();
  std::vector<char> chosen(static_cast<size_t>(size), false);
  for (int64_t i = 0; i < positions.numel(); ++i) {
    if (at[i] < -size || at[i] >= size)
      index_error("index ", at[i], " is out of bounds for dimension ", dim, " with size ", size, " (index_fill_)");
    chosen[static_cast<size_t>(at[i] < 0 ? at[i] + size : at[i])] = true;
  }
  if (positions.numel() == 0 || target.numel() == 0) return;
  Tensor one = to_dtype(detach(value), target.dtype());
  on_rows(target, dim, [&](const Tensor& dense, kernel::Lines lines) { fill_rows(dense, lines, chosen, one); });
}

}  // namespace

Tensor index_select(const Tensor& self, int64_t dim, const Tensor& index) {
  dim = wrap_dim(dim, self.ndim());
  Tensor positions = positions_along("index_select", index);
  if (self.ndim() == 0 && positions.numel() != 1)
    runtime_error("index_select(): Index to scalar can have only 1 value, got ", positions.numel(), " value(s)");
  int64_t size = size_along(self, dim), bad = first_outside(positions, size);
  if (bad >= 0)
    index_error("index out of range in self (index_select: index ", positions.data<int64_t>()[bad],
                " is out of bounds for dimension ", dim, " with size ", size, ")");
  Dims sizes = self.sizes();
  if (self.ndim()) sizes[dim] = positions.numel();
  Tensor result = empty(sizes, self.dtype());
  if (result.numel() > 0) {
    NoGrad silent;
    Tensor source = contiguous(detach(self));
    select_rows(source, positions, lines_along(source.sizes(), dim), result);
  }
  if (needs_gradient(self))
    record("IndexSelectBackward0", result, {self},
           [dim, at = save(index), before = self.sizes()](const Tensor& gradient, Gradients& in) {
             in[0] = index_add(zeros(before, gradient.dtype()), dim, at(), gradient);
           });
  return result;
}

static Tensor index_add_scaled(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                               const Scalar& alpha) {
  Tensor result;
  {
    NoGrad silent;
    result = clone(detach(self));
  }
  add_into(result, dim, index, source, alpha);
  if (needs_gradient(self, source))
    record("IndexAddBackward0", result, {self, source},
           [dim, alpha, at = save(index), sizes = source.sizes()](const Tensor& gradient, Gradients& in) {
             if (in.wants(0)) in[0] = gradient;
             if (!in.wants(1)) return;
             Tensor rows = reshape(index_select(gradient, dim, at()), sizes);
             in[1] = !alpha.is_complex() && alpha.to_double() == 1 ? rows : mul_by(rows, alpha);
           });
  return result;
}
Tensor index_add(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source) {
  return index_add_scaled(self, dim, index, source, 1);
}

Tensor index_fill(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& value) {
  Tensor result;
  {
    NoGrad silent;
    result = clone(detach(self));
  }
  fill_into(result, dim, index, value);
  if (needs_gradient(self, value))
    record("IndexFillBackward0", result, {self, value}, [dim, at = save(index)](const Tensor& gradient, Gradients& in) {
      if (in.wants(0)) in[0] = index_fill(gradient, dim, at(), wrapped_number(0));
      if (!in.wants(1)) return;
      // A position that is named twice is filled once.
      Tensor filled = index_fill(zeros(gradient.sizes(), Dtype::Bool), dim, at(), wrapped_number(true));
      in[1] = sum(masked_fill(gradient, logical_not(filled), wrapped_number(0)));
    });
  return result;
}

namespace {

Tensor index_copy(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source) {
  Tensor result;
  {
    NoGrad silent;
    result = clone(detach(self));
  }
  copy_into(result, dim, index, source);
  if (needs_gradient(self, source))
    record("IndexCopyBackward0", result, {self, source},
           [dim, at = save(index), sizes = source.sizes()](const Tensor& gradient, Gradients& in) {
             if (in.wants(0)) in[0] = index_fill(gradient, dim, to_dtype(at(), Dtype::I64), wrapped_number(0));
             if (in.wants(1)) in[1] = reshape(index_select(gradient, dim, at()), sizes);
           });
  return result;
}

/// The index repeated over the other dimensions, as scatter_reduce takes it.
Tensor spread_index(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source) {
  Tensor positions = positions_along("index_reduce", index);
  check_rows("index_reduce", self, dim, positions, source, ErrorKind::Index);
  int64_t size = size_along(self, dim), bad = first_outside(positions, size);
  if (bad >= 0)
    index_error("index out of range in self (index_reduce: index ", positions.data<int64_t>()[bad],
                " is out of bounds for dimension ", dim, " with size ", size, ")");
  if (source.ndim() == 0) return reshape(positions, {});
  Dims ones(source.sizes().size(), 1);
  ones[dim] = positions.numel();
  return expand(reshape(positions, ones), source.sizes());
}
void check_index_reduction(std::string_view reduce) {
  if (reduce != "prod" && reduce != "mean" && reduce != "amax" && reduce != "amin")
    runtime_error("index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got ", reduce, ".");
}
Tensor index_reduce(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source, std::string_view reduce,
                    bool include_self) {
  check_index_reduction(reduce);
  if (is_complex(self.dtype()) || self.dtype() == Dtype::Bool)
    not_implemented("\"index_reduce\" not implemented for '", torch_name(self.dtype()), "'");
  check_dtypes("index_reduce", self, source);
  dim = wrap_dim(dim, self.ndim());
  return scatter_reduce(self, dim, spread_index(self, dim, index, source), source, reduce, include_self);
}

Tensor index_reduce_in_place(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                             std::string_view reduce, bool include_self) {
  auto functional = [&] { return index_reduce(clone(self), dim, index, source, reduce, include_self); };
  return change_in_place(self, needs_gradient(self, source), "index_reduce_", functional, [&](const Tensor& target) {
    copy_elements(index_reduce(target, dim, index, detach(source), reduce, include_self), target);
  });
}
Tensor index_add_in_place(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                          const Scalar& alpha) {
  return change_in_place(
      self, needs_gradient(self, source), "index_add_",
      [&] { return index_add_scaled(self, dim, index, source, alpha); },
      [&](const Tensor& target) { add_into(target, dim, index, source, alpha); });
}
Tensor index_copy_in_place(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source) {
  return change_in_place(
      self, needs_gradient(self, source), "index_copy_", [&] { return index_copy(self, dim, index, source); },
      [&](const Tensor& target) { copy_into(target, dim, index, source); });
}
Tensor index_fill_in_place(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& value) {
  return change_in_place(
      self, needs_gradient(self, value), "index_fill_", [&] { return index_fill(self, dim, index, value); },
      [&](const Tensor& target) { fill_into(target, dim, index, value); });
}

}  // namespace

void register_indexing_along(Registry& r) {
  r.add("index_select(Tensor self, int dim, Tensor index) -> Tensor", index_select);
  r.add("index_add(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor", index_add_scaled);
  r.add("index_add_(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor",
        index_add_in_place, kMethod);
  r.add("index_copy(Tensor self, int dim, Tensor index, Tensor source) -> Tensor", index_copy);
  r.add("index_copy_(Tensor self, int dim, Tensor index, Tensor source) -> Tensor", index_copy_in_place, kMethod);
  r.add("index_fill(Tensor self, int dim, Tensor index, Tensor|Scalar value) -> Tensor", index_fill);
  r.add("index_fill_(Tensor self, int dim, Tensor index, Tensor|Scalar value) -> Tensor", index_fill_in_place, kMethod);
  r.add(
      "index_reduce(Tensor self, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True) -> "
      "Tensor",
      index_reduce);
  r.add(
      "index_reduce_(Tensor self, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True) -> "
      "Tensor",
      index_reduce_in_place, kMethod);
}

}  // namespace ondol
