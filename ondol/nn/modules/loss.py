"""Losses as layers: each calls its function in `nn.functional`, where the formula stands.

All take `reduction`: `"mean"` (the default), `"sum"` or `"none"`; `size_average` and `reduce` are its older names.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ondol

from .. import _reduction
from .. import functional as F
from .linear import Linear
from .linear_cross_entropy_options import LinearCrossEntropyOptions
from .module import Module

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CTCLoss", "CosineEmbeddingLoss", "CrossEntropyLoss", "GaussianNLLLoss",
    "HingeEmbeddingLoss", "HuberLoss", "KLDivLoss", "L1Loss", "LinearCrossEntropyLoss", "MSELoss", "MarginRankingLoss",
    "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss", "NLLLoss", "NLLLoss2d", "PoissonNLLLoss",
    "SmoothL1Loss", "SoftMarginLoss", "TripletMarginLoss", "TripletMarginWithDistanceLoss",
]  # fmt: skip


class _Loss(Module):
    reduction: str

    def __init__(self, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = _reduction.chosen(size_average, reduce, reduction)


class _WeightedLoss(_Loss):
    def __init__(
        self, weight: ondol.Tensor | None = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class L1Loss(_Loss):
    """|x − y|.

    >>> ondol.nn.L1Loss()(ondol.tensor([1.0, 2.0]), ondol.tensor([1.0, 4.0]))
    tensor(1.)
    """

    def forward(self, input: ondol.Tensor, target: ondol.Tensor) -> ondol.Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class MSELoss(_Loss):
    """(x − y)².

    >>> ondol.nn.MSELoss()(ondol.tensor([1.0, 2.0]), ondol.tensor([1.0, 4.0]))
    tensor(2.)
    """

    def forward(self, input: ondol.Tensor, target: ondol.Tensor) -> ondol.Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class NLLLoss(_WeightedLoss):
    """−w[y] · x[y] of log probabilities x: (N, C) or (N, C, d₁, …) with class indices (N) or (N, d₁, …).

    >>> ondol.nn.NLLLoss()(ondol.tensor([[-0.5, -1.0]]), ondol.tensor([1]))
    tensor(1.)
    """

    ignore_index: int

    def __init__(
        self,
        weight: ondol.Tensor | None = None,
        size_average: Any = None,
        ignore_index: int = -100,
        reduce: Any = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: ondol.Tensor, target: ondol.Tensor) -> ondol.Tensor:
        return F.nll_loss(input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class NLLLoss2d(NLLLoss):
    """Deprecated: `NLLLoss` takes images too."""


class PoissonNLLLoss(_Loss):
    """exp(x) − y · x, or x − y · log(x + eps) without `log_input`; with `full`, plus Stirling's estimate of log y!."""

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: Any = None,
        eps: float = 1e-8,
        reduce: Any = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, log_input: ondol.Tensor, target: ondol.Tensor) -> ondol.Tensor:
        return F.poisson_nll_loss(
            log_input, target, log_input=self.log_input, full=self.full, eps=self.eps, reduction=self.reduction
        )


class GaussianNLLLoss(_Loss):
    """(log(v) + (x − y)² / v) / 2, v = max(var, eps) (Nix & Weigend 1994)."""

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(None, None, reduction)
        self.full, self.eps = full, eps

    def forward(self, input: ondol.Tensor, target: ondol.Tensor, var: ondol.Tensor | float) -> ondol.Tensor:
        return F.gaussian_nll_loss(input, target, var, full=self.full, eps=self.eps, reduction=self.reduction)


class KLDivLoss(_Loss):
    """y · (log y − x) of log probabilities x; `reduction="batchmean"` gives the divergence itself."""

    def __init__(
        self, size_average: Any = None, reduce: Any = None, reduction: str = "mean", log_target: bool = False
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: ondol.Tensor, target: ondol.Tensor) -> ondol.Tensor:
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class BCELoss(_WeightedLoss):
    """−w · (y · log x + (1 − y) · log(1 − x)) of probabilities x.

    >>> ondol.nn.BCELoss()(ondol.tensor([0.5]), ondol.tensor([1.0]))
    tensor(0.6931)
    """

    def forward(self, input: ondol.Tensor, target: ondol.Tensor) -> ondol.Tensor:
        return F.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """`BCELoss` of sigmoid(x), without the loss of digits of the two steps.

    >>> ondol.nn.BCEWithLogitsLoss()(ondol.tensor([0.0]), ondol.tensor([1.0]))
    tensor(0.6931)
    """

    def __init__(
        self,
        weight: ondol.Tensor | None = None,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
        pos_weight: ondol.Tensor | None = None,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: ondol.Tensor, target: ondol.Tensor) -> ondol.Tensor:
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )


class HingeEmbeddingLoss(_Loss):
    """x where y = 1, max(0, margin − x) where y = −1."""

    def __init__(
        self, margin: float = 1.0, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input: ondol.Tensor, target: ondol.Tensor) -> ondol.Tensor:
        return F.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class MultiLabelMarginLoss(_Loss):
    """Σ over classes j in y and i not in y of max(0, 1 − (x[j] − x[i])) / C."""

    def forward(self, input: ondol.Tensor, target: ondol.Tensor) -> ondol.Tensor:
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """(x − y)² / (2 · beta) where |x − y| < beta, else |x − y| − beta / 2 (Girshick 2015)."""

    def __init__(
        self, size_average: Any = None, reduce: Any = None, reduction: str = "mean", beta: float = 1.0
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: ondol.Tensor, target: ondol.Tensor) -> ondol.Tensor:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """(x − y)² / 2 where |x − y| ≤ delta, else delta · (|x − y| − delta / 2) (Huber 1964)."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: ondol.Tensor, target: ondol.Tensor) -> ondol.Tensor:
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class SoftMarginLoss(_Loss):
    """log(1 + exp(−y · x))."""

    def forward(self, input: ondol.Tensor, target: ondol.Tensor) -> ondol.Tensor:
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class CrossEntropyLoss(_WeightedLoss):
    """`NLLLoss` of log_softmax(x); the target may also be class probabilities of the input's shape.

    Args:
        weight: a factor for each class.
        ignore_index: a class index that adds nothing.
        label_smoothing: the part of the target that is spread evenly over all classes (Szegedy et al. 2016).

    >>> ondol.nn.CrossEntropyLoss()(ondol.zeros(1, 2), ondol.tensor([0]))
    tensor(0.6931)
    """

    ignore_index: int
    label_smoothing: float

    def __init__(
        self,
        weight: ondol.Tensor | None = None,
        size_average: Any = None,
        ignore_index: int = -100,
        reduce: Any = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: ondol.Tensor, target: ondol.Tensor) -> ondol.Tensor:
        return F.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class LinearCrossEntropyLoss(_WeightedLoss):
    """A linear layer and the cross entropy of its outputs: (N, in_features) with targets (N) or (N, *out_features).

    >>> loss = ondol.nn.LinearCrossEntropyLoss(4, 3)
    >>> loss(ondol.zeros(2, 4), ondol.tensor([0, 2])).detach()
    tensor(1.0986)
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        reduction: str = "mean",
        weight: ondol.Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: LinearCrossEntropyOptions | None = None,
    ) -> None:
        if weight is not None and tuple(weight.shape) != (num_classes,):
            raise RuntimeError(f"expected weight shape to be {(num_classes,)}, got {tuple(weight.shape)}")
        if not 0 <= label_smoothing <= 1:
            raise RuntimeError(f"expected label_smoothing to be in range [0, 1], got {label_smoothing}")
        super().__init__(weight, reduction=reduction)
        self.num_classes, self.out_features = num_classes, out_features
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing
        self.linear = Linear(in_features, math.prod(out_features, start=num_classes), bias, device, dtype)
        self.options = options

    def forward(self, input: ondol.Tensor, target: ondol.Tensor) -> ondol.Tensor:
        classes = (self.num_classes, *self.out_features)
        bias = self.linear.bias
        return F.linear_cross_entropy(
            input,
            self.linear.weight.reshape(*classes, self.linear.in_features),
            target,
            linear_bias=None if bias is None else bias.reshape(classes),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )

    def extra_repr(self) -> str:
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, out_features={self.out_features}, "
            f"bias={self.linear.bias is not None}, reduction={self.reduction}, ignore_index={self.ignore_index}, "
            f"label_smoothing={self.label_smoothing}, options={self.options}"
        )


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """The mean over the classes of −w · (y · log σ(x) + (1 − y) · log σ(−x))."""

    def forward(self, input: ondol.Tensor, target: ondol.Tensor) -> ondol.Tensor:
        return F.multilabel_soft_margin_loss(input, target, weight=self.weight, reduction=self.reduction)


class CosineEmbeddingLoss(_Loss):
    """1 − cos(x₁, x₂) where y = 1, max(0, cos(x₁, x₂) − margin) where y = −1."""

    def __init__(
        self, margin: float = 0.0, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: ondol.Tensor, input2: ondol.Tensor, target: ondol.Tensor) -> ondol.Tensor:
        return F.cosine_embedding_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class MarginRankingLoss(_Loss):
    """max(0, −y · (x₁ − x₂) + margin)."""

    def __init__(
        self, margin: float = 0.0, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: ondol.Tensor, input2: ondol.Tensor, target: ondol.Tensor) -> ondol.Tensor:
        return F.margin_ranking_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class MultiMarginLoss(_WeightedLoss):
    """Σ over the wrong classes i of max(0, margin − x[y] + x[i])ᵖ · w[y] / C."""

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: ondol.Tensor | None = None,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ValueError("only p == 1 and p == 2 supported")
        if weight is not None and weight.dim() != 1:
            raise ValueError(f"MultiMarginLoss: expected weight to be None or 1D tensor, got {weight.dim()}D instead")
        self.p, self.margin = p, margin

    def forward(self, input: ondol.Tensor, target: ondol.Tensor) -> ondol.Tensor:
        return F.multi_margin_loss(
            input, target, p=self.p, margin=self.margin, weight=self.weight, reduction=self.reduction
        )


class TripletMarginLoss(_Loss):
    """max(0, d(a, p) − d(a, n) + margin), d the p-norm of the difference (Balntas et al. 2016)."""

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        if margin <= 0:
            raise ValueError(f"TripletMarginLoss: expected margin to be greater than 0, got {margin} instead")
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor: ondol.Tensor, positive: ondol.Tensor, negative: ondol.Tensor) -> ondol.Tensor:
        return F.triplet_margin_loss(
            anchor, positive, negative, self.margin, self.p, self.eps, self.swap, reduction=self.reduction
        )


class TripletMarginWithDistanceLoss(_Loss):
    """`TripletMarginLoss` with a distance of one's own; `nn.PairwiseDistance` if `None`."""

    def __init__(
        self,
        *,
        distance_function: Callable[[ondol.Tensor, ondol.Tensor], ondol.Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        from .distance import PairwiseDistance

        super().__init__(reduction=reduction)
        if margin <= 0:
            raise ValueError(
                f"TripletMarginWithDistanceLoss: expected margin to be greater than 0, got {margin} instead"
            )
        self.distance_function = PairwiseDistance() if distance_function is None else distance_function
        self.margin, self.swap = margin, swap

    def forward(self, anchor: ondol.Tensor, positive: ondol.Tensor, negative: ondol.Tensor) -> ondol.Tensor:
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


class CTCLoss(_Loss):
    """−log of the probability of a label sequence, summed over all alignments (Graves et al. 2006)."""

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.blank, self.zero_infinity = blank, zero_infinity

    def forward(
        self, log_probs: ondol.Tensor, targets: ondol.Tensor, input_lengths: Any, target_lengths: Any
    ) -> ondol.Tensor:
        return F.ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity
        )
