"""Normal values mapped to probabilities."""

from __future__ import annotations

from typing import Any

from ondol import Tensor
from ondol.distributions import constraints
from ondol.distributions.normal import Normal
from ondol.distributions.transformed_distribution import TransformedDistribution
from ondol.distributions.transforms import StickBreakingTransform

__all__ = ["LogisticNormal"]


class LogisticNormal(TransformedDistribution):
    """Vectors of K probabilities: the stick-breaking map of K - 1 independent normal values.

    >>> normal = ondol.distributions.LogisticNormal(ondol.zeros(2), ondol.ones(2))
    >>> normal.sample().shape
    torch.Size([3])
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        base = Normal(loc, scale, validate_args=validate_args)
        if not base.batch_shape:
            base = base.expand((1,))
        super().__init__(base, StickBreakingTransform(), validate_args=validate_args)

    @property
    def loc(self) -> Tensor:
        """The means of the normal values."""
        return self.base_dist.base_dist.loc

    @property
    def scale(self) -> Tensor:
        """The standard deviations of the normal values."""
        return self.base_dist.base_dist.scale
