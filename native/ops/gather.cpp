// Elements chosen by positions: gather, take, take_along_dim.

#include "ops/gather.h"

#include <algorithm>
#include <atomic>

#include "base/parallel.h"
#include "base/vectorize.h"
#include "ops/functions.h"
#include "ops/registry.h"
#include "tensor/launch.h"

namespace ondol {

Tensor at_least_1d(const Tensor& tensor) { return tensor.ndim() ? tensor : unsqueeze(tensor, 0); }

Tensor as_positions(const char* operation, const Tensor& index) {
  if (index.dtype() != Dtype::I64 && index.dtype() != Dtype::I32)
    runtime_error(operation, "(): Expected dtype int32/int64 for index");
  NoGrad silent;
  return contiguous(to_dtype(detach(index), Dtype::I64));
}

IndexLines index_lines(const char* operation, const Tensor& self, int64_t dim, const Tensor& index) {
  IndexLines lines;
  NoGrad silent;
  // An index without elements may have any dtype.
  lines.index = at_least_1d(index.numel() ? as_positions(operation, index) : empty(index.sizes(), Dtype::I64));
  lines.sizes = lines.index.sizes();
  lines.at = lines.index.data<int64_t>();
  lines.dim = wrap_dim(dim, self.ndim());
  if (lines.index.numel() == 0) {
    lines.outer = 0;
    return lines;
  }
  if (std::max<int64_t>(self.ndim(), 1) != lines.index.ndim())
    runtime_error("Index tensor must have the same number of dimensions as input tensor");
  for (int64_t d = 0; d < lines.index.ndim(); ++d)
    (d < lines.dim ? lines.outer : d == lines.dim ? lines.n : lines.inner) *= lines.sizes[d];
  return lines;
}

[[gnu::always_inline]] static inline bool inside_loop(const int64_t* at, int64_t count, int64_t size) {
  int64_t outside = 0;  // negative if an index is negative or too large
  for (int64_t i = 0; i < count; ++i) outside |= at[i] | (size - 1 - at[i]);
  return outside >= 0;
}
ONDOL_VECTORIZE ONDOL_WIDE static bool inside_wide(const int64_t* at, int64_t count, int64_t size) {
  return inside_loop(at, count, size);
}
static bool inside_plain(const int64_t* at, int64_t count, int64_t size) { return inside_loop(at, count, size); }

bool all_inside(const int64_t* at, int64_t count, int64_t size) {
  std::atomic<bool> inside{true};
  parallel_for(count, 1 << 15, [&](int64_t begin, int64_t end) {
    const auto check = wide_vectors() ? inside_wide : inside_plain;
    if (!check(at + begin, end - begin, size)) inside = false;
  });
  return inside;
}

int64_t IndexLines::block() const {
  constexpr int64_t kLineOfCache = 64, kMost = 512;  // columns
  const int64_t share = inner / (4 * num_threads());
  return std::clamp(share / kLineOfCache * kLineOfCache, kLineOfCache, kMost);
}

void check_index_range(const IndexLines& lines, int64_t size) {
  int64_t count = lines.index.numel();
  if (all_inside(lines.at, count, size)) return;
  for (int64_t i = 0; i < count; ++i)
    if (lines.at[i] < 0 || lines.at[i] >= size)
      runtime_error("index ", lines.at[i], " is out of bounds for dimension ", lines.dim, " with size ", size,
                    " (gather and scatter take 0 to ", size - 1, ", none from the end)");
}

std::vector<int64_t> all_offsets(const Dims& sizes, const Dims& strides, int64_t begin, int64_t end) {
  std::vector<int64_t> offsets{0};
  for (int64_t d = begin; d < end; ++d) {
    std::vector<int64_t> longer;
    longer.reserve(offsets.size() * static_cast<size_t>(sizes[d]));
    for (int64_t offset : offsets)
      for (int64_t i = 0; i < sizes[d]; ++i) longer.push_back(offset + i * strides[d]);
    offsets = std::move(longer);
  }
  return offsets;
}

LineOffsets line_offsets(const Tensor& tensor, const IndexLines& lines) {
  LineOffsets offsets;
  int64_t ndim = lines.sizes.ssize();
  Dims strides = tensor.ndim() ? tensor.strides() : Dims{1};
  offsets.outer = all_offsets(lines.sizes, strides, 0, lines.dim);
  offsets.inner = all_offsets(lines.sizes, strides, lines.dim + 1, ndim);
  offsets.step = strides[lines.dim];
  return offsets;
}

namespace {

/// to[i] = base[at[i] * step], the usual step 1 without a multiplication.
template <class T>
void gather_line(const T* base, const int64_t* at, int64_t step, T* to, int64_t n) {
  if (step == 1)
    for (int64_t i = 0; i < n; ++i) to[i] = base[at[i]];
  else
    for (int64_t i = 0; i < n; ++i) to[i] = base[at[i] * step];
}

template <class T>
void gather_lines(const T* from, const LineOffsets& source, const IndexLines& lines, T* to) {
  const int64_t n = lines.n, inner = lines.inner, step = source.step;
  parallel_for(lines.outer * n, grain_for(16384, inner), [&](int64_t begin, int64_t end) {
    if (inner == 1) {
      for (int64_t row = begin; row < end;) {
        const int64_t line = row / n, line_end = std::min(end, (line + 1) * n);
        gather_line(from + source.outer[line], lines.at + row, step, to + row, line_end - row);
        row = line_end;
      }
      return;
    }
    for (int64_t row = begin; row < end; ++row) {
      const T* base = from + source.outer[row / n];
      const int64_t* at = lines.at + row * inner;
      T* out = to + row * inner;
      for (int64_t j = 0; j < inner; ++j) out[j] = base[at[j] * step + source.inner[j]];
    }
  });
}

}  // namespace

Tensor gather(const Tensor& self, int64_t dim, const Tensor& index, bool) {
  IndexLines lines = index_lines("gather", self, dim, index);
  Tensor result = empty(index.sizes(), self.dtype());
  if (result.numel() > 0) {
    for (int64_t d = 0; d < self.ndim(); ++d)
      if (d != lines.dim && lines.sizes[d] > self.sizes()[d])
        runtime_error("Size does not match at dimension ", d, " expected index ", index.sizes(),
                      " to be no larger than self ", self.sizes(), " apart from dimension ", lines.dim);
    check_index_range(lines, self.ndim() ? self.sizes()[lines.dim] : 1);
    LineOffsets source = line_offsets(self, lines);
    launch({{&self, &lines.index}, {&result}}, result.numel(), [&] {
      visit_item_size(self.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        gather_lines(reinterpret_cast<const T*>(self.bytes()), source, lines, reinterpret_cast<T*>(result.bytes()));
      });
    });
  }
  if (needs_gradient(self))
    record("GatherBackward0", result, {self},
           [dim, at = save(index), sizes = self.sizes()](const Tensor& gradient, Gradients& in) {
             in[0] = scatter_add(zeros(sizes, gradient.dtype()), dim, at(), gradient);
           });
  return result;
}

/// Positions in the tensor read row by row.
Tensor take(const Tensor& self, const Tensor& index) {
  if (index.dtype() != Dtype::I64)
    runtime_error("take(): Expected a long tensor for index, but got ", torch_name(index.dtype()));
  Tensor result = empty(index.sizes(), self.dtype());
  if (index.numel() > 0) {
    NoGrad silent;
    if (self.numel() == 0) index_error("take(): tried to take from an empty tensor");
    Tensor source = contiguous(detach(self)), positions = wrapped_positions(index, self.numel());
    const auto* at = positions.data<int64_t>();
    launch({{&source, &positions}, {&result}}, index.numel(), [&] {
      visit_item_size(self.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        auto* from = reinterpret_cast<const T*>(source.bytes());
        auto* to = reinterpret_cast<T*>(result.bytes());
        parallel_for(index.numel(), 16384, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) to[i] = from[at[i]];
        });
      });
    });
  }
  if (needs_gradient(self))
    record("TakeBackward0", result, {self},
           [at = save(index), sizes = self.sizes()](const Tensor& gradient, Gradients& in) {
             in[0] = put(zeros(sizes, gradient.dtype()), at(), gradient, true);
           });
  return result;
}

Tensor wrapped_positions(const Tensor& index, int64_t count) {
  NoGrad silent;
  Tensor positions = empty(index.sizes(), Dtype::I64);
  copy_elements(detach(index), positions);
  auto* at = positions.data<int64_t>();
  for (int64_t i = 0; i < positions.numel(); ++i) {
    if (at[i] < -count || at[i] >= count)
      index_error("out of range: tried to access index ", at[i], " on a tensor of ", count, " elements.");
    if (at[i] < 0) at[i] += count;
  }
  return positions;
}

/// gather with an index that broadcasts against self in the other dimensions.
static Tensor take_along_dim(const Tensor& self, const Tensor& indices, std::optional<int64_t> dim) {
  if (indices.dtype() != Dtype::I64)
    runtime_error("torch.take_along_dim(): dtype of indices should be Long but got ", torch_name(indices.dtype()), ".");
  if (!dim) return gather(reshape(self, {-1}), 0, reshape(indices, {-1}));
  if (self.ndim() != indices.ndim())
    runtime_error("torch.take_along_dim(): input and indices should have the same number of dimensions, but got ",
                  self.ndim(), " dimensions for input, and ", indices.ndim(), " dimensions for indices");
  int64_t along = wrap_dim(*dim, self.ndim());
  if (self.ndim() == 0) return gather(self, 0, indices);
  Dims self_sizes = self.sizes(), index_sizes = indices.sizes();
  self_sizes[along] = index_sizes[along] = 1;
  Dims common = broadcast_shapes(self_sizes, index_sizes);
  self_sizes = index_sizes = common;
  self_sizes[along] = self.sizes()[along];
  index_sizes[along] = indices.sizes()[along];
  Tensor positions = detach(indices), size = wrapped_number(self.sizes()[along]);
  positions = where(lt(positions, wrapped_number(0)), add(positions, size), positions);
  return gather(expand(self, self_sizes), along, expand(positions, index_sizes));
}

void register_gather(Registry& r) {
  r.add("gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor", gather);
  r.add("take(Tensor self, Tensor index) -> Tensor", take);
  r.add("take_along_dim(Tensor self, Tensor indices, int? dim=None) -> Tensor", take_along_dim);
}

}  // namespace ondol
