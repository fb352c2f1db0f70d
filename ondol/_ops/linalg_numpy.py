"""Factorisations and solvers on NumPy arrays that `numpy.linalg` lacks, each over a whole batch at once.

Loops run over columns, in blocks, so that most of the work is done by matrix products.
"""

from __future__ import annotations

import math

import numpy as np

_BLOCK = 32


def flat_batch(matrices: np.ndarray) -> np.ndarray:
    """(*, m, n) → (B, m, n), for empty matrices as well."""
    *batch, rows, columns = matrices.shape
    return matrices.reshape(math.prod(batch), rows, columns)


def solve_triangular(a: np.ndarray, b: np.ndarray, *, upper: bool, unit: bool) -> np.ndarray:
    """X with A X = B; what lies in the other triangle of A is not read. A zero on the diagonal gives inf or NaN."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return _solve(a, b, upper, unit)


def _solve(a: np.ndarray, b: np.ndarray, upper: bool, unit: bool) -> np.ndarray:
    size = a.shape[-1]
    if size > _BLOCK:
        half = size // 2
        head, tail = slice(0, half), slice(half, size)
        first, second = (tail, head) if upper else (head, tail)
        known = _solve(a[..., first, first], b[..., first, :], upper, unit)
        rest = _solve(a[..., second, second], b[..., second, :] - a[..., second, first] @ known, upper, unit)
        return np.concatenate([rest, known] if upper else [known, rest], axis=-2)
    x = np.array(b, copy=True)
    for row in reversed(range(size)) if upper else range(size):
        if not unit:
            x[..., row, :] /= a[..., row, row, None]
        others = slice(0, row) if upper else slice(row + 1, size)
        x[..., others, :] -= a[..., others, row, None] * x[..., row, None, :]
    return x


def _magnitude(values: np.ndarray) -> np.ndarray:
    """What LAPACK compares pivots by: |re| + |im|."""
    return np.abs(values.real) + np.abs(values.imag) if np.iscomplexobj(values) else np.abs(values)


def lu_factor(matrices: np.ndarray, pivoting: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """LU with partial pivoting of (B, m, n): both factors in one array, LAPACK's pivots (from 1), and its info.

    Right-looking, in blocks of columns (Golub & Van Loan 2013, section 3.2.11).
    """
    a = np.array(matrices, copy=True)
    batch, rows, columns = a.shape
    rank = min(rows, columns)
    pivots = np.tile(np.arange(1, rank + 1, dtype=np.int32), (batch, 1))
    info = np.zeros(batch, np.int32)
    every = np.arange(batch)
    for start in range(0, rank, _BLOCK):
        stop = min(start + _BLOCK, rank)
        for column in range(start, stop):
            if pivoting:
                chosen = column + np.argmax(_magnitude(a[:, column:, column]), axis=1) if batch else every
                pivots[:, column] = chosen + 1
                a[every, column], a[every, chosen] = a[every, chosen], a[every, column]
            pivot = a[:, column, column]
            singular = pivot == 0
            info[singular & (info == 0)] = column + 1
            divisor = np.where(singular, 1, pivot) if pivoting else pivot
            with np.errstate(divide="ignore", invalid="ignore"):
                a[:, column + 1 :, column] /= divisor[:, None]
                a[:, column + 1 :, column + 1 : stop] -= (
                    a[:, column + 1 :, column, None] * a[:, column, None, column + 1 : stop]
                )
        if stop < columns:
            a[:, start:stop, stop:] = solve_triangular(
                a[:, start:stop, start:stop], a[:, start:stop, stop:], upper=False, unit=True
            )
            a[:, stop:, stop:] -= a[:, stop:, start:stop] @ a[:, start:stop, stop:]
    return a, pivots, info


def permutation(pivots: np.ndarray, rows: int) -> np.ndarray:
    """The order of rows that a sequence of LAPACK's swaps leads to: (B, k) → (B, rows)."""
    batch = pivots.shape[0]
    order = np.tile(np.arange(rows), (batch, 1))
    every = np.arange(batch)
    for step in range(pivots.shape[1]):
        chosen = pivots[:, step] - 1
        order[every, step], order[every, chosen] = order[every, chosen], order[every, step]
    return order


def cholesky(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower factors of (B, n, n) and the order of the first minor that is not positive (0 if all are)."""
    info = np.zeros(matrices.shape[0], np.int32)
    try:
        return np.linalg.cholesky(matrices), info
    except np.linalg.LinAlgError:
        factors = np.tril(matrices)
    for at, matrix in enumerate(matrices):
        try:
            factors[at] = np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            info[at] = _first_bad_minor(matrix)
    return factors, info


def _first_bad_minor(matrix: np.ndarray) -> int:
    """By bisection: a leading block has a factor exactly if all its leading blocks have one."""
    low, high = 0, matrix.shape[0]
    while high - low > 1:
        middle = (low + high) // 2
        try:
            np.linalg.cholesky(matrix[:middle, :middle])
            low = middle
        except np.linalg.LinAlgError:
            high = middle
    return high


def householder_factor(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """LAPACK's geqrf of (B, m, n): R above, the reflectors below the diagonal, and their scales tau.

    H = I - tau v vᴴ with v[0] = 1 (Golub & Van Loan 2013, algorithm 5.1.1, with LAPACK's sign of beta).
    """
    a = np.array(matrices, copy=True)
    batch, rows, columns = a.shape
    rank = min(rows, columns)
    tau = np.zeros((batch, rank), a.dtype)
    for step in range(rank):
        alpha, tail = a[:, step, step].copy(), a[:, step + 1 :, step].copy()
        norm = np.sqrt(np.abs(alpha) ** 2 + np.sum(np.abs(tail) ** 2, axis=1))
        beta = -np.where(alpha.real < 0, -norm, norm)
        trivial = (np.sum(np.abs(tail) ** 2, axis=1) == 0) & (alpha.imag == 0)
        beta = np.where(trivial, 1, beta)  # any divisor but zero: not used
        scale = np.where(trivial, 0, (beta - alpha) / beta).astype(a.dtype)
        v = np.concatenate(
            [np.ones((batch, 1), a.dtype), tail / np.where(trivial, 1, alpha - beta)[:, None]], axis=1
        ).astype(a.dtype)
        rest = a[:, step:, step + 1 :]
        rest -= np.conj(scale)[:, None, None] * v[:, :, None] * (np.conj(v)[:, None, :] @ rest)
        a[:, step, step] = np.where(trivial, alpha, beta)
        a[:, step + 1 :, step] = v[:, 1:]
        tau[:, step] = scale
    return a, tau
