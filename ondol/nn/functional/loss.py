"""Losses of pairs of numbers and of distances. Losses of classes are in `classification.py`.

All take `reduction`: `"mean"`, `"sum"` or `"none"`; `size_average` and `reduce` are its older names.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import ondol
from ondol._autocast import to_float32
from ondol._examples import of_all_examples
from ondol._native import nn as _nn
from ondol._ops.clear_errors import with_clear_errors

from .._reduction import check, chosen
from .._reduction import reduce as reduced
from .activation import logsigmoid
from .distance import pairwise_distance

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cosine_embedding_loss", "gaussian_nll_loss",
    "hinge_embedding_loss", "huber_loss", "kl_div", "l1_loss", "margin_ranking_loss", "mse_loss", "poisson_nll_loss",
    "smooth_l1_loss", "soft_margin_loss", "triplet_margin_loss", "triplet_margin_with_distance_loss",
]  # fmt: skip

Flag = bool | None


def _broadcast(input: ondol.Tensor, target: ondol.Tensor) -> tuple[ondol.Tensor, ondol.Tensor]:
    if target.size() != input.size():
        warnings.warn(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}). "
            "This will likely lead to incorrect results due to broadcasting. Please ensure they have the same size.",
            stacklevel=3,
        )
    return ondol.broadcast_tensors(input, target)


def _weighted_mean(loss: ondol.Tensor, weight: ondol.Tensor | None, like: ondol.Tensor, reduction: str) -> ondol.Tensor:
    """Reduce with weights; the mean is then Σ weight · loss / Σ weight."""
    if weight is None:
        return reduced(loss, reduction)
    if weight.size() != like.size():
        raise ValueError("Weights and input must have the same size.")
    check(reduction)
    if reduction == "mean":
        return (loss * weight).sum() / weight.sum()
    return reduced(loss * weight, reduction)


def mse_loss(
    input: ondol.Tensor,
    target: ondol.Tensor,
    size_average: Flag = None,
    reduce: Flag = None,
    reduction: str = "mean",
    weight: ondol.Tensor | None = None,
) -> ondol.Tensor:
    """(x − y)².

    >>> ondol.nn.functional.mse_loss(ondol.tensor([1.0, 2.0]), ondol.tensor([1.0, 4.0]))
    tensor(2.)
    """
    reduction = chosen(size_average, reduce, reduction)
    x, y = _broadcast(input, target)
    if weight is None:
        return _nn.mse_loss(x, y, reduction)
    return _weighted_mean(_nn.mse_loss(x, y, "none"), weight, input, reduction)


def l1_loss(
    input: ondol.Tensor,
    target: ondol.Tensor,
    size_average: Flag = None,
    reduce: Flag = None,
    reduction: str = "mean",
    weight: ondol.Tensor | None = None,
) -> ondol.Tensor:
    """|x − y|."""
    reduction = chosen(size_average, reduce, reduction)
    x, y = _broadcast(input, target)
    if not (x.is_floating_point() and y.is_floating_point()):  # complex numbers and integers
        return _weighted_mean((x - y).abs(), weight, input, reduction)
    if weight is None:
        return _nn.l1_loss(x, y, reduction)
    return _weighted_mean(_nn.l1_loss(x, y, "none"), weight, input, reduction)


def huber_loss(
    input: ondol.Tensor,
    target: ondol.Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: ondol.Tensor | None = None,
) -> ondol.Tensor:
    """(x − y)² / 2 where |x − y| ≤ delta, else delta · (|x − y| − delta / 2) (Huber 1964)."""
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    x, y = _broadcast(input, target)
    if weight is None:
        return _nn.huber_loss(x, y, reduction, delta)
    if weight.size() != input.size():
        raise ValueError("Weights and input must have the same size.")
    return reduced(_nn.huber_loss(x, y, "none", delta) * weight, reduction)


def smooth_l1_loss(
    input: ondol.Tensor,
    target: ondol.Tensor,
    size_average: Flag = None,
    reduce: Flag = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> ondol.Tensor:
    """(x − y)² / (2 · beta) where |x − y| < beta, else |x − y| − beta / 2 (Girshick 2015)."""
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    reduction = chosen(size_average, reduce, reduction)
    x, y = _broadcast(input, target)
    if beta == 0:
        return l1_loss(x, y, reduction=reduction)
    return _nn.smooth_l1_loss(x, y, reduction, beta)


def kl_div(
    input: ondol.Tensor,
    target: ondol.Tensor,
    size_average: Flag = None,
    reduce: Flag = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> ondol.Tensor:
    """y · (log y − x): the Kullback–Leibler divergence of log probabilities x from probabilities y.

    Args:
        reduction: also `"batchmean"`: the sum divided by the batch size, which is the divergence's definition.
        log_target: y is given as log probabilities too.
    """
    reduction = chosen(size_average, reduce, reduction)
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size. "
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition.",
            stacklevel=2,
        )
    input, target = to_float32(input, target)
    loss = target.exp() * (target - input) if log_target else ondol.xlogy(target, target) - target * input
    if reduction == "batchmean":
        return loss.sum() / input.size(0) if input.dim() else loss.sum()
    return reduced(loss, reduction)


def poisson_nll_loss(
    input: ondol.Tensor,
    target: ondol.Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: Flag = None,
    eps: float = 1e-8,
    reduce: Flag = None,
    reduction: str = "mean",
) -> ondol.Tensor:
    """exp(x) − y · x, or x − y · log(x + eps) without `log_input`; with `full`, plus Stirling's estimate of log y!."""
    reduction = chosen(size_average, reduce, reduction)
    check(reduction)
    if not isinstance(input, ondol.Tensor) or not isinstance(target, ondol.Tensor):
        wrong = "target" if isinstance(input, ondol.Tensor) else "input"
        raise TypeError(f"poisson_nll_loss(): argument '{wrong}' must be Tensor")
    input, target = to_float32(input, target)
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        loss = loss + stirling.masked_fill(target <= 1, 0)
    return reduced(loss, reduction)


def gaussian_nll_loss(
    input: ondol.Tensor,
    target: ondol.Tensor,
    var: ondol.Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> ondol.Tensor:
    """(log(v) + (x − y)² / v) / 2, v = max(var, eps) (Nix & Weigend 1994).

    Args:
        var: a number, or a tensor of the input's shape, or without its last dimension or with 1 there.
        full: add the constant log(2π) / 2.

    Raises:
        ValueError: if `var` has a negative entry or another shape.
    """
    if isinstance(var, (int, float)):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = ondol.full_like(input, var)
    elif (of_all_examples(var) < 0).any():
        raise ValueError("var has negative entry/entries")
    if var.size() != input.size():
        if input.size()[:-1] == var.size():
            var = var.unsqueeze(-1)
        elif input.dim() != var.dim() or any(v not in (1, s) for v, s in zip(var.shape, input.shape)):
            raise ValueError(f"var is of incorrect size: {list(var.shape)} for an input of {list(input.shape)}")
    check(reduction)
    var = var.clone()
    with ondol.no_grad():
        var.clamp_(min=eps)  # not differentiated: a variance at the limit keeps its gradient
    loss = 0.5 * (var.log() + (input - target) ** 2 / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced(loss, reduction)


def _one_dimension_less(input: ondol.Tensor, target: ondol.Tensor) -> str:
    """The remedy where one of the two lacks a dimension of size 1, which is how most models with one output differ."""
    if input.dim() == target.dim() + 1 and input.shape == (*target.shape, 1):
        return ": take the input's last dimension away with squeeze(-1), or add one to the target with unsqueeze(-1)"
    return ""


def _legacy_name(tensor: ondol.Tensor) -> str:
    """Float for float32, Long for int64: dtypes as PyTorch's errors have them."""
    return tensor.type().rpartition(".")[2].removesuffix("Tensor")


def binary_cross_entropy(
    input: ondol.Tensor,
    target: ondol.Tensor,
    weight: ondol.Tensor | None = None,
    size_average: Flag = None,
    reduce: Flag = None,
    reduction: str = "mean",
) -> ondol.Tensor:
    """−w · (y · log x + (1 − y) · log(1 − x)) of probabilities x; the logarithms are at least −100.

    Raises:
        ValueError: if the sizes differ.
        RuntimeError: if an input is not in [0, 1], or the dtypes differ.
    """
    if target.size() != input.size():
        raise ValueError(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}) is "
            f"deprecated. Please ensure they have the same size.{_one_dimension_less(input, target)}"
        )
    input, target, weight = to_float32(input, target, weight)
    if target.dtype != input.dtype:
        raise RuntimeError(
            f"Found dtype {_legacy_name(target)} but expected {_legacy_name(input)}: binary_cross_entropy takes "
            "targets of the input's dtype, convert them with .to(input.dtype)"
        )
    known = of_all_examples(input)
    if known.numel() and not bool(((known >= 0) & (known <= 1)).all()):
        outside = known.detach()[~((known >= 0) & (known <= 1))]
        raise RuntimeError(
            f"all elements of input should be between 0 and 1, but one is {outside[0].item():g}: "
            "binary_cross_entropy takes probabilities; for other numbers use binary_cross_entropy_with_logits"
        )
    loss = -(target * input.log().clamp(min=-100) + (1 - target) * (-input).log1p().clamp(min=-100))
    if weight is not None:
        loss = loss * weight
    return reduced(loss, chosen(size_average, reduce, reduction))


def binary_cross_entropy_with_logits(
    input: ondol.Tensor,
    target: ondol.Tensor,
    weight: ondol.Tensor | None = None,
    size_average: Flag = None,
    reduce: Flag = None,
    reduction: str = "mean",
    pos_weight: ondol.Tensor | None = None,
) -> ondol.Tensor:
    """`binary_cross_entropy` of sigmoid(x), without the loss of digits of the two steps.

    Args:
        weight: a factor for each loss.
        pos_weight: a factor for the loss of positive targets.

    Raises:
        ValueError: if the sizes differ.
        RuntimeError: if the targets are integers.
    """
    if target.size() != input.size():
        raise ValueError(
            f"Target size ({target.size()}) must be the same as input size ({input.size()})"
            f"{_one_dimension_less(input, target)}"
        )
    input, target, weight, pos_weight = to_float32(input, target, weight, pos_weight)
    if not (target.is_floating_point() or target.is_complex()):
        raise RuntimeError(
            f"result type {_legacy_name(input)} can't be cast to the desired output type {_legacy_name(target)}: "
            "binary_cross_entropy_with_logits takes floating-point targets, convert them with .to(input.dtype)"
        )
    log_probability = logsigmoid(input)
    if pos_weight is not None:
        log_probability = ((pos_weight - 1) * target + 1) * log_probability
    loss = (1 - target) * input - log_probability
    if weight is not None:
        loss = loss * weight
    return reduced(loss, chosen(size_average, reduce, reduction))


def hinge_embedding_loss(
    input: ondol.Tensor,
    target: ondol.Tensor,
    margin: float = 1.0,
    size_average: Flag = None,
    reduce: Flag = None,
    reduction: str = "mean",
) -> ondol.Tensor:
    """x where y = 1, max(0, margin − x) where y = −1."""
    input, target = to_float32(input, target)
    zero = ondol.zeros((), dtype=input.dtype)
    loss = ondol.where(target != 1, (margin - input).clamp_min(0), zero) + ondol.where(target != -1, input, zero)
    return reduced(loss, chosen(size_average, reduce, reduction))


def margin_ranking_loss(
    input1: ondol.Tensor,
    input2: ondol.Tensor,
    target: ondol.Tensor,
    margin: float = 0,
    size_average: Flag = None,
    reduce: Flag = None,
    reduction: str = "mean",
) -> ondol.Tensor:
    """max(0, −y · (x₁ − x₂) + margin)."""
    if not input1.dim() == input2.dim() == target.dim():
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.size()}, input2: {input2.size()}, target: {target.size()} "
        )
    input1, input2, target = to_float32(input1, input2, target)
    loss = (-target * (input1 - input2) + margin).clamp_min(0)
    return reduced(loss, chosen(size_average, reduce, reduction))


@with_clear_errors
def soft_margin_loss(
    input: ondol.Tensor, target: ondol.Tensor, size_average: Flag = None, reduce: Flag = None, reduction: str = "mean"
) -> ondol.Tensor:
    """log(1 + exp(−y · x))."""
    input, target = to_float32(input, target)
    return reduced((-target * input).exp().log1p(), chosen(size_average, reduce, reduction))


def cosine_embedding_loss(
    input1: ondol.Tensor,
    input2: ondol.Tensor,
    target: ondol.Tensor,
    margin: float = 0,
    size_average: Flag = None,
    reduce: Flag = None,
    reduction: str = "mean",
) -> ondol.Tensor:
    """1 − cos(x₁, x₂) where y = 1, max(0, cos(x₁, x₂) − margin) where y = −1.

    Shapes: (N, D) and (N, D) with targets (N), or (D) and (D) with ().
    """
    if target.dim() not in (0, 1):
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if target.dim() == 1 and (input1.dim() != 2 or input2.dim() != 2):
        raise RuntimeError(
            f"1D target tensor expects 2D input tensors, but found inputs with sizes {input1.size()} "
            f"and {input2.size()}."
        )
    if target.dim() == 0 and (input1.dim() != 1 or input2.dim() != 1):
        raise RuntimeError(
            f"0D target tensor expects 1D input tensors, but found inputs with sizes {input1.size()} "
            f"and {input2.size()}."
        )
    input1, input2, target = to_float32(input1, input2, target)
    tiny = 1e-12
    squares1, squares2 = (x.pow(2).sum(target.dim()) + tiny for x in (input1, input2))
    cosine = (input1 * input2).sum(target.dim()) / (squares1 * squares2).sqrt()
    zero = ondol.zeros((), dtype=cosine.dtype)
    loss = ondol.where(target == 1, 1 - cosine, zero) + ondol.where(target == -1, (cosine - margin).clamp_min(0), zero)
    return reduced(loss, chosen(size_average, reduce, reduction))


def triplet_margin_loss(
    anchor: ondol.Tensor,
    positive: ondol.Tensor,
    negative: ondol.Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: Flag = None,
    reduce: Flag = None,
    reduction: str = "mean",
) -> ondol.Tensor:
    """max(0, d(a, p) − d(a, n) + margin), d the p-norm of the difference (Balntas et al. 2016).

    Args:
        swap: take the nearer of d(a, n) and d(p, n).
    """
    if not anchor.dim() == positive.dim() == negative.dim():
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {anchor.dim()}D, positive {positive.dim()}D, and negative {negative.dim()}D inputs"
        )
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    anchor, positive, negative = to_float32(anchor, positive, negative)

    def distance(x: ondol.Tensor, y: ondol.Tensor) -> ondol.Tensor:
        return pairwise_distance(x, y, p, eps)

    return _triplet(distance, anchor, positive, negative, margin, swap, chosen(size_average, reduce, reduction))


def triplet_margin_with_distance_loss(
    anchor: ondol.Tensor,
    positive: ondol.Tensor,
    negative: ondol.Tensor,
    *,
    distance_function: Callable[[ondol.Tensor, ondol.Tensor], ondol.Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> ondol.Tensor:
    """`triplet_margin_loss` with a distance of one's own; `pairwise_distance` if `None`."""
    check(reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    distance = pairwise_distance if distance_function is None else distance_function
    if not anchor.dim() == positive.dim() == negative.dim():
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {anchor.dim()}D, positive {positive.dim()}D, and negative {negative.dim()}D inputs"
        )
    return _triplet(distance, anchor, positive, negative, margin, swap, reduction)


def _triplet(
    distance: Callable,
    anchor: ondol.Tensor,
    positive: ondol.Tensor,
    negative: ondol.Tensor,
    margin: float,
    swap: bool,
    reduction: str,
) -> ondol.Tensor:
    to_positive, to_negative = distance(anchor, positive), distance(anchor, negative)
    if swap:
        to_negative = ondol.minimum(to_negative, distance(positive, negative))
    return reduced((margin + to_positive - to_negative).clamp_min(0), reduction)
