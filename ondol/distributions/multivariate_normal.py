"""The normal distribution of vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import ondol
from ondol import Tensor
from ondol.distributions import constraints
from ondol.distributions.distribution import Distribution
from ondol.distributions.utils import lazy_property

__all__ = ["MultivariateNormal"]


def covariance_tril(name: str, matrix: Tensor) -> Tensor:
    """The lower Cholesky factor of a covariance given as `covariance_matrix`, `precision_matrix` or `scale_tril`."""
    if name == "scale_tril":
        return matrix
    if name == "covariance_matrix":
        return ondol.linalg.cholesky(matrix)
    # P = L Lᵀ reversed in both dimensions factors into an upper triangle, whose inverse is the factor of P⁻¹.
    reversed_factor = ondol.linalg.cholesky(matrix.flip((-2, -1))).flip((-2, -1)).mT
    identity = ondol.eye(matrix.shape[-1], dtype=matrix.dtype)
    return ondol.linalg.solve_triangular(reversed_factor, identity, upper=False)


class MultivariateNormal(Distribution):
    """Normal vectors with mean `loc` and one of `covariance_matrix`, `precision_matrix`, `scale_tril`.

    `scale_tril` is the lower Cholesky factor of the covariance, which all computations use.

    >>> ondol.distributions.MultivariateNormal(ondol.zeros(2), ondol.eye(2)).log_prob(ondol.zeros(2))
    tensor(-1.8379)
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self, loc: Tensor, covariance_matrix: Tensor | None = None, precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None, validate_args: bool | None = None,
    ) -> None:  # fmt: skip
        matrices = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        given = [(name, matrix) for name, matrix in matrices.items() if matrix is not None]
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        if len(given) != 1:
            raise ValueError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
        ((name, matrix),) = given
        if matrix.dim() < 2:
            raise ValueError(f"{name} must be at least two-dimensional, with optional leading batch dimensions")
        batch = ondol.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        self.loc = loc.expand((*batch, loc.shape[-1]))
        self._given, self.__dict__[name] = name, matrix.expand((*batch, *matrix.shape[-2:]))
        # Checked before it is factored, which would say less about what is wrong with it.
        super().__init__(batch, loc.shape[-1:], validate_args)
        self._unbroadcasted_scale_tril = covariance_tril(name, matrix)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Distribution:
        new = self._get_checked_instance(MultivariateNormal, _instance)
        matrix = self.__dict__[self._given]
        new.loc = self.loc.expand((*batch_shape, *self._event_shape))
        new._given = self._given
        new.__dict__[self._given] = matrix.expand((*batch_shape, *matrix.shape[-2:]))
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril
        Distribution.__init__(new, batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @lazy_property
    def scale_tril(self) -> Tensor:
        return self._unbroadcasted_scale_tril.expand((*self._batch_shape, *self._event_shape, *self._event_shape))

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        factor = self._unbroadcasted_scale_tril
        return (factor @ factor.mT).expand((*self._batch_shape, *self._event_shape, *self._event_shape))

    @lazy_property
    def precision_matrix(self) -> Tensor:
        return ondol.cholesky_inverse(self._unbroadcasted_scale_tril).expand(self.scale_tril.shape)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return (self._unbroadcasted_scale_tril**2).sum(-1).expand((*self._batch_shape, *self._event_shape))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        noise = ondol.empty(self._extended_shape(sample_shape), dtype=self.loc.dtype).normal_()
        return self.loc + (self._unbroadcasted_scale_tril @ noise.unsqueeze(-1)).squeeze(-1)

    def _half_log_det(self) -> Tensor:
        return self._unbroadcasted_scale_tril.diagonal(0, -2, -1).log().sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        distance = (value - self.loc).unsqueeze(-1)
        factor = self.scale_tril.expand((*distance.shape[:-2], *self._event_shape, *self._event_shape))
        whitened = ondol.linalg.solve_triangular(factor, distance, upper=False).squeeze(-1)
        constant = self._event_shape[0] * math.log(2 * math.pi)
        return -0.5 * (constant + (whitened**2).sum(-1)) - self._half_log_det()

    def entropy(self) -> Tensor:
        constant = 0.5 * self._event_shape[0] * (1 + math.log(2 * math.pi))
        return (constant + self._half_log_det()).expand(self._batch_shape)
