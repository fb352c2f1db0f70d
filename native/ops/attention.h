#pragma once

#include "tensor/tensor.h"

namespace ondol {

/// What softmax(scale q kᵀ + mask) v depends on beside q, k and v.
struct AttentionSettings {
  Tensor mask;  // added to the scores, broadcasts against [batch, heads, queries, keys]; undefined for none
  double scale;
  bool causal;  // query i sees keys 0..i
  double dropout;
};

/// Scaled dot-product attention (Vaswani et al. 2017) in products and pointwise steps, with all derivatives
/// (ops/attention_parts.cpp). q [.., heads, queries, width]; k and v may have fewer heads, each of which serves several
/// of q.
Tensor attention_by_parts(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSettings& settings);

struct AttentionGradients {
  Tensor q, k, v;
};
/// Its derivative likewise, for derivatives of the derivative. Without dropout.
AttentionGradients attention_backward_by_parts(const Tensor& gradient, const Tensor& q, const Tensor& k,
                                               const Tensor& v, const AttentionSettings& settings);

}  // namespace ondol
