// Selection by tensors of positions: index, index_put_, index_select, gather, scatter_add, nonzero.

#include <cstring>

#include "base/parallel.h"
#include "ops/functions.h"
#include "ops/registry.h"
#include "tensor/launch.h"

namespace ondol {

Tensor nonzero(const Tensor& self) {
  NoGrad silent;
  Tensor flags = contiguous(ne(detach(self), wrapped_number(0)));
  const auto* flag = flags.data<bool>();
  int64_t count = std::count(flag, flag + flags.numel(), true), ndim = self.ndim();
  Tensor result = empty({count, ndim}, Dtype::I64);
  auto* out = result.data<int64_t>();
  for (int64_t i = 0; i < flags.numel(); ++i) {
    if (!flag[i]) continue;
    int64_t rest = i;
    for (int64_t d = ndim - 1; d >= 0; --d) {
      out[d] = rest % self.sizes()[d];
      rest /= self.sizes()[d];
    }
    out += ndim;
  }
  return result;
}

namespace {

/// What x[i, :, j] means: the positions that the indices name, as byte offsets, and the block that lies at each.
struct IndexPlan {
  Tensor self;           // dimensions with an index first
  Dims index_sizes;      // shape that the indices broadcast to
  Dims rest_sizes;       // dimensions without index
  Tensor offsets;        // int64 [product of index_sizes], in elements of self
  Dims result_sizes;
  Dims order;            // permutation that was applied to self
  int64_t insert_at = 0; // where the index dimensions stand in the result
};

IndexPlan plan_index(const Tensor& self, const std::vector<Tensor>& indices) {
  if (static_cast<int64_t>(indices.size()) > self.ndim())
    index_error("too many indices for tensor of dimension ", self.ndim());
  IndexPlan plan;
  Dims indexed, rest;
  bool first = true;
  for (int64_t d = 0; d < self.ndim(); ++d) {
    bool has = d < static_cast<int64_t>(indices.size()) && indices[d].defined();
    (has ? indexed : rest).push_back(d);
    if (!has) continue;
    const Tensor& index = indices[d];
    if (!is_integral(index.dtype()) || index.dtype() == Dtype::Bool)
      index_error("tensors used as indices must be long, int, byte or bool tensors, not ", name(index.dtype()));
    if (first) plan.index_sizes = index.sizes();
    else {
      try {
        plan.index_sizes = broadcast_shapes(plan.index_sizes, index.sizes());
      } catch (const Error&) {
        index_error("shape mismatch: indexing tensors could not be broadcast together with shapes ", plan.index_sizes, ", ", index.sizes());
      }
    }
    first = false;
  }
  bool adjacent = indexed.empty() || indexed.back() - indexed[0] + 1 == indexed.ssize();
  plan.insert_at = adjacent && !indexed.empty() ? indexed[0] : 0;
  plan.order = indexed;
  for (int64_t d : rest) {
    plan.order.push_back(d);
    plan.rest_sizes.push_back(self.sizes()[d]);
  }
  NoGrad silent;
  plan.self = permute(detach(self), plan.order);
  plan.result_sizes = plan.rest_sizes;
  for (int64_t i = 0; i < plan.index_sizes.ssize(); ++i) plan.result_sizes.insert(plan.insert_at + i, plan.index_sizes[i]);

  int64_t count = count_elements(plan.index_sizes);
  plan.offsets = zeros({count}, Dtype::I64);
  auto* offsets = plan.offsets.data<int64_t>();
  for (int64_t k = 0; k < indexed.ssize(); ++k) {
    int64_t dim = indexed[k], size = self.sizes()[dim], stride = self.strides()[dim];
    Tensor positions = contiguous(expand(to_dtype(detach(indices[dim]), Dtype::I64), plan.index_sizes));
    auto* at = positions.data<int64_t>();
    for (int64_t i = 0; i < count; ++i) {
      int64_t index = at[i];
      if (index < -size || index >= size) index_error("index ", index, " is out of bounds for dimension ", dim, " with size ", size);
      offsets[i] += (index < 0 ? index + size : index) * stride;
    }
  }
  return plan;
}

/// Calls body(piece of self, piece of the other) for each position: blocks of the dimensions without index.
template <class Body>
void for_each_block(const IndexPlan& plan, const Tensor& other, Body&& body) {
  // `other` as [positions, rest...]
  Dims sizes{plan.offsets.numel()};
  for (int64_t size : plan.rest_sizes) sizes.push_back(size);
  Dims rest_strides(plan.self.strides().begin() + static_cast<int64_t>(plan.order.size() - plan.rest_sizes.size()), plan.self.strides().end());
  const auto* offsets = plan.offsets.data<int64_t>();
  for (int64_t i = 0; i < plan.offsets.numel(); ++i)
    body(alias(plan.self, plan.rest_sizes, rest_strides, plan.self.impl()->offset + offsets[i]), select(other, 0, i));
}

template <class T>
void gather_elements(const char* source, const int64_t* offsets, char* target, int64_t n) {
  auto* from = reinterpret_cast<const T*>(source);
  auto* to = reinterpret_cast<T*>(target);
  for (int64_t i = 0; i < n; ++i) to[i] = from[offsets[i]];
}
struct Sixteen {
  char bytes[16];
};

/// Blocks that are contiguous are copied as bytes; single elements in one loop.
void gather_blocks(const IndexPlan& plan, const Tensor& result) {
  int64_t count = plan.offsets.numel(), block = count_elements(plan.rest_sizes);
  if (count == 0 || block == 0) return;
  size_t item = item_size(result.dtype());
  Dims rest_strides(plan.self.strides().end() - plan.rest_sizes.ssize(), plan.self.strides().end());
  const char* source = plan.self.bytes();
  char* target = result.bytes();
  const auto* offsets = plan.offsets.data<int64_t>();
  if (is_contiguous(plan.rest_sizes, rest_strides)) {
    launch({{&plan.self}, {&result}}, count * block, [&] {
      parallel_for(count, std::max<int64_t>(1, 16384 / block), [&](int64_t begin, int64_t end) {
        if (block == 1) {
          char* to = target + begin * static_cast<int64_t>(item);
          switch (item) {
            case 1: return gather_elements<uint8_t>(source, offsets + begin, to, end - begin);
            case 2: return gather_elements<uint16_t>(source, offsets + begin, to, end - begin);
            case 4: return gather_elements<uint32_t>(source, offsets + begin, to, end - begin);
            case 8: return gather_elements<uint64_t>(source, offsets + begin, to, end - begin);
            default: return gather_elements<Sixteen>(source, offsets + begin, to, end - begin);
          }
        }
        size_t bytes = static_cast<size_t>(block) * item;
        for (int64_t i = begin; i < end; ++i) std::memcpy(target + static_cast<size_t>(i) * bytes, source + offsets[i] * static_cast<int64_t>(item), bytes);
      });
    });
    return;
  }
  for_each_block(plan, result, [](const Tensor& piece, const Tensor& to) { copy_elements(piece, to); });
}

/// [positions, rest...] to the order of the result: the index dimensions go where the first of them stood.
Tensor to_result_order(const IndexPlan& plan, const Tensor& blocks) {
  Dims sizes = plan.index_sizes;
  for (int64_t size : plan.rest_sizes) sizes.push_back(size);
  Tensor shaped = reshape(blocks, sizes);
  Dims order;
  int64_t k = plan.index_sizes.ssize();
  for (int64_t i = 0; i < plan.insert_at; ++i) order.push_back(k + i);
  for (int64_t i = 0; i < k; ++i) order.push_back(i);
  for (int64_t i = k + plan.insert_at; i < sizes.ssize(); ++i) order.push_back(i);
  return permute(shaped, order);
}
Tensor from_result_order(const IndexPlan& plan, const Tensor& result) {
  Dims order;
  int64_t k = plan.index_sizes.ssize();
  for (int64_t i = 0; i < k; ++i) order.push_back(plan.insert_at + i);
  for (int64_t i = 0; i < result.ndim(); ++i)
    if (i < plan.insert_at || i >= plan.insert_at + k) order.push_back(i);
  Dims sizes{plan.offsets.numel()};
  for (int64_t size : plan.rest_sizes) sizes.push_back(size);
  return reshape(permute(result, order), sizes);
}

}  // namespace

Tensor index(const Tensor& self, const std::vector<Tensor>& indices) {
  Tensor result;
  {
    IndexPlan plan = plan_index(self, indices);
    NoGrad silent;
    Dims sizes{plan.offsets.numel()};
    for (int64_t size : plan.rest_sizes) sizes.push_back(size);
    Tensor blocks = empty(sizes, self.dtype());
    gather_blocks(plan, blocks);
    result = contiguous(detach(to_result_order(plan, blocks)));
  }
  if (needs_gradient(self))
    record("IndexBackward0", result, {self}, [indices, sizes = self.sizes()](const Tensor& gradient, Gradients& in) {
      in[0] = index_put(zeros(sizes, gradient.dtype()), indices, gradient, true);
    });
  return result;
}

static void put_values(const Tensor& self, const std::vector<Tensor>& indices, const Tensor& values, bool accumulate) {
  NoGrad silent;
  IndexPlan plan = plan_index(self, indices);
  if (broadcast_shapes(values.sizes(), plan.result_sizes) != plan.result_sizes)
    shape_error("shape mismatch: value tensor of shape ", values.sizes(), " cannot be broadcast to indexing result of shape ", plan.result_sizes);
  Tensor blocks = from_result_order(plan, expand(detach(values), plan.result_sizes));
  bool single = plan.rest_sizes.empty() || count_elements(plan.rest_sizes) == 1;
  if (single && self.dtype() == Dtype::F32 && values.dtype() == Dtype::F32) {
    Tensor dense = contiguous(blocks);
    auto *from = dense.data<float>(), *to = self.data<float>();
    const auto* offsets = plan.offsets.data<int64_t>();
    for (int64_t i = 0; i < plan.offsets.numel(); ++i) to[offsets[i]] = accumulate ? to[offsets[i]] + from[i] : from[i];
    return;
  }
  for_each_block(plan, blocks, [accumulate](const Tensor& piece, const Tensor& from) {
    Tensor target = detach(piece);
    if (accumulate) add_(target, from);
    else copy_elements(from, target);
  });
}

Tensor index_put(const Tensor& self, const std::vector<Tensor>& indices, const Tensor& values, bool accumulate) {
  Tensor result;
  {
    NoGrad silent;
    result = clone(detach(self));
    put_values(result, indices, values, accumulate);
  }
  if (needs_gradient(self, values))
    record("IndexPutBackward0", result, {self, values}, [indices, accumulate](const Tensor& gradient, Gradients& in) {
      if (in.wants(0)) in[0] = accumulate ? gradient : index_put(gradient, indices, zeros({}, gradient.dtype()), false);
      if (in.wants(1)) in[1] = index(gradient, indices);
    });
  return result;
}

Tensor& index_put_(Tensor& self, const std::vector<Tensor>& indices, const Tensor& values, bool accumulate) {
  check_in_place(self, "index_put_");
  if (!can_cast(values.dtype(), self.dtype()) && values.dtype() != self.dtype() && !values.impl()->wrapped_number)
    runtime_error("Index put requires the source and destination dtypes match, got ", torch_name(self.dtype()), " for the destination and ",
                  torch_name(values.dtype()), " for the source.");
  if (needs_gradient(self, values)) {
    finish_in_place(self, index_put(self, indices, to_dtype(values, self.dtype()), accumulate), "index_put_");
    return self;
  }
  put_values(self, indices, shares_memory(self, values) ? clone(values) : values, accumulate);
  finish_in_place(self, self, "index_put_");
  return self;
}

/// index and index_put_ take masks too: a mask stands for the positions of its true elements.
static std::vector<Tensor> expand_masks(const Tensor& self, const std::vector<Tensor>& indices) {
  std::vector<Tensor> expanded;
  for (const Tensor& index : indices) {
    if (!index.defined() || (index.dtype() != Dtype::Bool && index.dtype() != Dtype::U8)) {
      expanded.push_back(index);
      continue;
    }
    for (int64_t d = 0; d < index.ndim(); ++d) {
      auto at = static_cast<int64_t>(expanded.size());
      if (at >= self.ndim() || index.sizes()[d] != self.sizes()[at])
        index_error("The shape of the mask ", index.sizes(), " at index ", d, " does not match the shape of the indexed tensor ", self.sizes(), " at index ", at);
      Tensor positions = nonzero(index);
      expanded.push_back(select(positions, 1, d));
    }
  }
  return expanded;
}
Tensor index_with_masks(const Tensor& self, const std::vector<Tensor>& indices) { return index(self, expand_masks(self, indices)); }
Tensor& index_put_with_masks(Tensor& self, const std::vector<Tensor>& indices, const Tensor& values, bool accumulate) {
  return index_put_(self, expand_masks(self, indices), values, accumulate);
}

static Tensor index_put_operation(const Tensor& self, const std::vector<Tensor>& indices, const Tensor& values, bool accumulate) {
  return index_put(self, expand_masks(self, indices), values, accumulate);
}

void register_indexing(Registry& r) {
  r.add("nonzero(Tensor self) -> Tensor", nonzero);
  r.add("index_put(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor", index_put_operation, kInPlaceByCopy);
}

}  // namespace ondol
