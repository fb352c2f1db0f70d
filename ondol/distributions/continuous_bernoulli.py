"""The continuous Bernoulli distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import ondol
from ondol import Tensor
from ondol.distributions import constraints
from ondol.distributions.bernoulli import BinaryEvent
from ondol.distributions.distribution import Distribution
from ondol.distributions.exp_family import ExponentialFamily
from ondol.distributions.utils import broadcast_all, clamp_probs
from ondol.nn.functional import binary_cross_entropy_with_logits

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(BinaryEvent, ExponentialFamily):
    """Values in [0, 1] with density ∝ p^x (1 - p)^(1 - x), p being `probs`, or `logits` its log-odds.

    The normalizing constant and the moments are 0 / 0 at p = 1/2: between the `lims` their Taylor series around it are
    taken (Loaiza-Ganem & Cunningham 2019).

    >>> ondol.distributions.ContinuousBernoulli(0.5).variance
    tensor(0.0833)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True
    _mean_carrier_measure = 0.0

    def __init__(
        self, probs: Any = None, logits: Any = None, lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:  # fmt: skip
        given = self._take(probs, logits)
        self._lims = lims
        super().__init__(given.shape, validate_args=validate_args)
        if probs is not None:
            self.probs = clamp_probs(given)

    def _copy_settings(self, other: Distribution) -> None:
        self._lims = other._lims

    def _near_half(self) -> Tensor:
        return (self.probs > self._lims[0]) & (self.probs <= self._lims[1])

    def _cut_probs(self) -> Tensor:
        """The probabilities, with those near 1/2 moved away."""
        return ondol.where(self._near_half(), self._lims[0], self.probs)

    def _cut_logits(self) -> Tensor:
        cut = self._cut_probs()
        return cut.log() - ondol.log1p(-cut)

    def _log_constant(self) -> Tensor:
        """log of 2 artanh(1 - 2p) / (1 - 2p)."""
        cut, square = self._cut_probs(), (self.probs - 0.5) ** 2
        exact = self._cut_logits().abs().log() - (1 - 2 * cut).abs().log()
        return ondol.where(self._near_half(), math.log(2) + (4 / 3 + 104 / 45 * square) * square, exact)

    @property
    def mean(self) -> Tensor:
        cut, x = self._cut_probs(), self.probs - 0.5
        exact = cut / (2 * cut - 1) - self._cut_logits().reciprocal()
        return ondol.where(self._near_half(), 0.5 + (1 / 3 + 16 / 45 * x**2) * x, exact)

    @property
    def stddev(self) -> Tensor:
        return self.variance.sqrt()

    @property
    def variance(self) -> Tensor:
        cut, square = self._cut_probs(), (self.probs - 0.5) ** 2
        exact = cut * (cut - 1) / (1 - 2 * cut) ** 2 + self._cut_logits() ** -2
        return ondol.where(self._near_half(), 1 / 12 - (1 / 15 - 128 / 945 * square) * square, exact)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with ondol.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.icdf(ondol.rand(self._extended_shape(sample_shape), dtype=self.probs.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return self._log_constant() - binary_cross_entropy_with_logits(logits, value, reduction="none")

    def cdf(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        cut = self._cut_probs()
        exact = (cut**value * (1 - cut) ** (1 - value) + cut - 1) / (2 * cut - 1)
        return ondol.where(self._near_half(), value, exact).clamp(0, 1)

    def icdf(self, value: Tensor) -> Tensor:
        cut = self._cut_probs()
        exact = (ondol.log1p(-cut + value * (2 * cut - 1)) - ondol.log1p(-cut)) / self._cut_logits()
        return ondol.where(self._near_half(), value, exact)

    def entropy(self) -> Tensor:
        fails, happens = ondol.log1p(-self.probs), self.probs.log()
        return self.mean * (fails - happens) - self._log_constant() - fails

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.logits,)

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        (x,) = natural_params
        small = x.abs() < 4 * (self._lims[1] - 0.5)  # the log-odds of p are about 4 (p - 1/2)
        safe = x.masked_fill(small, 1)
        exact = (ondol.expm1(safe) / safe).log()
        return ondol.where(small, 0.5 * x + x**2 / 24 - x**4 / 2880, exact)
