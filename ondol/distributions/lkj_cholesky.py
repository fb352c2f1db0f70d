"""The LKJ distribution of correlation matrices, by their Cholesky factors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import ondol
from ondol import Size, Tensor
from ondol.distributions import constraints
from ondol.distributions.beta import Beta
from ondol.distributions.distribution import Distribution
from ondol.distributions.utils import broadcast_all

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """Lower Cholesky factors of correlation matrices of `dim` rows whose density is ∝ det ^ (concentration - 1).

    With a concentration of 1 all correlation matrices are equally likely (Lewandowski, Kurowicka & Joe 2009).

    >>> ondol.distributions.LKJCholesky(3, 0.5).sample().shape
    torch.Size([3, 3])
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None) -> None:
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        # The squared length of what row i has left of its diagonal is of the beta distribution with i / 2 and
        # η + (dim - 1 - i) / 2 ("onion method", section 3.2). PyTorch 2.13 takes i - 1/2 for i / 2, which from three
        # rows on is another distribution than that of log_prob: there the samples differ. Of row 0 nothing is left.
        rows = ondol.arange(dim, dtype=self.concentration.dtype).clamp(min=1)
        rest = self.concentration.unsqueeze(-1) + 0.5 * (dim - 1 - rows)
        self._beta = Beta(0.5 * rows, rest, validate_args=False)
        super().__init__(self.concentration.shape, Size((dim, dim)), validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Distribution:
        new = self._get_checked_instance(LKJCholesky, _instance)
        new.dim, new.concentration = self.dim, self.concentration.expand(batch_shape)
        new._beta = self._beta.expand((*batch_shape, self.dim))
        Distribution.__init__(new, batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @ondol.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        squared = self._beta.sample(sample_shape).unsqueeze(-1)
        normal = ondol.randn(self._extended_shape(sample_shape), dtype=self.concentration.dtype).tril(-1)
        direction = normal / normal.norm(dim=-1, keepdim=True)
        direction[..., 0, :] = 0  # the first row has nothing left of its diagonal
        rows = squared.sqrt() * direction
        rest = (1 - (rows**2).sum(-1)).clamp(min=ondol.finfo(rows.dtype).tiny)
        return rows + rest.sqrt().diag_embed()

    def log_prob(self, value: Tensor) -> Tensor:
        """Of the factor, not of the matrix: their densities differ by the Jacobian of the map between them."""
        if self._validate_args:
            self._validate_sample(value)
        dim = self.dim
        diagonal = value.diagonal(0, -2, -1)[..., 1:]
        powers = ondol.arange(2, dim + 1, dtype=self.concentration.dtype)
        powers = 2 * (self.concentration - 1).unsqueeze(-1) + dim - powers
        unnormalized = (powers * diagonal.log()).sum(-1)
        # The normalizing constant on page 1999 of the paper, by its relation to the multivariate gamma function.
        alpha = self.concentration + 0.5 * (dim - 1)
        gammas = ondol.mvlgamma(alpha - 0.5, dim - 1) - (dim - 1) * ondol.lgamma(alpha)
        return unnormalized - gammas - 0.5 * (dim - 1) * math.log(math.pi)
