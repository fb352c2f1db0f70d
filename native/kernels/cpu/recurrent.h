#pragma once

#include <cstdint>

namespace ondol {

enum class Cell : uint8_t { Lstm, Gru, Tanh, Relu };

/// Gates of a cell, one below the other in its weights.
constexpr int gates_of(Cell cell) { return cell == Cell::Lstm ? 4 : cell == Cell::Gru ? 3 : 1; }

}  // namespace ondol

namespace ondol::kernel {

/// All steps of a recurrent layer in one direction: what is left of it when the input has gone through its weights, in
/// one product for all steps. `gates` in the order of torch's weights; matrices are row-major and contiguous.
///
/// Hochreiter & Schmidhuber 1997 with a forget gate (Gers et al. 2000); gates i, f, g, o.
///   c = σ(f) c_prev + σ(i) tanh(g)      h = σ(o) tanh(c), or that projected
/// Cho et al. 2014 in the form of cuDNN and torch, the hidden bias inside the reset product; gates r, z, n.
///   r = σ(xr + hr)   z = σ(xz + hz)   n = tanh(xn + r hn)   h = (1 - z) n + z h_prev       (hn with its bias)
/// Elman 1990: h = tanh(x + h') or relu(x + h').

/// The rows of one step in the matrices of all steps. With sequences of several lengths, a step has the first `count`
/// rows of the batch.
struct StepRows {
  int64_t first, count;
};

struct RecurrentShape {
  Cell cell;
  int64_t batch, hidden, outputs;  // outputs is hidden, unless h is projected
  int64_t count;
  const StepRows* steps;  // in the order in which they are computed; no step has more rows than `batch`
};

template <class T>
struct RecurrentForward {
  RecurrentShape shape;
  const T* weight;      // [gates hidden, outputs]
  const T* projection;  // [outputs, hidden], of an LSTM, or null
  const T* bias;        // [gates hidden], of the product with the state, or null
  T* gates;             // [rows, gates hidden]: what the input gives; an LSTM leaves its gates here for backward
  T* kept;              // [rows, 4 hidden], of a GRU: r, z, n, hn for backward
  T* h_before;          // [rows, outputs]: the state that each row starts from
  T* c_before;          // [rows, hidden], of an LSTM
  T* c;                 // [rows, hidden], of an LSTM
  T* unprojected;       // [rows, hidden], where there is a projection
  T* output;            // [rows, outputs]
  T* last_h;            // [batch, outputs]: the first state on entry, the last one on return
  T* last_c;            // [batch, hidden], of an LSTM
};

template <class T>
struct RecurrentBackward {
  RecurrentShape shape;
  const T* weight;
  const T* projection;
  const T* gates;     // as forward left them (of a GRU: `kept`)
  const T* h_before;  // of a GRU
  const T* c_before;
  const T* c;
  const T* output;   // of Elman's cell
  const T* goutput;  // [rows, outputs] or null for zero
  T* gh;             // [batch, outputs]: the gradient of the last state on entry, of the first one on return
  T* gc;             // [batch, hidden], of an LSTM
  T* ggates_input;   // [rows, gates hidden]: of what the input gave to the gates
  T* ggates_hidden;  // the same for the state; the same memory but for a GRU
  T* gprojected;     // [rows, outputs]: of all that h went into, where there is a projection
};

template <class T>
struct RecurrentFunctions {
  void (*forward)(const RecurrentForward<T>&);
  void (*backward)(const RecurrentBackward<T>&);
};

struct RecurrentKernels {
  RecurrentFunctions<float> float32;
  RecurrentFunctions<double> float64;
};

}  // namespace ondol::kernel
