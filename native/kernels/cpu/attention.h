#pragma once

#include <cstdint>

namespace ondol::kernel {

/// Strides, in elements, of the batch, head and row axes; the last axis is contiguous.
struct AttentionStrides {
  int64_t batch, head, row;
};

/// Scaled dot-product attention (Vaswani et al. 2017), tiled with the online softmax of flash attention (Dao et al.
/// 2022):
///   out = softmax(scale q k^T + mask) v
/// q [batch, heads, queries, width], k [batch, key_heads, keys, width], v [batch, key_heads, keys, value_width],
/// out [batch, heads, queries, value_width]. heads is a multiple of key_heads; head h uses key head h / (heads /
/// key_heads). causal: query i sees keys 0..i. A row that sees no key (all -inf, or no keys) gives zeros.
struct AttentionShape {
  int64_t batch, heads, key_heads, queries, keys, width, value_width;
  double scale;
  bool causal;
};

/// The gradients have strides of their own and may not alias; nothing may be null but mask.
template <class T>
struct AttentionForward {
  const T *q, *k, *v;
  AttentionStrides q_strides, k_strides, v_strides;
  const T* mask;            // added to the scores; null for none
  int64_t mask_strides[4];  // batch, head, query, key; 0 where it is broadcast
  T* out;
  AttentionStrides out_strides;
  T* lse;  // [batch, heads, queries] contiguous: log(sum(exp(scores))), for backward
};

template <class T>
struct AttentionBackward {
  const T *q, *k, *v;
  AttentionStrides q_strides, k_strides, v_strides;
  const T* mask;
  int64_t mask_strides[4];
  const T *out, *gout;
  AttentionStrides out_strides, gout_strides;
  const T* lse;
  T *gq, *gk, *gv;  // overwritten; shaped as q, k, v
  AttentionStrides gq_strides, gk_strides, gv_strides;
};

template <class T>
struct AttentionFunctions {
  void (*forward)(const AttentionShape&, const AttentionForward<T>&);
  void (*backward)(const AttentionShape&, const AttentionBackward<T>&);
};

struct AttentionKernels {
  AttentionFunctions<float> float32;
  AttentionFunctions<double> float64;
};

}  // namespace ondol::kernel
