"""The generalized Pareto distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import ondol
from ondol import Tensor
from ondol.distributions import constraints
from ondol.distributions.distribution import Distribution
from ondol.distributions.utils import broadcast_all

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution):
    """Values above `loc` with P(x > t) = (1 + c (t - loc) / scale) ^ (-1 / c), c the `concentration` of any sign.

    For c = 0 it is exponential. For c < 0 the values end at loc - scale / c.

    >>> ondol.distributions.GeneralizedPareto(0.0, 1.0, 0.5).mean
    tensor(2.)
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive, "concentration": constraints.real}
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> constraints.Constraint:
        end = self.loc - self.scale / self._safe_concentration()
        return constraints.interval(self.loc, ondol.where(self.concentration < 0, end, math.inf))

    def _is_exponential(self) -> Tensor:
        return ondol.isclose(self.concentration, ondol.zeros_like(self.concentration))

    def _safe_concentration(self) -> Tensor:
        """With a 1 in place of a concentration of about 0, by which nothing can be divided."""
        return self.concentration.masked_fill(self._is_exponential(), 1)

    @property
    def mean(self) -> Tensor:
        heavy = self.concentration >= 1
        return (self.loc + self.scale / (1 - self.concentration.masked_fill(heavy, 0.5))).masked_fill(heavy, math.nan)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        heavy = self.concentration >= 0.5
        c = self.concentration.masked_fill(heavy, 0.25)
        return (self.scale**2 / ((1 - c) ** 2 * (1 - 2 * c))).masked_fill(heavy, math.nan)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.icdf(ondol.rand(self._extended_shape(sample_shape), dtype=self.loc.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        distance, c = (value - self.loc) / self.scale, self._safe_concentration()
        fall = ondol.where(self._is_exponential(), distance, (1 + 1 / c) * ondol.log1p(c * distance))
        return -self.scale.log() - fall

    def log_survival_function(self, value: Tensor) -> Tensor:
        """log P(x > value)."""
        distance, c = (value - self.loc) / self.scale, self._safe_concentration()
        return -ondol.where(self._is_exponential(), distance, ondol.log1p(c * distance) / c)

    def log_cdf(self, value: Tensor) -> Tensor:
        """The logarithm of `cdf`."""
        return ondol.log1p(-self.log_survival_function(value).exp())

    def cdf(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return -ondol.expm1(self.log_survival_function(value))

    def icdf(self, value: Tensor) -> Tensor:
        waited, c = -ondol.log1p(-value), self._safe_concentration()
        return self.loc + self.scale * ondol.where(self._is_exponential(), waited, ondol.expm1(c * waited) / c)

    def entropy(self) -> Tensor:
        return self.scale.log() + self.concentration + 1
