"""The Wishart distribution of covariance matrices."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import ondol
from ondol import Tensor
from ondol.distributions import constraints
from ondol.distributions.chi2 import Chi2
from ondol.distributions.distribution import Distribution
from ondol.distributions.exp_family import ExponentialFamily
from ondol.distributions.multivariate_normal import covariance_tril
from ondol.distributions.utils import lazy_property

__all__ = ["Wishart"]


class Wishart(ExponentialFamily):
    """Sums of x xᵀ over `df` normal vectors x of p numbers with mean 0 and one of `covariance_matrix`,
    `precision_matrix`, `scale_tril`, its lower Cholesky factor; `df` need not be whole, but must exceed p - 1.

    >>> ondol.distributions.Wishart(3.0, covariance_matrix=ondol.eye(2)).mean
    tensor([[3., 0.],
            [0., 3.]])
    """

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0.0

    def __init__(
        self, df: Any, covariance_matrix: Tensor | None = None, precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None, validate_args: bool | None = None,
    ) -> None:  # fmt: skip
        matrices = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        given = [(name, matrix) for name, matrix in matrices.items() if matrix is not None]
        if len(given) != 1:
            raise ValueError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
        ((name, matrix),) = given
        if matrix.dim() < 2:
            raise ValueError(f"{name} must be at least two-dimensional, with optional leading batch dimensions")
        df = ondol.as_tensor(df, dtype=matrix.dtype)
        batch, event = ondol.broadcast_shapes(matrix.shape[:-2], df.shape), matrix.shape[-2:]
        self.df = df.expand(batch)
        self._given, self.__dict__[name] = name, matrix.expand((*batch, *event))
        self._event_shape = event  # arg_constraints below needs it
        if (self.df <= event[-1] - 1).any():
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {event[-1] - 1}.")
        # Checked before it is factored, which would say less about what is wrong with it.
        super().__init__(batch, event, validate_args)
        self._unbroadcasted_scale_tril = covariance_tril(name, matrix)
        rows = ondol.arange(event[-1], dtype=self.df.dtype)
        self._chi2 = Chi2(self.df.unsqueeze(-1) - rows, validate_args=False)
        if (self.df < event[-1]).any():
            warnings.warn(
                "Low df values detected. Singular samples are highly likely to occur for ndim - 1 < df < ndim.",
                stacklevel=2,
            )

    @property
    def arg_constraints(self) -> dict[str, constraints.Constraint]:
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self._event_shape[-1] - 1),
        }

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Distribution:
        new = self._get_checked_instance(Wishart, _instance)
        new.df, new._chi2 = self.df.expand(batch_shape), self._chi2.expand((*batch_shape, self._event_shape[-1]))
        new._given = self._given
        new.__dict__[self._given] = self.__dict__[self._given].expand((*batch_shape, *self._event_shape))
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril
        Distribution.__init__(new, batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @lazy_property
    def scale_tril(self) -> Tensor:
        return self._unbroadcasted_scale_tril.expand((*self._batch_shape, *self._event_shape))

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        factor = self._unbroadcasted_scale_tril
        return (factor @ factor.mT).expand((*self._batch_shape, *self._event_shape))

    @lazy_property
    def precision_matrix(self) -> Tensor:
        inverse = ondol.cholesky_inverse(self._unbroadcasted_scale_tril)
        return inverse.expand((*self._batch_shape, *self._event_shape))

    def _for_matrices(self, numbers: Tensor) -> Tensor:
        return numbers[..., None, None]

    @property
    def mean(self) -> Tensor:
        return self._for_matrices(self.df) * self.covariance_matrix

    @property
    def mode(self) -> Tensor:
        factor = self.df - self._event_shape[-1] - 1
        return self._for_matrices(factor.masked_fill(factor <= 0, math.nan)) * self.covariance_matrix

    @property
    def variance(self) -> Tensor:
        diagonal = self.covariance_matrix.diagonal(0, -2, -1)
        products = diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2)
        return self._for_matrices(self.df) * (self.covariance_matrix**2 + products)

    def _bartlett(self, sample_shape: Sequence[int]) -> Tensor:
        """L A Aᵀ Lᵀ, with roots of chi-squared values on the diagonal of the lower triangle A and standard normal ones
        below (Bartlett 1933)."""
        size = self._event_shape[-1]
        factor = self._chi2.rsample(sample_shape).clamp(min=ondol.finfo(self.df.dtype).tiny).sqrt().diag_embed()
        row, column = ondol.tril_indices(size, size, -1)
        shape = (*sample_shape, *self._batch_shape, size * (size - 1) // 2)
        factor[..., row, column] = ondol.randn(shape, dtype=self.df.dtype)
        root = self._unbroadcasted_scale_tril @ factor
        return root @ root.mT

    def rsample(self, sample_shape: Sequence[int] = (), max_try_correction: int | None = None) -> Tensor:
        """Samples that rounding made singular are drawn anew, up to `max_try_correction` times (3, or 10 for small
        matrices)."""
        if max_try_correction is None:
            max_try_correction = 3 if self._event_shape[-1] > 10 else 10
        sample = self._bartlett(sample_shape)
        for _ in range(max_try_correction):
            singular = ~self.support.check(sample)
            if not singular.any():
                break
            warnings.warn("Singular sample detected.", stacklevel=2)
            sample = ondol.where(self._for_matrices(singular), self._bartlett(sample_shape), sample)
        return sample

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        size = self._event_shape[-1]
        log_det = ondol.linalg.slogdet(value).logabsdet
        trace = ondol.cholesky_solve(value, self._unbroadcasted_scale_tril).diagonal(0, -2, -1).sum(-1)
        return (0.5 * (self.df - size - 1) * log_det - 0.5 * trace
                - self.df * self._half_log_det_of_double() - ondol.mvlgamma(0.5 * self.df, size))  # fmt: skip

    def _half_log_det_of_double(self) -> Tensor:
        """Half of the logarithm of the determinant of twice the covariance."""
        log_det = self._unbroadcasted_scale_tril.diagonal(0, -2, -1).log().sum(-1)
        return 0.5 * self._event_shape[-1] * math.log(2) + log_det

    def entropy(self) -> Tensor:
        size, half = self._event_shape[-1], 0.5 * self.df
        steps = 0.5 * ondol.arange(size, dtype=half.dtype)
        digammas = ondol.digamma(half.unsqueeze(-1) - steps).sum(-1)
        return ((size + 1) * self._half_log_det_of_double() + ondol.mvlgamma(half, size)
                - 0.5 * (self.df - size - 1) * digammas + half * size)  # fmt: skip

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return -0.5 * self.precision_matrix, 0.5 * (self.df - self._event_shape[-1] - 1)

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        x, y = natural_params
        size = self._event_shape[-1]
        half = y + 0.5 * (size + 1)
        return ondol.mvlgamma(half, size) - half * ondol.linalg.slogdet(-x).logabsdet
