"""Distances and similarities as layers."""

from __future__ import annotations

import ondol

from .. import functional as F
from .module import Module

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class PairwiseDistance(Module):
    """‖x₁ − x₂ + eps‖ₚ along the last dimension.

    >>> ondol.nn.PairwiseDistance(p=1)(ondol.ones(1, 2), ondol.zeros(1, 2))
    tensor([2.0000])
    """

    norm: float
    eps: float
    keepdim: bool

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: ondol.Tensor, x2: ondol.Tensor) -> ondol.Tensor:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class CosineSimilarity(Module):
    """x₁ · x₂ / (max(‖x₁‖, eps) · max(‖x₂‖, eps)) along `dim`.

    >>> ondol.nn.CosineSimilarity()(ondol.ones(1, 2), ondol.ones(1, 2))
    tensor([1.0000])
    """

    dim: int
    eps: float

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: ondol.Tensor, x2: ondol.Tensor) -> ondol.Tensor:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)
