// lstm, gru, rnn_tanh and rnn_relu: layers and directions stacked, over batches or packed sequences.

#include "ops/recurrent.h"

#include "autograd/node.h"
#include "base/memory.h"
#include "ops/functions.h"
#include "ops/random.h"
#include "ops/registry.h"

namespace ondol {
namespace {

struct Stack {
  Cell cell;
  bool has_biases;
  int64_t layers;
  double dropout;
  bool train, bidirectional;
  bool projected = false;

  int64_t directions() const { return bidirectional ? 2 : 1; }
  int64_t tensors_a_layer() const { return 2 + (has_biases ? 2 : 0) + (projected ? 1 : 0); }
};

std::vector<LayerWeights> unflatten(const std::vector<Tensor>& params, const Stack& stack) {
  int64_t each = stack.tensors_a_layer(), count = stack.layers * stack.directions();
  if (static_cast<int64_t>(params.size()) != each * count)
    runtime_error("recurrent layers: expected ", each, " parameters for each of ", count,
                  " layers and directions, but got ", params.size());
  std::vector<LayerWeights> weights;
  for (int64_t i = 0; i < count; ++i) {
    const Tensor* first = &params[i * each];
    LayerWeights layer{first[0], first[1], {}, {}, {}};
    if (stack.has_biases) {
      layer.bias_input = first[2];
      layer.bias_hidden = first[3];
    }
    if (stack.projected) layer.projection = first[each - 1];
    weights.push_back(layer);
  }
  return weights;
}

void check_shape(const char* what, const Tensor& tensor, const Dims& expected) {
  if (tensor.defined() && tensor.sizes() != expected)
    runtime_error("recurrent layers: expected ", what, " of size ", expected, ", but got ", tensor.sizes());
}

void check_layer(Cell cell, const Tensor& input, const CellState& first, const LayerWeights& w, int64_t batch) {
  if (w.input.ndim() != 2 || w.hidden.ndim() != 2)
    runtime_error("recurrent layers: weights must be matrices, but got sizes ", w.input.sizes(), " and ",
                  w.hidden.sizes());
  for (const Tensor* each : {&w.input, &w.hidden, &w.bias_input, &w.bias_hidden, &w.projection, &first.h, &first.c})
    if (each->defined() && each->dtype() != input.dtype())
      runtime_error("mat1 and mat2 must have the same dtype, but got ", torch_name(input.dtype()), " and ",
                    torch_name(each->dtype()));
  int64_t gates = w.input.sizes()[0], hidden = w.hidden_size(cell), outputs = w.outputs();
  if (gates % gates_of(cell) != 0)
    runtime_error("recurrent layers: the ", gates, " rows of a weight are not ", gates_of(cell), " gates");
  if (input.sizes()[1] != w.input.sizes()[1])
    shape_error("mat1 and mat2 shapes cannot be multiplied (", input.sizes()[0], "x", input.sizes()[1], " and ",
                w.input.sizes()[1], "x", gates, ")");
  check_shape("the hidden weight", w.hidden, {gates, w.projection.defined() ? outputs : hidden});
  check_shape("the input bias", w.bias_input, {gates});
  check_shape("the hidden bias", w.bias_hidden, {gates});
  check_shape("the projection", w.projection, {outputs, hidden});
  check_shape("the hidden state", first.h, {batch, outputs});
  check_shape("the cell state", first.c, {batch, hidden});
}

Tensor drop(const Tensor& x, double p) {
  Tensor kept = empty(x.sizes(), x.dtype());
  fill_bernoulli(kept, 1 - p, chosen(nullptr));
  return mul(x, p == 1 ? kept : mul_by(kept, 1 / (1 - p)));
}

struct StackResult {
  Tensor output;  // packed rows
  CellState last;
};

/// `rows` are packed; states are [layers x directions, batch, width].
StackResult run_stack(const Stack& stack, Tensor rows, const Steps& steps, const CellState& hx,
                      const std::vector<Tensor>& params) {
  if (!(stack.dropout >= 0 && stack.dropout <= 1))
    runtime_error("dropout probability has to be between 0 and 1, but got ", stack.dropout);
  if (stack.layers < 1) runtime_error("recurrent layers: num_layers must be at least 1, but got ", stack.layers);
  std::vector<LayerWeights> weights = unflatten(params, stack);
  int64_t batch = steps.rows[0];
  if (hx.h.sizes()[0] != static_cast<int64_t>(weights.size()))
    runtime_error("recurrent layers: expected a hidden state for each of ", weights.size(),
                  " layers and directions, but got size ", hx.h.sizes());
  std::vector<Tensor> last_h, last_c;
  for (int64_t layer = 0; layer < stack.layers; ++layer) {
    std::vector<Tensor> outputs;
    for (int64_t direction = 0; direction < stack.directions(); ++direction) {
      int64_t i = layer * stack.directions() + direction;
      CellState first{select(hx.h, 0, i), hx.c.defined() ? select(hx.c, 0, i) : Tensor()};
      check_layer(stack.cell, rows, first, weights[i], batch);
      LayerResult result = recurrent_layer(stack.cell, rows, steps, direction == 1, first, weights[i]);
      outputs.push_back(result.output);
      last_h.push_back(result.last.h);
      if (result.last.c.defined()) last_c.push_back(result.last.c);
    }
    rows = outputs.size() == 1 ? outputs[0] : cat(outputs, 1);
    if (stack.train && stack.dropout > 0 && layer + 1 < stack.layers) rows = drop(rows, stack.dropout);
  }
  return {rows, {ondol::stack(last_h), last_c.empty() ? Tensor() : ondol::stack(last_c)}};
}

Dtype computed_in(Dtype dtype) {
  if (!is_floating(dtype)) not_implemented("recurrent layers are not implemented for '", torch_name(dtype), "'");
  return dtype == Dtype::F64 ? Dtype::F64 : Dtype::F32;
}

/// The same with halves computed in float.
StackResult run_in_float(const Stack& stack, const Tensor& rows, const Steps& steps, const CellState& hx,
                         std::vector<Tensor> params) {
  Dtype dtype = rows.dtype(), compute = computed_in(dtype);
  if (dtype == compute) return run_stack(stack, rows, steps, hx, params);
  auto convert = [&](const Tensor& x) {
    if (x.defined() && x.dtype() != dtype)
      runtime_error("mat1 and mat2 must have the same dtype, but got ", torch_name(dtype), " and ",
                    torch_name(x.dtype()));
    return x.defined() ? to_dtype(x, compute) : x;
  };
  for (Tensor& each : params) each = convert(each);
  StackResult result = run_stack(stack, convert(rows), steps, {convert(hx.h), convert(hx.c)}, params);
  auto back = [&](const Tensor& x) { return x.defined() ? to_dtype(x, dtype) : x; };
  return {back(result.output), {back(result.last.h), back(result.last.c)}};
}

void check_state(const CellState& hx) {
  for (const Tensor* each : {&hx.h, &hx.c})
    if (each->defined() && each->ndim() != 3)
      runtime_error("recurrent layers: expected states [layers, batch, hidden], but got size ", each->sizes());
}

StackResult run_batch(const Stack& stack, const Tensor& input, const CellState& hx, const std::vector<Tensor>& params,
                      bool batch_first) {
  if (input.ndim() != 3) runtime_error("recurrent layers: expected a 3-D input, but got size ", input.sizes());
  check_state(hx);
  Tensor sequence = batch_first ? transpose(input, 0, 1) : input;
  int64_t length = sequence.sizes()[0], batch = sequence.sizes()[1];
  if (length == 0) runtime_error("Expected sequence length to be larger than 0 in RNN");
  require_memory(length, 4 * sizeof(int64_t));  // for the lists of steps, one of which doubles as it grows
  Steps steps(std::vector<int64_t>(length, batch));
  Tensor rows = reshape(sequence, {length * batch, sequence.sizes()[2]});
  StackResult result = run_in_float(stack, rows, steps, hx, params);
  result.output = reshape(result.output, {length, batch, result.output.sizes()[1]});
  if (batch_first) result.output = transpose(result.output, 0, 1);
  return result;
}

StackResult run_packed(const Stack& stack, const Tensor& data, const Tensor& batch_sizes, const CellState& hx,
                       const std::vector<Tensor>& params) {
  if (data.ndim() != 2) runtime_error("recurrent layers: expected packed data of 2 dimensions, got ", data.sizes());
  if (batch_sizes.ndim() != 1 || batch_sizes.dtype() != Dtype::I64)
    runtime_error("recurrent layers: batch_sizes must be a 1-D tensor of int64");
  check_state(hx);
  if (batch_sizes.numel() == 0) runtime_error("Expected sequence length to be larger than 0 in RNN");
  Tensor sizes = contiguous(batch_sizes);
  std::vector<int64_t> rows(sizes.data<int64_t>(), sizes.data<int64_t>() + sizes.numel());
  for (size_t t = 0; t < rows.size(); ++t)
    if (rows[t] < 0 || (t > 0 && rows[t] > rows[t - 1]))
      runtime_error("recurrent layers: batch_sizes must decrease, but step ", t, " has ", rows[t], " rows");
  Steps steps(std::move(rows));
  if (steps.total != data.sizes()[0])
    runtime_error("recurrent layers: batch_sizes add up to ", steps.total, " rows, but data has ", data.sizes()[0]);
  return run_in_float(stack, data, steps, hx, params);
}

CellState lstm_state(const std::vector<Tensor>& hx) {
  if (hx.size() != 2) runtime_error("lstm expects two hidden states");
  return {hx[0], hx[1]};
}
/// Projections have no flag: they show in the sizes of the states.
bool is_projected(const CellState& hx) {
  return hx.h.ndim() == 3 && hx.c.ndim() == 3 && hx.h.sizes()[2] != hx.c.sizes()[2];
}

std::tuple<Tensor, Tensor, Tensor> lstm(const Tensor& input, const std::vector<Tensor>& hx,
                                        const std::vector<Tensor>& params, bool has_biases, int64_t num_layers,
                                        double dropout, bool train, bool bidirectional, bool batch_first) {
  CellState first = lstm_state(hx);
  Stack stack{Cell::Lstm, has_biases, num_layers, dropout, train, bidirectional, is_projected(first)};
  StackResult result = run_batch(stack, input, first, params, batch_first);
  return {result.output, result.last.h, result.last.c};
}
std::tuple<Tensor, Tensor, Tensor> lstm_packed(const Tensor& data, const Tensor& batch_sizes,
                                               const std::vector<Tensor>& hx, const std::vector<Tensor>& params,
                                               bool has_biases, int64_t num_layers, double dropout, bool train,
                                               bool bidirectional) {
  CellState first = lstm_state(hx);
  Stack stack{Cell::Lstm, has_biases, num_layers, dropout, train, bidirectional, is_projected(first)};
  StackResult result = run_packed(stack, data, batch_sizes, first, params);
  return {result.output, result.last.h, result.last.c};
}

template <Cell cell>
std::tuple<Tensor, Tensor> simple(const Tensor& input, const Tensor& hx, const std::vector<Tensor>& params,
                                  bool has_biases, int64_t num_layers, double dropout, bool train, bool bidirectional,
                                  bool batch_first) {
  Stack stack{cell, has_biases, num_layers, dropout, train, bidirectional};
  StackResult result = run_batch(stack, input, {hx, {}}, params, batch_first);
  return {result.output, result.last.h};
}
template <Cell cell>
std::tuple<Tensor, Tensor> simple_packed(const Tensor& data, const Tensor& batch_sizes, const Tensor& hx,
                                         const std::vector<Tensor>& params, bool has_biases, int64_t num_layers,
                                         double dropout, bool train, bool bidirectional) {
  Stack stack{cell, has_biases, num_layers, dropout, train, bidirectional};
  StackResult result = run_packed(stack, data, batch_sizes, {hx, {}}, params);
  return {result.output, result.last.h};
}

template <Cell cell>
void add_simple(Registry& r, const std::string& name) {
  const std::string rest =
      "Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional";
  r.add(name + ".input(Tensor input, Tensor hx, " + rest + ", bool batch_first) -> (Tensor, Tensor)", simple<cell>);
  r.add(name + ".data(Tensor data, Tensor batch_sizes, Tensor hx, " + rest + ") -> (Tensor, Tensor)",
        simple_packed<cell>);
}

}  // namespace

void register_recurrent(Registry& r) {
  for (const std::string scope : {"", "nn."}) {
    r.add(scope +
              "lstm.input(Tensor input, Tensor[] hx, Tensor[] params, bool has_biases, int num_layers, float dropout, "
              "bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor, Tensor)",
          lstm);
    r.add(scope +
              "lstm.data(Tensor data, Tensor batch_sizes, Tensor[] hx, Tensor[] params, bool has_biases, int "
              "num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor, Tensor)",
          lstm_packed);
    add_simple<Cell::Gru>(r, scope + "gru");
    add_simple<Cell::Tanh>(r, scope + "rnn_tanh");
    add_simple<Cell::Relu>(r, scope + "rnn_relu");
  }
}

}  // namespace ondol
