"""The Gumbel distribution, of the largest of many values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import ondol
from ondol import Tensor
from ondol.distributions import constraints
from ondol.distributions.distribution import Distribution
from ondol.distributions.transformed_distribution import TransformedDistribution
from ondol.distributions.transforms import AffineTransform, ExpTransform
from ondol.distributions.uniform import Uniform
from ondol.distributions.utils import broadcast_all

__all__ = ["Gumbel"]

_EULER = 0.57721566490153286  # the mean of the standard one


class Gumbel(TransformedDistribution):
    """loc - scale · log(-log u) for u uniform in (0, 1).

    >>> ondol.distributions.Gumbel(0.0, 1.0).mean
    tensor(0.5772)
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        limits = ondol.finfo(self.loc.dtype)
        low, high = ondol.full_like(self.loc, limits.tiny), ondol.full_like(self.loc, 1 - limits.eps)
        steps = [
            ExpTransform().inv,
            AffineTransform(0, -ondol.ones_like(self.scale)),
            ExpTransform().inv,
            AffineTransform(self.loc, -self.scale),
        ]
        super().__init__(Uniform(low, high, validate_args=False), steps, validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Distribution:
        new = self._get_checked_instance(Gumbel, _instance)
        Gumbel.__init__(new, self.loc.expand(batch_shape), self.scale.expand(batch_shape), self._validate_args)
        return new

    @property
    def mean(self) -> Tensor:
        return self.loc + self.scale * _EULER

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def stddev(self) -> Tensor:
        return math.pi / math.sqrt(6) * self.scale

    @property
    def variance(self) -> Tensor:
        return self.stddev**2

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        z = (self.loc - value) / self.scale
        return z - z.exp() - self.scale.log()

    def entropy(self) -> Tensor:
        return self.scale.log() + 1 + _EULER
