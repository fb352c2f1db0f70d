"""Mixtures of distributions of one family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ondol
from ondol import Tensor
from ondol.distributions import constraints
from ondol.distributions.categorical import Categorical
from ondol.distributions.distribution import Distribution

__all__ = ["MixtureSameFamily"]


class MixtureSameFamily(Distribution):
    """Values of one of the components, which the last batch dimension of `component_distribution` numbers, chosen by
    `mixture_distribution`.

    >>> from ondol.distributions import Categorical, MixtureSameFamily, Normal
    >>> weights, places = ondol.tensor([0.25, 0.75]), ondol.tensor([0.0, 4.0])
    >>> MixtureSameFamily(Categorical(weights), Normal(places, 1.0)).mean
    tensor(3.)
    """

    arg_constraints: dict[str, constraints.Constraint] = {}
    has_rsample = False

    def __init__(
        self, mixture_distribution: Categorical, component_distribution: Distribution, validate_args: bool | None = None
    ) -> None:
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(
                " The Mixture distribution needs to be an instance of torch.distributions.Categorical, got "
                f"{type(mixture_distribution).__name__}"
            )
        if not isinstance(component_distribution, Distribution):
            raise ValueError(
                "The Component distribution need to be an instance of torch.distributions.Distribution, got "
                f"{type(component_distribution).__name__}"
            )
        ours, theirs = mixture_distribution.batch_shape, component_distribution.batch_shape[:-1]
        for one, other in zip(reversed(ours), reversed(theirs)):
            if one != 1 and other != 1 and one != other:
                raise ValueError(
                    f"`mixture_distribution.batch_shape` ({ours}) is not compatible with "
                    f"`component_distribution.batch_shape`({theirs})"
                )
        count = mixture_distribution.logits.shape[-1]
        if component_distribution.batch_shape[-1:] != (count,):
            raise ValueError(
                f"`mixture_distribution component` ({count}) does not equal the last dimension of "
                f"`component_distribution.batch_shape` {component_distribution.batch_shape}"
            )
        self._mixture_distribution, self._component_distribution = mixture_distribution, component_distribution
        super().__init__(theirs, component_distribution.event_shape, validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Distribution:
        new = self._get_checked_instance(MixtureSameFamily, _instance)
        count = self._component_distribution.batch_shape[-1]
        new._mixture_distribution = self._mixture_distribution.expand(batch_shape)
        new._component_distribution = self._component_distribution.expand((*batch_shape, count))
        Distribution.__init__(new, batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @constraints.dependent_property
    def support(self) -> constraints.Constraint:
        return constraints.MixtureSameFamilyConstraint(self._component_distribution.support)

    @property
    def mixture_distribution(self) -> Categorical:
        """The weights of the components."""
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Distribution:
        """The components."""
        return self._component_distribution

    def _weights(self) -> Tensor:
        """The probabilities of the components, with dimensions of size 1 for the event."""
        probs = self._mixture_distribution.probs
        return probs.reshape((*probs.shape, *[1] * len(self._event_shape)))

    def _axis(self) -> int:
        """The dimension of the components in what components yield."""
        return -1 - len(self._event_shape)

    @property
    def mean(self) -> Tensor:
        return (self._weights() * self._component_distribution.mean).sum(self._axis())

    @property
    def variance(self) -> Tensor:
        # The mean of the variances plus the variance of the means.
        weights, parts, axis = self._weights(), self._component_distribution, self._axis()
        distance = parts.mean - self.mean.unsqueeze(axis)
        return (weights * parts.variance).sum(axis) + (weights * distance**2).sum(axis)

    def cdf(self, value: Tensor) -> Tensor:
        below = self._component_distribution.cdf(value.unsqueeze(self._axis()))
        return (below * self._mixture_distribution.probs).sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        parts = self._component_distribution.log_prob(value.unsqueeze(self._axis()))
        return (parts + ondol.log_softmax(self._mixture_distribution.logits, -1)).logsumexp(-1)

    @ondol.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        chosen = self._mixture_distribution.sample(sample_shape)
        values = self._component_distribution.sample(sample_shape)
        events, axis = len(self._event_shape), self._axis()
        index = chosen.reshape((*chosen.shape, *[1] * (events + 1)))
        index = index.expand((*values.shape[: values.dim() + axis], 1, *self._event_shape))
        return values.gather(axis, index).squeeze(axis)

    def __repr__(self) -> str:
        return f"MixtureSameFamily(\n  {self._mixture_distribution},\n  {self._component_distribution})"
