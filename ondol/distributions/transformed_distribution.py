"""Values of one distribution, mapped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import ondol
from ondol import Tensor
from ondol.distributions import constraints
from ondol.distributions.distribution import Distribution
from ondol.distributions.independent import Independent
from ondol.distributions.transforms import ComposeTransform, Transform, _sum_rightmost

__all__ = ["TransformedDistribution"]


class TransformedDistribution(Distribution):
    """The distribution of f(x) for x from `base_distribution` and f one transform or a list of them, the first first.

    log p(y) = log p(x) - log |det dy/dx|.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}

    def __init__(self, base_distribution: Distribution, transforms: Any, validate_args: bool | None = None) -> None:
        listed = [transforms] if isinstance(transforms, Transform) else transforms
        if not isinstance(listed, list) or not all(isinstance(one, Transform) for one in listed):
            raise ValueError(f"transforms must be a Transform or a list of Transforms, but was {transforms}")
        self.transforms = list(listed)
        whole = ComposeTransform(self.transforms)
        base_shape = base_distribution.batch_shape + base_distribution.event_shape
        if len(base_shape) < whole.domain.event_dim:
            raise ValueError(
                f"base_distribution needs to have shape with size at least {whole.domain.event_dim}, "
                f"but got {base_shape}."
            )
        forward = whole.forward_shape(base_shape)
        inner_shape = tuple(whole.inverse_shape(forward))
        base = base_distribution.expand(inner_shape[: len(inner_shape) - len(base_distribution.event_shape)])
        missing = whole.domain.event_dim - len(base.event_shape)
        self.base_dist = Independent(base, missing) if missing > 0 else base
        dims = whole.codomain.event_dim + max(len(base.event_shape) - whole.domain.event_dim, 0)
        cut = len(forward) - dims
        super().__init__(forward[:cut], forward[cut:], validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Distribution:
        new = self._get_checked_instance(TransformedDistribution, _instance)
        whole = ComposeTransform(self.transforms)
        base_shape = tuple(whole.inverse_shape((*batch_shape, *self._event_shape)))
        new.base_dist = self.base_dist.expand(base_shape[: len(base_shape) - len(self.base_dist.event_shape)])
        new.transforms = self.transforms
        Distribution.__init__(new, batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def has_rsample(self) -> bool:
        return self.base_dist.has_rsample

    @constraints.dependent_property(is_discrete=False)
    def support(self) -> constraints.Constraint:
        if not self.transforms:
            return self.base_dist.support
        support, dims = self.transforms[-1].codomain, len(self._event_shape)
        return constraints.independent(support, dims - support.event_dim) if dims > support.event_dim else support

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with ondol.no_grad():
            return ComposeTransform(self.transforms)(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return ComposeTransform(self.transforms)(self.base_dist.rsample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        dims, log_prob = len(self._event_shape), 0.0
        for transform in reversed(self.transforms):
            before = transform._inv_call(value)
            dims += transform.domain.event_dim - transform.codomain.event_dim
            stretch = transform.log_abs_det_jacobian(before, value)
            log_prob = log_prob - _sum_rightmost(stretch, dims - transform.domain.event_dim)
            value = before
        return log_prob + _sum_rightmost(self.base_dist.log_prob(value), dims - len(self.base_dist.event_shape))

    def _monotone_sign(self) -> Any:
        return math.prod(transform.sign for transform in self.transforms)

    def cdf(self, value: Tensor) -> Tensor:
        for transform in reversed(self.transforms):
            value = transform._inv_call(value)
        if self._validate_args:
            self.base_dist._validate_sample(value)
        # A decreasing map turns "at most" into "at least".
        sign = self._monotone_sign()
        return sign * (self.base_dist.cdf(value) - 0.5) + 0.5

    def icdf(self, value: Tensor) -> Tensor:
        sign = self._monotone_sign()
        return ComposeTransform(self.transforms)(self.base_dist.icdf(sign * (value - 0.5) + 0.5))
