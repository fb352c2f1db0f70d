"""Counts of how often each category is drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import ondol
from ondol import Tensor
from ondol.distributions import constraints
from ondol.distributions.binomial import Binomial
from ondol.distributions.categorical import Categorical
from ondol.distributions.distribution import Distribution
from ondol.distributions.utils import broadcast_all

__all__ = ["Multinomial"]


class Multinomial(Distribution):
    """How often each category comes in `total_count` independent draws from `Categorical(probs, logits)`.

    >>> ondol.distributions.Multinomial(4, ondol.ones(2)).mean
    tensor([2., 2.])
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}

    def __init__(
        self, total_count: int = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._categorical = Categorical(probs=probs, logits=logits)
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Distribution:
        new = self._get_checked_instance(Multinomial, _instance)
        new._categorical, new.total_count = self._categorical.expand(batch_shape), self.total_count
        Distribution.__init__(new, batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> constraints.Constraint:
        return constraints.multinomial(self.total_count)

    @property
    def probs(self) -> Tensor:
        return self._categorical.probs

    @property
    def logits(self) -> Tensor:
        return self._categorical.logits

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter."""
        return self._categorical.param_shape

    @property
    def mean(self) -> Tensor:
        return self.probs * self.total_count

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        drawn = self._categorical.sample((self.total_count, *sample_shape)).movedim(0, -1)
        counts = drawn.new_zeros(self._extended_shape(sample_shape)).scatter_add(-1, drawn, ondol.ones_like(drawn))
        return counts.to(self.probs.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        impossible = (value == 0) & (logits == -math.inf)  # 0 * -inf
        weighted = (logits.masked_fill(impossible, 0) * value).sum(-1)
        return ondol.lgamma(value.sum(-1) + 1) - ondol.lgamma(value + 1).sum(-1) + weighted

    def entropy(self) -> Tensor:
        n = ondol.tensor(self.total_count, dtype=self.probs.dtype)
        counts = Binomial(self.total_count, probs=self.probs).enumerate_support(expand=False)[1:]
        weights = Binomial(self.total_count, probs=self.probs).log_prob(counts).exp()
        ways = (weights * ondol.lgamma(counts + 1)).sum((0, -1))
        return n * self._categorical.entropy() - ondol.lgamma(n + 1) + ways
