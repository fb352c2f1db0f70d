"""Orthogonal polynomials by their three-term recurrences (DLMF 18.9.1 and table 18.9.1), differentiable in x."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import ondol
from ondol import Tensor
from ondol._ops.registry import operation
from ondol._ops.special_pointwise import two_tensors

Step = Callable[[Tensor, int, Tensor, Tensor], Tensor]
"""(x, k, p[k], p[k - 1]) → p[k + 1]"""

_HIGHEST_DEGREE = 1_000_000  # the recurrence takes a step for each: more would seem to hang


def _polynomial(input: Any, n: Any, first: Callable[[Tensor], Tensor], step: Step, name: str) -> Tensor:
    """p[n](x), element by element: 1 for n = 0, `first(x)` for n = 1, 0 for negative n."""
    x, degree = two_tensors(input, n, name)
    degree = degree.detach().trunc()
    highest = int(np.nan_to_num(float(degree.max()))) if degree.numel() else -1
    if highest > _HIGHEST_DEGREE:
        raise NotImplementedError(f"{name}(): a polynomial of degree {highest}; at most {_HIGHEST_DEGREE} is supported")
    result = ondol.zeros_like(x) * x
    previous, current = ondol.ones_like(x), first(x)
    for k in range(highest + 1):
        result = ondol.where(degree == k, previous, result)
        previous, current = current, step(x, k + 1, current, previous)
    return result


def _doubling(x: Tensor, k: int, one: Tensor, before: Tensor) -> Tensor:
    """Chebyshev's recurrence, the same for all four kinds."""
    return 2 * x * one - before


@operation(namespace="special")
def chebyshev_polynomial_t(input: Any, n: Any, *, out: Any = None) -> Tensor:
    """The Chebyshev polynomial of the first kind, Tₙ(cos θ) = cos nθ.

    >>> ondol.special.chebyshev_polynomial_t(ondol.tensor([0.5]), 2)
    tensor([-0.5000])
    """
    return _polynomial(input, n, lambda x: x, _doubling, "chebyshev_polynomial_t")


@operation(namespace="special")
def chebyshev_polynomial_u(input: Any, n: Any, *, out: Any = None) -> Tensor:
    """The Chebyshev polynomial of the second kind, Uₙ(cos θ) = sin (n + 1)θ / sin θ."""
    return _polynomial(input, n, lambda x: 2 * x, _doubling, "chebyshev_polynomial_u")


@operation(namespace="special")
def chebyshev_polynomial_v(input: Any, n: Any, *, out: Any = None) -> Tensor:
    """The Chebyshev polynomial of the third kind, Vₙ(cos θ) = cos (n + 1/2)θ / cos θ/2."""
    return _polynomial(input, n, lambda x: 2 * x - 1, _doubling, "chebyshev_polynomial_v")


@operation(namespace="special")
def chebyshev_polynomial_w(input: Any, n: Any, *, out: Any = None) -> Tensor:
    """The Chebyshev polynomial of the fourth kind, Wₙ(cos θ) = sin (n + 1/2)θ / sin θ/2."""
    return _polynomial(input, n, lambda x: 2 * x + 1, _doubling, "chebyshev_polynomial_w")


def _shifted(polynomial: Callable[..., Tensor], input: Any, n: Any, name: str) -> Tensor:
    x, degree = two_tensors(input, n, name)
    return polynomial(2 * x - 1, degree)


@operation(namespace="special")
def shifted_chebyshev_polynomial_t(input: Any, n: Any, *, out: Any = None) -> Tensor:
    """`chebyshev_polynomial_t` of 2x - 1."""
    return _shifted(chebyshev_polynomial_t, input, n, "shifted_chebyshev_polynomial_t")


@operation(namespace="special")
def shifted_chebyshev_polynomial_u(input: Any, n: Any, *, out: Any = None) -> Tensor:
    """`chebyshev_polynomial_u` of 2x - 1."""
    return _shifted(chebyshev_polynomial_u, input, n, "shifted_chebyshev_polynomial_u")


@operation(namespace="special")
def shifted_chebyshev_polynomial_v(input: Any, n: Any, *, out: Any = None) -> Tensor:
    """`chebyshev_polynomial_v` of 2x - 1."""
    return _shifted(chebyshev_polynomial_v, input, n, "shifted_chebyshev_polynomial_v")


@operation(namespace="special")
def shifted_chebyshev_polynomial_w(input: Any, n: Any, *, out: Any = None) -> Tensor:
    """`chebyshev_polynomial_w` of 2x - 1."""
    return _shifted(chebyshev_polynomial_w, input, n, "shifted_chebyshev_polynomial_w")


@operation(namespace="special")
def hermite_polynomial_h(input: Any, n: Any, *, out: Any = None) -> Tensor:
    """The Hermite polynomial of physics: H₁ = 2x, Hₖ₊₁ = 2x Hₖ - 2k Hₖ₋₁.

    >>> ondol.special.hermite_polynomial_h(ondol.tensor([1.0]), 2)
    tensor([2.])
    """

    def step(x: Tensor, k: int, one: Tensor, before: Tensor) -> Tensor:
        return 2 * x * one - 2 * k * before

    return _polynomial(input, n, lambda x: 2 * x, step, "hermite_polynomial_h")


@operation(namespace="special")
def hermite_polynomial_he(input: Any, n: Any, *, out: Any = None) -> Tensor:
    """The Hermite polynomial of probability: He₁ = x, Heₖ₊₁ = x Heₖ - k Heₖ₋₁."""

    def step(x: Tensor, k: int, one: Tensor, before: Tensor) -> Tensor:
        return x * one - k * before

    return _polynomial(input, n, lambda x: x, step, "hermite_polynomial_he")


@operation(namespace="special")
def laguerre_polynomial_l(input: Any, n: Any, *, out: Any = None) -> Tensor:
    """The Laguerre polynomial: L₁ = 1 - x, (k + 1) Lₖ₊₁ = (2k + 1 - x) Lₖ - k Lₖ₋₁."""

    def step(x: Tensor, k: int, one: Tensor, before: Tensor) -> Tensor:
        return ((2 * k + 1 - x) * one - k * before) / (k + 1)

    return _polynomial(input, n, lambda x: 1 - x, step, "laguerre_polynomial_l")


@operation(namespace="special")
def legendre_polynomial_p(input: Any, n: Any, *, out: Any = None) -> Tensor:
    """The Legendre polynomial: P₁ = x, (k + 1) Pₖ₊₁ = (2k + 1) x Pₖ - k Pₖ₋₁."""

    def step(x: Tensor, k: int, one: Tensor, before: Tensor) -> Tensor:
        return ((2 * k + 1) * x * one - k * before) / (k + 1)

    return _polynomial(input, n, lambda x: x, step, "legendre_polynomial_p")
