"""Bernoulli values made continuous (Maddison, Mnih & Teh 2017; Jang, Gu & Poole 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ondol
from ondol import Tensor
from ondol.distributions import constraints
from ondol.distributions.bernoulli import BinaryEvent
from ondol.distributions.distribution import Distribution
from ondol.distributions.transformed_distribution import TransformedDistribution
from ondol.distributions.transforms import SigmoidTransform
from ondol.distributions.utils import broadcast_all, clamp_probs
from ondol.nn.functional import softplus

__all__ = ["LogitRelaxedBernoulli", "RelaxedBernoulli"]


class LogitRelaxedBernoulli(BinaryEvent):
    """The log-odds of `RelaxedBernoulli`: a logistic value around `logits`, over the temperature.

    >>> ondol.distributions.relaxed_bernoulli.LogitRelaxedBernoulli(1.0, 0.5).log_prob(ondol.zeros(()))
    tensor(-1.3863)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.real
    has_rsample = True

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self.temperature = temperature
        super().__init__(self._take(probs, logits).shape, validate_args=validate_args)

    def _copy_settings(self, other: Distribution) -> None:
        self.temperature = other.temperature

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        probs = clamp_probs(self.probs.expand(self._extended_shape(sample_shape)))
        uniform = clamp_probs(ondol.rand(probs.shape, dtype=probs.dtype))
        return (uniform.log() - ondol.log1p(-uniform) + probs.log() - ondol.log1p(-probs)) / self.temperature

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        distance = logits - value * self.temperature
        return ondol.as_tensor(self.temperature, dtype=logits.dtype).log() + distance - 2 * softplus(distance)


class RelaxedBernoulli(TransformedDistribution):
    """Values in (0, 1) that come close to 0 and 1, with the chances of `probs`, as the temperature falls.

    >>> relaxed = ondol.distributions.RelaxedBernoulli(ondol.tensor(0.5), probs=ondol.tensor([0.1, 0.9]))
    >>> relaxed.rsample().shape
    torch.Size([2])
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        base = LogitRelaxedBernoulli(temperature, probs, logits, validate_args)
        super().__init__(base, SigmoidTransform(), validate_args=validate_args)

    @property
    def temperature(self) -> Tensor:
        """How far values may keep from 0 and 1."""
        return self.base_dist.temperature

    @property
    def logits(self) -> Tensor:
        """The log-odds of a value near 1."""
        return self.base_dist.logits

    @property
    def probs(self) -> Tensor:
        """The probability of a value above 1/2."""
        return self.base_dist.probs
