#include "kernels/cpu/recurrent.h"

#include "base/parallel.h"
#include "kernels/cpu/math_exponential.h"
#include "kernels/cpu/normalization_lanes.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

/// Calls f(row, first element, which lanes) for every vector of a [batch, hidden] matrix.
template <class T, class F>
void for_each_cell(int64_t batch, int64_t hidden, F&& f) {
  parallel_for(batch, 1 + 2048 / (1 + hidden), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      for_each_vector<T>(hidden, [&](int64_t i, auto part) { f(row, i, part); });
    }
  });
}

template <class T, class Part>
inline Vec<T> read_or_zero(const T* from, int64_t at, Part part) {
  return from ? part.read(from + at, T(0)) : Vec<T>{};
}

template <class T>
void lstm_forward(const LstmForward<T>& a) {
  for_each_cell<T>(a.batch, a.hidden, [&](int64_t row, int64_t i, auto part) {
    const auto sum = [&](int gate) {
      const int64_t at = gate * a.hidden + i;
      Vec<T> value = part.read(a.gates_input + row * a.gates_input_stride + at, T(0));
      value += read_or_zero(a.gates_hidden, row * 4 * a.hidden + at, part);
      return value + (read_or_zero(a.bias_input, at, part) + read_or_zero(a.bias_hidden, at, part));
    };
    const Vec<T> in = sigmoid(sum(0)), forget = sigmoid(sum(1)), candidate = tanh(sum(2)), out = sigmoid(sum(3));
    const Vec<T> c = forget * part.read(a.c_prev + row * a.hidden + i, T(0)) + in * candidate;
    part.write(a.c + row * a.hidden + i, c);
    part.write(a.h + row * a.h_stride + i, out * tanh(c));
    if (a.gates) {
      T* gates = a.gates + row * 4 * a.hidden + i;
      part.write(gates, in);
      part.write(gates + a.hidden, forget);
      part.write(gates + 2 * a.hidden, candidate);
      part.write(gates + 3 * a.hidden, out);
    }
  });
}

template <class T>
void lstm_backward(const LstmBackward<T>& a) {
  for_each_cell<T>(a.batch, a.hidden, [&](int64_t row, int64_t i, auto part) {
    const T* gates = a.gates + row * 4 * a.hidden + i;
    const Vec<T> in = part.read(gates, T(0)), forget = part.read(gates + a.hidden, T(0));
    const Vec<T> candidate = part.read(gates + 2 * a.hidden, T(0)), out = part.read(gates + 3 * a.hidden, T(0));
    const int64_t at = row * a.hidden + i;
    const Vec<T> squashed = tanh(part.read(a.c + at, T(0)));
    const Vec<T> gh = read_or_zero(a.gh, row * a.gh_stride + i, part);
    const Vec<T> gc = read_or_zero(a.gc, at, part) + gh * out * (1 - squashed * squashed);
    T* to = a.ggates + row * a.ggates_stride + i;
    part.write(to, gc * candidate * in * (1 - in));
    part.write(to + a.hidden, gc * part.read(a.c_prev + at, T(0)) * forget * (1 - forget));
    part.write(to + 2 * a.hidden, gc * in * (1 - candidate * candidate));
    part.write(to + 3 * a.hidden, gh * squashed * out * (1 - out));
    part.write(a.gc_prev + at, gc * forget);
  });
}

template <class T>
void gru_forward(const GruForward<T>& a) {
  for_each_cell<T>(a.batch, a.hidden, [&](int64_t row, int64_t i, auto part) {
    const auto from_input = [&](int gate) {
      const int64_t at = gate * a.hidden + i;
      return part.read(a.gates_input + row * a.gates_input_stride + at, T(0)) + read_or_zero(a.bias_input, at, part);
    };
    const auto from_hidden = [&](int gate) {
      const int64_t at = gate * a.hidden + i;
      return part.read(a.gates_hidden + row * 3 * a.hidden + at, T(0)) + read_or_zero(a.bias_hidden, at, part);
    };
    const Vec<T> reset = sigmoid(from_input(0) + from_hidden(0)), update = sigmoid(from_input(1) + from_hidden(1));
    const Vec<T> hidden = from_hidden(2), candidate = tanh(from_input(2) + reset * hidden);
    const Vec<T> h_prev = part.read(a.h_prev + row * a.h_prev_stride + i, T(0));
    part.write(a.h + row * a.h_stride + i, candidate + update * (h_prev - candidate));
    if (a.gates) {
      T* gates = a.gates + row * 4 * a.hidden + i;
      part.write(gates, reset);
      part.write(gates + a.hidden, update);
      part.write(gates + 2 * a.hidden, candidate);
      part.write(gates + 3 * a.hidden, hidden);
    }
  });
}

template <class T>
void gru_backward(const GruBackward<T>& a) {
  for_each_cell<T>(a.batch, a.hidden, [&](int64_t row, int64_t i, auto part) {
    const T* gates = a.gates + row * 4 * a.hidden + i;
    const Vec<T> reset = part.read(gates, T(0)), update = part.read(gates + a.hidden, T(0));
    const Vec<T> candidate = part.read(gates + 2 * a.hidden, T(0)), hidden = part.read(gates + 3 * a.hidden, T(0));
    const Vec<T> gh = read_or_zero(a.gh, row * a.gh_stride + i, part);
    const Vec<T> h_prev = part.read(a.h_prev + row * a.h_prev_stride + i, T(0));
    const Vec<T> g_candidate = gh * (1 - update) * (1 - candidate * candidate);
    const Vec<T> g_update = gh * (h_prev - candidate) * update * (1 - update);
    const Vec<T> g_reset = g_candidate * hidden * reset * (1 - reset);
    T* to_input = a.ggates_input + row * a.ggates_input_stride + i;
    T* to_hidden = a.ggates_hidden + row * 3 * a.hidden + i;
    part.write(to_input, g_reset);
    part.write(to_hidden, g_reset);
    part.write(to_input + a.hidden, g_update);
    part.write(to_hidden + a.hidden, g_update);
    part.write(to_input + 2 * a.hidden, g_candidate);
    part.write(to_hidden + 2 * a.hidden, g_candidate * reset);
    part.write(a.gh_prev + row * a.hidden + i, gh * update);
  });
}

template <class T>
void rnn_forward(const RnnForward<T>& a) {
  for_each_cell<T>(a.batch, a.hidden, [&](int64_t row, int64_t i, auto part) {
    Vec<T> value = part.read(a.gates_input + row * a.gates_input_stride + i, T(0));
    value += read_or_zero(a.gates_hidden, row * a.hidden + i, part);
    value += read_or_zero(a.bias_input, i, part) + read_or_zero(a.bias_hidden, i, part);
    // Not "x > 0 ? x : 0", which would make a zero of a NaN.
    part.write(a.h + row * a.h_stride + i, a.relu ? (value < 0 ? Vec<T>{} : value) : tanh(value));
  });
}

template <class T>
void rnn_backward(const RnnBackward<T>& a) {
  for_each_cell<T>(a.batch, a.hidden, [&](int64_t row, int64_t i, auto part) {
    const Vec<T> h = part.read(a.h + row * a.h_stride + i, T(0));
    const Vec<T> gh = read_or_zero(a.gh, row * a.gh_stride + i, part);
    part.write(a.ggates + row * a.ggates_stride + i, a.relu ? (h > 0 ? gh : Vec<T>{}) : gh * (1 - h * h));
  });
}

template <class T>
void fill_functions(RecurrentFunctions<T>& functions) {
  functions = {lstm_forward<T>, lstm_backward<T>, gru_forward<T>, gru_backward<T>, rnn_forward<T>, rnn_backward<T>};
}

}  // namespace

void fill(RecurrentKernels& kernels) {
  fill_functions(kernels.float32);
  fill_functions(kernels.float64);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
