"""Special functions: Bessel functions, error functions and the normal distribution, zeta and gamma functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import ondol
from ondol import Tensor
from ondol._ops import special_numpy as kernel
from ondol._ops.checks import floating, require_tensors
from ondol._ops.host import to_numpy
from ondol._ops.registry import operation
from ondol._ops.special_pointwise import binary, two_tensors, unary

# Derivatives of Bessel functions: DLMF 10.6.3 and 10.29.3. Where x = 0 makes f(x)/x undefined, its limit stands.


def _over(y: Tensor, x: Tensor, limit: float) -> Tensor:
    """y / x with its limit at zero."""
    zero = x == 0
    return ondol.where(zero, ondol.full_like(x, limit), y / ondol.where(zero, ondol.ones_like(x), x))


@operation(method=True, inplace=True)
def i0(input: Tensor, *, out: Any = None) -> Tensor:
    """The modified Bessel function of the first kind of order 0.

    >>> ondol.i0(ondol.zeros(1))
    tensor([1.])
    """
    return unary(input, kernel.i0, lambda x, y: i1(x), "i0")


@operation(namespace="special")
def i0e(input: Tensor, *, out: Any = None) -> Tensor:
    """exp(-|x|) I₀(x)."""
    return unary(input, kernel.scaled_i0, lambda x, y: i1e(x) - ondol.sign(x) * y, "i0e")


@operation(namespace="special")
def i1(input: Tensor, *, out: Any = None) -> Tensor:
    """The modified Bessel function of the first kind of order 1."""
    return unary(input, kernel.i1, lambda x, y: i0(x) - _over(y, x, 0.5), "i1")


@operation(namespace="special")
def i1e(input: Tensor, *, out: Any = None) -> Tensor:
    """exp(-|x|) I₁(x)."""
    return unary(input, kernel.scaled_i1, lambda x, y: i0e(x) - ondol.sign(x) * y - _over(y, x, 0.5), "i1e")


@operation(namespace="special")
def modified_bessel_i0(input: Tensor, *, out: Any = None) -> Tensor:
    """I₀, the modified Bessel function of the first kind of order 0."""
    return i0(input)


@operation(namespace="special")
def modified_bessel_i1(input: Tensor, *, out: Any = None) -> Tensor:
    """I₁, the modified Bessel function of the first kind of order 1."""
    return i1(input)


@operation(namespace="special")
def modified_bessel_k0(input: Tensor, *, out: Any = None) -> Tensor:
    """K₀, the modified Bessel function of the second kind of order 0; NaN for negative arguments."""
    return unary(input, kernel.k0, lambda x, y: -modified_bessel_k1(x), "modified_bessel_k0")


@operation(namespace="special")
def modified_bessel_k1(input: Tensor, *, out: Any = None) -> Tensor:
    """K₁, the modified Bessel function of the second kind of order 1; NaN for negative arguments."""
    return unary(input, kernel.k1, lambda x, y: -modified_bessel_k0(x) - y / x, "modified_bessel_k1")


@operation(namespace="special")
def scaled_modified_bessel_k0(input: Tensor, *, out: Any = None) -> Tensor:
    """exp(x) K₀(x)."""
    return unary(input, kernel.scaled_k0, lambda x, y: y - scaled_modified_bessel_k1(x), "scaled_modified_bessel_k0")


@operation(namespace="special")
def scaled_modified_bessel_k1(input: Tensor, *, out: Any = None) -> Tensor:
    """exp(x) K₁(x)."""

    def slope(x: Tensor, y: Tensor) -> Tensor:
        return y - y / x - scaled_modified_bessel_k0(x)

    return unary(input, kernel.scaled_k1, slope, "scaled_modified_bessel_k1")


@operation(namespace="special")
def bessel_j0(input: Tensor, *, out: Any = None) -> Tensor:
    """The Bessel function of the first kind of order 0."""
    return unary(input, kernel.j0, lambda x, y: -bessel_j1(x), "bessel_j0")


@operation(namespace="special")
def bessel_j1(input: Tensor, *, out: Any = None) -> Tensor:
    """The Bessel function of the first kind of order 1."""
    return unary(input, kernel.j1, lambda x, y: bessel_j0(x) - _over(y, x, 0.5), "bessel_j1")


@operation(namespace="special")
def bessel_y0(input: Tensor, *, out: Any = None) -> Tensor:
    """The Bessel function of the second kind of order 0; NaN for negative arguments."""
    return unary(input, kernel.y0, lambda x, y: -bessel_y1(x), "bessel_y0")


@operation(namespace="special")
def bessel_y1(input: Tensor, *, out: Any = None) -> Tensor:
    """The Bessel function of the second kind of order 1; NaN for negative arguments."""
    return unary(input, kernel.y1, lambda x, y: bessel_y0(x) - y / x, "bessel_y1")


@operation(namespace="special")
def spherical_bessel_j0(input: Tensor, *, out: Any = None) -> Tensor:
    """sin(x) / x, 1 at zero."""
    slope = lambda x, y: _over(ondol.cos(x) - y, x, 0.0)  # noqa: E731
    return unary(input, kernel.spherical_j0, slope, "spherical_bessel_j0")


@operation(namespace="special")
def airy_ai(input: Tensor, *, out: Any = None) -> Tensor:
    """The Airy function Ai. Without a derivative."""
    return unary(input, kernel.airy_ai, None, "airy_ai")


@operation(namespace="special")
def erfcx(input: Tensor, *, out: Any = None) -> Tensor:
    """exp(x²) erfc(x), which does not underflow for large x.

    >>> ondol.special.erfcx(ondol.zeros(1))
    tensor([1.])
    """
    return unary(input, kernel.erfcx, lambda x, y: 2 * x * y - 2 / math.sqrt(math.pi), "erfcx")


@operation(namespace="special")
def ndtr(input: Tensor, *, out: Any = None) -> Tensor:
    """The distribution function of the standard normal distribution.

    >>> ondol.special.ndtr(ondol.zeros(1))
    tensor([0.5000])
    """
    return 0.5 * ondol.erfc(floating(input) * -math.sqrt(0.5))


@operation(namespace="special")
def log_ndtr(input: Tensor, *, out: Any = None) -> Tensor:
    """log of `ndtr`, accurate far into the left tail."""
    slope = lambda x, y: math.sqrt(2 / math.pi) / erfcx(x * -math.sqrt(0.5))  # noqa: E731
    return unary(input, kernel.log_ndtr, slope, "log_ndtr")


@operation(namespace="special")
def ndtri(input: Tensor, *, out: Any = None) -> Tensor:
    """The quantile function of the standard normal distribution: the inverse of `ndtr`."""
    slope = lambda p, x: math.sqrt(2 * math.pi) * ondol.exp(0.5 * x * x)  # noqa: E731
    return unary(input, kernel.ndtri, slope, "ndtri")


@operation(namespace="special")
def entr(input: Tensor, *, out: Any = None) -> Tensor:
    """-x log(x): 0 at zero, -inf for negative x."""
    x = floating(input)
    positive = x > 0
    inside = -x * ondol.log(ondol.where(positive | ondol.isnan(x), x, ondol.ones_like(x)))
    return ondol.where(x < 0, ondol.full_like(x, -math.inf), inside)


@operation(namespace="special")
def zeta(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """Hurwitz' zeta function Σ (k + q)^-x over k >= 0; differentiable in q.

    >>> ondol.special.zeta(ondol.tensor([2.0]), 1)
    tensor([1.6449])
    """
    return binary(input, other, kernel.zeta, (None, lambda x, q, y: -x * zeta(x + 1, q)), "zeta")


def _log_gamma(a: np.ndarray) -> np.ndarray:
    return to_numpy(ondol.lgamma(ondol.from_numpy(np.array(a, np.float64))))


def _lower(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    return kernel.gamma_fractions(a, x, _log_gamma(a))[0]


def _upper(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    return kernel.gamma_fractions(a, x, _log_gamma(a))[1]


def _gamma_density(a: Tensor, x: Tensor, _: Tensor) -> Tensor:
    return ondol.exp((a - 1) * ondol.log(x) - x - ondol.lgamma(a))


@operation(method=True, inplace=True)
def igamma(input: Tensor, other: Tensor, *, out: Any = None) -> Tensor:
    """The regularised lower incomplete gamma function P(a, x); differentiable in x.

    >>> ondol.igamma(ondol.tensor([1.0]), ondol.tensor([0.0]))
    tensor([0.])
    """
    require_tensors("igamma", input=input, other=other)
    return binary(input, other, _lower, (None, _gamma_density), "igamma")


@operation(method=True, inplace=True)
def igammac(input: Tensor, other: Tensor, *, out: Any = None) -> Tensor:
    """The regularised upper incomplete gamma function Q(a, x) = 1 - P(a, x); differentiable in x."""
    require_tensors("igammac", input=input, other=other)
    return binary(input, other, _upper, (None, lambda a, x, y: -_gamma_density(a, x, y)), "igammac")


@operation(method=True, inplace=True)
def mvlgamma(input: Tensor, p: int, *, out: Any = None) -> Tensor:
    """The logarithm of the gamma function of p dimensions: p (p - 1)/4 log π + Σ lgamma(x - j/2) for j < p."""
    if p < 1:
        raise RuntimeError(f"p has to be greater than or equal to 1, got {p}")
    x = floating(input)
    shifts = ondol.arange(p, dtype=x.dtype, device=x.device) * -0.5
    return ondol.lgamma(x.unsqueeze(-1) + shifts).sum(-1) + p * (p - 1) / 4 * math.log(math.pi)


@operation(namespace="special")
def xlog1py(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """x log(1 + y), 0 where x is 0, NaN where y is NaN."""
    x, y = two_tensors(input, other, "xlog1py")
    idle = (x == 0) & ((y <= -1) | (y == math.inf))
    return x * ondol.log1p(ondol.where(idle, ondol.zeros_like(y), y))
