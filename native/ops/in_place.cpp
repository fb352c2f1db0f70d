// What changing a tensor in place means for its history, and for that of the tensors that share its memory.

#include "ops/in_place.h"
#include "autograd/node.h"
#include "ops/functions.h"
#include "ops/registry.h"

namespace ondol {

void refuse_cast(Dtype result, Dtype target) {
  runtime_error(
      "result type ", torch_name(result), " can't be cast to the desired output type ", torch_name(target),
      "\n  an in-place operation, or one with out=, keeps the dtype of the tensor it writes to: make a new tensor "
      "(x = x + y in place of x += y), or convert this one first");
}

void check_writable(const Tensor& self, const char* operation) {
  if (!self.storage()->writable())
    runtime_error(
        operation,
        ": the memory of this tensor is read-only (it was borrowed from a read-only array); clone() it first");
  if (repeats_elements(self))
    runtime_error(
        "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
        "Please clone() the "
        "tensor before performing the operation. (",
        operation, " on sizes ", self.sizes(), ", strides ", self.strides(), ")");
}

void check_in_place(const Tensor& self, const char* operation) {
  check_writable(self, operation);
  if (self.impl()->inference && !GradMode::inference())
    runtime_error(
        "Inplace update to inference tensor outside InferenceMode is not allowed. You can make a clone to get a normal "
        "tensor before "
        "doing inplace update.");
  if (!GradMode::enabled()) return;
  if (self.impl()->requires_grad && self.is_leaf())
    runtime_error("a leaf Variable that requires grad is being used in an in-place operation. (", operation,
                  "; use torch.no_grad() to change a "
                  "parameter, or an operation that makes a new tensor)");
  if (self.is_view()) {
    Tensor base(self.impl()->base);
    if (base.impl()->requires_grad && base.is_leaf())
      runtime_error("a view of a leaf Variable that requires grad is being used in an in-place operation. (", operation,
                    ")");
  }
}

/// The history of a view whose base was changed through another tensor: a window on the base as it is now.
static void refresh_view_history(const Tensor& view) {
  TensorImpl* impl = view.impl();
  impl->seen_version = impl->version();
  Tensor base(impl->base);
  if (impl->requires_grad || impl->opaque_view || !base.requires_grad()) return;
  Dims sizes = impl->sizes, strides = impl->strides;
  int64_t offset = impl->offset;
  Tensor target = view;
  TensorImpl* base_impl = base.impl();
  Dims base_sizes = base_impl->sizes, base_strides = base_impl->strides;
  int64_t base_offset = base_impl->offset;
  record("AsStridedBackward0", target, {base}, [=](const Tensor& gradient, Gradients& in) {
    in[0] = as_strided_backward(gradient, base_sizes, base_strides, base_offset, sizes, strides, offset);
  });
  impl->seen_version = impl->version();
}

const Ref<Node>& Tensor::grad_fn() const {
  if (impl_->base && impl_->seen_version != impl_->version()) refresh_view_history(*this);
  return impl_->grad_fn;
}

bool Tensor::grad_fn_of_stale_view() const { return static_cast<bool>(grad_fn()); }

void rebase_history(Tensor& self, const Tensor& result) {
  TensorImpl* impl = self.impl();
  if (!self.is_view()) {
    move_to(impl, result.impl()->grad_fn, result.impl()->output_index);
    return;
  }
  if (impl->opaque_view)
    not_implemented(
        "an in-place change of a view with another dtype (view(dtype), view_as_real, real, imag) cannot be recorded; "
        "use an "
        "operation that makes a new tensor, or torch.no_grad()");
  // The base is now: what it was, with the window replaced by the result. The view is that window of it.
  Tensor base(impl->base);
  Dims sizes = impl->sizes, strides = impl->strides, base_sizes = base.sizes(), base_strides = base.strides();
  int64_t offset = impl->offset, base_offset = base.impl()->offset;
  Tensor history = detach(base);
  record("CopySlices", history, {base, result}, [=](const Tensor& gradient, Gradients& in) {
    if (in.wants(0))
      in[0] = as_strided_scatter(gradient, zeros(sizes, gradient.dtype()), base_sizes, base_strides, base_offset, sizes,
                                 strides, offset);
    if (in.wants(1)) in[1] = as_strided_gather(gradient, base_sizes, base_strides, base_offset, sizes, strides, offset);
  });
  rebase_history(base, history);
  refresh_view_history(self);
}

static Tensor with_history_of(const Tensor& self) {
  Tensor twin = detach(self);
  twin.impl()->grad_fn = self.grad_fn();
  twin.impl()->output_index = self.impl()->output_index;
  return twin;
}

Original::Original(const Tensor& self) : tensor(with_history_of(self)) {}

void Original::keep_apart() {
  TensorImpl* impl = tensor.impl();
  if (impl->owners() == 1) return;  // nobody kept it
  NoGrad silent;
  Tensor copy = clone(detach(tensor));
  uint32_t version = impl->version();
  impl->own_version = Ref<VersionCounter>(new VersionCounter);
  impl->own_version->version = version;
  impl->storage = copy.storage();
  impl->set_geometry(copy.sizes(), copy.strides(), 0);
}

void finish_over_input(Tensor& self, const Tensor& result) {
  if (self.is_view()) self.impl()->seen_version = self.version() - 1;  // stale, as far as its base's history goes
  rebase_history(self, result);
}

void finish_in_place(Tensor& self, const Tensor& result, const char* operation) {
  bool there = result.ref() == self.ref();
  if (!there) {
    if (!can_cast(result.dtype(), self.dtype())) refuse_cast(result.dtype(), self.dtype());
    if (result.sizes() != self.sizes())
      shape_error("output with shape ", self.sizes(), " doesn't match the broadcast shape ", result.sizes(), " (",
                  operation, ")");
    copy_elements(result, self);
  }
  self.bump_version();
  if (self.is_view()) self.impl()->seen_version = self.version() - 1;  // stale, as far as its base's history goes
  if (there) {
    if (self.is_view() && !self.requires_grad()) self.impl()->seen_version = self.version();
    return;
  }
  if (!needs_gradient(self, result)) return;
  Tensor value = result;
  if (!value.requires_grad()) {  // the change cuts the history: gradients end here, as zeros
    value = detach(self);
    record("ZeroBackward0", value, {self}, [](const Tensor& gradient, Gradients& in) { in[0] = zeros_like(gradient); });
  } else if (value.dtype() != self.dtype()) {
    value = to_dtype(value, self.dtype());
  }
  rebase_history(self, value);
}

}  // namespace ondol
