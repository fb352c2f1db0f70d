// Rows of a table by their numbers.

#include "ops/embedding.h"

#include <cstring>

#include "base/parallel.h"
#include "ops/functions.h"
#include "ops/reduction.h"
#include "ops/registry.h"

namespace ondol {

Occurrences::Occurrences(const int64_t* row, int64_t count, int64_t rows) : starts(rows + 1, 0), positions(count) {
  for (int64_t i = 0; i < count; ++i) ++starts[row[i] + 1];
  for (int64_t r = 0; r < rows; ++r) starts[r + 1] += starts[r];
  std::vector<int64_t> next(starts.begin(), starts.end() - 1);
  for (int64_t i = 0; i < count; ++i) positions[next[row[i]]++] = i;
}

void refuse_sparse_gradient() {
  not_implemented(
      "embedding: the gradient with sparse=True is a sparse tensor, which ondol does not have; use sparse=False for a "
      "dense one");
}

namespace {

[[noreturn]] void raise_out_of_range(const Tensor& indices, int64_t position, int64_t row, int64_t rows) {
  Dims place(indices.sizes().size(), 0);
  for (size_t d = place.size(); d-- > 0; position /= indices.sizes()[d]) place[d] = position % indices.sizes()[d];
  index_error("index out of range in self: embedding: index ", row, " at position ", place,
              " is not a row of a table with ", rows, " rows (num_embeddings): they are 0 to ", rows - 1);
}

/// The indices as contiguous int64, checked.
Tensor checked_rows(const Tensor& indices, int64_t rows) {
  if (indices.dtype() != Dtype::I64 && indices.dtype() != Dtype::I32)
    runtime_error(
        "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
        "torch.",
        torch_name(indices.dtype()),
        "Tensor instead (while checking arguments for embedding); convert them with .long()");
  NoGrad silent;
  Tensor plain = contiguous(to_dtype(detach(indices), Dtype::I64));
  const auto* row = plain.data<int64_t>();
  for (int64_t i = 0; i < plain.numel(); ++i)
    if (row[i] < 0 || row[i] >= rows) raise_out_of_range(indices, i, row[i], rows);
  return plain;
}

Tensor gather_rows(const Tensor& weight, const Tensor& rows, const Dims& result_sizes) {
  NoGrad silent;
  Tensor table = contiguous(detach(weight)), result = empty(result_sizes, weight.dtype());
  const size_t row_bytes = static_cast<size_t>(weight.sizes()[1]) * item_size(weight.dtype());
  if (result.numel() == 0) return result;
  launch({{&table, &rows}, {&result}}, result.numel(), [&] {
    const auto* row = rows.data<int64_t>();
    const char* from = table.bytes();
    char* to = result.bytes();
    parallel_for(rows.numel(), grain_for(65536, static_cast<int64_t>(row_bytes)), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        std::memcpy(to + i * static_cast<int64_t>(row_bytes), from + row[i] * static_cast<int64_t>(row_bytes),
                    row_bytes);
    });
  });
  return result;
}

template <class T>
void sum_rows(const Occurrences& where, const T* gradient, int64_t rows, int64_t width, int64_t padding_idx,
              bool by_frequency, T* to) {
  parallel_for(rows, grain_for(16384, width), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      T* sum = to + r * width;
      std::fill_n(sum, width, T(0));
      const int64_t first = where.starts[r], last = where.starts[r + 1];
      if (r == padding_idx || first == last) continue;
      const T scale = by_frequency ? T(1) / static_cast<T>(last - first) : T(1);
      for (int64_t k = first; k < last; ++k) {
        const T* g = gradient + where.positions[k] * width;
        for (int64_t j = 0; j < width; ++j) sum[j] += g[j] * scale;
      }
    }
  });
}

/// How much of the gradient each looked-up row passes on: 0 for the padding, 1 / frequency if asked for.
Tensor passed_on(const Tensor& rows, int64_t table_rows, int64_t padding_idx, bool by_frequency, Dtype dtype) {
  Tensor factors = empty(rows.sizes(), Dtype::F64);
  const auto* row = rows.data<int64_t>();
  std::vector<int64_t> counts(table_rows, 0);
  for (int64_t i = 0; i < rows.numel(); ++i) ++counts[row[i]];
  for (int64_t i = 0; i < rows.numel(); ++i)
    factors.data<double>()[i] = row[i] == padding_idx ? 0 : by_frequency ? 1 / static_cast<double>(counts[row[i]]) : 1;
  NoGrad silent;
  return to_dtype(factors, dtype);
}

}  // namespace

Tensor embedding_backward(const Tensor& gradient, const Tensor& rows, int64_t table_rows, int64_t padding_idx,
                          bool by_frequency) {
  const int64_t width = gradient.sizes().back();
  Tensor result;
  {
    NoGrad silent;
    Dtype compute = reduction_dtype(gradient.dtype());
    Tensor source = contiguous(to_dtype(detach(gradient), compute)), sums = empty({table_rows, width}, compute);
    launch({{&source, &rows}, {&sums}}, source.numel() + sums.numel(), [&] {
      Occurrences where(rows.data<int64_t>(), rows.numel(), table_rows);
      visit_floating(compute, [&](auto tag) {
        using T = typename decltype(tag)::type;
        sum_rows(where, source.data<T>(), table_rows, width, padding_idx, by_frequency, sums.data<T>());
      });
    });
    result = to_dtype(sums, gradient.dtype());
  }
  if (needs_gradient(gradient))
    record("EmbeddingDenseBackwardBackward0", result, {gradient},
           [=, sizes = gradient.sizes(), at = save(rows)](const Tensor& second, Gradients& in) {
             Tensor picked = embedding_lookup(second, at(), sizes, -1, false);
             if (padding_idx >= 0 || by_frequency)
               picked =
                   mul(picked, unsqueeze(passed_on(at(), table_rows, padding_idx, by_frequency, second.dtype()), -1));
             in[0] = picked;
           });
  return result;
}

Tensor embedding_lookup(const Tensor& weight, const Tensor& rows, const Dims& result_sizes, int64_t padding_idx,
                        bool by_frequency) {
  Tensor result = gather_rows(weight, rows, result_sizes);
  if (needs_gradient(weight))
    record("EmbeddingBackward0", result, {weight},
           [=, table_rows = weight.sizes()[0], at = save(rows)](const Tensor& gradient, Gradients& in) {
             in[0] = embedding_backward(gradient, at(), table_rows, padding_idx, by_frequency);
           });
  return result;
}

namespace {

/// With a sparse gradient, which cannot be represented: only a backward pass that needs it fails.
Tensor lookup_without_gradient(const Tensor& weight, const Tensor& rows, const Dims& result_sizes) {
  Tensor result = gather_rows(weight, rows, result_sizes);
  record("EmbeddingBackward0", result, {weight}, [](const Tensor&, Gradients&) { refuse_sparse_gradient(); });
  return result;
}

Tensor embedding(const Tensor& weight, const Tensor& indices, int64_t padding_idx, bool scale_grad_by_freq,
                 bool sparse) {
  if (weight.ndim() != 2) runtime_error("'weight' must be 2-D, but embedding() got a weight of shape ", weight.sizes());
  if (is_complex(weight.dtype()) && weight.requires_grad())
    not_implemented("embedding: gradients of complex tables are not supported; look real and imaginary part up apart");
  Tensor rows = checked_rows(indices, weight.sizes()[0]);
  Dims sizes = indices.sizes();
  sizes.push_back(weight.sizes()[1]);
  if (sparse && needs_gradient(weight)) return lookup_without_gradient(weight, rows, sizes);
  return embedding_lookup(weight, rows, sizes, padding_idx, scale_grad_by_freq);
}

}  // namespace

void register_embedding(Registry& r) {
  constexpr const char* kParameters =
      "embedding(Tensor weight, Tensor indices, int padding_idx=-1, bool scale_grad_by_freq=False, bool sparse=False) "
      "-> Tensor";
  r.add(kParameters, embedding);
  r.add(text("nn.", kParameters), embedding);
}

}  // namespace ondol
