"""The inverse gamma distribution."""

from __future__ import annotations

import math
from typing import Any

import ondol
from ondol import Tensor
from ondol.distributions import constraints
from ondol.distributions.gamma import Gamma
from ondol.distributions.transformed_distribution import TransformedDistribution
from ondol.distributions.transforms import PowerTransform

__all__ = ["InverseGamma"]


class InverseGamma(TransformedDistribution):
    """1 / x for x of the gamma distribution with these parameters.

    >>> ondol.distributions.InverseGamma(3.0, 4.0).mean
    tensor(2.)
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        base = Gamma(concentration, rate, validate_args=validate_args)
        super().__init__(base, PowerTransform(-base.rate.new_ones(())), validate_args=validate_args)

    @property
    def concentration(self) -> Tensor:
        """That of 1 / x."""
        return self.base_dist.concentration

    @property
    def rate(self) -> Tensor:
        """That of 1 / x, a scale of x."""
        return self.base_dist.rate

    @property
    def mean(self) -> Tensor:
        finite = self.rate / (self.concentration - 1)
        return ondol.where(self.concentration > 1, finite, math.inf)

    @property
    def mode(self) -> Tensor:
        return self.rate / (self.concentration + 1)

    @property
    def variance(self) -> Tensor:
        finite = (self.rate / (self.concentration - 1)) ** 2 / (self.concentration - 2)
        return ondol.where(self.concentration > 2, finite, math.inf)

    def entropy(self) -> Tensor:
        a = self.concentration
        return a + self.rate.log() + ondol.lgamma(a) - (1 + a) * ondol.digamma(a)
