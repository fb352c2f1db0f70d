"""Norms of vectors and matrices, and condition numbers."""

from __future__ import annotations

import math
from typing import Any

import ondol
from ondol import Tensor
from ondol._native import linalg_vector_norm as _native_norm
from ondol._ops.checks import is_inexact, real_dtype, wrap_dim
from ondol._ops.linalg_checks import check_inexact, check_matrix, check_square
from ondol._ops.linalg_eigen import svdvals
from ondol._ops.linalg_solve import inv_ex
from ondol._ops.registry import operation, store


def _converted(tensor: Tensor, dtype: Any, name: str) -> Tensor:
    if not is_inexact(tensor):
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {tensor.dtype}")
    if dtype is None:
        return tensor
    if tensor.is_complex() != dtype.is_complex or not (dtype.is_complex or dtype.is_floating_point):
        kind = "complex" if tensor.is_complex() else "real"
        raise RuntimeError(f"{name} expected dtype to be {kind} for {kind} inputs, but got {dtype}")
    if not ondol.can_cast(tensor.dtype, dtype) or ondol.promote_types(tensor.dtype, dtype) != dtype:
        raise RuntimeError(f"{name}: the dtype of the input ({tensor.dtype}) should be convertible without narrowing "
                           f"to the specified dtype ({dtype})")  # fmt: skip
    return tensor.to(dtype)


@operation(namespace="linalg")
def vector_norm(
    x: Tensor, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None
) -> Tensor:
    """The p-norm over the given dimensions as one (all for None): (Σ |x|^ord)^(1/ord), ±inf for max and min, 0 counts.

    Half precision is summed in float32. Raises RuntimeError for integers, and where an empty sum has no value.

    >>> ondol.linalg.vector_norm(ondol.tensor([3.0, 4.0]))
    tensor(5.)
    """
    return _native_norm(x, ord, dim, keepdim, dtype=dtype)


_MATRIX_ORDERS = (1, -1, 2, -2, math.inf, -math.inf)


@operation(namespace="linalg")
def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None, out: Any = None
) -> Tensor:
    """The norm of matrices over two dimensions: "fro", "nuc" (sum of singular values), ±1 and ±inf (sums of columns and
    rows), ±2 (largest and smallest singular value).

    >>> ondol.linalg.matrix_norm(ondol.tensor([[3.0, 0.0], [0.0, 4.0]]), "nuc")
    tensor(7.)
    """
    name = "linalg.matrix_norm"
    if not isinstance(A, Tensor):
        raise TypeError(f"{name}: expected a Tensor, got {type(A).__name__}")
    A = _converted(A, dtype, name)
    if A.dim() < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions.")
    if isinstance(dim, int) or len(dim) != 2:
        raise RuntimeError(f"{name}: dim must be a 2-tuple. Got {dim}")
    rows, columns = (wrap_dim(at, A.dim()) for at in dim)
    if rows == columns:
        raise RuntimeError(f"{name}: dims must be different. Got ({dim[0]}, {dim[1]})")
    if isinstance(ord, str):
        if ord not in ("fro", "nuc"):
            raise RuntimeError(f"{name}: Order {ord} not supported.")
    elif ord not in _MATRIX_ORDERS:
        raise RuntimeError(f"{name}: Order {ord} not supported.")
    if ord == "fro":
        return vector_norm(A, 2, (rows, columns), keepdim)
    if ord in ("nuc", 2, -2):
        check_inexact(A, name)
        values = svdvals(A.movedim((rows, columns), (-2, -1)))
        result = values.sum(-1, keepdim=True) if ord == "nuc" else _extreme(values, -1, ord, name)
        result = result.squeeze(-1)
        if keepdim:
            for at in sorted((rows, columns)):
                result = result.unsqueeze(at)
        return result
    summed, compared = (rows, columns) if abs(ord) == 1 else (columns, rows)
    result = _extreme(vector_norm(A, 1, summed, keepdim=True), compared, ord, name)
    if not keepdim:
        for at in sorted((rows, columns), reverse=True):
            result = result.squeeze(at)
    return result


def _extreme(sizes: Tensor, dim: int, ord: Any, name: str) -> Tensor:
    """The largest, or for a negative order the smallest, of numbers that are not negative."""
    if sizes.shape[dim] == 0:
        if ord < 0:
            raise RuntimeError(f"{name}: order {ord} has no value for a matrix without rows or columns")
        return sizes.sum(dim, keepdim=True)
    return sizes.amax(dim, keepdim=True) if ord > 0 else sizes.amin(dim, keepdim=True)


def linalg_norm(
    A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None
) -> Tensor:
    """A vector norm over one dimension, a matrix norm over two; without `ord` the 2-norm of all elements.

    >>> ondol.linalg.norm(ondol.tensor([3.0, 4.0]))
    tensor(5.)
    """
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    if dim is None:
        if A.dim() not in (1, 2):
            raise RuntimeError("linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. "
                               f"Got {A.dim()}D.")  # fmt: skip
        dim = (0, 1) if A.dim() == 2 else 0
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    if len(dims) not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dims)}")
    if len(dims) == 1:
        if isinstance(ord, str):
            raise RuntimeError(f"linalg.norm: Expected a number as order of a vector norm, got {ord!r}")
        return vector_norm(A, ord, dims, keepdim, dtype=dtype)
    return matrix_norm(A, ord, dims, keepdim, dtype=dtype)


# `ondol.norm`, below, is another function: this one is `ondol.linalg.norm`.
linalg_norm.__name__ = linalg_norm.__qualname__ = "norm"
linalg_norm = operation(linalg_norm, namespace="linalg")


@operation(method=True)
def norm(
    input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, out: Any = None, dtype: Any = None
) -> Tensor:
    """The older norm: over all elements or over `dim` as a vector for a number `p`; "fro" and "nuc" as for matrices.

    >>> ondol.norm(ondol.tensor([[3.0], [4.0]]))
    tensor(5.)
    """
    if isinstance(p, str) and p not in ("fro", "nuc"):
        raise RuntimeError(f"only valid string values are 'fro' and 'nuc', found {p}")
    dims = (dim,) if isinstance(dim, int) else dim
    if p == "nuc":
        if dims is None:
            if input.dim() != 2:
                raise RuntimeError(f"norm: the nuclear norm needs a matrix or two dims, got {input.dim()}D")
            dims = (0, 1)
        result = matrix_norm(input, "nuc", dims, keepdim, dtype=dtype)
    else:
        if dtype is not None:
            input = input.to(dtype)
        result = vector_norm(input, 2 if p == "fro" or p is None else p, dims, keepdim)
    return result if out is None else store(result, out, "norm")


@operation
def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """The norm over all dimensions but one, which keep size 1; -1 for all of them."""
    if dim == -1:
        return vector_norm(v, pow)
    dim = wrap_dim(dim, v.dim())
    return vector_norm(v, pow, [at for at in range(v.dim()) if at != dim], keepdim=True)


@operation
def nuclear_norm(input: Tensor, dim: Any = (-2, -1), keepdim: bool = False, *, out: Any = None) -> Tensor:
    """The sum of the singular values of matrices over two dimensions."""
    return matrix_norm(input, "nuc", dim, keepdim)


@operation
def frobenius_norm(input: Tensor, dim: Any = (-2, -1), keepdim: bool = False, *, out: Any = None) -> Tensor:
    """The root of the sum of squares over the given dimensions."""
    return vector_norm(input, 2, dim, keepdim)


@operation(namespace="linalg")
def cond(A: Tensor, p: Any = None, *, out: Any = None) -> Tensor:
    """The condition number ‖A‖ ‖A⁻¹‖; for None and ±2 the ratio of the extreme singular values.

    Infinite for singular matrices.

    >>> ondol.linalg.cond(ondol.tensor([[4.0, 0.0], [0.0, 1.0]]))
    tensor(4.)
    """
    check_matrix(A, "linalg.cond")
    if p is None or p in (2, -2):
        if A.numel() == 0:
            return A.new_zeros(A.shape[:-2], dtype=real_dtype(A.dtype))
        values = svdvals(A)
        largest, smallest = values[..., 0], values[..., -1]
        return smallest / largest if p == -2 else largest / smallest
    if isinstance(p, str) and p not in ("fro", "nuc"):
        raise RuntimeError(f"linalg.cond: got an invalid norm type: {p}")
    if not isinstance(p, str) and p not in _MATRIX_ORDERS:
        raise RuntimeError(f"linalg.cond: got an invalid norm type: {p}")
    check_square(A, "linalg.cond")
    if A.numel() == 0:
        return A.new_zeros(A.shape[:-2], dtype=real_dtype(A.dtype))
    inverse, info = inv_ex(A)
    result = matrix_norm(A, p) * matrix_norm(inverse, p)
    return ondol.where(info != 0, ondol.full_like(result, math.inf), result)
