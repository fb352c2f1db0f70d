// Dropout (Hinton et al. 2012).

#include "ops/functions.h"
#include "ops/in_place.h"
#include "ops/random.h"
#include "ops/registry.h"

namespace ondol {
namespace {

/// Zero with probability p, else 1 / (1 - p): drawn and rounded as PyTorch does it, so that seeds interchange.
Tensor dropout_mask(const Tensor& input, double p) {
  if (p == 1) return zeros_like(input);
  if (is_integral(input.dtype()))
    runtime_error("result type Float can't be cast to the desired output type ", torch_name(input.dtype()));
  NoGrad silent;
  Tensor mask = empty_like(input, input.dtype());
  fill_bernoulli(mask, 1 - p, chosen(nullptr));
  return div(mask, wrapped_number(1 - p));
}

/// Whether dropout changes anything.
bool drops(const Tensor& input, double p, bool train) {
  if (!(p >= 0 && p <= 1)) runtime_error("dropout probability has to be between 0 and 1, but got ", p);
  return train && p > 0 && input.numel() > 0;
}

Tensor dropout(const Tensor& input, double p, bool train) {
  return drops(input, p, train) ? mul(input, dropout_mask(input, p)) : input;
}

// The schema calls its argument `input`, not `self`: what dropout leaves alone may be a leaf that requires grad.
Tensor dropout_(const Tensor& input, double p, bool train) {
  if (!drops(input, p, train)) return input;
  check_in_place(input, "dropout_");
  Tensor mask = dropout_mask(input, p);
  return change_in_place(
      input, needs_gradient(input), "dropout_", [&] { return mul(input, mask); },
      [&](const Tensor& target) { copy_elements(mul(target, mask), target); });
}

}  // namespace

void register_dropout(Registry& r) {
  r.add("dropout(Tensor input, float p, bool train) -> Tensor", dropout);
  r.add("dropout_(Tensor input, float p, bool train) -> Tensor", dropout_);
  r.add("nn.dropout(Tensor input, float p=0.5, bool train=True) -> Tensor", dropout);
  r.add("nn.dropout_(Tensor input, float p=0.5, bool train=True) -> Tensor", dropout_);
}

}  // namespace ondol
