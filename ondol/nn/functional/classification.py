"""Losses of classes: cross entropy, margins, labels of sequences."""

from __future__ import annotations

from typing import Any

import ondol
from ondol._autocast import to_float32
from ondol._examples import of_all_examples, one_example_at_a_time
from ondol._native import nn as _nn

from .._reduction import check, chosen
from .._reduction import reduce as reduced
from .activation import logsigmoid

__all__ = [
    "cross_entropy", "ctc_loss", "linear_cross_entropy", "multi_margin_loss", "multilabel_margin_loss",
    "multilabel_soft_margin_loss", "nll_loss",
]  # fmt: skip

Flag = bool | None


def nll_loss(
    input: ondol.Tensor,
    target: ondol.Tensor,
    weight: ondol.Tensor | None = None,
    size_average: Flag = None,
    ignore_index: int = -100,
    reduce: Flag = None,
    reduction: str = "mean",
) -> ondol.Tensor:
    """−w[y] · x[y] of log probabilities x; the mean is divided by the sum of the weights.

    Shapes: (N, C), (C) or (N, C, d₁, …) with class indices (N), () or (N, d₁, …).
    """
    reduction = chosen(size_average, reduce, reduction)
    check(reduction)
    return _nn.nll_loss(input, target, weight, reduction, ignore_index)


def cross_entropy(
    input: ondol.Tensor,
    target: ondol.Tensor,
    weight: ondol.Tensor | None = None,
    size_average: Flag = None,
    ignore_index: int = -100,
    reduce: Flag = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> ondol.Tensor:
    """`nll_loss` of log_softmax(x); the target may also be class probabilities of the input's shape.

    Args:
        weight: a factor for each class.
        ignore_index: a class index that adds nothing.
        label_smoothing: the part of the target that is spread evenly over all classes (Szegedy et al. 2016).

    >>> ondol.nn.functional.cross_entropy(ondol.zeros(1, 2), ondol.tensor([0]))
    tensor(0.6931)
    """
    reduction = chosen(size_average, reduce, reduction)
    check(reduction)
    return _nn.cross_entropy(input, target, weight, reduction, ignore_index, label_smoothing)


def linear_cross_entropy(
    input: ondol.Tensor,
    linear_weight: ondol.Tensor,
    target: ondol.Tensor,
    *,
    linear_bias: ondol.Tensor | None = None,
    weight: ondol.Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> ondol.Tensor:
    """`cross_entropy` of a linear map of the input.

    Shapes: `input` (N, in) or (in), `linear_weight` (C, in) or (C, d₁, …, in), `target` as in `cross_entropy`.

    Args:
        options: how to save memory; no choice is needed here. With any, half precision is not rounded before the end.
    """
    if options is not None and input.dtype in (ondol.float16, ondol.bfloat16):
        wide = (None if one is None else one.float() for one in (input, linear_weight, linear_bias, weight))
        wide_input, wide_weight, wide_bias, class_weight = wide
        loss = linear_cross_entropy(
            wide_input, wide_weight, target, linear_bias=wide_bias, weight=class_weight, reduction=reduction,
            ignore_index=ignore_index, label_smoothing=label_smoothing,
        )  # fmt: skip
        return loss.to(input.dtype)
    if input.dim() not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.dim()}")
    if input.dim() == 1 and linear_weight.dim() > 2:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(linear_weight.shape)} requires batched input, "
            f"(N, {linear_weight.shape[-1]}), got unbatched input with shape {tuple(input.shape)}"
        )
    if linear_weight.dim() < 2:
        raise RuntimeError(f"expected linear_weight with dimensionality at least 2, got {linear_weight.dim()}")
    classes = linear_weight.shape[:-1]
    bias = None if linear_bias is None else linear_bias.reshape(-1)
    logits = _nn.linear(input, linear_weight.reshape(-1, linear_weight.shape[-1]), bias)
    logits = logits.reshape(*input.shape[:-1], *classes)
    ignore_index = -100 if ignore_index is None else ignore_index
    return cross_entropy(
        logits, target, weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
    )


def multilabel_soft_margin_loss(
    input: ondol.Tensor,
    target: ondol.Tensor,
    weight: ondol.Tensor | None = None,
    size_average: Flag = None,
    reduce: Flag = None,
    reduction: str = "mean",
) -> ondol.Tensor:
    """The mean over the classes of −w · (y · log σ(x) + (1 − y) · log σ(−x)); shapes (N, C) → (N)."""
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return reduced(loss.sum(-1) / input.size(-1), chosen(size_average, reduce, reduction))


def multi_margin_loss(
    input: ondol.Tensor,
    target: ondol.Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: ondol.Tensor | None = None,
    size_average: Flag = None,
    reduce: Flag = None,
    reduction: str = "mean",
) -> ondol.Tensor:
    """Σ over the wrong classes i of max(0, margin − x[y] + x[i])ᵖ · w[y] / C; shapes (N, C) and (N)."""
    reduction = chosen(size_average, reduce, reduction)
    check(reduction)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.dim() != 1:
        raise ValueError("weight must be one-dimensional")
    if input.dim() > 2 or (input.dim() > 0 and input.size(-1) == 0):
        raise RuntimeError(
            f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {list(input.shape)}"
        )
    single = input.dim() < 2
    x = input.reshape(1, -1) if single else input
    y = target.reshape(-1)
    if y.numel() != x.size(0):
        raise RuntimeError(f"inconsistent target size, expected {[x.size(0)]} but got {list(target.shape)}")
    _check_class_indices("multi_margin_loss", y)
    known = of_all_examples(y)
    if known.numel() and not (int(known.min()) >= 0 and int(known.max()) < x.size(1)):
        raise RuntimeError("multi_margin_loss: target out of range")
    x, weight = to_float32(x, weight)
    loss = (margin - x.gather(1, y.unsqueeze(1)) + x).relu()  # of which a margin that is just met has no gradient
    if p == 2:
        loss = loss * loss
    if weight is not None:
        loss = loss * weight[y].unsqueeze(1)
    loss = loss.scatter(1, y.unsqueeze(1), 0.0).sum(1) / x.size(1)
    return reduced(loss.squeeze(0) if single and target.dim() == 0 else loss, reduction)


def _check_class_indices(name: str, target: ondol.Tensor) -> None:
    if target.dtype != ondol.int64:
        raise RuntimeError(
            f"{name}: expected scalar type Long but found {str(target.dtype).removeprefix('torch.')}: the target holds "
            "indices of classes, convert it with .long()"
        )


def multilabel_margin_loss(
    input: ondol.Tensor, target: ondol.Tensor, size_average: Flag = None, reduce: Flag = None, reduction: str = "mean"
) -> ondol.Tensor:
    """Σ over classes j in y and i not in y of max(0, 1 − (x[j] − x[i])) / C.

    Shapes: (N, C) or (C) and targets of the same shape: class indices up to the first negative one.
    """
    return _nn.multilabel_margin_loss(input, target, chosen(size_average, reduce, reduction))


@one_example_at_a_time
def ctc_loss(
    log_probs: ondol.Tensor,
    targets: ondol.Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> ondol.Tensor:
    """−log of the probability of a label sequence, summed over all alignments (Graves et al. 2006).

    Args:
        log_probs: (T, N, C) or (T, C). The gradient is that of PyTorch, which takes them for results of `log_softmax`;
            it has no derivative of its own.
        targets: (N, S), or all sequences one after the other; no entry is `blank`.
        input_lengths, target_lengths: (N), at most T and S.
        zero_infinity: losses of targets that do not fit their input are 0 instead of infinite, as are their gradients.
    """
    lengths = _lengths(input_lengths), _lengths(target_lengths)
    return _nn.ctc_loss(log_probs, targets, *lengths, blank, reduction, zero_infinity)


def _lengths(lengths: Any) -> list[int]:
    if isinstance(lengths, ondol.Tensor):
        if lengths.is_floating_point() or lengths.is_complex():
            raise RuntimeError(f"ctc_loss: input_lengths and target_lengths must be integral, got {lengths.dtype}")
        return lengths.reshape(-1).tolist()
    return [lengths] if isinstance(lengths, int) else list(lengths)
