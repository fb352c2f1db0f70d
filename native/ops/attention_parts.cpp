// Attention in parts that are recorded one by one: for dropout, masks that learn, and derivatives of derivatives.

#include <algorithm>
#include <limits>

#include "ops/attention.h"

#include "autograd/node.h"
#include "ops/functions.h"

namespace ondol {
namespace {

constexpr double kHidden = -std::numeric_limits<double>::infinity();

/// Each head of k or v as often as heads of q use it.
Tensor repeat_heads(const Tensor& x, int64_t heads) {
  int64_t own = x.ndim() < 3 ? heads : x.size(-3);
  if (own == heads) return x;
  Dims repeated = x.sizes(), flat = x.sizes();
  repeated.insert(repeated.size() - 2, heads / own);
  flat[flat.size() - 3] = heads;
  return reshape(expand(unsqueeze(x, -3), repeated), flat);
}

/// The gradient of repeat_heads.
Tensor add_up_heads(const Tensor& gradient, int64_t own) {
  if (gradient.ndim() < 3 || gradient.size(-3) == own) return gradient;
  Dims grouped = gradient.sizes();
  int64_t head = grouped.ssize() - 3;
  grouped[head] = own;
  grouped.insert(head + 1, gradient.size(-3) / own);
  return sum(reshape(gradient, grouped), {head + 1}, false);
}

Tensor causal_mask(int64_t queries, int64_t keys, Dtype dtype) {
  Tensor row = unsqueeze(arange(queries), 1), column = arange(keys);
  return where(le(column, row), scalar_tensor(0.0, dtype), scalar_tensor(kHidden, dtype));
}

/// softmax over the last dimension, but zeros, not NaN, in a row where everything is hidden.
Tensor softmax_or_zero(const Tensor& scores) {
  Tensor hidden;
  {
    NoGrad silent;
    hidden = eq(amax(detach(scores), {-1}, true), wrapped_number(kHidden));
    const bool* each = hidden.data<bool>();
    if (std::none_of(each, each + hidden.numel(), [](bool one) { return one; })) hidden = {};
  }
  if (!hidden.defined()) return softmax(scores, -1);
  const Tensor none = scalar_tensor(0.0, scores.dtype());
  return where(hidden, none, softmax(where(hidden, none, scores), -1));
}

Tensor attention_weights(const Tensor& q, const Tensor& k, const AttentionSettings& settings) {
  Tensor scores = matmul(mul_by(q, settings.scale), transpose(k, -2, -1));
  if (settings.causal) scores = add(scores, causal_mask(q.size(-2), k.size(-2), q.dtype()));
  if (settings.mask.defined()) scores = add(scores, settings.mask);
  if (scores.size(-1) == 0) return scores;
  return settings.mask.defined() ? softmax_or_zero(scores) : softmax(scores, -1);
}

int64_t heads_of(const Tensor& x) { return x.ndim() < 3 ? 1 : x.size(-3); }

}  // namespace

Tensor attention_by_parts(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSettings& settings) {
  int64_t heads = heads_of(q);
  Tensor weights = attention_weights(q, repeat_heads(k, heads), settings);
  return matmul(dropout(weights, settings.dropout, true), repeat_heads(v, heads));
}

AttentionGradients attention_backward_by_parts(const Tensor& gradient, const Tensor& q, const Tensor& k,
                                               const Tensor& v, const AttentionSettings& settings) {
  int64_t heads = heads_of(q);
  Tensor keys = repeat_heads(k, heads), values = repeat_heads(v, heads);
  Tensor weights = attention_weights(q, keys, settings);
  Tensor gweights = matmul(gradient, transpose(values, -2, -1));
  Tensor gscores = mul(weights, sub(gweights, sum(mul(gweights, weights), {-1}, true)));
  gscores = mul_by(gscores, settings.scale);
  return {matmul(gscores, keys), add_up_heads(matmul(transpose(gscores, -2, -1), q), heads_of(k)),
          add_up_heads(matmul(transpose(weights, -2, -1), gradient), heads_of(v))};
}

}  // namespace ondol
