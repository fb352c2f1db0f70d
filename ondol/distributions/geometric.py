"""How often an event fails to happen before it first does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ondol
from ondol import Tensor
from ondol.distributions import constraints
from ondol.distributions.bernoulli import BinaryEvent
from ondol.distributions.utils import broadcast_all

__all__ = ["Geometric"]


class Geometric(BinaryEvent):
    """The number of failures before the first success of trials that succeed with probability `probs`.

    >>> ondol.distributions.Geometric(0.25).mean
    tensor(3.)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.nonnegative_integer

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        super().__init__(self._take(probs, logits).shape, validate_args=validate_args)
        if self._validate_args and probs is not None and not (self.probs > 0).all():
            raise ValueError(
                f"Expected parameter probs ({type(self.probs).__name__} of shape {tuple(self.probs.shape)}) of "
                f"distribution {self!r} to be positive but found invalid values:\n{self.probs}"
            )

    @property
    def mean(self) -> Tensor:
        return 1 / self.probs - 1

    @property
    def mode(self) -> Tensor:
        return ondol.zeros_like(self.probs)

    @property
    def variance(self) -> Tensor:
        return (1 / self.probs - 1) / self.probs

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        dtype = self.probs.dtype
        with ondol.no_grad():
            u = ondol.empty(self._extended_shape(sample_shape), dtype=dtype).uniform_(ondol.finfo(dtype).tiny, 1)
            return (u.log() / ondol.log1p(-self.probs)).floor()

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        value, probs = broadcast_all(value, self.probs)
        certain = (probs == 1) & (value == 0)  # 0 * log 0
        return value * ondol.log1p(-probs.masked_fill(certain, 0)) + self.probs.log()

    def entropy(self) -> Tensor:
        bits = ondol.nn.functional.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")
        return bits / self.probs
