#include "tensor/tensor.h"

#include "autograd/node.h"
#include "base/memory.h"
#include "base/recycler.h"

namespace ondol {
namespace {

Dtype default_floating_dtype = Dtype::F32;

}  // namespace

TensorImpl::TensorImpl() = default;

TensorImpl::~TensorImpl() {
  if (owns_python) release_python(python);
  if (autograd && autograd->retains_grad && grad_fn)
    std::erase_if(grad_fn->retained, [this](const Node::Retained& entry) { return entry.tensor == this; });
}

void dispose(TensorImpl* impl) {
  impl->~TensorImpl();
  Recycler<sizeof(TensorImpl)>::give(impl);
}

static Ref<TensorImpl> make_impl() { return Ref<TensorImpl>(new (Recycler<sizeof(TensorImpl)>::take()) TensorImpl); }

void TensorImpl::set_geometry(const Dims& new_sizes, const Dims& new_strides, int64_t new_offset) {
  sizes = new_sizes;
  strides = new_strides;
  offset = new_offset;
  count = count_elements(sizes);
  contiguous = is_contiguous(sizes, strides);
}

bool is_contiguous(const Dims& sizes, const Dims& strides) {
  if (std::find(sizes.begin(), sizes.end(), 0) != sizes.end()) return true;
  int64_t expected = 1;
  for (int64_t i = sizes.ssize() - 1; i >= 0; --i) {
    if (sizes[i] == 1) continue;
    if (strides[i] != expected) return false;
    expected *= sizes[i];
  }
  return true;
}

bool is_dense(const Dims& sizes, const Dims& strides) {
  Dims order;
  for (int64_t i = 0; i < sizes.ssize(); ++i) {
    if (sizes[i] == 0) return true;
    if (sizes[i] != 1) order.push_back(i);
  }
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return strides[a] < strides[b]; });
  int64_t expected = 1;
  for (int64_t dim : order) {
    if (strides[dim] != expected) return false;
    expected *= sizes[dim];
  }
  return true;
}

bool repeats_elements(const Tensor& tensor) {
  if (tensor.is_contiguous()) return false;
  for (int64_t i = 0; i < tensor.ndim(); ++i)
    if (tensor.strides()[i] == 0 && tensor.sizes()[i] > 1) return true;
  return false;
}

bool may_overlap(const Tensor& tensor) {
  if (tensor.is_contiguous() || is_dense(tensor.sizes(), tensor.strides())) return false;
  Dims order;
  for (int64_t i = 0; i < tensor.ndim(); ++i)
    if (tensor.sizes()[i] > 1) order.push_back(i);
  const Dims& strides = tensor.strides();
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return strides[a] < strides[b]; });
  int64_t reach = 0;  // the largest offset that the dimensions so far attain
  for (int64_t dim : order) {
    if (strides[dim] <= reach) return true;
    reach += strides[dim] * (tensor.sizes()[dim] - 1);
  }
  return false;
}

std::pair<const char*, const char*> memory_range(const Tensor& tensor) {
  int64_t reach = 0;
  for (int64_t i = 0; i < tensor.ndim(); ++i) reach += (tensor.sizes()[i] - 1) * tensor.strides()[i];
  const char* first = tensor.bytes();
  return {first, first + (reach + 1) * static_cast<int64_t>(item_size(tensor.dtype()))};
}

bool shares_memory(const Tensor& a, const Tensor& b) {
  if (a.numel() == 0 || b.numel() == 0) return false;
  auto [a_first, a_last] = memory_range(a);
  auto [b_first, b_last] = memory_range(b);
  return a_first < b_last && b_first < a_last;
}

Dims channels_last_strides(const Dims& sizes) {
  Dims strides(sizes.size(), 0);
  int64_t stride = 1;
  auto take = [&](size_t dim) {
    strides[dim] = stride;
    if (__builtin_mul_overflow(stride, std::max<int64_t>(sizes[dim], 1), &stride))
      runtime_error("Stride calculation overflowed for shape ", sizes);
  };
  take(1);
  for (size_t dim = sizes.size() - 1; dim >= 2; --dim) take(dim);
  take(0);
  return strides;
}

Dims strides_for(const Dims& sizes, MemoryFormat format) {
  if (format == MemoryFormat::ChannelsLast && sizes.size() != 4)
    runtime_error("required rank 4 tensor to use channels_last format");
  if (format == MemoryFormat::ChannelsLast3d && sizes.size() != 5)
    runtime_error("required rank 5 tensor to use channels_last_3d format");
  bool last = format == MemoryFormat::ChannelsLast || format == MemoryFormat::ChannelsLast3d;
  return last ? channels_last_strides(sizes) : contiguous_strides(sizes);
}

bool Tensor::is_contiguous(MemoryFormat format) const {
  if (format == MemoryFormat::Contiguous || format == MemoryFormat::Preserve) return is_contiguous();
  size_t rank = format == MemoryFormat::ChannelsLast ? 4 : 5;
  if (sizes().size() != rank) return false;
  Dims expected = channels_last_strides(sizes());
  for (size_t i = 0; i < rank; ++i)
    if (sizes()[i] > 1 && strides()[i] != expected[i]) return false;
  return true;
}

void check_bounds(const Dims& sizes, const Dims& strides, int64_t offset, Dtype dtype, size_t storage_bytes) {
  if (sizes.size() != strides.size())
    runtime_error("mismatch in length of strides and shape: sizes ", sizes, ", strides ", strides);
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] < 0) runtime_error("Trying to create tensor with negative dimension ", sizes[i], ": ", sizes);
    if (strides[i] < 0) runtime_error("as_strided: Negative strides are not supported, got strides: ", strides);
  }
  if (offset < 0) runtime_error("Tensor: invalid storage offset ", offset);
  if (count_elements(sizes) == 0) return;
  int64_t last = offset;
  bool overflow = false;
  for (size_t i = 0; i < sizes.size(); ++i) {
    int64_t reach;
    overflow |= __builtin_mul_overflow(sizes[i] - 1, strides[i], &reach);
    overflow |= __builtin_add_overflow(last, reach, &last);
  }
  int64_t end_bytes;
  overflow |= __builtin_add_overflow(last, 1, &last);
  overflow |= __builtin_mul_overflow(last, static_cast<int64_t>(item_size(dtype)), &end_bytes);
  if (overflow || static_cast<size_t>(end_bytes) > storage_bytes)
    runtime_error("setStorage: sizes ", sizes, ", strides ", strides, ", storage offset ", offset, ", and itemsize ",
                  item_size(dtype), " requiring a storage size of ", overflow ? -1 : end_bytes,
                  " are out of bounds for storage of size ", storage_bytes);
}

static size_t bytes_for(int64_t elements, Dtype dtype) {
  int64_t bytes;
  if (__builtin_mul_overflow(elements, static_cast<int64_t>(item_size(dtype)), &bytes))
    runtime_error("Storage size calculation overflowed with ", elements, " elements of ", name(dtype));
  return static_cast<size_t>(bytes);
}

static Tensor make_tensor(Ref<Storage> storage, const Dims& sizes, const Dims& strides, int64_t offset, Dtype dtype) {
  Ref<TensorImpl> impl = make_impl();
  impl->storage = std::move(storage);
  impl->dtype = dtype;
  impl->set_geometry(sizes, strides, offset);
  impl->inference = GradMode::inference();
  return Tensor(std::move(impl));
}

Tensor empty(const Dims& sizes, Dtype dtype) {
  for (int64_t size : sizes)
    if (size < 0) runtime_error("Trying to create tensor with negative dimension ", size, ": ", sizes);
  int64_t count = count_elements(sizes);
  Ref<TensorImpl> impl = make_impl();
  impl->storage = Storage::allocate(bytes_for(count, dtype));
  impl->dtype = dtype;
  impl->sizes = sizes;
  impl->strides = contiguous_strides(sizes);
  impl->count = count;
  impl->inference = GradMode::inference();
  return Tensor(std::move(impl));
}

Tensor empty_strided(const Dims& sizes, const Dims& strides, Dtype dtype) {
  check_bounds(sizes, strides, 0, dtype, SIZE_MAX);
  int64_t elements = count_elements(sizes) ? 1 : 0;
  for (size_t i = 0; elements && i < sizes.size(); ++i) elements += (sizes[i] - 1) * strides[i];
  return make_tensor(Storage::allocate(bytes_for(elements, dtype)), sizes, strides, 0, dtype);
}

Tensor empty_like(const Tensor& model, Dtype dtype) {
  if (!model.is_contiguous() && is_dense(model.sizes(), model.strides()))
    return empty_strided(model.sizes(), model.strides(), dtype);
  return empty(model.sizes(), dtype);
}

Tensor alias(const Tensor& source, const Dims& sizes, const Dims& strides, int64_t offset) {
  check_bounds(sizes, strides, offset, source.dtype(), source.storage()->bytes());
  Tensor view = make_tensor(source.storage(), sizes, strides, offset, source.dtype());
  TensorImpl* impl = view.impl();
  impl->own_version = source.impl()->own_version;
  impl->base = source.impl()->base ? source.impl()->base : source.ref();
  impl->opaque_view = source.impl()->opaque_view;
  impl->seen_version = source.version();
  impl->inference = source.impl()->inference || GradMode::inference();
  return view;
}

Tensor detach(const Tensor& source) {
  Tensor result =
      make_tensor(source.storage(), source.sizes(), source.strides(), source.impl()->offset, source.dtype());
  result.impl()->own_version = source.impl()->own_version;
  result.impl()->wrapped_number = source.impl()->wrapped_number;
  result.impl()->inference = source.impl()->inference;
  return result;
}

Tensor view_of_storage(Ref<Storage> storage, const Dims& sizes, const Dims& strides, int64_t offset, Dtype dtype) {
  check_bounds(sizes, strides, offset, dtype, storage->bytes());
  return make_tensor(std::move(storage), sizes, strides, offset, dtype);
}

Tensor wrapped_number(const Scalar& value) {
  Tensor number;
  switch (value.category()) {
    case Category::Bool:
      number = empty({}, Dtype::Bool);
      *number.data<bool>() = value.to_bool();
      break;
    case Category::Integral:
      number = empty({}, Dtype::I64);
      *number.data<int64_t>() = value.to_int();
      break;
    case Category::Floating:
      number = empty({}, Dtype::F64);
      *number.data<double>() = value.to_double();
      break;
    case Category::Complex:
      number = empty({}, Dtype::C128);
      *number.data<c128>() = value.to_complex();
      break;
  }
  number.impl()->wrapped_number = true;
  number.impl()->inference = false;
  return number;
}

std::ostream& operator<<(std::ostream& stream, const Scalar& scalar) {
  switch (scalar.category()) {
    case Category::Bool:
      return stream << (scalar.to_bool() ? "True" : "False");
    case Category::Integral:
      return scalar.beyond_int64() ? stream << scalar.bits() : stream << scalar.to_int();
    case Category::Floating:
      return stream << scalar.to_double();
    default:
      return stream << '(' << scalar.to_complex().real() << '+' << scalar.to_complex().imag() << "j)";
  }
}

Dtype default_dtype() { return default_floating_dtype; }

void set_default_dtype(Dtype dtype) {
  if (!is_floating(dtype)) type_error("only floating-point types are supported as the default type");
  default_floating_dtype = dtype;
}

}  // namespace ondol
