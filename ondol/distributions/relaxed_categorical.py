"""One-hot vectors made continuous (Maddison, Mnih & Teh 2017; Jang, Gu & Poole 2017)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import ondol
from ondol import Tensor
from ondol.distributions import constraints
from ondol.distributions.categorical import Categorical
from ondol.distributions.distribution import Distribution
from ondol.distributions.transformed_distribution import TransformedDistribution
from ondol.distributions.transforms import ExpTransform
from ondol.distributions.utils import broadcast_all, clamp_probs

__all__ = ["ExpRelaxedCategorical", "RelaxedOneHotCategorical"]


class ExpRelaxedCategorical(Distribution):
    """The logarithms of `RelaxedOneHotCategorical`: log-softmax of (logits + Gumbel noise) over the temperature.

    >>> probs = ondol.tensor([0.2, 0.8])
    >>> ondol.distributions.relaxed_categorical.ExpRelaxedCategorical(ondol.tensor(0.5), probs).event_shape
    torch.Size([2])
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    # The logarithms of a point of the simplex are any vector whose exponentials make 1, which is not checked.
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self._categorical = Categorical(probs, logits)
        self.temperature = temperature
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Distribution:
        new = self._get_checked_instance(ExpRelaxedCategorical, _instance)
        new.temperature, new._categorical = self.temperature, self._categorical.expand(batch_shape)
        Distribution.__init__(new, batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter."""
        return self._categorical.param_shape

    @property
    def logits(self) -> Tensor:
        """The logarithms of the probabilities."""
        return self._categorical.logits

    @property
    def probs(self) -> Tensor:
        """The probability that a category is the largest one."""
        return self._categorical.probs

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        uniform = clamp_probs(ondol.rand(shape, dtype=self.logits.dtype))
        gumbel = -(-uniform.log()).log()
        return ondol.log_softmax((self.logits + gumbel) / self.temperature, -1)

    def log_prob(self, value: Tensor) -> Tensor:
        count = self._event_shape[0]
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        temperature = ondol.as_tensor(self.temperature, dtype=logits.dtype)
        constant = math.lgamma(count) + (count - 1) * temperature.log()
        return ondol.log_softmax(logits - value * temperature, -1).sum(-1) + constant


class RelaxedOneHotCategorical(TransformedDistribution):
    """Vectors of the simplex that come close to one-hot ones, with the chances of `probs`, as the temperature falls.

    >>> relaxed = ondol.distributions.RelaxedOneHotCategorical(ondol.tensor(0.5), ondol.tensor([0.2, 0.3, 0.5]))
    >>> relaxed.rsample().shape
    torch.Size([3])
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.simplex
    has_rsample = True

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        base = ExpRelaxedCategorical(temperature, probs, logits, validate_args=validate_args)
        super().__init__(base, ExpTransform(), validate_args=validate_args)

    @property
    def temperature(self) -> Tensor:
        """How far values may keep from the corners."""
        return self.base_dist.temperature

    @property
    def logits(self) -> Tensor:
        """The logarithms of the probabilities."""
        return self.base_dist.logits

    @property
    def probs(self) -> Tensor:
        """The probability that a category is the largest one."""
        return self.base_dist.probs
