"""Special functions on NumPy arrays in double precision: what no library below us has."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ondol._ops import special_tables as table

_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)
"""B₂, B₄, ..."""


def chebyshev(coefficients: Sequence[float], t: np.ndarray) -> np.ndarray:
    """Σ c[k] T_k(t) by Clenshaw's recurrence (1955)."""
    one, two = np.zeros_like(t), np.zeros_like(t)
    for coefficient in reversed(coefficients[1:]):
        one, two = 2 * t * one - two + coefficient, one
    return t * one - two + coefficients[0]


def scaled_i0(x: np.ndarray) -> np.ndarray:
    """exp(-|x|) I₀(x)."""
    x = np.abs(x)
    large = np.maximum(x, 8)
    tail = chebyshev(table.I0_LARGE, 16 / large - 1) / np.sqrt(large)
    return np.where(x <= 8, chebyshev(table.I0_SMALL, np.minimum(x, 8) / 4 - 1), tail)


def scaled_i1(x: np.ndarray) -> np.ndarray:
    """exp(-|x|) I₁(x)."""
    size = np.abs(x)
    small, large = np.minimum(size, 8), np.maximum(size, 8)
    tail = chebyshev(table.I1_LARGE, 16 / large - 1) / np.sqrt(large)
    return np.copysign(np.where(size <= 8, small * chebyshev(table.I1_SMALL, small / 4 - 1), tail), x)


def i0(x: np.ndarray) -> np.ndarray:
    """The modified Bessel function I₀."""
    return np.exp(np.abs(x)) * scaled_i0(x)


def i1(x: np.ndarray) -> np.ndarray:
    """The modified Bessel function I₁."""
    return np.exp(np.abs(x)) * scaled_i1(x)


def _modified_second(x: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """K by its series up to 2, exp(x) K by its expansion beyond, and the argument with a NaN where it is negative."""
    x = np.where(x < 0, np.nan, x)
    small, large = np.clip(x, 0, 2), np.maximum(x, 2)
    t = small * small / 2 - 1
    if order == 0:
        near = chebyshev(table.K0_SMALL, t) - np.log(small / 2) * i0(small)
        far = chebyshev(table.K0_LARGE, 4 / large - 1)
    else:
        near = chebyshev(table.K1_SMALL, t) / small + np.log(small / 2) * i1(small)
        near = np.where(small == 0, np.inf, near)
        far = chebyshev(table.K1_LARGE, 4 / large - 1)
    return x, near, far / np.sqrt(large)


def _k(x: np.ndarray, order: int) -> np.ndarray:
    x, near, far = _modified_second(x, order)
    return np.where(x <= 2, near, np.exp(-x) * far)


def _scaled_k(x: np.ndarray, order: int) -> np.ndarray:
    x, near, far = _modified_second(x, order)
    return np.where(x <= 2, np.exp(np.minimum(x, 2)) * near, far)


def k0(x: np.ndarray) -> np.ndarray:
    """The modified Bessel function K₀."""
    return _k(x, 0)


def k1(x: np.ndarray) -> np.ndarray:
    """The modified Bessel function K₁."""
    return _k(x, 1)


def scaled_k0(x: np.ndarray) -> np.ndarray:
    """exp(x) K₀(x)."""
    return _scaled_k(x, 0)


def scaled_k1(x: np.ndarray) -> np.ndarray:
    """exp(x) K₁(x)."""
    return _scaled_k(x, 1)


_PHASES = ((table.P0, table.Q0), (table.P1, table.Q1))


def _wave(x: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """J and Y for x >= 8 from Hankel's expansion."""
    x = np.maximum(x, 8)
    t = 128 / (x * x) - 1
    in_phase, quadrature = (chebyshev(coefficients, t) for coefficients in _PHASES[order])
    quadrature = quadrature / x
    angle = x - (2 * order + 1) * math.pi / 4
    scale = np.sqrt(2 / (math.pi * x))
    sine, cosine = np.sin(angle), np.cos(angle)
    return scale * (in_phase * cosine - quadrature * sine), scale * (in_phase * sine + quadrature * cosine)


def j0(x: np.ndarray) -> np.ndarray:
    """The Bessel function J₀."""
    x = np.abs(x)
    small = np.minimum(x, 8)
    return np.where(x <= 8, chebyshev(table.J0_SMALL, small * small / 32 - 1), _wave(x, 0)[0])


def j1(x: np.ndarray) -> np.ndarray:
    """The Bessel function J₁."""
    size = np.abs(x)
    small = np.minimum(size, 8)
    near = small * chebyshev(table.J1_SMALL, small * small / 32 - 1)
    return np.where(x < 0, -1, 1) * np.where(size <= 8, near, _wave(size, 1)[0])


def y0(x: np.ndarray) -> np.ndarray:
    """The Bessel function Y₀: NaN for negative arguments."""
    x = np.where(x < 0, np.nan, x)
    small = np.minimum(x, 8)
    near = chebyshev(table.Y0_SMALL, small * small / 32 - 1) + 2 / math.pi * np.log(small) * j0(small)
    return np.where(x <= 8, near, _wave(x, 0)[1])


def y1(x: np.ndarray) -> np.ndarray:
    """The Bessel function Y₁: NaN for negative arguments."""
    x = np.where(x < 0, np.nan, x)
    small = np.minimum(x, 8)
    near = small * chebyshev(table.Y1_SMALL, small * small / 32 - 1)
    near = near + 2 / math.pi * (np.log(small) * j1(small) - 1 / small)
    return np.where(x <= 8, np.where(small == 0, -np.inf, near), _wave(x, 1)[1])


def spherical_j0(x: np.ndarray) -> np.ndarray:
    """sin(x) / x."""
    return np.where(np.isinf(x), 0, np.sinc(x / math.pi))


def airy_ai(x: np.ndarray) -> np.ndarray:
    """The Airy function Ai."""
    middle = chebyshev(table.AIRY_MIDDLE, (2 * np.clip(x, -3, 2) + 1) / 5)
    right = np.maximum(x, 2)
    z = 2 / 3 * right * np.sqrt(right)
    at_two = 2 / 3 * 2**1.5
    decay = np.exp(-z) * chebyshev(table.AIRY_RIGHT, 2 * at_two / z - 1) / (2 * math.sqrt(math.pi) * right**0.25)
    left = np.maximum(-x, 3)
    z = 2 / 3 * left * np.sqrt(left)
    t = 2 * (2 / 3 * 3**1.5 / z) ** 2 - 1
    p, q = chebyshev(table.AIRY_LEFT_P, t), chebyshev(table.AIRY_LEFT_Q, t) / z
    wave = (p * np.sin(z + math.pi / 4) - q * np.cos(z + math.pi / 4)) / (math.sqrt(math.pi) * left**0.25)
    return np.where(x > 2, decay, np.where(x < -3, wave, middle))


def erfcx(x: np.ndarray) -> np.ndarray:
    """exp(x²) erfc(x) without overflow for positive x."""
    size = np.abs(x)
    t = np.where(np.isinf(size), 1, (size - 3.75) / (size + 3.75))
    right = chebyshev(table.ERFCX, t) / (1 + 2 * size)
    return np.where(x < 0, 2 * np.exp(x * x) - right, right)


def log_ndtr(x: np.ndarray) -> np.ndarray:
    """The logarithm of the normal distribution function, far into its tails."""
    left = np.minimum(x, -1)
    right = np.maximum(x, -1)
    upper_tail = erfcx(right / math.sqrt(2)) * np.exp(-right * right / 2) / 2
    with np.errstate(invalid="ignore"):
        tail = np.log(erfcx(-left / math.sqrt(2)) / 2) - left * left / 2
    tail = np.where(np.isinf(left), -np.inf, tail)
    return np.where(x < -1, tail, np.log1p(-np.where(np.isposinf(right), 0, upper_tail)))


def ndtri(p: np.ndarray) -> np.ndarray:
    """The inverse of the normal distribution function.

    Starts from formula 26.2.23 of Abramowitz & Stegun and improves it by Halley's method on log Φ(x) = log p, whose
    first two derivatives are h = φ/Φ and -h (x + h).
    """
    lower = np.minimum(p, 1 - p)
    target = np.log(np.where((lower > 0) & (lower <= 0.5), lower, 0.5))
    s = np.sqrt(-2 * target)
    x = -(s - (2.515517 + s * (0.802853 + s * 0.010328)) / (1 + s * (1.432788 + s * (0.189269 + s * 0.001308))))
    for _ in range(3):
        hazard = math.sqrt(2 / math.pi) / erfcx(-x / math.sqrt(2))
        step = (log_ndtr(x) - target) / hazard
        x = x - step / (1 + 0.5 * step * (x + hazard))
    x = np.where(p > 0.5, -x, x)
    x = np.where(p == 0.5, 0.0, x)
    x = np.where((p < 0) | (p > 1) | np.isnan(p), np.nan, x)
    return np.where(p == 0, -np.inf, np.where(p == 1, np.inf, x))


def zeta(x: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Hurwitz' Σ (k + q)^-x: direct terms up to k + q >= 10, then Euler and Maclaurin (DLMF 25.11.28)."""
    x, q = np.broadcast_arrays(x, q)
    x, q = x.astype(np.float64), q.astype(np.float64)
    whole = np.floor(x) == x
    pole = (q <= 0) & (np.floor(q) == q)
    undefined = (x < 1) | ((q <= 0) & ~pole & ~whole) | np.isnan(x) | np.isnan(q)
    usable = ~(undefined | pole | (x == 1))
    x_safe, start = np.where(usable, x, 2.0), np.where(usable, q, 1.0)
    total, at = np.zeros_like(start), start.copy()
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        while np.any(low := at < 10):
            total = np.where(low, total + at ** (-x_safe), total)
            at = np.where(low, at + 1, at)
        term = at ** (-x_safe)
        total = total + term * at / (x_safe - 1) + term / 2
        factor = x_safe * term / at / 2  # x (x + 1) ... at^(-x - 2k + 1) / (2k)!
        for k, bernoulli in enumerate(_BERNOULLI, start=1):
            total = total + bernoulli * factor
            factor = factor * (x_safe + 2 * k - 1) * (x_safe + 2 * k) / (at * at * (2 * k + 1) * (2 * k + 2))
    result = np.where(undefined, np.nan, total)
    return np.where(~np.isnan(result) & (pole | (x == 1)), np.inf, result)


def gamma_fractions(a: np.ndarray, x: np.ndarray, log_gamma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The regularised incomplete gamma functions P(a, x) and Q(a, x) = 1 - P.

    The series DLMF 8.7.1 for x < a + 1, else the continued fraction DLMF 8.9.2 by the modified method of Lentz (1976);
    whichever of the two is small is computed directly.
    """
    a, x, log_gamma = np.broadcast_arrays(a, x, log_gamma)
    regular = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    safe_a, safe_x = np.where(regular, a, 1.0), np.where(regular, x, 1.0)
    scale = np.exp(safe_a * np.log(safe_x) - safe_x - np.where(regular, log_gamma, 0.0))
    by_series = safe_x < safe_a + 1
    lower = np.empty_like(safe_a)
    lower[by_series] = scale[by_series] * _lower_series(safe_a[by_series], safe_x[by_series])
    rest = ~by_series
    upper = np.empty_like(safe_a)
    upper[rest] = scale[rest] * _upper_fraction(safe_a[rest], safe_x[rest])
    lower[rest], upper[by_series] = 1 - upper[rest], 1 - lower[by_series]
    limit = np.where((x == 0) & (a == 0), np.nan, np.where((x == 0) | (np.isinf(a) & np.isfinite(x)), 0.0, 1.0))
    bad = (a < 0) | (x < 0) | np.isnan(a) | np.isnan(x) | (np.isinf(a) & np.isinf(x))
    limit = np.where(bad, np.nan, limit)
    return np.where(regular, lower, limit), np.where(regular, upper, 1 - limit)


def _lower_series(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    term = 1 / a
    total, n = term.copy(), a.copy()
    while np.any(np.abs(term) > np.abs(total) * 1e-17):
        n = n + 1
        term = term * x / n
        total = total + term
    return total


def _upper_fraction(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    tiny = 1e-300
    b = x + 1 - a
    c, d = np.full_like(x, 1 / tiny), 1 / np.where(b == 0, tiny, b)
    result, k = d.copy(), 0
    factor = np.full_like(x, 2.0)
    while np.any(np.abs(factor - 1) > 1e-15) and k < 100_000:
        k += 1
        numerator = -k * (k - a)
        b = b + 2
        d = numerator * d + b
        d = 1 / np.where(d == 0, tiny, d)
        c = b + numerator / c
        c = np.where(c == 0, tiny, c)
        factor = c * d
        result = result * factor
    return result
