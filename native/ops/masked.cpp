// Elements chosen by a mask: masked_fill, masked_select, masked_scatter.

#include <cstring>

#include "base/parallel.h"
#include "base/vectorize.h"
#include "ops/element_type.h"
#include "ops/functions.h"
#include "ops/in_place.h"
#include "ops/registry.h"
#include "tensor/launch.h"

namespace ondol {
namespace {

template <class T>
[[gnu::always_inline]] inline void fill_loop(const T* x, const uint8_t* mask, T value, T* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = mask[i] ? value : x[i];
}
template <class T>
ONDOL_VECTORIZE ONDOL_WIDE void fill_wide(const T* x, const uint8_t* mask, T value, T* y, int64_t n) {
  fill_loop(x, mask, value, y, n);
}
template <class T>
void fill_plain(const T* x, const uint8_t* mask, T value, T* y, int64_t n) {
  fill_loop(x, mask, value, y, n);
}

/// The mask without leading ones if it then repeats over a contiguous tensor as it is; else spread out to the tensor's
/// shape.
Tensor repeating_mask(const Tensor& mask, const Dims& sizes) {
  Tensor core = mask;
  while (core.ndim() > 0 && core.sizes()[0] == 1) core = select(core, 0, 0);
  int64_t shift = sizes.ssize() - core.ndim();
  bool trailing = core.ndim() > 0;
  for (int64_t d = 0; d < core.ndim(); ++d) trailing = trailing && core.sizes()[d] == sizes[shift + d];
  return contiguous(trailing ? core : expand(mask, sizes));
}

/// y = mask ? value : x, all contiguous, the mask repeating.
void fill_elements(const Tensor& x, const Tensor& mask, const Tensor& value, const Tensor& y) {
  int64_t period = mask.numel();
  launch({{&x, &mask, &value}, {&y}}, y.numel(), [&] {
    visit_item_size(y.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      T one;
      std::memcpy(&one, value.bytes(), sizeof(T));
      auto* from = reinterpret_cast<const T*>(x.bytes());
      auto* to = reinterpret_cast<T*>(y.bytes());
      const auto* flags = reinterpret_cast<const uint8_t*>(mask.bytes());
      auto fill = wide_vectors() ? fill_wide<T> : fill_plain<T>;
      parallel_for(y.numel(), 32768, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end;) {
          int64_t at = i % period, n = std::min(period - at, end - i);
          fill(from + i, flags + at, one, to + i, n);
          i += n;
        }
      });
    });
  });
}

void check_fill(const Tensor& self, const Tensor& mask, const Tensor& value) {
  if (mask.dtype() != Dtype::Bool)
    runtime_error("masked_fill_ only supports boolean masks, but got mask with dtype ", name(mask.dtype()));
  if (value.ndim() != 0)
    runtime_error("masked_fill_ only supports a 0-dimensional value tensor, but got tensor with ", value.ndim(),
                  " dimension(s).");
  if (is_complex(value.dtype()) && !is_complex(self.dtype()))
    runtime_error("value cannot be converted to type ", name(self.dtype()), " without overflow");
}

void fill_into(const Tensor& target, const Tensor& mask, const Tensor& value) {
  NoGrad silent;
  check_fill(target, mask, value);
  if (broadcast_shapes(target.sizes(), mask.sizes()) != target.sizes())
    shape_error("output with shape ", target.sizes(), " doesn't match the broadcast shape ",
                broadcast_shapes(target.sizes(), mask.sizes()));
  if (target.numel() == 0) return;
  Tensor dense = contiguous(target);
  fill_elements(dense, repeating_mask(apart_from(detach(mask), target), target.sizes()),
                to_dtype(detach(value), target.dtype()), dense);
  if (!dense.is_same(target)) copy_elements(dense, target);
}

Tensor filled(const Tensor& self, const Tensor& mask, const Tensor& value) {
  NoGrad silent;
  check_fill(self, mask, value);
  Dims sizes = broadcast_shapes(self.sizes(), mask.sizes());
  Tensor source = contiguous(expand(detach(self), sizes)), result = empty(sizes, self.dtype());
  if (result.numel() > 0)
    fill_elements(source, repeating_mask(detach(mask), sizes), to_dtype(detach(value), self.dtype()), result);
  return result;
}

}  // namespace

Tensor masked_fill(const Tensor& self, const Tensor& mask, const Tensor& value) {
  Tensor result = filled(self, mask, value);
  if (needs_gradient(self, value) && is_differentiable(self.dtype()))
    record("MaskedFillBackward0", result, {self, value}, [saved = save(mask)](const Tensor& gradient, Gradients& in) {
      if (in.wants(0)) in[0] = masked_fill(gradient, saved(), wrapped_number(0));
      if (in.wants(1)) in[1] = sum(masked_fill(gradient, logical_not(saved()), wrapped_number(0)));
    });
  return result;
}
static Tensor masked_fill_in_place(const Tensor& self, const Tensor& mask, const Tensor& value) {
  return change_in_place(
      self, needs_gradient(self, value), "masked_fill_", [&] { return masked_fill(self, mask, value); },
      [&](const Tensor& target) { fill_into(target, mask, value); });
}

/// The bytes of a contiguous mask; any but 0 is true.
static const uint8_t* bytes_of(const Tensor& mask) { return reinterpret_cast<const uint8_t*>(mask.bytes()); }

static int64_t count_true(const Tensor& mask) {
  const uint8_t* flags = bytes_of(mask);
  return mask.numel() - std::count(flags, flags + mask.numel(), uint8_t{0});
}

Tensor masked_select(const Tensor& self, const Tensor& mask) {
  if (mask.dtype() != Dtype::Bool) runtime_error("masked_select: expected BoolTensor for mask");
  Tensor result;
  {
    NoGrad silent;
    Dims sizes = broadcast_shapes(self.sizes(), mask.sizes());
    Tensor source = contiguous(expand(detach(self), sizes)), flags = contiguous(expand(detach(mask), sizes));
    result = empty({count_true(flags)}, self.dtype());
    visit_item_size(self.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      auto* from = reinterpret_cast<const T*>(source.bytes());
      auto* to = reinterpret_cast<T*>(result.bytes());
      const uint8_t* flag = bytes_of(flags);
      const int64_t count = result.numel();
      for (int64_t i = 0, taken = 0; taken < count; ++i) {  // without a branch on the flag, which is hard to foresee
        to[taken] = from[i];
        taken += flag[i] != 0;
      }
    });
  }
  if (needs_gradient(self))
    record("MaskedSelectBackward0", result, {self},
           [saved = save(mask), sizes = self.sizes()](const Tensor& gradient, Gradients& in) {
             Dims whole = broadcast_shapes(sizes, saved().sizes());
             in[0] = masked_scatter(zeros(whole, gradient.dtype()), saved(), gradient);
           });
  return result;
}

/// The elements of the source, in order, into the places where the mask is true.
static void scatter_into(const Tensor& target, const Tensor& mask, const Tensor& source) {
  NoGrad silent;
  if (mask.dtype() != Dtype::Bool)
    runtime_error("masked_scatter_ only supports boolean masks, but got mask with dtype ", name(mask.dtype()));
  if (target.dtype() != source.dtype())
    runtime_error("masked_scatter: expected self and source to have same dtypes but got ", torch_name(target.dtype()),
                  " and ", torch_name(source.dtype()));
  if (broadcast_shapes(target.sizes(), mask.sizes()) != target.sizes())
    shape_error("output with shape ", target.sizes(), " doesn't match the broadcast shape ",
                broadcast_shapes(target.sizes(), mask.sizes()));
  Tensor flags = contiguous(expand(apart_from(detach(mask), target), target.sizes())),
         values = contiguous(apart_from(detach(source), target));
  int64_t count = count_true(flags);
  if (count > values.numel())
    runtime_error("Number of elements of source < number of ones in mask (masked_scatter: ", values.numel(), " < ",
                  count, ")");
  Tensor dense = contiguous(target);
  visit_item_size(target.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    auto* from = reinterpret_cast<const T*>(values.bytes());
    auto* to = reinterpret_cast<T*>(dense.bytes());
    const uint8_t* flag = bytes_of(flags);
    for (int64_t i = 0; i < flags.numel(); ++i)
      if (flag[i]) to[i] = *from++;
  });
  if (!dense.is_same(target)) copy_elements(dense, target);
}

Tensor masked_scatter(const Tensor& self, const Tensor& mask, const Tensor& source) {
  Tensor result;
  {
    NoGrad silent;
    result = clone(expand(detach(self), broadcast_shapes(self.sizes(), mask.sizes())));
    if (may_overlap(result)) result = contiguous(result);
  }
  scatter_into(result, mask, source);
  if (needs_gradient(self, source))
    record("MaskedScatterBackward0", result, {self, source},
           [saved = save(mask), sizes = source.sizes()](const Tensor& gradient, Gradients& in) {
             if (in.wants(0)) in[0] = masked_fill(gradient, saved(), wrapped_number(0));
             if (!in.wants(1)) return;
             Tensor taken = masked_select(gradient, expand(saved(), gradient.sizes()));
             in[1] = reshape(slice_backward(taken, {count_elements(sizes)}, 0, 0, taken.numel(), 1), sizes);
           });
  return result;
}
static Tensor masked_scatter_in_place(const Tensor& self, const Tensor& mask, const Tensor& source) {
  return change_in_place(
      self, needs_gradient(self, source), "masked_scatter_", [&] { return masked_scatter(self, mask, source); },
      [&](const Tensor& target) { scatter_into(target, mask, source); });
}

void register_masked(Registry& r) {
  r.add("masked_fill(Tensor self, Tensor mask, Tensor|Scalar value) -> Tensor", masked_fill);
  r.add("masked_fill_(Tensor self, Tensor mask, Tensor|Scalar value) -> Tensor", masked_fill_in_place, kMethod);
  r.add("masked_select(Tensor self, Tensor mask) -> Tensor", masked_select);
  r.add("masked_scatter(Tensor self, Tensor mask, Tensor source) -> Tensor", masked_scatter);
  r.add("masked_scatter_(Tensor self, Tensor mask, Tensor source) -> Tensor", masked_scatter_in_place, kMethod);
}

}  // namespace ondol
