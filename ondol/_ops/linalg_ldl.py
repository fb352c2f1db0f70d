"""LDL factorisation of symmetric and Hermitian matrices that need not be positive definite."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import ondol
from ondol import Tensor
from ondol._ops.host import flat_batch, to_numpy, to_tensor
from ondol._ops.linalg_checks import check_matrix, check_same_dtype, check_square, common_batch, raise_if_failed
from ondol._ops.registry import operation

_GROWTH = (1 + math.sqrt(17)) / 8
"""The threshold that bounds the growth of elements best (Bunch & Kaufman 1977)."""


def _size(values: np.ndarray) -> np.ndarray:
    return np.abs(values.real) + np.abs(values.imag)


def _choose_pivot(a: np.ndarray, k: int) -> tuple[int, int]:
    """The row to bring to the front and whether the pivot is 1 × 1 or 2 × 2 (Golub & Van Loan 2013, section 4.4.4)."""
    below = _size(a[k + 1 :, k])
    diagonal = _size(a[k, k])
    if not below.size or diagonal >= _GROWTH * below.max():
        return k, 1
    row = k + 1 + int(below.argmax())
    largest = max(_size(a[row, k:row]).max(), _size(a[row + 1 :, row]).max(initial=0))
    if diagonal >= _GROWTH * below.max() * (below.max() / largest):
        return k, 1
    return row, 1 if _size(a[row, row]) >= _GROWTH * largest else 2


def _swap(a: np.ndarray, front: int, chosen: int, hermitian: bool) -> None:
    """Exchange two rows and columns of the part not yet factored, of which only the lower triangle is there."""
    tail = a[chosen + 1 :]
    tail[:, [front, chosen]] = tail[:, [chosen, front]]
    column, row = a[front + 1 : chosen, front].copy(), a[chosen, front + 1 : chosen].copy()
    a[front + 1 : chosen, front] = row.conj() if hermitian else row
    a[chosen, front + 1 : chosen] = column.conj() if hermitian else column
    if hermitian:
        a[chosen, front] = a[chosen, front].conj()
    a[front, front], a[chosen, chosen] = a[chosen, chosen].copy(), a[front, front].copy()


def _solved(block: np.ndarray, right: np.ndarray) -> np.ndarray:
    """NaN for a block whose determinant underflows, where LAPACK divides by zero."""
    try:
        return np.linalg.solve(block, right)
    except np.linalg.LinAlgError:
        return np.full_like(right, np.nan)


def _factor(a: np.ndarray, hermitian: bool) -> tuple[np.ndarray, int]:
    """Overwrite the lower triangle with L and D; returns LAPACK's pivots, negative for 2 × 2 blocks, and its info."""
    count, k, info = a.shape[0], 0, 0
    pivots = np.zeros(count, np.int32)
    while k < count:
        if hermitian:
            a[k, k] = a[k, k].real
        if not _size(a[k:, k]).any():
            info = info or k + 1
            pivots[k] = k + 1
            k += 1
            continue
        chosen, width = _choose_pivot(a, k)
        last = k + width - 1
        if chosen != last:
            _swap(a, last, chosen, hermitian)
            if width == 2:
                a[k + 1, k], a[chosen, k] = a[chosen, k].copy(), a[k + 1, k].copy()
        pivots[k : k + width] = chosen + 1 if width == 1 else -(chosen + 1)
        end = k + width
        rest = a[end:, k:end].copy()
        factor = _solved(_block(a, k, width, hermitian).T, rest.T).T
        update = factor @ (rest.conj() if hermitian else rest).T
        a[end:, end:] -= np.tril(update)
        a[end:, k:end] = factor
        k = end
    return pivots, info


def _block(a: np.ndarray, k: int, width: int, hermitian: bool) -> np.ndarray:
    """The block of D that starts at k."""
    if width == 1:
        return a[k : k + 1, k : k + 1].real.astype(a.dtype) if hermitian else a[k : k + 1, k : k + 1]
    block = a[k : k + 2, k : k + 2].copy()
    block[0, 1] = block[1, 0].conj() if hermitian else block[1, 0]
    return block


def _solve(a: np.ndarray, pivots: np.ndarray, rhs: np.ndarray, hermitian: bool) -> np.ndarray:
    """Undo the steps of `_factor` in their order, then the transposed ones backwards."""
    x, steps, k = rhs.copy(), [], 0
    while k < len(pivots):
        width = 1 if pivots[k] > 0 else 2
        last, chosen, end = k + width - 1, abs(int(pivots[k])) - 1, k + width
        x[[last, chosen]] = x[[chosen, last]]
        x[end:] -= a[end:, k:end] @ x[k:end]
        steps.append((k, end, last, chosen))
        k = end
    for k, end, last, chosen in reversed(steps):
        below = a[end:, k:end]
        x[k:end] = _solved(_block(a, k, end - k, hermitian), x[k:end])
        x[k:end] -= (below.conj() if hermitian else below).T @ x[end:]
        x[[last, chosen]] = x[[chosen, last]]
    return x


@operation(namespace="linalg")
def ldl_factor_ex(A: Tensor, *, hermitian: bool = False, check_errors: bool = False, out: Any = None) -> Any:
    """(LD, pivots, info) of `ldl_factor`: info is 0, or the number of the first block of D that is zero."""
    check_square(A, "torch.linalg.ldl_factor_ex")
    if ondol.is_grad_enabled() and A.requires_grad:
        raise NotImplementedError("the derivative for 'linalg.ldl_factor' is not implemented; use linalg.lu_factor")
    matrices = to_numpy(A)
    flat = np.tril(flat_batch(matrices))
    pivots, info = np.zeros(flat.shape[:2], np.int32), np.zeros(flat.shape[0], np.int32)
    for at, matrix in enumerate(flat):
        pivots[at], info[at] = _factor(matrix, hermitian)
    batch = matrices.shape[:-2]
    infos = to_tensor(info.reshape(batch), A)
    if check_errors:
        raise_if_failed(infos, "torch.linalg.ldl_factor_ex", _SINGULAR, batched=A.dim() > 2)
    packed = to_tensor(flat.reshape(matrices.shape), A)
    return ondol.return_types.linalg_ldl_factor_ex((packed, to_tensor(pivots.reshape(matrices.shape[:-1]), A), infos))


_SINGULAR = "D[{0},{0}] is zero and using it to solve a system would be a division by zero."


@operation(namespace="linalg")
def ldl_factor(A: Tensor, *, hermitian: bool = False, out: Any = None) -> Any:
    """L and the blocks of D with A = L D Lᵀ (Lᴴ if `hermitian`) in one lower triangle, and LAPACK's pivots.

    Only the lower triangle of A is read. Pivoting is that of Bunch & Kaufman 1977; a negative pivot marks a
    2 × 2 block. Without a derivative.

    >>> ondol.linalg.ldl_factor(ondol.tensor([[2.0, 0.0], [1.0, 3.0]])).LD
    tensor([[2.0000, 0.0000],
            [0.5000, 2.5000]])
    """
    packed, pivots, info = ldl_factor_ex(A, hermitian=hermitian)
    raise_if_failed(info, "torch.linalg.ldl_factor", _SINGULAR, batched=A.dim() > 2)
    return ondol.return_types.linalg_ldl_factor((packed, pivots))


@operation(namespace="linalg")
def ldl_solve(LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = False, out: Any = None) -> Tensor:
    """X with A X = B, given the result of `ldl_factor(A)`. Without a derivative.

    >>> LD, pivots = ondol.linalg.ldl_factor(ondol.tensor([[2.0, 0.0], [0.0, 4.0]]))
    >>> ondol.linalg.ldl_solve(LD, pivots, ondol.tensor([[2.0], [4.0]]))
    tensor([[1.],
            [1.]])
    """
    name = "linalg.ldl_solve"
    check_square(LD, name, "LD")
    check_matrix(B, name, "B")
    check_same_dtype(LD, B, name)
    if pivots.dtype not in (ondol.int32, ondol.int64) or pivots.shape != LD.shape[:-1]:
        raise RuntimeError(f"{name}: Expected integer pivots of shape {list(LD.shape[:-1])}, got {pivots.dtype} "
                           f"of shape {list(pivots.shape)}")  # fmt: skip
    if LD.shape[-1] != B.shape[-2]:
        raise RuntimeError(f"{name}: Incompatible matrix sizes: LD {list(LD.shape)} and B {list(B.shape)}")
    if ondol.is_grad_enabled() and (LD.requires_grad or B.requires_grad):
        raise NotImplementedError("the derivative for 'linalg.ldl_solve' is not implemented; use linalg.solve")
    LD, B = common_batch(LD, B)
    swaps = pivots.expand(LD.shape[:-1])
    result = np.empty(tuple(B.shape), to_numpy(B).dtype)
    packed, order, rhs = to_numpy(LD), to_numpy(swaps), to_numpy(B)
    for at in np.ndindex(result.shape[:-2]):
        result[at] = _solve(packed[at], order[at], rhs[at], hermitian)
    return to_tensor(result, B)
