// Operations that look at the same memory in another way.

#include "base/memory.h"
#include "ops/functions.h"
#include "ops/registry.h"

namespace ondol {
namespace {

/// A window on `self` with a derivative that undoes it.
template <class Derivative>
Tensor view_with(const char* node, const Tensor& self, const Dims& sizes, const Dims& strides, int64_t offset,
                 Derivative derivative) {
  Tensor result = alias(self, sizes, strides, offset);
  if (needs_gradient(self) && is_differentiable(self.dtype()))
    record(node, result, {self}, [derivative = std::move(derivative)](const Tensor& gradient, Gradients& in) {
      in[0] = derivative(gradient);
    });
  return result;
}

/// Sizes with the one -1 filled in.
Dims infer_sizes(const Dims& shape, const Dims& sizes) {
  const int64_t count = count_elements(shape);
  Dims inferred = sizes;
  int64_t known = 1, unknown = -1;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == -1) {
      if (unknown >= 0) runtime_error("only one dimension can be inferred");
      unknown = static_cast<int64_t>(i);
    } else if (sizes[i] < 0) {
      runtime_error("invalid shape dimension ", sizes[i], " at index ", i, " of shape ", sizes);
    } else if (__builtin_mul_overflow(known, sizes[i], &known)) {
      runtime_error("shape '", sizes, "' is invalid for input of size ", count);
    }
  }
  if (unknown >= 0) {
    if (known == 0)
      runtime_error("cannot reshape tensor of 0 elements into shape ", sizes,
                    " because the unspecified dimension size -1 can be any value and is ambiguous");
    if (count % known == 0) inferred[unknown] = count / known;
  }
  if (unknown >= 0 ? count % known != 0 : known != count)
    shape_error("shape '", sizes, "' is invalid for input of size ", count, "\n  the tensor has shape ", shape, " and ",
                count, " elements, ", sizes, " has ", unknown >= 0 ? "a multiple of " : "", known,
                "; one size may be -1, to be computed");
  return inferred;
}

/// The strides of the same memory seen with other sizes; nothing if that needs a copy.
std::optional<Dims> view_strides(const Tensor& self, const Dims& sizes) {
  if (self.numel() == 0) return self.sizes() == sizes ? self.strides() : contiguous_strides(sizes);
  if (self.is_contiguous()) return contiguous_strides(sizes);
  // Runs of old dimensions that lie one behind the other are matched with runs of new ones of the same product.
  Dims strides(sizes.size(), 0);
  int64_t next = sizes.ssize() - 1, run = 1, view_run = 1,
          run_stride = self.strides().empty() ? 1 : self.strides().back();
  for (int64_t d = self.ndim() - 1; d >= 0; --d) {
    run *= self.sizes()[d];
    bool ends = d == 0 || (self.sizes()[d - 1] != 1 && self.strides()[d - 1] != run * run_stride);
    if (!ends) continue;
    while (next >= 0 && (view_run < run || sizes[next] == 1)) {
      strides[next] = view_run * run_stride;
      view_run *= sizes[next];
      --next;
    }
    if (view_run != run) return std::nullopt;
    if (d > 0) {
      run_stride = self.strides()[d - 1];
      run = view_run = 1;
    }
  }
  return next == -1 ? std::optional(strides) : std::nullopt;
}

Tensor view_as_sizes(const char* node, const Tensor& self, const Dims& sizes, const Dims& strides) {
  return view_with(node, self, sizes, strides, self.impl()->offset,
                   [before = self.sizes()](const Tensor& g) { return reshape(g, before); });
}

}  // namespace

Tensor view(const Tensor& self, const Dims& requested) {
  Dims sizes = infer_sizes(self.sizes(), requested);
  std::optional<Dims> strides = view_strides(self, sizes);
  if (!strides)
    runtime_error(
        "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
        "contiguous "
        "subspaces). Use .reshape(...) instead. (size ",
        self.sizes(), ", stride ", self.strides(), ", asked for ", sizes, ")");
  return view_as_sizes("ViewBackward0", self, sizes, *strides);
}

Tensor reshape(const Tensor& self, const Dims& requested) {
  Dims sizes = infer_sizes(self.sizes(), requested);
  if (std::optional<Dims> strides = view_strides(self, sizes))
    return view_as_sizes("ViewBackward0", self, sizes, *strides);
  return view(contiguous(self), sizes);
}

Tensor alias_with_history(const Tensor& self) {
  return view_with("AliasBackward0", self, self.sizes(), self.strides(), self.impl()->offset,
                   [](const Tensor& g) { return g; });
}

static Tensor view_dtype(const Tensor& self, Dtype dtype) {
  auto from = static_cast<int64_t>(item_size(self.dtype())), to = static_cast<int64_t>(item_size(dtype));
  Dims sizes = self.sizes(), strides = self.strides();
  int64_t offset = self.impl()->offset;
  if (from != to) {
    if (self.ndim() == 0)
      runtime_error("self.dim() cannot be 0 to view ", name(self.dtype()), " as ", name(dtype),
                    " (different element sizes)");
    if (strides.back() != 1)
      runtime_error("self.stride(-1) must be 1 to view ", name(self.dtype()), " as ", name(dtype),
                    " (different element sizes), but got ", strides.back());
    if (from > to) {
      int64_t ratio = from / to;
      sizes.back() *= ratio;
      for (size_t i = 0; i + 1 < strides.size(); ++i) strides[i] *= ratio;
      offset *= ratio;
    } else {
      int64_t ratio = to / from;
      bool divides = sizes.back() % ratio == 0 && offset % ratio == 0;
      for (size_t i = 0; i + 1 < strides.size(); ++i) divides = divides && strides[i] % ratio == 0;
      if (!divides)
        runtime_error("self.size(-1) and all strides must be divisible by ", ratio, " to view ", name(self.dtype()),
                      " as ", name(dtype), " (different element sizes)");
      sizes.back() /= ratio;
      for (size_t i = 0; i + 1 < strides.size(); ++i) strides[i] /= ratio;
      offset /= ratio;
    }
  }
  Tensor result = view_of_storage(self.storage(), sizes, strides, offset, dtype);
  result.impl()->own_version = self.impl()->own_version;
  result.impl()->base = self.impl()->base ? self.impl()->base : self.ref();
  result.impl()->opaque_view = true;
  result.impl()->seen_version = self.version();
  if (needs_gradient(self) && is_differentiable(dtype)) record_not_differentiable("view(dtype)", result, {self});
  return result;
}

Tensor permute(const Tensor& self, const Dims& requested) {
  if (requested.size() != self.sizes().size())
    runtime_error(
        "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
        "ordering of dimensions "
        "i.e. input.dim() = ",
        self.ndim(), " is not equal to len(dims) = ", requested.size());
  Dims dims = wrap_dims(requested, self.ndim()), sizes, strides;
  Dims inverse(dims.size(), 0);
  for (size_t i = 0; i < dims.size(); ++i) {
    sizes.push_back(self.sizes()[dims[i]]);
    strides.push_back(self.strides()[dims[i]]);
    inverse[dims[i]] = static_cast<int64_t>(i);
  }
  return view_with("PermuteBackward0", self, sizes, strides, self.impl()->offset,
                   [inverse](const Tensor& g) { return permute(g, inverse); });
}

Tensor transpose(const Tensor& self, int64_t dim0, int64_t dim1) {
  dim0 = wrap_dim(dim0, self.ndim());
  dim1 = wrap_dim(dim1, self.ndim());
  Dims sizes = self.sizes(), strides = self.strides();
  if (dim0 != dim1) {
    std::swap(sizes[dim0], sizes[dim1]);
    std::swap(strides[dim0], strides[dim1]);
  }
  return view_with("TransposeBackward0", self, sizes, strides, self.impl()->offset,
                   [=](const Tensor& g) { return transpose(g, dim0, dim1); });
}

static Tensor t(const Tensor& self) {
  if (self.ndim() > 2)
    runtime_error("t() expects a tensor with <= 2 dimensions, but self is ", self.ndim(), "D (shape ", self.sizes(),
                  "); use transpose(dim0, dim1), permute(...), or mT for batches of matrices");
  Dims sizes(self.sizes().size(), 0), strides(self.sizes().size(), 0);
  std::reverse_copy(self.sizes().begin(), self.sizes().end(), sizes.begin());
  std::reverse_copy(self.strides().begin(), self.strides().end(), strides.begin());
  return view_with("TBackward0", self, sizes, strides, self.impl()->offset, [](const Tensor& g) { return t(g); });
}

static Tensor squeeze_dims(const Tensor& self, const Dims& requested) {
  Dims dims = wrap_dims(requested, self.ndim()), sizes, strides;
  for (int64_t i = 0; i < self.ndim(); ++i) {
    bool goes = self.sizes()[i] == 1 && std::find(dims.begin(), dims.end(), i) != dims.end();
    if (goes) continue;
    sizes.push_back(self.sizes()[i]);
    strides.push_back(self.strides()[i]);
  }
  return view_with("SqueezeBackward1", self, sizes, strides, self.impl()->offset,
                   [before = self.sizes()](const Tensor& g) { return reshape(g, before); });
}
Tensor squeeze(const Tensor& self, int64_t dim) { return squeeze_dims(self, {dim}); }
static Tensor squeeze_all(const Tensor& self) {
  Dims all;
  for (int64_t i = 0; i < self.ndim(); ++i) all.push_back(i);
  return squeeze_dims(self, all);
}

Tensor unsqueeze(const Tensor& self, int64_t dim) {
  dim = wrap_dim(dim, self.ndim() + 1);
  Dims sizes = self.sizes(), strides = self.strides();
  int64_t stride = 1;  // of a dimension of size 1 it does not matter; PyTorch's value where it fits
  if (dim < self.ndim() && __builtin_mul_overflow(sizes[dim], strides[dim], &stride)) stride = 1;
  sizes.insert(dim, 1);
  strides.insert(dim, stride);
  return view_with("UnsqueezeBackward0", self, sizes, strides, self.impl()->offset,
                   [dim](const Tensor& g) { return squeeze(g, dim); });
}

Tensor expand(const Tensor& self, const Dims& requested) {
  if (requested.size() < self.sizes().size())
    runtime_error("expand(", torch_name(self.dtype()), "Tensor{", self.sizes(), "}, size=", requested,
                  "): the number of sizes provided (", requested.size(),
                  ") must be greater or equal to the number of dimensions in the tensor (", self.ndim(), ")");
  Dims sizes = requested, strides(requested.size(), 0);
  size_t shift = requested.size() - self.sizes().size();
  for (size_t i = requested.size(); i-- > 0;) {
    bool is_new = i < shift;
    int64_t size = is_new ? 1 : self.sizes()[i - shift];
    if (sizes[i] == -1) {
      if (is_new)
        runtime_error("The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension ", i);
      sizes[i] = size;
    }
    if (sizes[i] < 0) runtime_error("expand(): sizes must not be negative, got ", requested);
    if (size == sizes[i] && !is_new)
      strides[i] = self.strides()[i - shift];
    else if (size == sizes[i])
      strides[i] = i + 1 < sizes.size() ? sizes[i + 1] * strides[i + 1] : 1;
    else if (size != 1)
      shape_error("The expanded size of the tensor (", sizes[i], ") must match the existing size (", size,
                  ") at non-singleton dimension ", i, ".  Target sizes: ", requested, ".  Tensor sizes: ", self.sizes(),
                  ".\n  expand: only dimensions of size 1 repeat; repeat() or "
                  "repeat_interleave() copy larger ones");
  }
  return view_with("ExpandBackward0", self, sizes, strides, self.impl()->offset,
                   [before = self.sizes()](const Tensor& g) { return sum_to_size(g, before); });
}

Tensor select(const Tensor& self, int64_t dim, int64_t index) {
  if (self.ndim() == 0) index_error("select() cannot be applied to a 0-dim tensor.");
  dim = wrap_dim(dim, self.ndim());
  int64_t size = self.sizes()[dim];
  if (index < -size || index >= size)
    index_error("index ", index, " is out of bounds for dimension ", dim, " with size ", size,
                " (the tensor has shape ", self.sizes(), ": from ", -size, " to ", size - 1, ")");
  if (index < 0) index += size;
  Dims sizes = self.sizes(), strides = self.strides();
  int64_t offset = self.impl()->offset + index * strides[dim];
  sizes.erase(dim);
  strides.erase(dim);
  return view_with("SelectBackward0", self, sizes, strides, offset,
                   [=, before = self.sizes()](const Tensor& g) { return select_backward(g, before, dim, index); });
}

Tensor select_backward(const Tensor& gradient, const Dims& sizes, int64_t dim, int64_t index) {
  Tensor result = zeros(sizes, gradient.dtype());
  copy_elements(gradient, select(result, dim, index));
  if (needs_gradient(gradient))
    record("SelectBackwardBackward0", result, {gradient},
           [=](const Tensor& g, Gradients& in) { in[0] = select(g, dim, index); });
  return result;
}

Tensor slice(const Tensor& self, int64_t dim, std::optional<int64_t> from, std::optional<int64_t> to, int64_t step) {
  if (self.ndim() == 0) runtime_error("slice() cannot be applied to a 0-dim tensor.");
  if (step <= 0) value_error("slice step must be positive, got ", step);
  dim = wrap_dim(dim, self.ndim());
  int64_t size = self.sizes()[dim];
  auto clamp = [size](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size); };
  int64_t start = clamp(from.value_or(0)), end = std::max(start, clamp(to.value_or(size)));
  Dims sizes = self.sizes(), strides = self.strides();
  int64_t offset = self.impl()->offset + start * strides[dim];
  sizes[dim] = (end - start) / step + ((end - start) % step != 0);
  if (__builtin_mul_overflow(strides[dim], step, &strides[dim])) strides[dim] = 1;  // at most one element is left
  return view_with("SliceBackward0", self, sizes, strides, offset, [=, before = self.sizes()](const Tensor& g) {
    return slice_backward(g, before, dim, start, end, step);
  });
}

Tensor slice_backward(const Tensor& gradient, const Dims& sizes, int64_t dim, int64_t start, int64_t end,
                      int64_t step) {
  Tensor result = zeros(sizes, gradient.dtype());
  copy_elements(gradient, slice(result, dim, start, end, step));
  if (needs_gradient(gradient))
    record("SliceBackwardBackward0", result, {gradient},
           [=](const Tensor& g, Gradients& in) { in[0] = slice(g, dim, start, end, step); });
  return result;
}

Tensor narrow(const Tensor& self, int64_t dim, int64_t start, int64_t length) {
  if (self.ndim() == 0) runtime_error("narrow() cannot be applied to a 0-dim tensor.");
  dim = wrap_dim(dim, self.ndim());
  int64_t size = self.sizes()[dim];
  if (length < 0) runtime_error("narrow(): length must be non-negative.");
  if (start < -size || start > size)
    index_error("start out of range (expected to be in range of [", -size, ", ", size, "], but got ", start, ")");
  if (start < 0) start += size;
  if (start > size - length)
    runtime_error("start (", start, ") + length (", length, ") exceeds dimension size (", size, ").");
  return slice(self, dim, start, start + length, 1);
}
static Tensor narrow_at(const Tensor& self, int64_t dim, const Tensor& start, int64_t length) {
  if (start.ndim() != 0 || !is_integral(start.dtype()) || start.dtype() == Dtype::Bool)
    runtime_error("start must be an 0-dim integral Tensor.");
  return narrow(self, dim, element(start).to_int(), length);
}

static std::vector<Tensor> room_for_views(int64_t count) { return list_with_room<Tensor>(count, sizeof(TensorImpl)); }

static std::vector<Tensor> unbind(const Tensor& self, int64_t dim) {
  dim = wrap_dim(dim, self.ndim());
  if (self.ndim() == 0) index_error("Dimension specified as ", dim, " but tensor has no dimensions");
  std::vector<Tensor> parts = room_for_views(self.sizes()[dim]);
  for (int64_t i = 0; i < self.sizes()[dim]; ++i) parts.push_back(select(self, dim, i));
  return parts;
}

static std::vector<Tensor> split_sizes(const Tensor& self, const Dims& lengths, int64_t dim) {
  if (self.ndim() == 0) runtime_error("split expects at least a 1-dimensional tensor");
  dim = wrap_dim(dim, self.ndim());
  int64_t total = 0;
  bool fits = true;
  for (int64_t length : lengths) {
    if (length < 0)
      runtime_error("split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes=",
                    lengths);
    fits = fits && !__builtin_add_overflow(total, length, &total);
  }
  if (!fits || total != self.sizes()[dim])
    runtime_error("split_with_sizes expects split_sizes to sum exactly to ", self.sizes()[dim],
                  " (input tensor's size at dimension ", dim, "), but got split_sizes=", lengths);
  std::vector<Tensor> parts;
  int64_t at = 0;
  for (int64_t length : lengths) {
    parts.push_back(narrow(self, dim, at, length));
    at += length;
  }
  return parts;
}

static std::vector<Tensor> split(const Tensor& self, int64_t length, int64_t dim) {
  if (self.ndim() == 0) runtime_error("split expects at least a 1-dimensional tensor");
  dim = wrap_dim(dim, self.ndim());
  int64_t size = self.sizes()[dim];
  if (length < 0) runtime_error("split expects split_size be non-negative, but got split_size=", length);
  if (length == 0 && size != 0)
    runtime_error("split_size can only be 0 if dimension size is 0, but got dimension size of ", size);
  const int64_t count = size == 0 ? 1 : (size - 1) / length + 1;
  std::vector<Tensor> parts = room_for_views(count);
  for (int64_t i = 0; i < count; ++i)
    parts.push_back(narrow(self, dim, i * length, std::min(length, size - i * length)));
  return parts;
}

static std::vector<Tensor> chunk(const Tensor& self, int64_t chunks, int64_t dim) {
  if (self.ndim() == 0) runtime_error("chunk expects at least a 1-dimensional tensor");
  if (chunks <= 0) runtime_error("chunk expects `chunks` to be greater than 0, got: ", chunks);
  int64_t size = self.size(dim), length = size / chunks + (size % chunks != 0);
  if (length > 0) return split(self, length, dim);
  std::vector<Tensor> parts = room_for_views(chunks);
  for (int64_t i = 0; i < chunks; ++i) parts.push_back(narrow(self, dim, 0, 0));
  return parts;
}

Tensor diagonal(const Tensor& self, int64_t offset, int64_t dim1, int64_t dim2) {
  dim1 = wrap_dim(dim1, self.ndim());
  dim2 = wrap_dim(dim2, self.ndim());
  if (dim1 == dim2) runtime_error("diagonal dimensions cannot be identical ", dim1, ", ", dim2);
  int64_t rows = self.sizes()[dim1], columns = self.sizes()[dim2];
  // Clamped: an offset beyond the matrix gives an empty diagonal.
  int64_t shift = std::clamp(offset, -rows, columns);
  int64_t length = std::max<int64_t>(0, shift >= 0 ? std::min(rows, columns - shift) : std::min(rows + shift, columns));
  Dims sizes = self.sizes(), strides = self.strides();
  int64_t start = self.impl()->offset;
  if (length > 0) start += shift >= 0 ? shift * strides[dim2] : -shift * strides[dim1];
  int64_t step;
  if (__builtin_add_overflow(strides[dim1], strides[dim2], &step)) step = 1;  // at most one element
  for (int64_t dim : {std::max(dim1, dim2), std::min(dim1, dim2)}) {
    sizes.erase(dim);
    strides.erase(dim);
  }
  sizes.push_back(length);
  strides.push_back(step);
  return view_with("DiagonalBackward0", self, sizes, strides, start, [=, before = self.sizes()](const Tensor& g) {
    return diagonal_backward(g, before, offset, dim1, dim2);
  });
}

Tensor diagonal_backward(const Tensor& gradient, const Dims& sizes, int64_t offset, int64_t dim1, int64_t dim2) {
  Tensor result = zeros(sizes, gradient.dtype());
  copy_elements(gradient, diagonal(result, offset, dim1, dim2));
  if (needs_gradient(gradient))
    record("DiagonalBackwardBackward0", result, {gradient},
           [=](const Tensor& g, Gradients& in) { in[0] = diagonal(g, offset, dim1, dim2); });
  return result;
}

static Tensor movedim(const Tensor& self, const Dims& source, const Dims& destination) {
  if (source.size() != destination.size())
    runtime_error("movedim: Invalid source or destination dims: source (", source,
                  " dims) should contain the same number of dims as destination (", destination, " dims)");
  Dims from = wrap_dims(source, self.ndim()), to = wrap_dims(destination, self.ndim());
  Dims order(self.sizes().size(), -1);
  for (size_t i = 0; i < from.size(); ++i) order[to[i]] = from[i];
  int64_t next = 0;
  for (int64_t& dim : order) {
    if (dim >= 0) continue;
    while (std::find(from.begin(), from.end(), next) != from.end()) ++next;
    dim = next++;
  }
  return permute(self, order);
}

Tensor flatten(const Tensor& self, int64_t start_dim, int64_t end_dim) {
  start_dim = wrap_dim(start_dim, self.ndim());
  end_dim = wrap_dim(end_dim, self.ndim());
  if (start_dim > end_dim) runtime_error("flatten() has invalid args: start_dim cannot come after end_dim");
  if (self.ndim() == 0) return reshape(self, {1});
  if (start_dim == end_dim) return self;
  Dims sizes;
  int64_t merged = 1;
  for (int64_t i = 0; i < self.ndim(); ++i) {
    if (i < start_dim || i > end_dim) {
      sizes.push_back(self.sizes()[i]);
      continue;
    }
    merged *= self.sizes()[i];
    if (i == end_dim) sizes.push_back(merged);
  }
  return reshape(self, sizes);
}

static Tensor unflatten(const Tensor& self, int64_t dim, const Dims& requested) {
  dim = wrap_dim(dim, self.ndim());
  if (requested.empty()) runtime_error("unflatten: sizes must be non-empty");
  Dims sizes;
  Dims inner;
  try {
    inner = infer_sizes(Dims{self.sizes()[dim]}, requested);
  } catch (const Error&) {
    runtime_error("unflatten: Provided sizes ", requested, " don't multiply up to the size of dim ", dim, " (",
                  self.sizes()[dim], ") in the input tensor");
  }
  for (int64_t i = 0; i < self.ndim(); ++i) {
    if (i != dim)
      sizes.push_back(self.sizes()[i]);
    else
      for (int64_t size : inner) sizes.push_back(size);
  }
  return view(self, sizes);
}

static Tensor unfold(const Tensor& self, int64_t dimension, int64_t size, int64_t step) {
  int64_t dim = wrap_dim(dimension, self.ndim());
  int64_t length = self.ndim() == 0 ? 1 : self.sizes()[dim];
  if (size < 0) runtime_error("size is ", size, " but must be >= 0");
  if (size > length) runtime_error("maximum size for tensor at dimension ", dim, " is ", length, " but size is ", size);
  if (step <= 0) runtime_error("step is ", step, " but must be > 0");
  Dims sizes = self.sizes(), strides = self.strides();
  if (self.ndim() == 0) {
    sizes.push_back(size);
    strides.push_back(1);
  } else {
    sizes[dim] = (length - size) / step + 1;
    sizes.push_back(size);
    strides.push_back(strides[dim]);
    if (__builtin_mul_overflow(strides[dim], step, &strides[dim])) strides[dim] = 1;  // there is one window only
  }
  Dims before = self.sizes(), before_strides = contiguous_strides(before);
  // The derivative goes by a row-major gradient, whatever the layout of self.
  Dims window_strides = before_strides;
  if (self.ndim() == 0) {
    window_strides.push_back(1);
  } else {
    window_strides.push_back(before_strides[dim]);
    if (__builtin_mul_overflow(window_strides[dim], step, &window_strides[dim])) window_strides[dim] = 1;
  }
  return view_with("UnfoldBackward0", self, sizes, strides, self.impl()->offset, [=](const Tensor& g) {
    return as_strided_backward(g, before, before_strides, 0, sizes, window_strides, 0);
  });
}

static Tensor view_as(const Tensor& self, const Tensor& other) { return view(self, other.sizes()); }
static Tensor reshape_as(const Tensor& self, const Tensor& other) { return reshape(self, other.sizes()); }
static Tensor expand_as(const Tensor& self, const Tensor& other) { return expand(self, other.sizes()); }
static Tensor ravel(const Tensor& self) { return reshape(contiguous(self), {-1}); }
static Tensor movedim_one(const Tensor& self, int64_t source, int64_t destination) {
  return movedim(self, {source}, {destination});
}
static Tensor broadcast_to(const Tensor& self, const Dims& size) { return expand(self, size); }
static Tensor expand_implicit(const Tensor& self, const Dims& size, bool) { return expand(self, size); }
static Tensor adjoint(const Tensor& self) { return conj(transpose(self, -2, -1)); }

/// squeeze_, unsqueeze_, t_, transpose_, as_strided_: the same tensor object gets the geometry and the history of the
/// view.
template <class MakeView>
Tensor change_geometry(const Tensor& self, MakeView make_view) {
  Tensor changed = make_view(self);
  TensorImpl* impl = self.impl();
  impl->set_geometry(changed.sizes(), changed.strides(), changed.impl()->offset);
  if (needs_gradient(self) && is_differentiable(self.dtype())) {
    move_to(impl, changed.impl()->grad_fn, changed.impl()->output_index);
    if (impl->base) impl->seen_version = impl->version();
  }
  return self;
}
static Tensor squeeze_all_(const Tensor& self) { return change_geometry(self, squeeze_all); }
static Tensor squeeze_(const Tensor& self, int64_t dim) {
  return change_geometry(self, [=](const Tensor& x) { return squeeze(x, dim); });
}
static Tensor squeeze_dims_(const Tensor& self, const Dims& dims) {
  return change_geometry(self, [&](const Tensor& x) { return squeeze_dims(x, dims); });
}
static Tensor as_strided_(const Tensor& self, const Dims& sizes, const Dims& strides, std::optional<int64_t> offset) {
  return change_geometry(self, [&](const Tensor& x) { return as_strided(x, sizes, strides, offset); });
}
static Tensor unsqueeze_(const Tensor& self, int64_t dim) {
  return change_geometry(self, [=](const Tensor& x) { return unsqueeze(x, dim); });
}
static Tensor t_(const Tensor& self) { return change_geometry(self, t); }
static Tensor transpose_(const Tensor& self, int64_t dim0, int64_t dim1) {
  return change_geometry(self, [=](const Tensor& x) { return transpose(x, dim0, dim1); });
}

void register_view(Registry& r) {
  r.add("view(Tensor self, int[] size) -> Tensor", view, kMethod);
  r.add("view.dtype(Tensor self, ScalarType dtype) -> Tensor", view_dtype, kMethod);
  r.add("view_as(Tensor self, Tensor other) -> Tensor", view_as, kMethod);
  r.add("reshape(Tensor self, int[] shape) -> Tensor", reshape);
  r.add("reshape_as(Tensor self, Tensor other) -> Tensor", reshape_as, kMethod);
  r.add("permute(Tensor self, int[] dims) -> Tensor", permute);
  r.add("transpose(Tensor self, int dim0, int dim1) -> Tensor", transpose);
  r.add("t(Tensor self) -> Tensor", t);
  r.add("adjoint(Tensor self) -> Tensor", adjoint);
  r.add("squeeze(Tensor self) -> Tensor", squeeze_all);
  r.add("squeeze.dim(Tensor self, int dim) -> Tensor", squeeze);
  r.add("squeeze.dims(Tensor self, int[] dim) -> Tensor", squeeze_dims);
  r.add("unsqueeze(Tensor self, int dim) -> Tensor", unsqueeze);
  r.add("squeeze_(Tensor self) -> Tensor", squeeze_all_, kMethod);
  r.add("squeeze_.dim(Tensor self, int dim) -> Tensor", squeeze_, kMethod);
  r.add("squeeze_.dims(Tensor self, int[] dim) -> Tensor", squeeze_dims_, kMethod);
  r.add("as_strided_(Tensor self, int[] size, int[] stride, int? storage_offset=None) -> Tensor", as_strided_);
  r.add("unsqueeze_(Tensor self, int dim) -> Tensor", unsqueeze_, kMethod);
  r.add("t_(Tensor self) -> Tensor", t_, kMethod);
  r.add("transpose_(Tensor self, int dim0, int dim1) -> Tensor", transpose_, kMethod);
  r.add("expand(Tensor self, int[] size) -> Tensor", expand, kMethod);
  r.add("expand.implicit(Tensor self, int[] size, *, bool implicit) -> Tensor", expand_implicit, kMethod);
  r.add("expand_as(Tensor self, Tensor other) -> Tensor", expand_as, kMethod);
  r.add("broadcast_to(Tensor self, int[] size) -> Tensor", broadcast_to);
  r.add("select(Tensor self, int dim, int index) -> Tensor", select);
  // The form for a tensor comes first: one with a single element is taken for an int.
  r.add("narrow.Tensor(Tensor self, int dim, Tensor start, int length) -> Tensor", narrow_at);
  r.add("narrow(Tensor self, int dim, int start, int length) -> Tensor", narrow);
  r.add("unbind(Tensor self, int dim=0) -> Tensor[]", unbind);
  r.add("split(Tensor self, int split_size, int dim=0) -> Tensor[]", split);
  r.add("split.sizes(Tensor self, int[] split_size, int dim=0) -> Tensor[]", split_sizes);
  r.add("split_with_sizes(Tensor self, int[] split_sizes, int dim=0) -> Tensor[]", split_sizes);
  r.add("chunk(Tensor self, int chunks, int dim=0) -> Tensor[]", chunk);
  r.add("diagonal(Tensor self, int offset=0, int dim1=0, int dim2=1) -> Tensor", diagonal);
  r.add("movedim.int(Tensor self, int source, int destination) -> Tensor", movedim_one);
  r.add("movedim(Tensor self, int[] source, int[] destination) -> Tensor", movedim);
  r.add("flatten(Tensor self, int start_dim=0, int end_dim=-1) -> Tensor", flatten);
  r.add("unflatten(Tensor self, int dim, int[] sizes) -> Tensor", unflatten);
  r.add("ravel(Tensor self) -> Tensor", ravel);
  r.add("unfold(Tensor self, int dimension, int size, int step) -> Tensor", unfold, kMethod);
  r.alias("swapaxes", "transpose");
  r.alias("swapdims", "transpose");
  r.alias("swapaxes_", "transpose_");
  r.alias("swapdims_", "transpose_");
  r.alias("moveaxis", "movedim");
}

}  // namespace ondol
