// The same elements in another order or more often: flip, roll, repeat_interleave.

#include <cstring>

#include "base/parallel.h"
#include "base/vectorize.h"
#include "ops/element_type.h"
#include "ops/functions.h"
#include "ops/reduction.h"
#include "ops/registry.h"
#include "tensor/launch.h"

namespace ondol {
namespace {

template <class T>
[[gnu::always_inline]] inline void reverse_loop(const T* from, T* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = from[n - 1 - i];
}
template <class T>
ONDOL_VECTORIZE ONDOL_WIDE void reverse_wide(const T* from, T* to, int64_t n) {
  reverse_loop(from, to, n);
}
template <class T>
void reverse_plain(const T* from, T* to, int64_t n) {
  reverse_loop(from, to, n);
}

/// Row-major copy with the chosen dimensions reversed. Behind the last reversed dimension whole blocks are copied.
Tensor flipped(const Tensor& self, const Dims& dims) {
  NoGrad silent;
  Tensor source = contiguous(detach(self)), result = empty(self.sizes(), self.dtype());
  if (result.numel() == 0) return result;
  int64_t last = *std::max_element(dims.begin(), dims.end()), outer = 1, block = 1;
  const Dims& sizes = self.sizes();
  for (int64_t d = 0; d < last; ++d) outer *= sizes[d];
  for (int64_t d = last + 1; d < self.ndim(); ++d) block *= sizes[d];
  const int64_t n = sizes[last];
  auto source_row = [&](int64_t row) {
    int64_t from = 0, scale = 1;
    for (int64_t d = last - 1; d >= 0; --d) {
      int64_t i = row % sizes[d];
      row /= sizes[d];
      bool reversed = std::find(dims.begin(), dims.end(), d) != dims.end();
      from += (reversed ? sizes[d] - 1 - i : i) * scale;
      scale *= sizes[d];
    }
    return from;
  };
  launch({{&source}, {&result}}, result.numel(), [&] {
    visit_item_size(self.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      auto* x = reinterpret_cast<const T*>(source.bytes());
      auto* y = reinterpret_cast<T*>(result.bytes());
      auto reverse = wide_vectors() ? reverse_wide<T> : reverse_plain<T>;
      parallel_for(outer, grain_for(16384, n, block), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          const T* from = x + source_row(row) * n * block;
          T* to = y + row * n * block;
          if (block == 1)
            reverse(from, to, n);
          else
            for (int64_t i = 0; i < n; ++i)
              std::memcpy(to + i * block, from + (n - 1 - i) * block, static_cast<size_t>(block) * sizeof(T));
        }
      });
    });
  });
  return result;
}

}  // namespace

Tensor flip(const Tensor& self, const Dims& requested) {
  Dims dims = wrap_dims(requested, self.ndim());
  if (self.ndim() == 0 || dims.empty()) return clone(self);
  Tensor result = flipped(self, dims);
  if (needs_gradient(self))
    record("FlipBackward0", result, {self},
           [dims](const Tensor& gradient, Gradients& in) { in[0] = flip(gradient, dims); });
  return result;
}

namespace {

Tensor rolled(const Tensor& self, int64_t shift, int64_t dim) {
  NoGrad silent;
  Tensor source = contiguous(detach(self)), result = empty(self.sizes(), self.dtype());
  if (result.numel() == 0) return result;
  const kernel::Lines lines = lines_along(self.sizes(), dim);
  const int64_t row = lines.inner * static_cast<int64_t>(item_size(self.dtype())), whole = lines.n * row;
  const int64_t front = (shift % lines.n + lines.n) % lines.n * row;  // bytes that come from the end of a slice
  launch({{&source}, {&result}}, result.numel(), [&] {
    parallel_for(lines.outer, grain_for(65536, whole), [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) {
        const char* from = source.bytes() + o * whole;
        char* to = result.bytes() + o * whole;
        std::memcpy(to, from + whole - front, static_cast<size_t>(front));
        std::memcpy(to + front, from, static_cast<size_t>(whole - front));
      }
    });
  });
  return result;
}

Tensor roll(const Tensor& self, const Dims& shifts, const Dims& dims) {
  if (dims.empty() && shifts.size() == 1) return reshape(roll(reshape(self, {-1}), shifts, {0}), self.sizes());
  if (shifts.empty()) runtime_error("`shifts` required");
  if (shifts.size() != dims.size())
    runtime_error("shifts and dimensions must align. shifts: ", shifts.size(), ", dims:", dims.size());
  if (self.ndim() == 0) index_error("Dimension specified as ", dims[0], " but tensor has no dimensions");
  Tensor result = detach(self);
  Dims backwards;
  for (size_t i = 0; i < dims.size(); ++i) {
    int64_t dim = wrap_dim(dims[i], self.ndim());
    result = rolled(result, shifts[i], dim);
    backwards.push_back(shifts[i] == INT64_MIN ? shifts[i] : -shifts[i]);
  }
  if (needs_gradient(self))
    record("RollBackward0", result, {self},
           [backwards, dims](const Tensor& gradient, Gradients& in) { in[0] = roll(gradient, backwards, dims); });
  return result;
}

/// Each position as often as repeats says.
Tensor repeated_positions(const Tensor& repeats, std::optional<int64_t> output_size) {
  if (repeats.ndim() != 1) runtime_error("repeat_interleave only accept 1D vector as repeat");
  if (repeats.dtype() != Dtype::I64 && repeats.dtype() != Dtype::I32) {
    if (is_floating(repeats.dtype()))
      not_implemented("\"repeat_interleave_cpu\" not implemented for '", torch_name(repeats.dtype()), "'");
    runtime_error("repeats has to be Long or Int tensor, got ", torch_name(repeats.dtype()));
  }
  NoGrad silent;
  Tensor counts = contiguous(to_dtype(detach(repeats), Dtype::I64));
  const auto* count = counts.data<int64_t>();
  int64_t total = 0;
  for (int64_t i = 0; i < counts.numel(); ++i) {
    if (count[i] < 0) runtime_error("repeats can not be negative");
    if (__builtin_add_overflow(total, count[i], &total))
      runtime_error("repeat_interleave: the sum of repeats does not fit in 64 bits");
  }
  if (output_size && *output_size != total)
    runtime_error("allocated size does not match required size: output_size is ", *output_size, ", but repeats sum to ",
                  total);
  Tensor positions = empty({total}, Dtype::I64);
  auto* to = positions.data<int64_t>();
  for (int64_t i = 0; i < counts.numel(); ++i) to = std::fill_n(to, count[i], i);
  return positions;
}

Tensor repeat_by_counts(const Tensor& self, const Tensor& repeats, std::optional<int64_t> dim,
                        std::optional<int64_t> output_size) {
  Tensor source = dim ? self : reshape(self, {-1});
  if (source.ndim() == 0) source = reshape(source, {1});
  int64_t along = wrap_dim(dim.value_or(0), source.ndim()), n = source.sizes()[along];
  Tensor counts = repeats;
  if (counts.ndim() == 0 || (counts.ndim() == 1 && counts.numel() == 1)) counts = expand(reshape(counts, {1}), {n});
  if (counts.ndim() != 1) runtime_error("repeats must be 0-dim or 1-dim tensor");
  if (counts.numel() != n)
    runtime_error("repeats must have the same size as input along dim, but got repeats.size(0) = ", counts.numel(),
                  " and input.size(", along, ") = ", n);
  return index_select(source, along, repeated_positions(counts, output_size));
}
Tensor repeat_by_number(const Tensor& self, int64_t repeats, std::optional<int64_t> dim,
                        std::optional<int64_t> output_size) {
  if (repeats < 0) runtime_error("Repeats must be non-negative");
  Tensor source = dim ? self : reshape(self, {-1});
  if (source.ndim() == 0) source = reshape(source, {1});
  int64_t along = wrap_dim(dim.value_or(0), source.ndim());
  Dims sizes = source.sizes(), repeated;
  int64_t total;
  if (__builtin_mul_overflow(sizes[along], repeats, &total))
    runtime_error("repeat_interleave: the result's size does not fit in 64 bits");
  if (output_size && *output_size != total)
    runtime_error("repeat_interleave: Invalid output_size, expected ", total, " but got ", *output_size);
  repeated = sizes;
  repeated.insert(static_cast<size_t>(along) + 1, repeats);
  sizes[along] = total;
  return reshape(clone(expand(unsqueeze(source, along + 1), repeated)), sizes);
}

}  // namespace

void register_indexing_order(Registry& r) {
  r.add("flip(Tensor self, int[] dims) -> Tensor", flip);
  r.add("roll(Tensor self, int[1] shifts, int[1] dims=[]) -> Tensor", roll);
  r.add("repeat_interleave.Tensor(Tensor repeats, *, int? output_size=None) -> Tensor", repeated_positions, kFunction);
  r.add("repeat_interleave.self_int(Tensor self, int repeats, int? dim=None, *, int? output_size=None) -> Tensor",
        repeat_by_number);
  r.add("repeat_interleave.self_Tensor(Tensor self, Tensor repeats, int? dim=None, *, int? output_size=None) -> Tensor",
        repeat_by_counts);
}

}  // namespace ondol
