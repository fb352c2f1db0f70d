"""The von Mises distribution of angles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import ondol
from ondol import Tensor
from ondol.distributions import constraints
from ondol.distributions.distribution import Distribution
from ondol.distributions.utils import broadcast_all, lazy_property

__all__ = ["VonMises"]


class VonMises(Distribution):
    """Angles with density ∝ exp(concentration · cos(x - loc)), in radians.

    >>> ondol.distributions.VonMises(0.0, 1.0).log_prob(ondol.zeros(()))
    tensor(-1.0738)
    """

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    has_rsample = False

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The direction of the mean, on the circle."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @lazy_property
    def variance(self) -> Tensor:
        """1 - E cos(x - loc), on the circle."""
        i0, i1 = ondol.special.i0e(self.concentration), ondol.special.i1e(self.concentration)
        return 1 - i1 / i0

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        # cos - 1 and the Bessel function without its exponential: neither grows with the concentration.
        turned = self.concentration * (ondol.cos(value - self.loc) - 1)
        return turned - math.log(2 * math.pi) - ondol.special.i0e(self.concentration).log()

    def _proposal(self) -> Tensor:
        """The parameter r of the wrapped Cauchy distribution from which values are proposed."""
        k = self.concentration.double()
        tau = 1 + (1 + 4 * k**2).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * k)
        # For small k the difference has no digits left; the expansion of r in k does.
        return ondol.where(k < 1e-5, k.reciprocal() + k, (1 + rho**2) / (2 * rho))

    @ondol.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """By rejection from a wrapped Cauchy distribution (Best & Fisher 1979), in double precision."""
        shape = self._extended_shape(sample_shape)
        loc, k, r = self.loc.double(), self.concentration.double(), self._proposal()
        angle, accepted = ondol.empty(shape, dtype=ondol.float64), ondol.zeros(shape, dtype=ondol.bool)
        while not accepted.all():
            place, chance, side = ondol.rand((3, *shape), dtype=ondol.float64).unbind()
            z = (math.pi * place).cos()
            f = (1 + r * z) / (r + z)
            c = k * (r - f)
            fits = (c * (2 - c) - chance > 0) | ((c / chance).log() + 1 - c >= 0)
            angle = ondol.where(fits, (side - 0.5).sign() * f.acos(), angle)
            accepted = accepted | fits
        return ((angle + math.pi + loc) % (2 * math.pi) - math.pi).to(self.loc.dtype)
