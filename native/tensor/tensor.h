#pragma once

#include <memory>
#include <vector>

#include "base/dtype.h"
#include "tensor/dims.h"
#include "tensor/scalar.h"
#include "tensor/storage.h"

namespace ondol {

class Node;
void dispose(Node* node);
struct TensorImpl;
void dispose(TensorImpl* impl);
struct AutogradState;

/// How the elements lie: `Contiguous` is row-major; the channels-last forms put dimension 1 innermost.
enum class MemoryFormat : uint8_t { Contiguous, Preserve, ChannelsLast, ChannelsLast3d };

/// A counter of in-place changes apart from that of the storage: `x.data` shares memory with `x` but not the counter.
struct VersionCounter : Counted {
  uint32_t version = 0;
};
inline void dispose(VersionCounter* counter) { delete counter; }

/// What a tensor is: a window (sizes, strides, offset) on a storage, read as a dtype; and its place in the graph.
struct TensorImpl : Counted {
  Ref<Storage> storage;
  Dims sizes;
  Dims strides;        // in elements
  int64_t offset = 0;  // in elements
  int64_t count = 0;   // number of elements
  Dtype dtype = Dtype::F32;
  bool contiguous = true;
  bool wrapped_number = false;  // made from a Python number: takes part in type promotion only by its category
  bool requires_grad = false;   // of a leaf; a tensor with a grad_fn requires grad anyway
  bool inference = false;       // made under inference_mode
  bool opaque_view = false;  // of a view: its elements are not the base's (another dtype), so no history can be rebuilt
  uint32_t output_index = 0;  // which output of grad_fn
  uint32_t seen_version = 0;  // of a view: the version of its base that grad_fn belongs to
  Ref<Node> grad_fn;
  Ref<TensorImpl> base;  // of a view: the tensor that owns the memory
  Ref<VersionCounter> own_version;
  std::unique_ptr<AutogradState> autograd;
  void* python = nullptr;  // the Python object that wraps it, not owned unless owns_python
  /// The object went out of Python's sight while this tensor lives on (saved for backward, as a .grad, the base of a
  /// view), and waits here with its attributes and its class until it is asked for again.
  bool owns_python = false;
  static inline void (*release_python)(void*) = nullptr;

  TensorImpl();
  ~TensorImpl();

  uint32_t& version() { return own_version ? own_version->version : storage->version; }
  void set_geometry(const Dims& new_sizes, const Dims& new_strides, int64_t new_offset);
};

/// A counted handle on a TensorImpl; may be undefined (as Python's None).
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(Ref<TensorImpl> impl) : impl_(std::move(impl)) {}

  bool defined() const { return static_cast<bool>(impl_); }
  TensorImpl* impl() const { return impl_.get(); }
  const Ref<TensorImpl>& ref() const { return impl_; }
  bool is_same(const Tensor& other) const { return impl_ == other.impl_; }

  const Dims& sizes() const { return impl_->sizes; }
  const Dims& strides() const { return impl_->strides; }
  int64_t size(int64_t dim) const { return impl_->sizes[wrap_dim(dim, ndim())]; }
  int64_t stride(int64_t dim) const { return impl_->strides[wrap_dim(dim, ndim())]; }
  int64_t ndim() const { return impl_->sizes.ssize(); }
  int64_t numel() const { return impl_->count; }
  Dtype dtype() const { return impl_->dtype; }
  bool is_contiguous() const { return impl_->contiguous; }
  bool is_contiguous(MemoryFormat format) const;
  const Ref<Storage>& storage() const { return impl_->storage; }
  /// Whether nobody has the elements but this reference: no other one, no view, nothing outside.
  bool is_sole_owner() const {
    return impl_->owners() == 1 && impl_->storage->owners() == 1 && storage()->is_private();
  }
  uint32_t version() const { return impl_->version(); }
  void bump_version() const { ++impl_->version(); }

  template <class T>
  T* data() const {
    return reinterpret_cast<T*>(bytes());
  }
  /// The first element. That of a tensor without elements may be beyond all addresses, hence no pointer arithmetic.
  char* bytes() const {
    return reinterpret_cast<char*>(reinterpret_cast<uintptr_t>(impl_->storage->data()) +
                                   static_cast<uintptr_t>(impl_->offset) * item_size(dtype()));
  }

  bool requires_grad() const { return defined() && (impl_->requires_grad || impl_->grad_fn || view_requires_grad()); }
  bool is_leaf() const { return !grad_fn(); }
  /// The node that made it, brought up to date if its base was changed in place through another view.
  const Ref<Node>& grad_fn() const;
  bool is_view() const { return static_cast<bool>(impl_->base); }

 private:
  bool view_requires_grad() const { return impl_->base && grad_fn_of_stale_view(); }
  bool grad_fn_of_stale_view() const;

  Ref<TensorImpl> impl_;
};

/// Fresh memory, row-major unless strides are given; contents unspecified.
Tensor empty(const Dims& sizes, Dtype dtype);
Tensor empty_strided(const Dims& sizes, const Dims& strides, Dtype dtype);
/// Fresh memory with the strides of a dense tensor, row-major otherwise.
Tensor empty_like(const Tensor& model, Dtype dtype);
/// A window on the memory of `source`, checked against its bounds; a view of it for autograd's bookkeeping, but without
/// a derivative.
Tensor alias(const Tensor& source, const Dims& sizes, const Dims& strides, int64_t offset);
/// The same window without history; shares the version counter.
Tensor detach(const Tensor& source);
/// A window on a storage that no tensor need have seen before, checked against its bounds.
Tensor view_of_storage(Ref<Storage> storage, const Dims& sizes, const Dims& strides, int64_t offset, Dtype dtype);
/// A 0-d tensor that counts as a Python number in type promotion.
Tensor wrapped_number(const Scalar& value);

bool is_contiguous(const Dims& sizes, const Dims& strides);
/// Whether no two elements share memory and there are no holes: a permutation of a row-major layout.
bool is_dense(const Dims& sizes, const Dims& strides);
/// Whether elements certainly share memory: a dimension of stride 0, as expand makes.
bool repeats_elements(const Tensor& tensor);
/// Whether two elements may share memory.
bool may_overlap(const Tensor& tensor);
/// The addresses between which the elements lie; there must be some.
std::pair<const char*, const char*> memory_range(const Tensor& tensor);
/// Whether the memory ranges of two tensors intersect.
bool shares_memory(const Tensor& a, const Tensor& b);
Dims channels_last_strides(const Dims& sizes);
Dims strides_for(const Dims& sizes, MemoryFormat format);
/// Raises unless a window lies in a storage of so many bytes.
void check_bounds(const Dims& sizes, const Dims& strides, int64_t offset, Dtype dtype, size_t storage_bytes);

Dtype default_dtype();
void set_default_dtype(Dtype dtype);

}  // namespace ondol
