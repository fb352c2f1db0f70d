// Attention in parts that are recorded one by one: for dropout, masks that learn, and derivatives of derivatives.

#include <limits>

#include "ops/attention.h"

#include "autograd/node.h"
#include "ops/functions.h"
#include "ops/random.h"

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
  if (scores.size(-1) == 0) return scores;
  Tensor largest;
  {
    NoGrad silent;  // what is subtracted cancels: it has no derivative
    largest = amax(detach(scores), {-1}, true);
    largest = where(eq(largest, wrapped_number(kHidden)), scalar_tensor(0.0, largest.dtype()), largest);
  }
  Tensor exponentials = exp(sub(scores, largest));
  Tensor total = sum(exponentials, {-1}, true);
  return div(exponentials, where(eq(total, wrapped_number(0.0)), scalar_tensor(1.0, total.dtype()), total));
}

Tensor attention_weights(const Tensor& q, const Tensor& k, const AttentionSettings& settings) {
  Tensor scores = matmul(mul_by(q, settings.scale), transpose(k, -2, -1));
  if (settings.causal) scores = add(scores, causal_mask(q.size(-2), k.size(-2), q.dtype()));
  if (settings.mask.defined()) scores = add(scores, settings.mask);
  return softmax_or_zero(scores);
}

Tensor drop(const Tensor& weights, double p) {
  if (p == 0) return weights;
  Tensor kept = empty(weights.sizes(), weights.dtype());
  fill_bernoulli(kept, 1 - p, chosen(nullptr));
  return mul(weights, p == 1 ? kept : mul_by(kept, 1 / (1 - p)));
}

int64_t heads_of(const Tensor& x) { return x.ndim() < 3 ? 1 : x.size(-3); }

}  // namespace

Tensor attention_by_parts(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSettings& settings) {
  int64_t heads = heads_of(q);
  Tensor weights = attention_weights(q, repeat_heads(k, heads), settings);
  return matmul(drop(weights, settings.dropout), repeat_heads(v, heads));
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
