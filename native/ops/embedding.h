#pragma once

#include <vector>

#include "tensor/tensor.h"

namespace ondol {

/// Where each row of the table is looked up: positions[starts[r]] ... positions[starts[r + 1] - 1], in order. Made by
/// counting, so that every row is then summed by one thread in one order.
struct Occurrences {
  std::vector<int64_t> starts, positions;

  Occurrences(const int64_t* row, int64_t count, int64_t rows);
};

/// The rows of a table at checked, contiguous int64 positions, and its derivative; the two are each other's. The rows
/// at `padding_idx` (-1: none) pass no gradient on, the others' is divided by how often they occur `by_frequency`.
Tensor embedding_lookup(const Tensor& weight, const Tensor& rows, const Dims& result_sizes, int64_t padding_idx,
                        bool by_frequency);
Tensor embedding_backward(const Tensor& gradient, const Tensor& rows, int64_t table_rows, int64_t padding_idx,
                          bool by_frequency);
/// A backward pass that asks for the sparse gradient of a table fails: it cannot be represented.
[[noreturn]] void refuse_sparse_gradient();

}  // namespace ondol
