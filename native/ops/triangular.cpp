// Triangles and diagonals: tril, triu, diag, diag_embed, trace, fill_diagonal_.

#include <cstring>

#include "base/parallel.h"
#include "ops/element_type.h"
#include "ops/functions.h"
#include "ops/in_place.h"
#include "ops/reduction.h"
#include "ops/registry.h"
#include "ops/triangular.h"

namespace ondol {
namespace {

enum class Triangle { Lower, Upper };

/// Rows of contiguous matrices copied up to or from the diagonal, zeros elsewhere. `x` may be `y`.
template <Triangle triangle>
void copy_triangle(const Tensor& x, const Tensor& y, int64_t diagonal) {
  int64_t rows = x.size(-2), columns = x.size(-1);
  auto item = static_cast<int64_t>(item_size(x.dtype()));
  const char* from = x.bytes();
  char* to = y.bytes();
  launch({{&x}, {&y}}, x.numel(), [&] {
    parallel_for(columns ? x.numel() / columns : 0, grain_for(32768, columns), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        int64_t r = row % rows;
        // Columns c with c - r <= diagonal belong to the lower triangle. The diagonal may be any number: no sum may
        // overflow.
        int64_t reach = diagonal >= columns ? columns : diagonal <= -rows ? -rows : diagonal;
        int64_t edge = triangle == Triangle::Lower ? r + reach + 1 : r + reach;
        edge = std::clamp<int64_t>(edge, 0, columns);
        int64_t first = triangle == Triangle::Lower ? 0 : edge, last = triangle == Triangle::Lower ? edge : columns;
        int64_t at = row * columns;
        if (from != to)
          std::memcpy(to + (at + first) * item, from + (at + first) * item, static_cast<size_t>((last - first) * item));
        std::memset(to + at * item, 0, static_cast<size_t>(first * item));
        std::memset(to + (at + last) * item, 0, static_cast<size_t>((columns - last) * item));
      }
    });
  });
}

template <Triangle triangle>
Tensor triangle_of(const Tensor& self, int64_t diagonal) {
  const char* name = triangle == Triangle::Lower ? "tril" : "triu";
  if (self.ndim() < 2) runtime_error(name, ": input tensor must have at least 2 dimensions");
  Tensor result = empty(self.sizes(), self.dtype());
  if (result.numel() > 0) {
    NoGrad silent;
    copy_triangle<triangle>(contiguous(detach(self)), result, diagonal);
  }
  if (needs_gradient(self))
    record(triangle == Triangle::Lower ? "TrilBackward0" : "TriuBackward0", result, {self},
           [diagonal](const Tensor& gradient, Gradients& in) { in[0] = triangle_of<triangle>(gradient, diagonal); });
  return result;
}
template <Triangle triangle>
Tensor triangle_in_place(const Tensor& self, int64_t diagonal) {
  const char* name = triangle == Triangle::Lower ? "tril_" : "triu_";
  if (self.ndim() < 2) runtime_error(name, ": input tensor must have at least 2 dimensions");
  return change_in_place(
      self, needs_gradient(self), name, [&] { return triangle_of<triangle>(self, diagonal); },
      [&](const Tensor& target) {
        if (target.numel() == 0) return;
        Tensor dense = contiguous(target);
        copy_triangle<triangle>(dense, dense, diagonal);
        if (!dense.is_same(target)) copy_elements(dense, target);
      });
}

}  // namespace

Tensor tril(const Tensor& self, int64_t diagonal) { return triangle_of<Triangle::Lower>(self, diagonal); }
Tensor triu(const Tensor& self, int64_t diagonal) { return triangle_of<Triangle::Upper>(self, diagonal); }

Tensor diag_embed(const Tensor& self, int64_t offset, int64_t dim1, int64_t dim2) {
  int64_t ndim = self.ndim() + 1;
  dim1 = wrap_dim(dim1, ndim);
  dim2 = wrap_dim(dim2, ndim);
  if (self.ndim() == 0) index_error("Dimension specified as -1 but tensor has no dimensions");
  if (dim1 == dim2) runtime_error("diagonal dimensions cannot be identical ", dim1, ", ", dim2);
  int64_t size = self.size(-1), away;
  bool overflow =
      offset < 0 ? __builtin_sub_overflow(size, offset, &away) : __builtin_add_overflow(size, offset, &away);
  if (overflow) runtime_error("diag_embed: offset ", offset, " is too large");
  Dims sizes(self.sizes().begin(), self.sizes().end() - 1);
  sizes.insert(static_cast<size_t>(std::min(dim1, dim2)), away);
  sizes.insert(static_cast<size_t>(std::max(dim1, dim2)), away);
  return diagonal_backward(self, sizes, offset, dim1, dim2);
}

namespace {

Tensor diag(const Tensor& self, int64_t diagonal_offset) {
  if (self.ndim() == 1) return diag_embed(self, diagonal_offset, 0, 1);
  if (self.ndim() == 2) return clone(diagonal(self, diagonal_offset, 0, 1));
  runtime_error("diag(): Supports 1D or 2D tensors. Got ", self.ndim(), "D");
}

Tensor trace(const Tensor& self) {
  if (self.ndim() != 2) runtime_error("trace: expected a matrix, but got tensor with dim ", self.ndim());
  if (self.dtype() == Dtype::Bool) not_implemented("\"trace\" not implemented for 'Bool'");
  return sum(diagonal(self, 0, 0, 1));
}

/// The elements whose indices are all equal; in a tall matrix with `wrap` again below each square.
Tensor fill_diagonal(const Tensor& self, const Scalar& value, bool wrap) {
  if (self.ndim() < 2) runtime_error("dimensions must larger than 1");
  if (self.ndim() > 2)
    for (int64_t size : self.sizes())
      if (size != self.sizes()[0]) runtime_error("all dimensions of input must be of equal length");
  if (value.is_complex() && !is_complex(self.dtype()))
    runtime_error("value cannot be converted to type ", name(self.dtype()), " without overflow");
  auto fill = [&](const Tensor& target) {
    int64_t step = 0, length = self.sizes()[0];
    for (int64_t d = 0; d < self.ndim(); ++d) {
      step += target.strides()[d];
      length = std::min(length, target.sizes()[d]);
    }
    copy_elements(wrapped_number(value), alias(target, {length}, {step}, target.impl()->offset));
    int64_t rows = target.sizes()[0], columns = target.sizes()[1];
    if (!wrap || target.ndim() != 2 || columns == 0) return;
    for (int64_t start = columns + 1; start < rows; start += columns + 1)
      copy_elements(wrapped_number(value), diagonal(narrow(target, 0, start, rows - start), 0, 0, 1));
  };
  auto functional = [&] {
    Tensor result;
    {
      NoGrad silent;
      result = clone(detach(self));
      fill(result);
    }
    record("FillDiagonalBackward0", result, {self}, [wrap](const Tensor& gradient, Gradients& in) {
      Tensor kept = clone(gradient);
      in[0] = fill_diagonal(kept, 0, wrap);
    });
    return result;
  };
  return change_in_place(self, needs_gradient(self), "fill_diagonal_", functional, fill);
}

}  // namespace

void register_triangular(Registry& r) {
  r.add("tril(Tensor self, int diagonal=0) -> Tensor", tril);
  r.add("triu(Tensor self, int diagonal=0) -> Tensor", triu);
  r.add("tril_(Tensor self, int diagonal=0) -> Tensor", triangle_in_place<Triangle::Lower>, kMethod);
  r.add("triu_(Tensor self, int diagonal=0) -> Tensor", triangle_in_place<Triangle::Upper>, kMethod);
  r.add("diag_embed(Tensor self, int offset=0, int dim1=-2, int dim2=-1) -> Tensor", diag_embed);
  r.add("diag(Tensor self, int diagonal=0) -> Tensor", diag);
  r.add("trace(Tensor self) -> Tensor", trace);
  r.add("fill_diagonal_(Tensor self, Scalar fill_value, bool wrap=False) -> Tensor", fill_diagonal, kMethod);
}

}  // namespace ondol
