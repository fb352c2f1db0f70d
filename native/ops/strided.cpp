// as_strided and its derivatives: windows on memory by sizes, strides and offset.

#include "base/parallel.h"
#include "ops/element_type.h"
#include "ops/functions.h"
#include "ops/registry.h"

namespace ondol {
namespace {

/// Memory that spans a base and a window, both with offsets counted from where it starts.
struct Span {
  Tensor flat;
  int64_t base_offset, offset;
};

int64_t reach(const Dims& sizes, const Dims& strides) {
  int64_t last = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 0) return -1;
    last += (sizes[i] - 1) * strides[i];
  }
  return last;
}

Span make_span(Dtype dtype, const Dims& base_sizes, const Dims& base_strides, int64_t base_offset, const Dims& sizes,
               const Dims& strides, int64_t offset) {
  int64_t start = std::min(base_offset, offset);
  int64_t end = std::max(base_offset + reach(base_sizes, base_strides), offset + reach(sizes, strides)) + 1;
  return {zeros({std::max<int64_t>(end - start, 0)}, dtype), base_offset - start, offset - start};
}

bool overlaps_itself(const Dims& sizes, const Dims& strides) {
  Tensor probe = empty_strided(sizes, strides, Dtype::Bool);
  return may_overlap(probe);
}

/// target += source where several elements of target may be one: an element after the other, in row-major order.
template <class T>
void add_in_order(const T* source, T* target, const Dims& sizes, const Dims& strides, size_t dim) {
  const int64_t n = sizes[dim], step = strides[dim];
  if (dim + 1 == sizes.size()) {
    for (int64_t i = 0; i < n; ++i) target[i * step] = narrowed<T>(widened(target[i * step]) + widened(source[i]));
    return;
  }
  int64_t block = 1;
  for (size_t d = dim + 1; d < sizes.size(); ++d) block *= sizes[d];
  for (int64_t i = 0; i < n; ++i) add_in_order(source + i * block, target + i * step, sizes, strides, dim + 1);
}

/// target += source; a dimension of stride 0 is summed first.
void accumulate(const Tensor& source, const Tensor& target) {
  if (!may_overlap(target)) {
    Tensor into = detach(target);
    add_(into, source);
    return;
  }
  for (int64_t dim = 0; dim < target.ndim(); ++dim)
    if (target.strides()[dim] == 0 && target.sizes()[dim] > 1) {
      accumulate(sum(source, {dim}, true), narrow(target, dim, 0, 1));
      return;
    }
  Tensor rows = contiguous(detach(source));
  visit_dtype(target.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    add_in_order(rows.data<T>(), target.data<T>(), target.sizes(), target.strides(), 0);
  });
}

}  // namespace

Tensor as_strided_backward(const Tensor& gradient, const Dims& base_sizes, const Dims& base_strides,
                           int64_t base_offset, const Dims& sizes, const Dims& strides, int64_t offset) {
  Tensor result;
  {
    NoGrad silent;
    Span span = make_span(gradient.dtype(), base_sizes, base_strides, base_offset, sizes, strides, offset);
    accumulate(gradient, alias(span.flat, sizes, strides, span.offset));
    result = detach(alias(span.flat, base_sizes, base_strides, span.base_offset));
    if (overlaps_itself(base_sizes, base_strides)) {
      // Each element of the base stands for several: the gradient of the memory is shared out among them.
      Tensor count = zeros(span.flat.sizes(), gradient.dtype());
      accumulate(ones(base_sizes, gradient.dtype()), alias(count, base_sizes, base_strides, span.base_offset));
      result = div(result, alias(count, base_sizes, base_strides, span.base_offset));
    }
  }
  if (needs_gradient(gradient))
    record("AsStridedBackwardBackward0", result, {gradient}, [=](const Tensor& g, Gradients& in) {
      in[0] = as_strided_gather(g, base_sizes, base_strides, base_offset, sizes, strides, offset);
    });
  return result;
}

Tensor as_strided_gather(const Tensor& base, const Dims& base_sizes, const Dims& base_strides, int64_t base_offset,
                         const Dims& sizes, const Dims& strides, int64_t offset) {
  Tensor result;
  {
    NoGrad silent;
    Span span = make_span(base.dtype(), base_sizes, base_strides, base_offset, sizes, strides, offset);
    copy_elements(base, alias(span.flat, base_sizes, base_strides, span.base_offset));
    result = clone(alias(span.flat, sizes, strides, span.offset));
  }
  if (needs_gradient(base))
    record("AsStridedBackward0", result, {base}, [=](const Tensor& g, Gradients& in) {
      in[0] = as_strided_backward(g, base_sizes, base_strides, base_offset, sizes, strides, offset);
    });
  return result;
}

Tensor as_strided_scatter(const Tensor& base, const Tensor& source, const Dims& base_sizes, const Dims& base_strides,
                          int64_t base_offset, const Dims& sizes, const Dims& strides, int64_t offset) {
  Tensor result;
  {
    NoGrad silent;
    Span span = make_span(base.dtype(), base_sizes, base_strides, base_offset, sizes, strides, offset);
    copy_elements(base, alias(span.flat, base_sizes, base_strides, span.base_offset));
    copy_elements(source, alias(span.flat, sizes, strides, span.offset));
    result = clone(alias(span.flat, base_sizes, base_strides, span.base_offset));
  }
  if (needs_gradient(base, source))
    record("AsStridedScatterBackward0", result, {base, source}, [=](const Tensor& g, Gradients& in) {
      if (in.wants(0))
        in[0] = as_strided_scatter(g, zeros(sizes, g.dtype()), base_sizes, base_strides, base_offset, sizes, strides,
                                   offset);
      if (in.wants(1)) in[1] = as_strided_gather(g, base_sizes, base_strides, base_offset, sizes, strides, offset);
    });
  return result;
}

Tensor as_strided(const Tensor& self, const Dims& sizes, const Dims& strides, std::optional<int64_t> storage_offset) {
  int64_t base_offset = self.impl()->offset, offset = storage_offset.value_or(base_offset);
  Tensor result = alias(self, sizes, strides, offset);
  if (needs_gradient(self))
    record("AsStridedBackward0", result, {self},
           [=, base_sizes = self.sizes(), base_strides = self.strides()](const Tensor& g, Gradients& in) {
             in[0] = as_strided_backward(g, base_sizes, base_strides, base_offset, sizes, strides, offset);
           });
  return result;
}

static Tensor as_strided_scatter_operation(const Tensor& self, const Tensor& source, const Dims& sizes,
                                           const Dims& strides, std::optional<int64_t> storage_offset) {
  int64_t base_offset = self.impl()->offset, offset = storage_offset.value_or(base_offset);
  check_bounds(sizes, strides, offset, self.dtype(), self.storage()->bytes());
  if (source.sizes() != sizes)
    shape_error("expected src to have a size equal to the slice of self. src size = ", source.sizes(),
                ", slice size = ", sizes);
  return as_strided_scatter(self, source, self.sizes(), self.strides(), base_offset, sizes, strides, offset);
}

void register_strided(Registry& r) {
  r.add("as_strided(Tensor self, int[] size, int[] stride, int? storage_offset=None) -> Tensor", as_strided);
  r.add("as_strided_scatter(Tensor self, Tensor src, int[] size, int[] stride, int? storage_offset=None) -> Tensor",
        as_strided_scatter_operation);
}

}  // namespace ondol
