"""Window functions: the older ones at the top level and those of `ondol.signal.windows`.

Formulas: Harris 1978, "On the use of windows for harmonic analysis", and Nuttall 1981. A periodic window is a symmetric
one with one point more, without that point.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import ondol
from ondol import Tensor
from ondol._ops.registry import operation


def make_window(
    shape: Callable[[Tensor, int], Tensor], size: int, symmetric: bool, dtype: Any, device: Any, requires_grad: bool,
    name: str,
) -> Tensor:  # fmt: skip
    """`shape(points, n)` for points 0 ... size - 1 of a symmetric window of n points, computed in double precision."""
    dtype = dtype or ondol.get_default_dtype()
    if not dtype.is_floating_point:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {dtype}")
    if size < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={size}")
    if size <= 1:
        return ondol.ones(size, dtype=dtype, device=device, requires_grad=requires_grad)
    points = ondol.arange(size, dtype=ondol.float64, device=device)
    return shape(points, size if symmetric else size + 1).to(dtype).requires_grad_(requires_grad)


def cosine_sum(coefficients: Iterable[float]) -> Callable[[Tensor, int], Tensor]:
    """Σ (-1)^i a[i] cos(2π i k / (n - 1))."""
    coefficients = list(coefficients)

    def shape(points: Tensor, n: int) -> Tensor:
        angle = points * (2 * math.pi / (n - 1))
        terms = [(-1) ** at * factor * ondol.cos(at * angle) for at, factor in enumerate(coefficients)]
        return sum(terms[1:], terms[0])

    return shape


def triangle(points: Tensor, n: int) -> Tensor:
    return 1 - (points * (2.0 / (n - 1)) - 1).abs()


def kaiser_shape(beta: float) -> Callable[[Tensor, int], Tensor]:
    """Kaiser & Schafer 1980."""

    def shape(points: Tensor, n: int) -> Tensor:
        position = points * (2.0 / (n - 1)) - 1
        inside = (1 - position * position).clamp(min=0).sqrt()
        return ondol.i0(beta * inside) / ondol.i0(ondol.tensor(float(beta), dtype=ondol.float64))

    return shape


@operation
def hann_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """sin²(π k / n), for a spectrum (periodic) or a filter.

    >>> ondol.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return make_window(cosine_sum((0.5, 0.5)), window_length, not periodic, dtype, device, requires_grad, "hann_window")


@operation
def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *, dtype: Any = None,
    layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """alpha - beta cos(2π k / n)."""
    shape = cosine_sum((alpha, beta))
    return make_window(shape, window_length, not periodic, dtype, device, requires_grad, "hamming_window")


@operation
def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A triangle from zero to zero."""
    return make_window(triangle, window_length, not periodic, dtype, device, requires_grad, "bartlett_window")


@operation
def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """0.42 - 0.5 cos(2π k / n) + 0.08 cos(4π k / n)."""
    shape = cosine_sum((0.42, 0.5, 0.08))
    return make_window(shape, window_length, not periodic, dtype, device, requires_grad, "blackman_window")


@operation
def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, *, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """I₀(β √(1 - (2k/n - 1)²)) / I₀(β)."""
    return make_window(kaiser_shape(beta), window_length, not periodic, dtype, device, requires_grad, "kaiser_window")
