"""The native steps: one call updates all parameters of a group. The contract that the native side keeps.

All four functions live in `ondol._native.optim` and take their arguments by position. What holds for each of them:

- `params`, `grads` and the lists of state have one entry for each parameter, in the same order.
- They return True if all parameters were updated. They return False, *having changed nothing*, if any of these does not
  hold; the optimizer then runs `update` for each parameter, so that anything unusual is merely slower:
  every parameter is float32, float64, float16 or bfloat16 on the CPU; its gradient and its state (but for `step`) have
  its dtype and shape; parameters and state do not overlap themselves (no stride of 0). Strides may be anything else;
  where all are equal and dense, memory is walked in its own order. float16 and bfloat16 are computed in float32.
- They neither record nor look at gradients: leaves that require gradients are written as under `no_grad`. They raise
  the version counter of every tensor that they write, once. Gradients are never written.
- What float16 and bfloat16 tensors cannot hold (an eps of 1e-8, the square of a small gradient) is there within a step,
  as in the fused steps of PyTorch; the formula in float16, as in its loops, can divide by 0 there.
- `maximize` negates the gradient first of all. Weight decay is skipped where it is 0.
- `steps` are 0-d float32 or float64 tensors, one for each parameter. The call adds 1 to each, and computes the bias
  corrections from the new value in double precision (`1 - beta ** step`), once where neighbours have the same step.
- Hyperparameters are plain numbers, float or int. Products of them are computed in double, then rounded once to the
  dtype of the computation (float32 or float64).
- Nothing is allocated, and the GIL is released; results do not depend on the number of threads.

Some lists may be empty as a whole, where a function says so.

The formulas are those of the `update` methods, in the same order of operations; rounding may differ in the last digits
(fused multiply-add, `denom = sqrt(v) / sqrt(bc2) + eps` as one expression).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import ondol

if TYPE_CHECKING:
    from ondol import Tensor

_kernels = getattr(ondol._native, "optim", None)  # None on a backend without fused steps: every call is then refused


def sgd_(
    params: list[Tensor],
    grads: list[Tensor],
    momentum_buffers: list[Tensor],
    are_new: list[bool],
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
) -> bool:
    """A step of SGD.

        g ← g + weight_decay · p
        with momentum:  b ← momentum · b + (1 − dampening) · g,  or  b ← g  where the buffer is new
                        g ← g + momentum · b  if nesterov, else  b
        p ← p − lr · g

    `momentum_buffers` and `are_new` are empty if `momentum` is 0. A buffer that is new is written and not read.
    """
    return _kernels is not None and _kernels.sgd_(
        params, grads, momentum_buffers, are_new, lr, momentum, dampening, weight_decay, nesterov, maximize
    )


def adam_(
    params: list[Tensor],
    grads: list[Tensor],
    exp_avgs: list[Tensor],
    exp_avg_sqs: list[Tensor],
    max_exp_avg_sqs: list[Tensor],
    steps: list[Tensor],
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> bool:
    """A step of Adam (Kingma & Ba 2015). `max_exp_avg_sqs` is empty, or there for AMSGrad (Reddi et al. 2018).

    step ← step + 1
    g ← g + weight_decay · p
    m ← m + (1 − beta1) · (g − m)
    v ← beta2 · v + (1 − beta2) · g²
    w ← max(w, v) with AMSGrad, else v
    p ← p − lr / (1 − beta1^step) · m / (√w / √(1 − beta2^step) + eps)
    """
    return _kernels is not None and _kernels.adam_(
        params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, steps, lr, beta1, beta2, eps, weight_decay, maximize
    )


def adamw_(
    params: list[Tensor],
    grads: list[Tensor],
    exp_avgs: list[Tensor],
    exp_avg_sqs: list[Tensor],
    max_exp_avg_sqs: list[Tensor],
    steps: list[Tensor],
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> bool:
    """A step of AdamW (Loshchilov & Hutter 2019): `adam_`, but the decay is p ← (1 − lr · weight_decay) · p, first."""
    return _kernels is not None and _kernels.adamw_(
        params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, steps, lr, beta1, beta2, eps, weight_decay, maximize
    )


def rmsprop_(
    params: list[Tensor],
    grads: list[Tensor],
    square_avgs: list[Tensor],
    grad_avgs: list[Tensor],
    momentum_buffers: list[Tensor],
    steps: list[Tensor],
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    maximize: bool,
) -> bool:
    """A step of RMSprop. `grad_avgs` is empty unless centered, `momentum_buffers` is empty unless momentum > 0.

    step ← step + 1
    g ← g + weight_decay · p
    s ← alpha · s + (1 − alpha) · g²
    centered:  a ← a + (1 − alpha) · (g − a),  r ← √(s − a²);  else  r ← √s
    momentum:  b ← momentum · b + g / (r + eps),  p ← p − lr · b;  else  p ← p − lr · g / (r + eps)
    """
    return _kernels is not None and _kernels.rmsprop_(
        params, grads, square_avgs, grad_avgs, momentum_buffers, steps, lr, alpha, eps, weight_decay, momentum, maximize
    )
