"""Diagonals, triangles and writing into a part of a tensor without touching the original."""

from __future__ import annotations

from typing import Any

import ondol
from ondol import Tensor
from ondol._ops.checks import wrap_dim
from ondol._ops.registry import operation


@operation(method=True)
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with the flat input on a diagonal."""
    return ondol.diag_embed(input.reshape(-1), offset)


@operation(method=True)
def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy of the input with a diagonal replaced by `src`, which must have the diagonal's shape."""
    return _replaced(input, src, lambda copy: copy.diagonal(offset, dim1, dim2), "diagonal_scatter")


@operation(method=True)
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of the input with `input.select(dim, index)` replaced by `src`.

    >>> ondol.select_scatter(ondol.zeros(2, 2), ondol.ones(2), 0, 1)
    tensor([[0., 0.],
            [1., 1.]])
    """
    return _replaced(input, src, lambda copy: copy.select(dim, index), "select_scatter")


@operation(method=True)
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """A copy of the input with the slice `start:end:step` of a dimension replaced by `src`."""
    if step <= 0:
        raise RuntimeError(f"slice step must be positive, got {step}")
    where = [slice(None)] * input.dim()
    where[wrap_dim(dim, input.dim())] = slice(start, end, step)
    return _replaced(input, src, lambda copy: copy[tuple(where)], "slice_scatter")


def _replaced(input: Tensor, src: Tensor, place: Any, name: str) -> Tensor:
    copy = input.clone(memory_format=ondol.contiguous_format)
    view = place(copy)
    if view.shape != src.shape:
        raise RuntimeError(f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, "
                           f"slice size = {list(view.shape)} ({name})")  # fmt: skip
    view.copy_(src)
    return copy


def _triangle_indices(row: int, col: int, offset: int, lower: bool, dtype: Any, device: Any) -> Tensor:
    if row < 0 or col < 0:
        raise RuntimeError(f"row and col must be non-negative, got {row} and {col}")
    whole = ondol.ones(row, col, dtype=ondol.bool, device=device)
    inside = whole.tril(offset) if lower else whole.triu(offset)
    return inside.nonzero().t().contiguous().to(dtype or ondol.int64)


@operation
def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """The row and column numbers of the lower triangle of a (row, col) matrix, in row order: shape (2, count)."""
    return _triangle_indices(row, col, offset, True, dtype, device)


@operation
def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """The row and column numbers of the upper triangle of a (row, col) matrix, in row order: shape (2, count)."""
    return _triangle_indices(row, col, offset, False, dtype, device)


@operation
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The Vandermonde matrix of a vector: columns are its powers, falling unless `increasing`.

    >>> ondol.vander(ondol.tensor([1, 2, 3]))
    tensor([[1, 1, 1],
            [4, 2, 1],
            [9, 3, 1]])
    """
    if x.dim() != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    count = x.shape[0] if N is None else N
    if count < 0:
        raise RuntimeError("N must be non-negative.")
    powers = rising_powers(x.to(ondol.int64) if x.dtype == ondol.bool else x, count)
    return powers if increasing else powers.flip(-1)


def rising_powers(x: Tensor, count: int) -> Tensor:
    """1, x, x², ... along a new last dimension."""
    ones = ondol.ones_like(x).unsqueeze(-1)
    if count <= 1:
        return ones[..., :count]
    repeated = x.unsqueeze(-1).expand([*x.shape, count - 1])
    return ondol.cat([ones, repeated.cumprod(-1)], -1)
