#pragma once

#include <cstdint>

namespace ondol::kernel {

/// The pointwise part of recurrent cells, after the two matrix products input Wi^T and h_prev Wh^T. `gates` in the
/// order of torch's weights. Matrices are row-major with `..._stride` elements from row to row where such a member
/// exists, else contiguous. In backward a null incoming gradient counts as zero.

/// Hochreiter & Schmidhuber 1997 with a forget gate (Gers et al. 2000); gates i, f, g, o.
///   c = σ(f) c_prev + σ(i) tanh(g)      h = σ(o) tanh(c)
template <class T>
struct LstmForward {
  int64_t batch, hidden;
  const T* gates_input;  // [batch, 4 hidden], rows gates_input_stride apart
  int64_t gates_input_stride;
  const T* gates_hidden;  // [batch, 4 hidden] or null
  const T* bias_input;    // [4 hidden] or null
  const T* bias_hidden;   // [4 hidden] or null
  const T* c_prev;        // [batch, hidden]
  T* h;                   // [batch, hidden], rows h_stride apart
  int64_t h_stride;
  T* c;      // [batch, hidden]; may be c_prev
  T* gates;  // [batch, 4 hidden]: the activated gates, for backward; may be null, may be gates_hidden
};

template <class T>
struct LstmBackward {
  int64_t batch, hidden;
  const T* gates;   // as forward left them
  const T* c_prev;  // [batch, hidden]
  const T* c;       // [batch, hidden]
  const T* gh;      // [batch, hidden], rows gh_stride apart, or null
  int64_t gh_stride;
  const T* gc;  // [batch, hidden] or null
  T* ggates;    // [batch, 4 hidden], rows ggates_stride apart: the gradient of either product and of either bias's row
  int64_t ggates_stride;
  T* gc_prev;  // [batch, hidden]; may be gc
};

/// Cho et al. 2014 in the form of cuDNN and torch, the hidden bias inside the reset product; gates r, z, n.
///   r = σ(xr + hr)   z = σ(xz + hz)   n = tanh(xn + r hn)   h = (1 - z) n + z h_prev       (hn with its bias)
template <class T>
struct GruForward {
  int64_t batch, hidden;
  const T* gates_input;  // [batch, 3 hidden], rows gates_input_stride apart
  int64_t gates_input_stride;
  const T* gates_hidden;  // [batch, 3 hidden]
  const T* bias_input;    // [3 hidden] or null
  const T* bias_hidden;   // [3 hidden] or null
  const T* h_prev;        // [batch, hidden], rows h_prev_stride apart
  int64_t h_prev_stride;
  T* h;  // [batch, hidden], rows h_stride apart
  int64_t h_stride;
  T* gates;  // [batch, 4 hidden]: r, z, n, hn, for backward; may be null
};

template <class T>
struct GruBackward {
  int64_t batch, hidden;
  const T* gates;   // as forward left them
  const T* h_prev;  // [batch, hidden], rows h_prev_stride apart
  int64_t h_prev_stride;
  const T* gh;  // [batch, hidden], rows gh_stride apart
  int64_t gh_stride;
  T* ggates_input;  // [batch, 3 hidden], rows ggates_input_stride apart
  int64_t ggates_input_stride;
  T* ggates_hidden;  // [batch, 3 hidden]
  T* gh_prev;        // [batch, hidden]: only the direct part z gh, to which the caller adds ggates_hidden Wh; may be gh
};

/// Elman 1990: h = tanh(x + h') or relu(x + h').
template <class T>
struct RnnForward {
  int64_t batch, hidden;
  const T* gates_input;  // [batch, hidden], rows gates_input_stride apart
  int64_t gates_input_stride;
  const T* gates_hidden;  // [batch, hidden] or null
  const T* bias_input;    // [hidden] or null
  const T* bias_hidden;   // [hidden] or null
  T* h;                   // [batch, hidden], rows h_stride apart
  int64_t h_stride;
  bool relu;
};

template <class T>
struct RnnBackward {
  int64_t batch, hidden;
  const T* h;  // [batch, hidden], rows h_stride apart
  int64_t h_stride;
  const T* gh;  // [batch, hidden], rows gh_stride apart
  int64_t gh_stride;
  T* ggates;  // [batch, hidden], rows ggates_stride apart
  int64_t ggates_stride;
  bool relu;
};

template <class T>
struct RecurrentFunctions {
  void (*lstm_forward)(const LstmForward<T>&);
  void (*lstm_backward)(const LstmBackward<T>&);
  void (*gru_forward)(const GruForward<T>&);
  void (*gru_backward)(const GruBackward<T>&);
  void (*rnn_forward)(const RnnForward<T>&);
  void (*rnn_backward)(const RnnBackward<T>&);
};

struct RecurrentKernels {
  RecurrentFunctions<float> float32;
  RecurrentFunctions<double> float64;
};

}  // namespace ondol::kernel
