"""The Laplace distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import ondol
from ondol import Tensor
from ondol.distributions import constraints
from ondol.distributions.distribution import Distribution
from ondol.distributions.utils import broadcast_all

__all__ = ["Laplace"]


class Laplace(Distribution):
    """The distribution with density exp(-|x - loc| / scale) / (2 scale).

    >>> ondol.distributions.Laplace(0.0, 1.0).variance
    tensor(2.)
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return 2 * self.scale**2

    @property
    def stddev(self) -> Tensor:
        return math.sqrt(2) * self.scale

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        lowest = ondol.finfo(self.loc.dtype).eps - 1  # so that the logarithm stays finite
        u = ondol.empty(self._extended_shape(sample_shape), dtype=self.loc.dtype).uniform_(lowest, 1)
        return self.loc - self.scale * u.sign() * ondol.log1p(-u.abs())

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return -(2 * self.scale).log() - (value - self.loc).abs() / self.scale

    def cdf(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        distance = value - self.loc
        return 0.5 - 0.5 * distance.sign() * ondol.expm1(-distance.abs() / self.scale)

    def icdf(self, value: Tensor) -> Tensor:
        centred = value - 0.5
        return self.loc - self.scale * centred.sign() * ondol.log1p(-2 * centred.abs())

    def entropy(self) -> Tensor:
        return 1 + (2 * self.scale).log()
