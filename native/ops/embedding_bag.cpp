// Sums, means and maxima of bags of a table's rows, without storing the rows.

#include <algorithm>
#include <cmath>
#include <vector>

#include "autograd/node.h"
#include "base/parallel.h"
#include "base/vectorize.h"
#include "ops/embedding.h"
#include "ops/functions.h"
#include "ops/reduction.h"
#include "ops/registry.h"

namespace ondol {
namespace {

enum class Pool { Sum, Mean, Max };

/// A checked call.
struct BagPlan {
  Pool mode;
  int64_t table_rows, features, bags, count;  // of the indices
  int64_t padding_idx;                        // -1: none
  bool by_frequency;
  std::vector<int64_t> begins;  // of each bag, and the end of the last
  Tensor rows, bag_of;          // of each index
  Tensor sizes;                 // of each bag, without the padding

  bool keeps(int64_t position) const { return rows.data<int64_t>()[position] != padding_idx; }
};

Pool parse_pool(std::string_view word) {
  if (word == "sum") return Pool::Sum;
  if (word == "mean") return Pool::Mean;
  if (word == "max") return Pool::Max;
  value_error("embedding_bag: mode has to be one of sum, mean or max, got ", word);
}

Tensor whole_numbers(const char* what, const Tensor& given) {
  if (is_floating(given.dtype()) || is_complex(given.dtype()))
    runtime_error("Expected tensor for argument '", what,
                  "' of embedding_bag to have one of the following scalar types: Long, Int; but got ",
                  torch_name(given.dtype()), "; convert it with .long()");
  return contiguous(to_dtype(detach(given), Dtype::I64));
}

void find_bags(BagPlan& plan, const Tensor& indices, const Tensor& offsets, bool include_last_offset) {
  if (indices.ndim() == 2) {
    plan.bags = indices.sizes()[0];
    for (int64_t bag = 0; bag <= plan.bags; ++bag) plan.begins.push_back(bag * indices.sizes()[1]);
    return;
  }
  Tensor starts = whole_numbers("offsets", offsets);
  const auto* start = starts.data<int64_t>();
  const int64_t n = starts.numel();
  if (include_last_offset && n == 0)
    runtime_error("embedding_bag: include_last_offset: number of offsets should be at least 1");
  if (n > 0 && start[0] != 0)
    runtime_error("offsets[0] has to be 0, i.e., the first sequence has to start at 0. Got ", start[0]);
  if (n > 0 && start[n - 1] > plan.count)
    runtime_error("offsets[-1] can not be greater than input's length ", plan.count, " but got offsets[-1] of ",
                  start[n - 1]);
  if (!std::is_sorted(start, start + n))
    runtime_error("embedding_bag: offsets must not decrease, got ", Dims(start, start + n));
  plan.bags = include_last_offset ? n - 1 : n;
  plan.begins.assign(start, start + plan.bags);
  plan.begins.push_back(plan.count);
}

BagPlan plan_bags(const Tensor& weight, const Tensor& indices, const Tensor& offsets, Pool mode,
                  const Tensor& per_sample_weights, bool include_last_offset, int64_t padding_idx, bool by_frequency) {
  if (weight.ndim() != 2) value_error("embedding_bag: weight has to be a 2D Tensor, but got ", weight.sizes());
  if (!is_floating(weight.dtype()))
    runtime_error(
        "Expected tensor for argument 'weight' of embedding_bag to have one of the following scalar types: Half, "
        "BFloat16, Float, Double; but got ",
        torch_name(weight.dtype()));
  if (indices.ndim() != 1 && indices.ndim() != 2)
    value_error("embedding_bag: input has to be 1D or 2D Tensor, but got ", indices.sizes());
  if (offsets.defined() != (indices.ndim() == 1) || (offsets.defined() && offsets.ndim() != 1))
    value_error("embedding_bag: offsets has to be a 1D Tensor with a 1D input, and None with a 2D one");
  if (per_sample_weights.defined() && per_sample_weights.dtype() != weight.dtype())
    runtime_error("embedding_bag: Expected weight to have the same type as per_sample_weights; but type ",
                  torch_name(weight.dtype()), " does not equal ", torch_name(per_sample_weights.dtype()));
  NoGrad silent;
  BagPlan plan{mode, weight.sizes()[0], weight.sizes()[1], 0, indices.numel(), padding_idx, by_frequency};
  plan.rows = reshape(whole_numbers("indices", indices), {plan.count});
  const auto* row = plan.rows.data<int64_t>();
  for (int64_t i = 0; i < plan.count; ++i)
    if (row[i] < 0 || row[i] >= plan.table_rows)
      runtime_error("embedding_bag: Expected idx >= 0 && idx < num_embeddings but found idx to be ", row[i],
                    " at position ", i, " of the flat input, for ", plan.table_rows, " embeddings");
  find_bags(plan, indices, offsets, include_last_offset);
  plan.bag_of = empty({plan.count}, Dtype::I64);
  plan.sizes = empty({plan.bags}, Dtype::I64);
  for (int64_t bag = 0; bag < plan.bags; ++bag) {
    int64_t size = 0;
    for (int64_t i = plan.begins[bag]; i < plan.begins[bag + 1]; ++i) {
      plan.bag_of.data<int64_t>()[i] = bag;
      size += plan.keeps(i);
    }
    plan.sizes.data<int64_t>()[bag] = size;
  }
  return plan;
}

template <class T>
using Vector [[gnu::vector_size(32), gnu::aligned(sizeof(T)), gnu::may_alias]] = T;
template <class T>
constexpr int64_t kWidth = 32 / sizeof(T);

/// The sum over a bag of kVectors vectors of each row, from `feature` on. `factors` may be null.
template <int kVectors, class T>
[[gnu::always_inline]] inline void sum_of_bag(const BagPlan& plan, int64_t bag, const T* table, const T* factors,
                                              int64_t feature, T scale, T* out) {
  const auto* rows = plan.rows.data<int64_t>();
  Vector<T> sums[kVectors] = {};
  for (int64_t i = plan.begins[bag]; i < plan.begins[bag + 1]; ++i) {
    if (rows[i] == plan.padding_idx) continue;
    const auto* row = reinterpret_cast<const Vector<T>*>(table + rows[i] * plan.features + feature);
    const T factor = factors ? factors[i] : T(1);
    for (int v = 0; v < kVectors; ++v) sums[v] += row[v] * factor;
  }
  for (int v = 0; v < kVectors; ++v) reinterpret_cast<Vector<T>*>(out + feature)[v] = sums[v] * scale;
}

template <class T>
[[gnu::always_inline]] inline void sums(const BagPlan& plan, int64_t begin, int64_t end, const T* table,
                                        const T* factors, T* pooled) {
  const auto* rows = plan.rows.data<int64_t>();
  for (int64_t bag = begin; bag < end; ++bag) {
    const int64_t size = plan.sizes.data<int64_t>()[bag];
    const T scale = plan.mode == Pool::Mean && size > 0 ? T(1) / static_cast<T>(size) : T(1);
    T* out = pooled + bag * plan.features;
    int64_t feature = 0;
    for (; feature + 8 * kWidth<T> <= plan.features; feature += 8 * kWidth<T>)
      sum_of_bag<8>(plan, bag, table, factors, feature, scale, out);
    for (; feature + kWidth<T> <= plan.features; feature += kWidth<T>)
      sum_of_bag<1>(plan, bag, table, factors, feature, scale, out);
    for (; feature < plan.features; ++feature) {
      T sum = 0;
      for (int64_t i = plan.begins[bag]; i < plan.begins[bag + 1]; ++i)
        if (rows[i] != plan.padding_idx)
          sum += table[rows[i] * plan.features + feature] * (factors ? factors[i] : T(1));
      out[feature] = sum * scale;
    }
  }
}
template <class T>
ONDOL_VECTORIZE ONDOL_WIDE void wide_sums(const BagPlan& plan, int64_t begin, int64_t end, const T* table,
                                          const T* factors, T* pooled) {
  sums(plan, begin, end, table, factors, pooled);
}
template <class T>
ONDOL_VECTORIZE void plain_sums(const BagPlan& plan, int64_t begin, int64_t end, const T* table, const T* factors,
                                T* pooled) {
  sums(plan, begin, end, table, factors, pooled);
}

/// The maxima and the rows that they come from; 0 and row 0 for an empty bag. A NaN is larger than all numbers.
template <class T>
void maxima(const BagPlan& plan, int64_t begin, int64_t end, const T* table, T* pooled, int64_t* largest) {
  const auto* rows = plan.rows.data<int64_t>();
  for (int64_t bag = begin; bag < end; ++bag) {
    T* out = pooled + bag * plan.features;
    int64_t* from = largest + bag * plan.features;
    std::fill_n(out, plan.features, T(0));
    std::fill_n(from, plan.features, 0);
    bool first = true;
    for (int64_t i = plan.begins[bag]; i < plan.begins[bag + 1]; ++i) {
      if (!plan.keeps(i)) continue;
      const T* row = table + rows[i] * plan.features;
      for (int64_t j = 0; j < plan.features; ++j)
        if (first || row[j] > out[j] || (std::isnan(row[j]) && !std::isnan(out[j]))) {
          out[j] = row[j];
          from[j] = rows[i];
        }
      first = false;
    }
  }
}

/// What a row gets of its bag's gradient at each position: nothing at the padding.
template <class T>
std::vector<T> shares(const BagPlan& plan, const T* factors) {
  std::vector<T> share(static_cast<size_t>(plan.count));
  std::vector<int64_t> frequency(static_cast<size_t>(plan.by_frequency ? plan.table_rows : 0));
  const auto* rows = plan.rows.data<int64_t>();
  if (plan.by_frequency)
    for (int64_t i = 0; i < plan.count; ++i) ++frequency[rows[i]];
  for (int64_t i = 0; i < plan.count; ++i) {
    share[i] = !plan.keeps(i) ? T(0) : factors ? factors[i] : T(1);
    const int64_t bag = plan.bag_of.data<int64_t>()[i];
    if (plan.mode == Pool::Mean && plan.keeps(i)) share[i] /= static_cast<T>(plan.sizes.data<int64_t>()[bag]);
    if (plan.by_frequency) share[i] /= static_cast<T>(frequency[rows[i]]);
  }
  return share;
}

template <class T>
[[gnu::always_inline]] inline void add_times(const T* x, T factor, int64_t n, T* sum) {
  for (int64_t j = 0; j < n; ++j) sum[j] += x[j] * factor;
}
template <class T>
ONDOL_VECTORIZE ONDOL_WIDE void wide_add_times(const T* x, T factor, int64_t n, T* sum) {
  add_times(x, factor, n, sum);
}
template <class T>
ONDOL_VECTORIZE void plain_add_times(const T* x, T factor, int64_t n, T* sum) {
  add_times(x, factor, n, sum);
}

/// The gradient of the table. Every row is summed by one thread in one order.
template <class T>
void table_gradient(const BagPlan& plan, const T* gradient, const T* factors, T* to) {
  const std::vector<T> share = shares(plan, factors);
  const Occurrences where(plan.rows.data<int64_t>(), plan.count, plan.table_rows);
  const auto* bag_of = plan.bag_of.data<int64_t>();
  auto add = wide_vectors() ? wide_add_times<T> : plain_add_times<T>;
  parallel_for(plan.table_rows, grain_for(16384, plan.features), [&](int64_t begin, int64_t end) {
    std::fill(to + begin * plan.features, to + end * plan.features, T(0));
    for (int64_t r = begin; r < end; ++r) {
      if (r == plan.padding_idx) continue;
      for (int64_t k = where.starts[r]; k < where.starts[r + 1]; ++k) {
        const int64_t i = where.positions[k];
        add(gradient + bag_of[i] * plan.features, share[i], plan.features, to + r * plan.features);
      }
    }
  });
}

/// The same for maxima: each goes to where it came from. Threads take columns, and no two add to one element.
template <class T>
void table_gradient_of_maxima(const BagPlan& plan, const T* gradient, const int64_t* largest, T* to) {
  std::fill_n(to, plan.table_rows * plan.features, T(0));
  parallel_for(plan.features, grain_for(16384, plan.bags), [&](int64_t begin, int64_t end) {
    for (int64_t bag = 0; bag < plan.bags; ++bag) {
      if (plan.sizes.data<int64_t>()[bag] == 0) continue;
      for (int64_t j = begin; j < end; ++j) {
        const int64_t at = bag * plan.features + j;
        to[largest[at] * plan.features + j] += gradient[at];
      }
    }
  });
}

/// d loss / d per_sample_weights[i] is the product of the bag's gradient and the row.
template <class T>
void factor_gradient(const BagPlan& plan, const T* gradient, const T* table, T* to) {
  const auto* rows = plan.rows.data<int64_t>();
  const auto* bag_of = plan.bag_of.data<int64_t>();
  parallel_for(plan.count, grain_for(16384, plan.features), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      T sum = 0;
      if (plan.keeps(i))
        for (int64_t j = 0; j < plan.features; ++j)
          sum += gradient[bag_of[i] * plan.features + j] * table[rows[i] * plan.features + j];
      to[i] = sum;
    }
  });
}

struct Pooled {
  Tensor values, largest;
};

/// The table as the kernels read it. Of half precision only the rows in use are converted, `plan` then counts those.
Tensor computing_table(const Tensor& weight, Dtype compute, BagPlan& plan) {
  if (weight.dtype() == compute) return contiguous(detach(weight));
  Tensor used = to_dtype(embedding_lookup(detach(weight), plan.rows, {plan.count, plan.features}, -1, false), compute);
  Tensor positions = arange(plan.count);
  if (plan.padding_idx >= 0) {
    for (int64_t i = 0; i < plan.count; ++i)
      if (!plan.keeps(i)) positions.data<int64_t>()[i] = plan.count;
    plan.padding_idx = plan.count;
  }
  plan.rows = positions;
  return used;
}

Pooled pool(const BagPlan& given, const Tensor& weight, const Tensor& per_sample_weights) {
  NoGrad silent;
  const Dtype compute = reduction_dtype(weight.dtype());
  BagPlan plan = given;
  Tensor table = computing_table(weight, compute, plan), factors;
  if (per_sample_weights.defined()) factors = contiguous(to_dtype(detach(per_sample_weights), compute));
  Tensor values = empty({plan.bags, plan.features}, compute), largest;
  if (plan.mode == Pool::Max) largest = empty(values.sizes(), Dtype::I64);
  launch({{&table, &factors}, {&values, &largest}}, plan.count * plan.features, [&] {
    visit_floating(compute, [&](auto tag) {
      using T = typename decltype(tag)::type;
      auto sum = wide_vectors() ? wide_sums<T> : plain_sums<T>;
      const int64_t per_bag = plan.features * (1 + plan.count / std::max<int64_t>(plan.bags, 1));
      parallel_for(plan.bags, grain_for(16384, per_bag), [&](int64_t begin, int64_t end) {
        if (plan.mode == Pool::Max)
          maxima(plan, begin, end, table.data<T>(), values.data<T>(), largest.data<int64_t>());
        else
          sum(plan, begin, end, table.data<T>(), factors.defined() ? factors.data<T>() : nullptr, values.data<T>());
      });
    });
  });
  if (plan.mode == Pool::Max && weight.dtype() != compute) {  // from positions back to rows
    auto* from = largest.data<int64_t>();
    for (int64_t i = 0; i < largest.numel(); ++i)
      if (plan.sizes.data<int64_t>()[i / plan.features] > 0) from[i] = given.rows.data<int64_t>()[from[i]];
  }
  return {to_dtype(values, weight.dtype()), largest};
}

Tensor weight_gradient(const BagPlan& plan, const Tensor& gradient, const Tensor& largest,
                       const Tensor& per_sample_weights) {
  NoGrad silent;
  const Dtype compute = reduction_dtype(gradient.dtype());
  Tensor g = contiguous(to_dtype(detach(gradient), compute)), factors;
  if (per_sample_weights.defined()) factors = contiguous(to_dtype(detach(per_sample_weights), compute));
  Tensor result = empty({plan.table_rows, plan.features}, compute);
  launch({{&g, &largest, &factors}, {&result}}, result.numel() + plan.count * plan.features, [&] {
    visit_floating(compute, [&](auto tag) {
      using T = typename decltype(tag)::type;
      if (plan.mode == Pool::Max)
        table_gradient_of_maxima(plan, g.data<T>(), largest.data<int64_t>(), result.data<T>());
      else
        table_gradient(plan, g.data<T>(), factors.defined() ? factors.data<T>() : nullptr, result.data<T>());
    });
  });
  return to_dtype(result, gradient.dtype());
}

Tensor gradient_of_factors(const BagPlan& given, const Tensor& gradient, const Tensor& weight) {
  NoGrad silent;
  const Dtype compute = reduction_dtype(gradient.dtype());
  BagPlan plan = given;
  Tensor g = contiguous(to_dtype(detach(gradient), compute)), table = computing_table(weight, compute, plan);
  Tensor result = empty({plan.count}, compute);
  launch({{&g, &table}, {&result}}, plan.count * plan.features, [&] {
    visit_floating(compute, [&](auto tag) {
      using T = typename decltype(tag)::type;
      factor_gradient(plan, g.data<T>(), table.data<T>(), result.data<T>());
    });
  });
  return to_dtype(result, gradient.dtype());
}

/// What a row gets of its bag's gradient at each position, as a tensor.
Tensor share_tensor(const BagPlan& plan, Dtype dtype) {
  NoGrad silent;
  Tensor result = empty({plan.count}, Dtype::F64);
  const std::vector<double> values = shares<double>(plan, nullptr);
  std::copy(values.begin(), values.end(), result.data<double>());
  return to_dtype(result, dtype);
}

/// Both gradients made of operations that have derivatives.
void composed_gradients(const BagPlan& plan, const Tensor& gradient, const Tensor& weight, const Tensor& factors,
                        const Tensor& largest, Gradients& in) {
  if (plan.mode == Pool::Max) {
    Tensor filled = unsqueeze(to_dtype(ne(plan.sizes, wrapped_number(0)), gradient.dtype()), -1);
    in[0] = scatter_add(zeros(weight.sizes(), gradient.dtype()), 0, largest, mul(gradient, filled));
    return;
  }
  Tensor each = index_select(gradient, 0, plan.bag_of), share = share_tensor(plan, gradient.dtype());
  if (in.wants(0)) {
    Tensor parts = factors.defined() ? mul(share, reshape(factors, {plan.count})) : share;
    in[0] = embedding_backward(mul(each, unsqueeze(parts, -1)), plan.rows, plan.table_rows, plan.padding_idx, false);
  }
  if (in.wants(1)) {
    BagPlan plain = plan;
    plain.by_frequency = false;
    Tensor rows = embedding_lookup(weight, plan.rows, each.sizes(), plan.padding_idx, false);
    in[1] = reshape(mul(sum(mul(each, rows), {-1}, false), share_tensor(plain, gradient.dtype())), factors.sizes());
  }
}

std::tuple<Tensor, Tensor, Tensor, Tensor> embedding_bag(const Tensor& weight, const Tensor& indices,
                                                         const Tensor& offsets, std::string_view mode, bool sparse,
                                                         const Tensor& per_sample_weights, bool include_last_offset,
                                                         int64_t padding_idx, bool scale_grad_by_freq) {
  const BagPlan plan = plan_bags(weight, indices, offsets, parse_pool(mode), per_sample_weights, include_last_offset,
                                 padding_idx, scale_grad_by_freq);
  auto [values, largest] = pool(plan, weight, per_sample_weights);
  if (needs_gradient(weight, per_sample_weights))
    record("EmbeddingBagBackward0", values, {weight, per_sample_weights},
           [plan, sparse, largest = largest, rows = save(plan.rows), weight = save(weight),
            factors = per_sample_weights.defined() ? save(per_sample_weights) : Saved()](const Tensor& gradient,
                                                                                         Gradients& in) {
             if (sparse && in.wants(0)) refuse_sparse_gradient();
             rows();  // raises if they were changed meanwhile
             Tensor table = weight(), each = factors.defined() ? factors() : Tensor();
             if (needs_gradient(gradient, table, each))
               return composed_gradients(plan, gradient, table, each, largest, in);
             if (in.wants(0)) in[0] = weight_gradient(plan, gradient, largest, each);
             if (in.wants(1)) in[1] = reshape(gradient_of_factors(plan, gradient, table), each.sizes());
           });
  return {values, plan.bag_of, plan.sizes, plan.mode == Pool::Max ? largest : zeros({plan.bags}, Dtype::I64)};
}

}  // namespace

void register_embedding_bag(Registry& r) {
  r.add(
      "nn.embedding_bag(Tensor weight, Tensor indices, Tensor? offsets, str mode, bool sparse=False, Tensor? "
      "per_sample_weights=None, bool include_last_offset=False, int padding_idx=-1, bool scale_grad_by_freq=False) -> "
      "(Tensor, Tensor, Tensor, Tensor)",
      embedding_bag);
}

}  // namespace ondol
