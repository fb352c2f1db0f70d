"""Dropout layers: active in training, the identity in evaluation."""

from __future__ import annotations

import ondol

from .. import functional as F
from .module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _DropoutNd(Module):
    p: float
    inplace: bool

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p, self.inplace = p, inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """Set elements to zero with probability p, and divide the others by 1 − p (Hinton et al. 2012).

    >>> ondol.nn.Dropout(0.2).eval()(ondol.ones(2))
    tensor([1., 1.])
    """

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_DropoutNd):
    """Dropout of whole channels of (N, C, L) or (C, L) (Tompson et al. 2015)."""

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_DropoutNd):
    """Dropout of whole channels of (N, C, H, W) (Tompson et al. 2015)."""

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_DropoutNd):
    """Dropout of whole channels of (N, C, D, H, W) or (C, D, H, W) (Tompson et al. 2015)."""

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_DropoutNd):
    """Dropout that keeps mean and variance behind a SELU (Klambauer et al. 2017)."""

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_DropoutNd):
    """Alpha dropout of whole channels."""

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.feature_alpha_dropout(input, self.p, self.training)
