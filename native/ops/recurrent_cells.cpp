// Recurrent cells in recorded parts, and layers made of them: for single steps and for derivatives of derivatives.

#include "ops/functions.h"
#include "ops/recurrent.h"
#include "ops/registry.h"

namespace ondol {
namespace {

Tensor gate(const Tensor& gates, int64_t i, int64_t hidden) { return narrow(gates, 1, i * hidden, hidden); }

CellState lstm_step(const Tensor& gates, const CellState& state, const LayerWeights& weights) {
  int64_t hidden = weights.hidden_size(Cell::Lstm);
  Tensor in = sigmoid(gate(gates, 0, hidden)), forget = sigmoid(gate(gates, 1, hidden));
  Tensor candidate = tanh(gate(gates, 2, hidden)), out = sigmoid(gate(gates, 3, hidden));
  Tensor c = add(mul(forget, state.c), mul(in, candidate));
  Tensor h = mul(out, tanh(c));
  return {weights.projection.defined() ? linear(h, weights.projection, {}) : h, c};
}

CellState gru_step(const Tensor& from_input, const Tensor& from_hidden, const CellState& state, int64_t hidden) {
  Tensor reset = sigmoid(add(gate(from_input, 0, hidden), gate(from_hidden, 0, hidden)));
  Tensor update = sigmoid(add(gate(from_input, 1, hidden), gate(from_hidden, 1, hidden)));
  Tensor candidate = tanh(add(gate(from_input, 2, hidden), mul(reset, gate(from_hidden, 2, hidden))));
  return {add(candidate, mul(update, sub(state.h, candidate))), {}};
}

void check_cell(Cell cell, const Tensor& input, const std::vector<Tensor>& states, const LayerWeights& weights) {
  if (input.ndim() != 2) runtime_error("recurrent cell: expected input [batch, features], got shape ", input.sizes());
  if (input.sizes()[1] != weights.input.size(-1))
    runtime_error("input has inconsistent input_size: got ", input.sizes()[1], " expected ", weights.input.size(-1));
  for (size_t i = 0; i < states.size(); ++i) {
    const Dims& sizes = states[i].sizes();
    int64_t expected = i == 0 ? weights.outputs() : weights.hidden_size(cell);
    if (sizes.size() != 2) runtime_error("recurrent cell: expected hidden", i, " [batch, hidden], got shape ", sizes);
    if (sizes[0] != input.sizes()[0])
      runtime_error("Input batch size ", input.sizes()[0], " doesn't match hidden", i, " batch size ", sizes[0]);
    if (sizes[1] != expected)
      runtime_error("hidden", i, " has inconsistent hidden_size: got ", sizes[1], ", expected ", expected);
  }
}

std::tuple<Tensor, Tensor> lstm_cell(const Tensor& input, const std::vector<Tensor>& hx, const Tensor& w_ih,
                                     const Tensor& w_hh, const Tensor& b_ih, const Tensor& b_hh) {
  if (hx.size() != 2) runtime_error("lstm_cell expects two hidden states");
  LayerWeights weights{w_ih, w_hh, b_ih, b_hh, {}};
  check_cell(Cell::Lstm, input, hx, weights);
  CellState next = cell_step(Cell::Lstm, input, {hx[0], hx[1]}, weights);
  return {next.h, next.c};
}

template <Cell cell>
Tensor simple_cell(const Tensor& input, const Tensor& hx, const Tensor& w_ih, const Tensor& w_hh, const Tensor& b_ih,
                   const Tensor& b_hh) {
  LayerWeights weights{w_ih, w_hh, b_ih, b_hh, {}};
  check_cell(cell, input, {hx}, weights);
  return cell_step(cell, input, {hx, {}}, weights).h;
}

Tensor rows_of(const Tensor& x, int64_t first, int64_t count) {
  return first == 0 && count == x.sizes()[0] ? x : narrow(x, 0, first, count);
}
/// `changed` in place of the first rows of `whole`.
Tensor with_first_rows(const Tensor& whole, const Tensor& changed) {
  int64_t count = changed.sizes()[0], all = whole.sizes()[0];
  return count == all ? changed : cat({changed, narrow(whole, 0, count, all - count)}, 0);
}

}  // namespace

CellState cell_step_from_gates(Cell cell, const Tensor& from_input, const CellState& state,
                               const LayerWeights& weights) {
  Tensor from_hidden = linear(state.h, weights.hidden, weights.bias_hidden);
  if (cell == Cell::Gru) return gru_step(from_input, from_hidden, state, weights.hidden_size(cell));
  Tensor gates = add(from_input, from_hidden);
  if (cell == Cell::Lstm) return lstm_step(gates, state, weights);
  return {cell == Cell::Tanh ? tanh(gates) : relu(gates), {}};
}

CellState cell_step(Cell cell, const Tensor& input, const CellState& state, const LayerWeights& weights) {
  return cell_step_from_gates(cell, linear(input, weights.input, weights.bias_input), state, weights);
}

LayerResult recurrent_layer_by_cells(Cell cell, const Tensor& input, const Steps& steps, bool reverse,
                                     const CellState& first, const LayerWeights& weights) {
  Tensor from_input = linear(input, weights.input, weights.bias_input);
  CellState state = first;
  std::vector<Tensor> outputs(steps.count());
  for (size_t i = 0; i < steps.count(); ++i) {
    size_t t = steps.at(i, reverse);
    int64_t rows = steps.rows[t];
    CellState before{rows_of(state.h, 0, rows), state.c.defined() ? rows_of(state.c, 0, rows) : state.c};
    CellState now = cell_step_from_gates(cell, rows_of(from_input, steps.offsets[t], rows), before, weights);
    outputs[t] = now.h;
    state.h = with_first_rows(state.h, now.h);
    if (state.c.defined()) state.c = with_first_rows(state.c, now.c);
  }
  return {cat(outputs, 0), state};
}

void register_recurrent_cells(Registry& r) {
  r.add(
      "lstm_cell(Tensor input, Tensor[] hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> "
      "(Tensor, Tensor)",
      lstm_cell);
  r.add("gru_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor",
        simple_cell<Cell::Gru>);
  r.add(
      "rnn_tanh_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> "
      "Tensor",
      simple_cell<Cell::Tanh>);
  r.add(
      "rnn_relu_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> "
      "Tensor",
      simple_cell<Cell::Relu>);
}

}  // namespace ondol
