"""The Weibull distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ondol
from ondol import Tensor
from ondol.distributions import constraints
from ondol.distributions.distribution import Distribution
from ondol.distributions.exponential import Exponential
from ondol.distributions.gumbel import _EULER
from ondol.distributions.transformed_distribution import TransformedDistribution
from ondol.distributions.transforms import AffineTransform, PowerTransform
from ondol.distributions.utils import broadcast_all

__all__ = ["Weibull"]


class Weibull(TransformedDistribution):
    """scale · x ** (1 / concentration) for standard exponential x.

    >>> ondol.distributions.Weibull(1.0, 1.0).mean
    tensor(1.)
    """

    arg_constraints = {"scale": constraints.positive, "concentration": constraints.positive}
    support = constraints.positive

    def __init__(self, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.scale, self.concentration = broadcast_all(scale, concentration)
        self.concentration_reciprocal = self.concentration.reciprocal()
        steps = [PowerTransform(self.concentration_reciprocal), AffineTransform(0, self.scale)]
        base = Exponential(ondol.ones_like(self.scale), validate_args=validate_args)
        super().__init__(base, steps, validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Distribution:
        new = self._get_checked_instance(Weibull, _instance)
        scale, concentration = self.scale.expand(batch_shape), self.concentration.expand(batch_shape)
        Weibull.__init__(new, scale, concentration, self._validate_args)
        return new

    @property
    def mean(self) -> Tensor:
        return self.scale * ondol.lgamma(1 + self.concentration_reciprocal).exp()

    @property
    def mode(self) -> Tensor:
        rising = ((self.concentration - 1) / self.concentration).clamp(min=0)
        return self.scale * rising**self.concentration_reciprocal

    @property
    def variance(self) -> Tensor:
        second = ondol.lgamma(1 + 2 * self.concentration_reciprocal).exp()
        return self.scale**2 * (second - (2 * ondol.lgamma(1 + self.concentration_reciprocal)).exp())

    def entropy(self) -> Tensor:
        return _EULER * (1 - self.concentration_reciprocal) + (self.scale * self.concentration_reciprocal).log() + 1
