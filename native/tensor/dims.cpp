#include "tensor/dims.h"

namespace ondol {

std::ostream& operator<<(std::ostream& stream, const Dims& dims) {
  stream << '[';
  for (size_t i = 0; i < dims.size(); ++i) stream << (i ? ", " : "") << dims[i];
  return stream << ']';
}

int64_t count_elements(const Dims& sizes) {
  int64_t count = 1;
  bool overflow = false;
  for (int64_t size : sizes) {
    if (size == 0) return 0;
    overflow |= __builtin_mul_overflow(count, size, &count);
  }
  if (overflow) runtime_error("the number of elements of shape ", sizes, " does not fit in 64 bits");
  return count;
}

Dims contiguous_strides(const Dims& sizes) {
  Dims strides(sizes.size(), 1);
  bool overflow = false;  // only where some size is 0: otherwise the number of elements would overflow too
  for (int64_t i = sizes.ssize() - 2; i >= 0; --i)
    overflow |= __builtin_mul_overflow(strides[i + 1], std::max<int64_t>(sizes[i + 1], 1), &strides[i]);
  if (overflow) runtime_error("Stride calculation overflowed for shape ", sizes);
  return strides;
}

int64_t wrap_dim(int64_t dim, int64_t ndim) {
  int64_t range = std::max<int64_t>(ndim, 1);
  if (dim < -range || dim >= range)
    index_error("Dimension out of range (expected to be in range of [", -range, ", ", range - 1, "], but got ", dim,
                "): the tensor has ", ndim, " dimensions, and the last of them is also dim -1");
  return dim < 0 ? dim + range : dim;
}

Dims wrap_dims(const Dims& dims, int64_t ndim) {
  Dims wrapped;
  for (int64_t dim : dims) {
    int64_t d = wrap_dim(dim, ndim);
    if (std::find(wrapped.begin(), wrapped.end(), d) != wrapped.end())
      runtime_error("dim ", d, " appears multiple times in the list of dims");
    wrapped.push_back(d);
  }
  return wrapped;
}

Dims broadcast_shapes(const Dims& a, const Dims& b) {
  const Dims& longer = a.size() >= b.size() ? a : b;
  const Dims& shorter = a.size() >= b.size() ? b : a;
  Dims shape = longer;
  size_t shift = longer.size() - shorter.size();
  for (size_t i = 0; i < shorter.size(); ++i) {
    int64_t& size = shape[shift + i];
    if (size == shorter[i] || shorter[i] == 1) continue;
    if (size != 1)
      shape_error("The size of tensor a (", a[a.size() - longer.size() + shift + i],
                  ") must match the size of tensor b (", b[b.size() - longer.size() + shift + i],
                  ") at non-singleton dimension ", shift + i, "\n  shapes ", a, " and ", b,
                  " do not broadcast: aligned at the right, sizes must be equal or 1");
    size = shorter[i];
  }
  return shape;
}

}  // namespace ondol
