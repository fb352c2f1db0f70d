// Copies: clone, contiguous, to, copy_, fill_, cat, stack, repeat.

#include <cstring>

#include "base/parallel.h"
#include "ops/functions.h"
#include "ops/registry.h"
#include "tensor/launch.h"

namespace ondol {

static Tensor copied(const Tensor& self, Dtype dtype, MemoryFormat format) {
  Tensor result = format == MemoryFormat::Preserve
                      ? empty_like(self, dtype)
                      : empty_strided(self.sizes(), strides_for(self.sizes(), format), dtype);
  copy_elements(self, result);
  return result;
}

static Tensor clone_as(const Tensor& self, std::optional<MemoryFormat> format) {
  Tensor result = copied(self, self.dtype(), format.value_or(MemoryFormat::Preserve));
  if (needs_gradient(self))
    record("CloneBackward0", result, {self}, [](const Tensor& gradient, Gradients& in) { in[0] = gradient; });
  return result;
}
Tensor clone(const Tensor& self) { return clone_as(self, std::nullopt); }

Tensor contiguous(const Tensor& self, MemoryFormat format) {
  if (format == MemoryFormat::Preserve)
    runtime_error("preserve memory format is unsupported by the contiguous operator");
  return self.is_contiguous(format) ? self : clone_as(self, format);
}

Tensor to_dtype(const Tensor& self, Dtype dtype) {
  if (self.dtype() == dtype) return self;
  Tensor result = copied(self, dtype, MemoryFormat::Preserve);
  if (needs_gradient(self) && is_differentiable(dtype))
    record("ToCopyBackward0", result, {self}, [](const Tensor& gradient, Gradients& in) { in[0] = gradient; });
  return result;
}

/// `to`: itself if nothing changes.
static Tensor to(const Tensor& self, std::optional<Dtype> dtype, bool, bool copy, std::optional<MemoryFormat> format) {
  Dtype target = dtype.value_or(self.dtype());
  bool keeps_layout = !format || *format == MemoryFormat::Preserve || self.is_contiguous(*format);
  if (target == self.dtype() && keeps_layout && !copy) return self;
  Tensor result = copied(self, target, format.value_or(MemoryFormat::Preserve));
  if (needs_gradient(self) && is_differentiable(target))
    record("ToCopyBackward0", result, {self}, [](const Tensor& gradient, Gradients& in) { in[0] = gradient; });
  return result;
}
static Tensor to_given_dtype(const Tensor& self, Dtype dtype, bool non_blocking, bool copy,
                             std::optional<MemoryFormat> format) {
  return to(self, dtype, non_blocking, copy, format);
}
static Tensor to_device(const Tensor& self, std::monostate, std::optional<Dtype> dtype, bool non_blocking, bool copy,
                        std::optional<MemoryFormat> format) {
  return to(self, dtype, non_blocking, copy, format);
}
static Tensor to_other(const Tensor& self, const Tensor& other, bool non_blocking, bool copy,
                       std::optional<MemoryFormat> format) {
  return to(self, other.dtype(), non_blocking, copy, format);
}
template <Dtype dtype>
Tensor cast_to(const Tensor& self, std::optional<MemoryFormat> format) {
  return to(self, dtype, false, false, format);
}

Tensor& copy_(Tensor& self, const Tensor& source) {
  if (broadcast_shapes(source.sizes(), self.sizes()) != self.sizes())
    shape_error("output with shape ", self.sizes(), " doesn't match the broadcast shape ",
                broadcast_shapes(source.sizes(), self.sizes()));
  if (self.is_same(source)) {  // changes nothing, but counts as a change
    self.bump_version();
    return self;
  }
  Tensor separate = shares_memory(self, source) ? copied(source, source.dtype(), MemoryFormat::Contiguous) : source;
  Tensor history;
  if (needs_gradient(self, source) && is_differentiable(self.dtype())) {
    history = detach(self);
    record("CopyBackwards", history, {source}, [](const Tensor& gradient, Gradients& in) {
      if (in.wants(0)) in[0] = gradient;
    });
  }
  copy_elements(separate, self);
  self.bump_version();
  if (self.is_view() && !history.defined() && !self.requires_grad()) self.impl()->seen_version = self.version();
  if (history.defined()) rebase_history(self, history);
  return self;
}
static Tensor copy_operation(const Tensor& self, const Tensor& source, bool) {
  Tensor target = self;
  return copy_(target, source);
}

Tensor& fill_(Tensor& self, const Tensor& value) {
  if (value.ndim() != 0)
    runtime_error("fill_ only supports 0-dimension value tensor but got tensor with ", value.ndim(), " dimensions.");
  if (needs_gradient(self) || needs_gradient(value)) return copy_(self, value);
  if (value.impl()->wrapped_number)
    check_fits(element(value), self.dtype());
  else if (is_complex(value.dtype()) && !is_complex(self.dtype()))
    runtime_error("value cannot be converted to type ", name(self.dtype()), " without overflow");
  copy_elements(value, self);
  self.bump_version();
  return self;
}
static Tensor fill_operation(const Tensor& self, const Tensor& value) {
  Tensor target = self;
  return fill_(target, value);
}

static Tensor filled(const Tensor& self, const Tensor& value) {
  Tensor target = clone(self);
  return fill_(target, value);
}

constexpr int64_t kClearedPerThread = 1 << 19;  // bytes

Tensor& zero_(Tensor& self) {
  if (needs_gradient(self)) {
    finish_in_place(self, zeros_like(self), "zero_");
    return self;
  }
  if (self.is_contiguous() && self.numel() > 0)
    parallel_for(self.numel() * static_cast<int64_t>(item_size(self.dtype())), kClearedPerThread,
                 [bytes = self.bytes()](int64_t begin, int64_t end) {
                   std::memset(bytes + begin, 0, static_cast<size_t>(end - begin));
                 });
  else
    copy_elements(scalar_tensor(0, self.dtype()), self);
  self.bump_version();
  return self;
}
static Tensor zero_operation(const Tensor& self) {
  Tensor target = self;
  return zero_(target);
}

void resize_(Tensor& self, const Dims& sizes) {
  if (self.requires_grad()) runtime_error("cannot resize variables that require grad");
  for (int64_t size : sizes)
    if (size < 0) runtime_error("resize_(): sizes must not be negative, got ", sizes);
  TensorImpl* impl = self.impl();
  int64_t needed, count = count_elements(sizes);
  if (__builtin_add_overflow(impl->offset, count, &needed) ||
      __builtin_mul_overflow(needed, static_cast<int64_t>(item_size(impl->dtype)), &needed))
    runtime_error("Storage size calculation overflowed with sizes=", sizes);
  const Dims strides = contiguous_strides(sizes);  // may refuse, so before anything changes
  if (static_cast<size_t>(needed) > impl->storage->bytes()) impl->storage->resize(static_cast<size_t>(needed));
  impl->set_geometry(sizes, strides, impl->offset);
}
static Tensor resize_operation(const Tensor& self, const Dims& sizes, std::optional<MemoryFormat>) {
  Tensor target = self;
  resize_(target, sizes);
  return target;
}

static Tensor resize_as_(const Tensor& self, const Tensor& the_template, std::optional<MemoryFormat> format) {
  return resize_operation(self, the_template.sizes(), format);
}

/// Words on the dimension along which the two shapes could be joined, if there is one.
static std::string fitting_dim(const Dims& one, const Dims& other) {
  int64_t differing = 0, dim = 0;
  for (int64_t d = 0; d < one.ssize(); ++d)
    if (one[d] != other[d]) ++differing, dim = d;
  return differing == 1 ? text("; they fit along dim=", dim) : std::string();
}

/// A 1-d tensor without elements fits anything, for history's sake.
static bool fits_any_cat(const Tensor& tensor) { return tensor.sizes() == Dims{0}; }

/// Joins contiguous tensors of the result's dtype: each gives `bytes` to each of the result's rows. False if they are
/// not such, or make few long rows.
static bool join_rows(const std::vector<Tensor>& tensors, const std::vector<int64_t>& bytes, const Tensor& result) {
  constexpr int64_t kBytesPerThread = 1 << 17;
  int64_t row = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (bytes[i] > 0 && (tensors[i].dtype() != result.dtype() || !tensors[i].is_contiguous())) return false;
    row += bytes[i];
  }
  if (row == 0) return true;
  const int64_t rows = result.numel() * static_cast<int64_t>(item_size(result.dtype())) / row;
  if (rows < num_threads() && row > kBytesPerThread) return false;  // each tensor by all threads
  std::vector<const char*> from;
  for (const Tensor& tensor : tensors) from.push_back(tensor.bytes());
  launch({{}, {&result}}, result.numel(), [&, to = result.bytes()] {
    parallel_for(rows, 1 + kBytesPerThread / row, [&](int64_t begin, int64_t end) {
      char* at = to + begin * row;
      for (int64_t r = begin; r < end; ++r)
        for (size_t i = 0; i < bytes.size(); at += bytes[i++])
          std::memcpy(at, from[i] + r * bytes[i], static_cast<size_t>(bytes[i]));
    });
  });
  return true;
}

Tensor cat(const std::vector<Tensor>& tensors, int64_t dim) {
  if (tensors.empty()) value_error("torch.cat(): expected a non-empty list of Tensors");
  const Tensor* model = nullptr;
  for (const Tensor& tensor : tensors) {
    if (tensor.ndim() == 0)
      runtime_error("zero-dimensional tensor (at position ", &tensor - tensors.data(), ") cannot be concatenated");
    if (!model && !fits_any_cat(tensor)) model = &tensor;
  }
  if (!model) model = &tensors[0];
  Dtype dtype = promote(tensors);
  dim = wrap_dim(dim, model->ndim());
  Dims sizes = model->sizes(), lengths;
  sizes[dim] = 0;
  std::vector<bool> skipped;
  for (const Tensor& tensor : tensors) {
    lengths.push_back(0);
    skipped.push_back(fits_any_cat(tensor));
    if (skipped.back()) continue;
    const Dims& each = tensor.sizes();
    if (each.size() != sizes.size())
      shape_error("Tensors must have same number of dimensions: got ", sizes.size(), " and ", each.size(),
                  " (cat: shapes ", model->sizes(), " and ", each, ")");
    for (size_t d = 0; d < each.size(); ++d)
      if (static_cast<int64_t>(d) != dim && each[d] != sizes[d])
        shape_error("Sizes of tensors must match except in dimension ", dim, ". Expected size ", sizes[d],
                    " but got size ", each[d], " for tensor number ", &tensor - tensors.data(),
                    " in the list.\n  cat: tensor ", model - tensors.data(), " has shape ", model->sizes(), ", tensor ",
                    &tensor - tensors.data(), " ", each, fitting_dim(model->sizes(), each));
    sizes[dim] += each[dim];
    lengths.back() = each[dim];
  }
  Tensor result = empty(sizes, dtype);
  {
    NoGrad silent;
    std::vector<int64_t> bytes;
    const int64_t inner = count_elements(Dims(sizes.begin() + dim + 1, sizes.end()));
    for (int64_t length : lengths) bytes.push_back(length * inner * static_cast<int64_t>(item_size(dtype)));
    const bool joined = join_rows(tensors, bytes, result);
    int64_t at = 0;
    for (size_t i = 0; !joined && i < tensors.size(); ++i) {
      if (skipped[i]) continue;
      copy_elements(tensors[i], narrow(result, dim, at, lengths[i]));
      at += lengths[i];
    }
  }
  if (needs_gradient(tensors) && is_differentiable(dtype))
    record("CatBackward0", {result}, tensors, [dim, lengths, skipped](std::span<const Tensor> gradient, Gradients& in) {
      int64_t at = 0;
      for (size_t i = 0; i < lengths.size(); ++i) {
        if (gradient[0].defined() && in.wants(i)) {
          Tensor part = narrow(gradient[0], dim, at, lengths[i]);
          in[i] = skipped[i] ? reshape(part, {0}) : part;
        }
        at += lengths[i];
      }
    });
  return result;
}

Tensor stack(const std::vector<Tensor>& tensors, int64_t dim) {
  if (tensors.empty()) runtime_error("stack expects a non-empty TensorList");
  dim = wrap_dim(dim, tensors[0].ndim() + 1);
  std::vector<Tensor> raised;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].sizes() != tensors[0].sizes())
      shape_error(
          "stack expects each tensor to be equal size, but got ", tensors[0].sizes(), " at entry 0 and ",
          tensors[i].sizes(), " at entry ", i,
          "\n  stack: pad them to one shape first (torch.nn.functional.pad, torch.nn.utils.rnn.pad_sequence), or "
          "join them along a dimension they have with cat()");
    raised.push_back(unsqueeze(tensors[i], dim));
  }
  return cat(raised, dim);
}

/// The tensor laid out as tiles.
static Tensor repeat(const Tensor& self, const Dims& repeats) {
  if (repeats.size() < self.sizes().size())
    runtime_error(
        "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor (repeats ", repeats,
        ", sizes ", self.sizes(), ")");
  // As [r0, s0, r1, s1, ...]: expand over the r, then merge each pair.
  Dims with_ones, expanded, merged;
  size_t shift = repeats.size() - self.sizes().size();
  for (size_t i = 0; i < repeats.size(); ++i) {
    if (repeats[i] < 0) runtime_error("Trying to create tensor with negative dimension ", repeats[i], ": ", repeats);
    int64_t size = i < shift ? 1 : self.sizes()[i - shift];
    with_ones.push_back(1);
    with_ones.push_back(size);
    expanded.push_back(repeats[i]);
    expanded.push_back(size);
    merged.push_back(repeats[i]);
    if (__builtin_mul_overflow(repeats[i], size, &merged[i]))
      runtime_error("repeat(): the sizes of ", self.sizes(), " repeated ", repeats, " times do not fit in 64 bits");
  }
  return reshape(clone_as(expand(reshape(self, with_ones), expanded), MemoryFormat::Contiguous), merged);
}
static Tensor tile(const Tensor& self, const Dims& repeats) {
  Dims whole(self.sizes().size() > repeats.size() ? self.sizes().size() - repeats.size() : 0, 1);
  for (int64_t count : repeats) whole.push_back(count);
  return repeat(self, whole);
}

void register_copy(Registry& r) {
  r.add("clone(Tensor self, *, MemoryFormat? memory_format=None) -> Tensor", clone_as);
  r.add("contiguous(Tensor self, *, MemoryFormat memory_format=contiguous_format) -> Tensor", contiguous, kMethod);
  r.add(
      "to.device(Tensor self, Device? device=None, ScalarType? dtype=None, bool non_blocking=False, bool copy=False, "
      "*, MemoryFormat? memory_format=None) -> Tensor",
      to_device, kMethod);
  r.add(
      "to.dtype(Tensor self, ScalarType dtype, bool non_blocking=False, bool copy=False, *, MemoryFormat? "
      "memory_format=None) -> Tensor",
      to_given_dtype, kMethod);
  r.add(
      "to.other(Tensor self, Tensor other, bool non_blocking=False, bool copy=False, *, MemoryFormat? "
      "memory_format=None) -> Tensor",
      to_other, kMethod);
  r.add("float(Tensor self, MemoryFormat? memory_format=None) -> Tensor", cast_to<Dtype::F32>, kMethod);
  r.add("double(Tensor self, MemoryFormat? memory_format=None) -> Tensor", cast_to<Dtype::F64>, kMethod);
  r.add("half(Tensor self, MemoryFormat? memory_format=None) -> Tensor", cast_to<Dtype::F16>, kMethod);
  r.add("bfloat16(Tensor self, MemoryFormat? memory_format=None) -> Tensor", cast_to<Dtype::BF16>, kMethod);
  r.add("bool(Tensor self, MemoryFormat? memory_format=None) -> Tensor", cast_to<Dtype::Bool>, kMethod);
  r.add("byte(Tensor self, MemoryFormat? memory_format=None) -> Tensor", cast_to<Dtype::U8>, kMethod);
  r.add("char(Tensor self, MemoryFormat? memory_format=None) -> Tensor", cast_to<Dtype::I8>, kMethod);
  r.add("short(Tensor self, MemoryFormat? memory_format=None) -> Tensor", cast_to<Dtype::I16>, kMethod);
  r.add("int(Tensor self, MemoryFormat? memory_format=None) -> Tensor", cast_to<Dtype::I32>, kMethod);
  r.add("long(Tensor self, MemoryFormat? memory_format=None) -> Tensor", cast_to<Dtype::I64>, kMethod);
  r.add("cfloat(Tensor self, MemoryFormat? memory_format=None) -> Tensor", cast_to<Dtype::C64>, kMethod);
  r.add("chalf(Tensor self, MemoryFormat? memory_format=None) -> Tensor", cast_to<Dtype::C32>, kMethod);
  r.add("cdouble(Tensor self, MemoryFormat? memory_format=None) -> Tensor", cast_to<Dtype::C128>, kMethod);
  r.add("copy_(Tensor self, Tensor src, bool non_blocking=False) -> Tensor", copy_operation, kMethod);
  r.add("fill_(Tensor self, Tensor|Scalar value) -> Tensor", fill_operation);
  r.add("zero_(Tensor self) -> Tensor", zero_operation);
  r.add("resize_(Tensor self, int[] size, *, MemoryFormat? memory_format=None) -> Tensor", resize_operation, kMethod);
  r.add("resize_as_(Tensor self, Tensor the_template, *, MemoryFormat? memory_format=None) -> Tensor", resize_as_);
  r.add("fill(Tensor self, Tensor|Scalar value) -> Tensor", filled, kFunction);
  r.add("tile(Tensor self, int[] dims) -> Tensor", tile);
  r.add("cat(Tensor[] tensors, int dim=0) -> Tensor", cat);
  r.add("stack(Tensor[] tensors, int dim=0) -> Tensor", stack);
  r.alias("concat", "cat");
  r.alias("concatenate", "cat");
  r.add("repeat(Tensor self, int[] repeats) -> Tensor", repeat, kMethod);
}

}  // namespace ondol
