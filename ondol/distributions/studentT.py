"""Student's t-distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import ondol
from ondol import Tensor
from ondol.distributions import constraints
from ondol.distributions.chi2 import Chi2
from ondol.distributions.distribution import Distribution
from ondol.distributions.utils import broadcast_all

__all__ = ["StudentT"]


class StudentT(Distribution):
    """loc + scale · z / √(w / df) for standard normal z and w of the chi-squared distribution with `df` degrees.

    >>> ondol.distributions.StudentT(4.0).variance
    tensor(2.)
    """

    arg_constraints = {"df": constraints.positive, "loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None) -> None:
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        super().__init__(self.df.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.loc.masked_fill(self.df <= 1, math.nan)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        heavy = self.df <= 2  # infinite, and undefined where the mean is
        finite = self.scale**2 * self.df / ondol.where(heavy, 1.0, self.df - 2)
        return finite.masked_fill(heavy, math.inf).masked_fill(self.df <= 1, math.nan)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        normal = ondol.empty(self._extended_shape(sample_shape), dtype=self.df.dtype).normal_()
        squares = Chi2(self.df, validate_args=False).rsample(sample_shape)
        return self.loc + self.scale * (normal * ondol.rsqrt(squares / self.df))

    def _log_beta(self) -> Tensor:
        """log B(df / 2, 1 / 2)."""
        return ondol.lgamma(0.5 * self.df) + 0.5 * math.log(math.pi) - ondol.lgamma(0.5 * (self.df + 1))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        distance = (value - self.loc) / self.scale
        constant = self.scale.log() + 0.5 * self.df.log() + self._log_beta()
        return -0.5 * (self.df + 1) * ondol.log1p(distance**2 / self.df) - constant

    def entropy(self) -> Tensor:
        half, next_half = 0.5 * self.df, 0.5 * (self.df + 1)
        spread = next_half * (ondol.digamma(next_half) - ondol.digamma(half))
        return self.scale.log() + spread + 0.5 * self.df.log() + self._log_beta()
