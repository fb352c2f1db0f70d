"""The normal distribution of vectors whose covariance is a diagonal plus a matrix of low rank."""

from __future__ import annotations

import math
from collections.abc import Sequence

import ondol
from ondol import Tensor
from ondol.distributions import constraints
from ondol.distributions.distribution import Distribution

__all__ = ["LowRankMultivariateNormal"]


class LowRankMultivariateNormal(Distribution):
    """Normal vectors with mean `loc` (..., n) and covariance W Wᵀ + diag(d), W `cov_factor` (..., n, m), d `cov_diag`.

    Costs n m² instead of n³: of C = I + Wᵀ D⁻¹ W, with m rows, follow inverse (Woodbury 1950) and determinant.

    >>> loc, factor, diagonal = ondol.zeros(2), ondol.tensor([[1.0], [0.0]]), ondol.ones(2)
    >>> ondol.distributions.LowRankMultivariateNormal(loc, factor, diagonal).variance
    tensor([2., 1.])
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc: Tensor, cov_factor: Tensor, cov_diag: Tensor, validate_args: bool | None = None) -> None:
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        if cov_factor.dim() < 2:
            raise ValueError("cov_factor must be at least two-dimensional, with optional leading batch dimensions")
        size = loc.shape[-1]
        if cov_factor.shape[-2] != size:
            raise ValueError(
                f"cov_factor must be a batch of matrices with shape {size} x m, got shape {tuple(cov_factor.shape)}"
            )
        if cov_diag.shape[-1:] != (size,):
            raise ValueError(
                f"cov_diag must be a batch of vectors with shape {loc.shape[-1:]}, got shape {tuple(cov_diag.shape)}"
            )
        try:
            batch = ondol.broadcast_shapes(loc.shape[:-1], cov_factor.shape[:-2], cov_diag.shape[:-1])
        except RuntimeError as error:
            raise ValueError(
                f"Incompatible batch shapes: loc {tuple(loc.shape)}, cov_factor {tuple(cov_factor.shape)}, "
                f"cov_diag {tuple(cov_diag.shape)}"
            ) from error
        self.loc, self.cov_diag = loc.expand((*batch, size)), cov_diag.expand((*batch, size))
        self.cov_factor = cov_factor.expand((*batch, *cov_factor.shape[-2:]))
        self._capacitance_tril = _capacitance_tril(cov_factor, cov_diag)
        super().__init__(batch, (size,), validate_args)

    def _copy_settings(self, other: Distribution) -> None:
        self._capacitance_tril = other._capacitance_tril

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return (self.cov_factor**2).sum(-1) + self.cov_diag

    @property
    def scale_tril(self) -> Tensor:
        """The lower Cholesky factor of the covariance."""
        root = self.cov_diag.sqrt().unsqueeze(-1)
        scaled = self.cov_factor / root
        identity = ondol.eye(self._event_shape[0], dtype=self.loc.dtype)
        return root * ondol.linalg.cholesky(scaled @ scaled.mT + identity)

    @property
    def covariance_matrix(self) -> Tensor:
        """W Wᵀ + diag(d)."""
        return self.cov_factor @ self.cov_factor.mT + self.cov_diag.diag_embed()

    @property
    def precision_matrix(self) -> Tensor:
        """D⁻¹ - D⁻¹ W C⁻¹ Wᵀ D⁻¹."""
        whitened = self._whitened(self.cov_diag.reciprocal().diag_embed())
        return self.cov_diag.reciprocal().diag_embed() - whitened.mT @ whitened

    def _whitened(self, scaled: Tensor) -> Tensor:
        """L⁻¹ Wᵀ x for the Cholesky factor L of C."""
        return ondol.linalg.solve_triangular(self._capacitance_tril, self.cov_factor.mT @ scaled, upper=False)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        common = ondol.empty((*shape[:-1], self.cov_factor.shape[-1]), dtype=self.loc.dtype).normal_()
        own = ondol.empty(shape, dtype=self.loc.dtype).normal_()
        return self.loc + (self.cov_factor @ common.unsqueeze(-1)).squeeze(-1) + self.cov_diag.sqrt() * own

    def _half_log_det(self) -> Tensor:
        """Half of the logarithm of the covariance's determinant, det C · det D."""
        return self._capacitance_tril.diagonal(0, -2, -1).log().sum(-1) + 0.5 * self.cov_diag.log().sum(-1)

    def _squared_distance(self, difference: Tensor) -> Tensor:
        """xᵀ Σ⁻¹ x."""
        scaled = difference / self.cov_diag
        return (difference * scaled).sum(-1) - (self._whitened(scaled.unsqueeze(-1)) ** 2).sum((-2, -1))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        constant = self._event_shape[0] * math.log(2 * math.pi)
        return -0.5 * (constant + self._squared_distance(value - self.loc)) - self._half_log_det()

    def entropy(self) -> Tensor:
        constant = 0.5 * self._event_shape[0] * (1 + math.log(2 * math.pi))
        return (constant + self._half_log_det()).expand(self._batch_shape)


def _capacitance_tril(factor: Tensor, diagonal: Tensor) -> Tensor:
    """The Cholesky factor of C = I + Wᵀ D⁻¹ W."""
    inner = factor.mT @ (factor / diagonal.unsqueeze(-1))
    return ondol.linalg.cholesky(inner + ondol.eye(factor.shape[-1], dtype=factor.dtype))
