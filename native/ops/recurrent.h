#pragma once

#include <vector>

#include "kernels/cpu/recurrent.h"
#include "tensor/tensor.h"

namespace ondol {

/// The weights of one layer in one direction. Biases and the projection may be undefined.
struct LayerWeights {
  Tensor input;       // [gates hidden, features]
  Tensor hidden;      // [gates hidden, outputs]
  Tensor bias_input;  // [gates hidden]
  Tensor bias_hidden;
  Tensor projection;  // [outputs, hidden], of an LSTM only

  int64_t hidden_size(Cell cell) const { return input.sizes()[0] / gates_of(cell); }
  int64_t outputs() const { return hidden.sizes()[1]; }
};

/// The state of a cell; c is there for an LSTM only.
struct CellState {
  Tensor h, c;
};

/// The rows of a packed sequence: those of step t come after those of step t - 1, and never are more.
struct Steps {
  std::vector<int64_t> rows, offsets;
  int64_t total = 0;

  explicit Steps(std::vector<int64_t> rows_of_steps) : rows(std::move(rows_of_steps)) {
    for (int64_t count : rows) {
      offsets.push_back(total);
      total += count;
    }
  }
  size_t count() const { return rows.size(); }
  /// The i-th step to be done in a direction.
  size_t at(size_t i, bool reverse) const { return reverse ? rows.size() - 1 - i : i; }
};

struct LayerResult {
  Tensor output;  // [rows, outputs]
  CellState last;
};

/// One step (ops/recurrent_cells.cpp): every part is recorded for itself.
CellState cell_step(Cell cell, const Tensor& input, const CellState& state, const LayerWeights& weights);
/// The same where the input has gone through its weights and bias already.
CellState cell_step_from_gates(Cell cell, const Tensor& from_input, const CellState& state,
                               const LayerWeights& weights);

/// A layer in one direction over packed rows [total, features], as one node (ops/recurrent_layer.cpp). float32 or
/// float64.
LayerResult recurrent_layer(Cell cell, const Tensor& input, const Steps& steps, bool reverse, const CellState& first,
                            const LayerWeights& weights);
/// The same in cells.
LayerResult recurrent_layer_by_cells(Cell cell, const Tensor& input, const Steps& steps, bool reverse,
                                     const CellState& first, const LayerWeights& weights);

}  // namespace ondol
