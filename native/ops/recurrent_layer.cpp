// A recurrent layer in one direction as one node. The input goes through its weights for all steps in one product; the
// steps are one kernel. Backward through time keeps the gradients of all gates, so that those of the weights are one
// product over all steps.

#include <algorithm>

#include "autograd/engine.h"
#include "autograd/node.h"
#include "kernels/table.h"
#include "ops/functions.h"
#include "ops/recurrent.h"
#include "ops/reduction.h"
#include "tensor/launch.h"
#include "tensor/pointwise.h"

namespace ondol {
namespace {

/// What forward leaves for backward, a row for each row of the input.
struct Trace {
  Tensor h_before, c_before;  // the state that each row started from
  Tensor gates;               // after their functions, as the kernels keep them; none for Elman's cell
  Tensor c;                   // of an LSTM
  Tensor unprojected;         // h before the projection
  Tensor output;
};

template <class T>
const auto& cells() {
  if constexpr (std::is_same_v<T, double>)
    return kernel::table().recurrent.float64;
  else
    return kernel::table().recurrent.float32;
}

template <class T>
T* data_or_null(const Tensor& tensor) {
  return tensor.defined() ? tensor.data<T>() : nullptr;
}

/// Sizes that both directions of the computation share.
struct Extent {
  Cell cell;
  int64_t features, hidden, outputs, batch;

  Extent(Cell which, const Tensor& input, const CellState& first, const LayerWeights& weights)
      : cell(which),
        features(input.sizes()[1]),
        hidden(weights.hidden_size(which)),
        outputs(weights.outputs()),
        batch(first.h.sizes()[0]) {}
  int64_t gates() const { return gates_of(cell) * hidden; }
  int64_t work(int64_t rows) const { return rows * gates() * (features + outputs); }
};

/// The rows of the steps in the order in which a direction computes them.
std::vector<kernel::StepRows> in_order(const Steps& steps, bool reverse) {
  std::vector<kernel::StepRows> ordered;
  for (size_t i = 0; i < steps.count(); ++i) {
    const size_t t = steps.at(i, reverse);
    ordered.push_back({steps.offsets[t], steps.rows[t]});
  }
  return ordered;
}

kernel::RecurrentShape shape_of(const Extent& e, const std::vector<kernel::StepRows>& steps) {
  return {e.cell, e.batch, e.hidden, e.outputs, static_cast<int64_t>(steps.size()), steps.data()};
}

template <class T>
void forward_steps(const Extent& e, const std::vector<kernel::StepRows>& steps, const Tensor& from_input,
                   const LayerWeights& weights, const CellState& state, const Trace& trace) {
  cells<T>().forward({
      .shape = shape_of(e, steps),
      .weight = weights.hidden.data<T>(),
      .projection = data_or_null<T>(weights.projection),
      .bias = data_or_null<T>(weights.bias_hidden),
      .gates = from_input.data<T>(),
      .kept = e.cell == Cell::Gru ? trace.gates.data<T>() : nullptr,
      .h_before = trace.h_before.data<T>(),
      .c_before = data_or_null<T>(trace.c_before),
      .c = data_or_null<T>(trace.c),
      .unprojected = data_or_null<T>(trace.unprojected),
      .output = trace.output.data<T>(),
      .last_h = state.h.data<T>(),
      .last_c = data_or_null<T>(state.c),
  });
}

/// Gradients of all gates of all rows, from which those of inputs and weights follow.
struct GateGradients {
  Tensor input, hidden;  // of what the input and the state gave to the gates; the same tensor but for a GRU
  Tensor output;         // of the projected h, for a projection
  CellState first;
};

template <class T>
void backward_steps(const Extent& e, const std::vector<kernel::StepRows>& steps, const LayerWeights& weights,
                    const Trace& trace, const Tensor& goutput, const GateGradients& g) {
  cells<T>().backward({
      .shape = shape_of(e, steps),
      .weight = weights.hidden.data<T>(),
      .projection = data_or_null<T>(weights.projection),
      .gates = data_or_null<T>(trace.gates),
      .h_before = trace.h_before.data<T>(),
      .c_before = data_or_null<T>(trace.c_before),
      .c = data_or_null<T>(trace.c),
      .output = trace.output.data<T>(),
      .goutput = data_or_null<T>(goutput),
      .gh = g.first.h.data<T>(),
      .gc = data_or_null<T>(g.first.c),
      .ggates_input = g.input.data<T>(),
      .ggates_hidden = g.hidden.data<T>(),
      .gprojected = data_or_null<T>(g.output),
  });
}

LayerWeights plain(const LayerWeights& w) {
  auto each = [](const Tensor& x) { return x.defined() ? contiguous(detach(x)) : x; };
  return {each(w.input), each(w.hidden), each(w.bias_input), each(w.bias_hidden), each(w.projection)};
}

Tensor fresh_state(const Tensor& x) {
  Tensor copy = empty(x.sizes(), x.dtype());
  copy_elements(x, copy);
  return copy;
}

/// Runs all steps; `last` is the state after them.
Trace run_forward(const Extent& e, const Tensor& input, const Steps& steps, bool reverse, const CellState& first,
                  const LayerWeights& given, CellState& last) {
  NoGrad silent;
  LayerWeights weights = plain(given);
  Dtype dtype = input.dtype();
  Trace trace;
  Tensor from_input = linear(detach(input), weights.input, weights.bias_input);
  trace.h_before = empty({steps.total, e.outputs}, dtype);
  trace.output = empty({steps.total, e.outputs}, dtype);
  last.h = fresh_state(first.h);
  if (e.cell == Cell::Lstm) {
    trace.gates = from_input;
    trace.c_before = empty({steps.total, e.hidden}, dtype);
    trace.c = empty({steps.total, e.hidden}, dtype);
    if (weights.projection.defined()) trace.unprojected = empty({steps.total, e.hidden}, dtype);
    last.c = fresh_state(first.c);
  } else if (e.cell == Cell::Gru) {
    trace.gates = empty({steps.total, 4 * e.hidden}, dtype);
  }
  const auto ordered = in_order(steps, reverse);
  launch({{&from_input}, {&trace.output}}, e.work(steps.total), [&] {
    visit_floating(dtype, [&](auto tag) {
      forward_steps<typename decltype(tag)::type>(e, ordered, from_input, weights, last, trace);
    });
  });
  return trace;
}

GateGradients run_backward_steps(const Extent& e, const Steps& steps, bool reverse, const LayerWeights& given,
                                 const Trace& trace, std::span<const Tensor> incoming) {
  LayerWeights weights = plain(given);
  Dtype dtype = trace.output.dtype();
  Tensor goutput = incoming[0].defined() ? contiguous(detach(incoming[0])) : Tensor();
  auto begin = [&](const Tensor& gradient, int64_t width) {
    return gradient.defined() ? fresh_state(gradient) : zeros({e.batch, width}, dtype);
  };
  GateGradients g;
  g.input = empty({steps.total, e.gates()}, dtype);
  g.hidden = e.cell == Cell::Gru ? empty({steps.total, e.gates()}, dtype) : g.input;
  if (trace.unprojected.defined()) g.output = empty({steps.total, e.outputs}, dtype);
  g.first.h = begin(incoming[1], e.outputs);
  if (e.cell == Cell::Lstm) g.first.c = begin(incoming[2], e.hidden);
  const auto ordered = in_order(steps, reverse);
  launch({{&trace.output}, {&g.input}}, e.work(steps.total), [&] {
    visit_floating(
        dtype, [&](auto tag) { backward_steps<typename decltype(tag)::type>(e, ordered, weights, trace, goutput, g); });
  });
  return g;
}

// The inputs of the node, in this order.
enum Input : size_t { kInput, kH, kC, kWeightInput, kWeightHidden, kBiasInput, kBiasHidden, kProjection, kInputs };

std::vector<Tensor> as_list(const Tensor& input, const CellState& first, const LayerWeights& w) {
  return {input, first.h, first.c, w.input, w.hidden, w.bias_input, w.bias_hidden, w.projection};
}

void fast_gradients(const Extent& e, const Steps& steps, bool reverse, const std::vector<Tensor>& inputs,
                    const Trace& trace, std::span<const Tensor> incoming, Gradients& in) {
  LayerWeights weights{inputs[kWeightInput], inputs[kWeightHidden], inputs[kBiasInput], inputs[kBiasHidden],
                       inputs[kProjection]};
  GateGradients g = run_backward_steps(e, steps, reverse, weights, trace, incoming);
  if (in.wants(kInput)) in[kInput] = mm(g.input, weights.input);
  if (in.wants(kH)) in[kH] = g.first.h;
  if (in.wants(kC)) in[kC] = g.first.c;
  if (in.wants(kWeightInput)) in[kWeightInput] = mm(transpose(g.input, 0, 1), detach(inputs[kInput]));
  if (in.wants(kWeightHidden)) in[kWeightHidden] = mm(transpose(g.hidden, 0, 1), trace.h_before);
  if (in.wants(kBiasInput)) in[kBiasInput] = sum(g.input, {0}, false);
  if (in.wants(kBiasHidden))
    in[kBiasHidden] =
        e.cell != Cell::Gru && in[kBiasInput].defined() ? clone(in[kBiasInput]) : sum(g.hidden, {0}, false);
  if (in.wants(kProjection)) in[kProjection] = mm(transpose(g.output, 0, 1), trace.unprojected);
}

/// The same through the recorded cells, so that the gradients have a history of their own.
void recorded_gradients(Cell cell, const Steps& steps, bool reverse, std::vector<Tensor> inputs,
                        std::span<const Tensor> incoming, Gradients& in) {
  std::vector<Edge> wanted;
  std::vector<size_t> positions;
  for (size_t i = 0; i < kInputs; ++i) {
    if (!in.wants(i)) continue;
    inputs[i] = alias_with_history(inputs[i]);  // a node of its own: one input may have been made from another
    wanted.push_back(gradient_edge(inputs[i]));
    positions.push_back(i);
  }
  LayerResult again = recurrent_layer_by_cells(
      cell, inputs[kInput], steps, reverse, {inputs[kH], inputs[kC]},
      {inputs[kWeightInput], inputs[kWeightHidden], inputs[kBiasInput], inputs[kBiasHidden], inputs[kProjection]});
  std::vector<Edge> roots;
  std::vector<Tensor> gradients;
  const Tensor* results[] = {&again.output, &again.last.h, &again.last.c};
  for (size_t i = 0; i < incoming.size(); ++i) {
    if (!incoming[i].defined() || !results[i]->requires_grad()) continue;
    roots.push_back(gradient_edge(*results[i]));
    gradients.push_back(incoming[i]);
  }
  std::vector<Tensor> found = run_backward(
      roots, gradients, wanted, {.keep_graph = true, .create_graph = true, .accumulate = false, .allow_unused = true});
  for (size_t i = 0; i < positions.size(); ++i) in[positions[i]] = found[i];
}

const char* node_name(Cell cell) {
  switch (cell) {
    case Cell::Lstm:
      return "LstmLayerBackward0";
    case Cell::Gru:
      return "GruLayerBackward0";
    default:
      return "RnnLayerBackward0";
  }
}

}  // namespace

LayerResult recurrent_layer(Cell cell, const Tensor& input, const Steps& steps, bool reverse, const CellState& first,
                            const LayerWeights& weights) {
  Extent extent(cell, input, first, weights);
  CellState last;
  Trace trace = run_forward(extent, input, steps, reverse, first, weights, last);
  LayerResult result{trace.output, last};
  std::vector<Tensor> inputs = as_list(input, first, weights);
  if (!needs_gradient(inputs)) return result;

  std::vector<Tensor> outputs{result.output, result.last.h};
  if (cell == Cell::Lstm) outputs.push_back(result.last.c);
  trace.output = detach(trace.output);  // the node must not own itself
  Saved saved_output = save_output(outputs[0]);
  record(node_name(cell), outputs, inputs, [=, saved = save(inputs)](std::span<const Tensor> incoming, Gradients& in) {
    std::vector<Tensor> inputs;
    for (size_t i = 0; i < saved.size(); ++i) inputs.push_back(saved[i]);
    bool any = std::any_of(incoming.begin(), incoming.end(), [](const Tensor& g) { return g.defined(); });
    if (!any) return;
    if (GradMode::enabled()) {
      recorded_gradients(cell, steps, reverse, inputs, incoming, in);
    } else {
      if (cell == Cell::Tanh || cell == Cell::Relu) saved_output();  // raises if it was changed in place
      fast_gradients(extent, steps, reverse, inputs, trace, incoming, in);
    }
  });
  return result;
}

}  // namespace ondol
