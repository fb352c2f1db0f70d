// Selection by one tensor of positions for each dimension: index, index_put.

#include <cstring>

#include "base/parallel.h"
#include "ops/functions.h"
#include "ops/gather.h"
#include "ops/in_place.h"
#include "ops/registry.h"
#include "ops/scatter.h"
#include "tensor/launch.h"

namespace ondol {

namespace {

/// What x[i, :, j] means: the positions that the indices name, as byte offsets, and the block that lies at each.
struct IndexPlan {
  Tensor self;       // dimensions with an index first
  Dims index_sizes;  // shape that the indices broadcast to
  Dims rest_sizes;   // dimensions without index
  Tensor offsets;    // int64 [product of index_sizes], in elements of self
  Dims result_sizes;
  Dims order;             // permutation that was applied to self
  int64_t insert_at = 0;  // where the index dimensions stand in the result
};

IndexPlan plan_index(const Tensor& self, const std::vector<Tensor>& indices) {
  if (static_cast<int64_t>(indices.size()) > self.ndim())
    index_error("too many indices for tensor of dimension ", self.ndim(), ": there are ", indices.size(),
                ", the tensor has shape ", self.sizes());
  IndexPlan plan;
  Dims indexed, rest;
  bool first = true;
  for (int64_t d = 0; d < self.ndim(); ++d) {
    bool has = d < static_cast<int64_t>(indices.size()) && indices[d].defined();
    (has ? indexed : rest).push_back(d);
    if (!has) continue;
    const Tensor& index = indices[d];
    if (!is_integral(index.dtype()) || index.dtype() == Dtype::Bool)
      index_error("tensors used as indices must be long, int, byte or bool tensors, not ", torch_name(index.dtype()),
                  "; convert positions with .long(), conditions with .bool()");
    if (first)
      plan.index_sizes = index.sizes();
    else {
      try {
        plan.index_sizes = broadcast_shapes(plan.index_sizes, index.sizes());
      } catch (const Error&) {
        index_error("shape mismatch: indexing tensors could not be broadcast together with shapes ", plan.index_sizes,
                    ", ", index.sizes());
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
  for (int64_t i = 0; i < plan.index_sizes.ssize(); ++i)
    plan.result_sizes.insert(plan.insert_at + i, plan.index_sizes[i]);

  int64_t count = count_elements(plan.index_sizes);
  plan.offsets = zeros({count}, Dtype::I64);
  auto* offsets = plan.offsets.data<int64_t>();
  for (int64_t k = 0; k < indexed.ssize(); ++k) {
    int64_t dim = indexed[k], size = self.sizes()[dim], stride = self.strides()[dim];
    Tensor positions = contiguous(expand(to_dtype(detach(indices[dim]), Dtype::I64), plan.index_sizes));
    auto* at = positions.data<int64_t>();
    for (int64_t i = 0; i < count; ++i) {
      int64_t index = at[i];
      if (index < -size || index >= size)
        index_error("index ", index, " is out of bounds for dimension ", dim, " with size ", size,
                    " (an index of the shape ", self.sizes(), " may be from ", -size, " to ", size - 1, ")");
      offsets[i] += (index < 0 ? index + size : index) * stride;
    }
  }
  return plan;
}

/// The dimensions without index: how many elements each position has, and where they lie if not one behind the other.
struct Block {
  int64_t size;
  std::vector<int64_t> offsets;  // empty: contiguous
};
Block block_of(const IndexPlan& plan) {
  Dims strides(plan.self.strides().end() - plan.rest_sizes.ssize(), plan.self.strides().end());
  Block block{count_elements(plan.rest_sizes), {}};
  if (plan.offsets.numel() > 0 && !is_contiguous(plan.rest_sizes, strides))
    block.offsets = all_offsets(plan.rest_sizes, strides, 0, strides.ssize());
  return block;
}

/// result[i] = the block at position i.
void gather_blocks(const IndexPlan& plan, const Tensor& result) {
  const Block block = block_of(plan);
  const int64_t count = plan.offsets.numel(), size = block.size;
  if (count == 0 || size == 0) return;
  const auto* offsets = plan.offsets.data<int64_t>();
  launch({{&plan.self}, {&result}}, count * size, [&] {
    visit_item_size(result.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      auto* source = reinterpret_cast<const T*>(plan.self.bytes());
      auto* target = reinterpret_cast<T*>(result.bytes());
      parallel_for(count, std::max<int64_t>(1, 16384 / size), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const T* from = source + offsets[i];
          T* to = target + i * size;
          if (size == 1)
            *to = *from;
          else if (block.offsets.empty())
            std::memcpy(to, from, static_cast<size_t>(size) * sizeof(T));
          else
            for (int64_t j = 0; j < size; ++j) to[j] = from[block.offsets[j]];
        }
      });
    });
  });
}

/// step(element of self, element of source) for all blocks. Threads share the columns of the blocks, so that elements
/// which meet do so in the order of the positions.
template <class T, class Step>
void put_blocks(T* target, const T* source, const int64_t* offsets, int64_t count, const Block& block, Step step) {
  constexpr int64_t kColumns = 64;  // a thread's share of a block is at least so wide
  const int64_t grain = std::max(kColumns, 32768 / count);
  parallel_for(block.size, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < count; ++i) {
      T* to = target + offsets[i];
      const T* from = source + i * block.size;
      if (block.offsets.empty())
        for (int64_t j = begin; j < end; ++j) step(to[j], from[j]);
      else
        for (int64_t j = begin; j < end; ++j) step(to[block.offsets[j]], from[j]);
    }
  });
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
    shape_error("shape mismatch: value tensor of shape ", values.sizes(),
                " cannot be broadcast to indexing result of shape ", plan.result_sizes);
  Tensor blocks = from_result_order(plan, expand(detach(values), plan.result_sizes));
  Tensor dense = contiguous(to_dtype(blocks, self.dtype()));
  const Block block = block_of(plan);
  const int64_t count = plan.offsets.numel();
  if (count == 0 || block.size == 0) return;
  const auto* offsets = plan.offsets.data<int64_t>();
  launch({{&dense}, {&self}}, count * block.size, [&] {
    if (!accumulate) {
      visit_item_size(self.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        auto* from = reinterpret_cast<const T*>(dense.bytes());
        put_blocks(reinterpret_cast<T*>(self.bytes()), from, offsets, count, block, [](T& to, T value) { to = value; });
      });
      return;
    }
    visit_dtype(self.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      const T* from = dense.data<T>();
      visit_combination<T>(Combine::Sum, [&](auto together) {
        put_blocks(self.data<T>(), from, offsets, count, block,
                   [=](T& to, T value) { to = narrowed<T>(together(widened(to), widened(value))); });
      });
    });
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
    runtime_error("Index put requires the source and destination dtypes match, got ", torch_name(self.dtype()),
                  " for the destination and ", torch_name(values.dtype()), " for the source.");
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
        index_error("The shape of the mask ", index.sizes(), " at index ", d,
                    " does not match the shape of the indexed tensor ", self.sizes(), " at index ", at);
      Tensor positions = nonzero(index);
      expanded.push_back(select(positions, 1, d));
    }
  }
  return expanded;
}
Tensor index_with_masks(const Tensor& self, const std::vector<Tensor>& indices) {
  return index(self, expand_masks(self, indices));
}
Tensor& index_put_with_masks(Tensor& self, const std::vector<Tensor>& indices, const Tensor& values, bool accumulate) {
  return index_put_(self, expand_masks(self, indices), values, accumulate);
}

static Tensor index_put_in_place(const Tensor& self, const std::vector<Tensor>& indices, const Tensor& values,
                                 bool accumulate) {
  Tensor target = self;
  return index_put_with_masks(target, indices, values, accumulate);
}
static Tensor index_put_operation(const Tensor& self, const std::vector<Tensor>& indices, const Tensor& values,
                                  bool accumulate) {
  return index_put(self, expand_masks(self, indices), values, accumulate);
}

void register_indexing(Registry& r) {
  r.add("index_put(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor",
        index_put_operation);
  r.add("index_put_(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor",
        index_put_in_place, kMethod | kFunction);
}

}  // namespace ondol
