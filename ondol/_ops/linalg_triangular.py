"""Triangular systems, Cholesky factors, and what is solved with them."""

from __future__ import annotations

from typing import Any

import ondol
from ondol import Tensor
from ondol._native import linalg as _lapack
from ondol._ops.checks import adjoint
from ondol._ops.linalg_checks import check_matrix, check_square, raise_if_failed
from ondol._ops.registry import operation


@operation(namespace="linalg")
def solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False, out: Any = None
) -> Tensor:
    """X with A X = B (or X A = B unless `left`) for triangular A (*, n, n); the other triangle is not read.

    With `unitriangular` the diagonal is taken to be one. No check for singular matrices: those give inf or NaN.

    >>> A = ondol.tensor([[2.0, 0.0], [1.0, 1.0]])
    >>> ondol.linalg.solve_triangular(A, ondol.tensor([[2.0], [3.0]]), upper=False)
    tensor([[1.],
            [2.]])
    """
    return _lapack.solve_triangular(A, B, upper=upper, left=left, unitriangular=unitriangular)


@operation(method=True)
def triangular_solve(
    input: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False, *,
    out: Any = None,
) -> Any:  # fmt: skip
    """The older form of `ondol.linalg.solve_triangular`: (solution, copy of A) of `A X = input` or `Aᴴ X = input`."""
    check_square(A, "triangular_solve")
    check_matrix(input, "triangular_solve", "b")
    if A.shape[-1] != input.shape[-2]:
        raise RuntimeError(f"triangular_solve: Incompatible matrix sizes: A {list(A.shape)} and b {list(input.shape)}")
    matrix = adjoint(A) if transpose else A
    solution = solve_triangular(matrix, input, upper=upper != transpose, unitriangular=unitriangular)
    copy = A.expand([*solution.shape[:-2], *A.shape[-2:]]).clone()
    return ondol.return_types.triangular_solve((solution, copy))


@operation(namespace="linalg")
def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False, out: Any = None) -> Any:
    """(L, info) of `cholesky`: info is the order of the first minor that is not positive, or 0.

    Where info is not 0, the factor holds no useful numbers.
    """
    check_square(A, "linalg.cholesky_ex")
    factor, info = _lapack.cholesky_ex(A, upper=upper)
    if check_errors:
        raise_if_failed(info, "linalg.cholesky_ex", _NOT_POSITIVE, batched=A.dim() > 2)
    return ondol.return_types.linalg_cholesky_ex((factor, info))


_NOT_POSITIVE = (
    "The factorization could not be completed because the input is not positive-definite "
    "(the leading minor of order {} is not positive-definite)."
)


@operation(namespace="linalg")
def cholesky(A: Tensor, *, upper: bool = False, out: Any = None) -> Tensor:
    """The lower triangular L with A = L Lᴴ of Hermitian positive definite matrices (*, n, n), or `upper` Lᴴ.

    Only one triangle of A is read. Raises LinAlgError if a matrix is not positive definite.

    >>> ondol.linalg.cholesky(ondol.tensor([[4.0, 2.0], [2.0, 2.0]]))
    tensor([[2., 0.],
            [1., 1.]])
    """
    factor, info = _lapack.cholesky_ex(A, upper=upper)
    raise_if_failed(info, "linalg.cholesky", _NOT_POSITIVE, batched=A.dim() > 2)
    return factor


@operation(method=True)
def cholesky_solve(input: Tensor, L: Tensor, upper: bool = False, *, out: Any = None) -> Tensor:
    """X with A X = `input`, given the Cholesky factor L of A (Lᴴ if `upper`)."""
    if input.dim() < 2:
        raise RuntimeError(f"b should have at least 2 dimensions, but has {input.dim()} dimensions instead")
    check_square(L, "cholesky_solve", "L")
    if L.shape[-1] != input.shape[-2]:
        raise RuntimeError(f"cholesky_solve: Incompatible matrix sizes: L {list(L.shape)} and b {list(input.shape)}")
    lower = adjoint(L) if upper else L
    half = solve_triangular(lower, input, upper=False)
    return solve_triangular(adjoint(lower), half, upper=True)


@operation(method=True)
def cholesky_inverse(input: Tensor, upper: bool = False, *, out: Any = None) -> Tensor:
    """The inverse of A, given its Cholesky factor."""
    check_square(input, "cholesky_inverse", "L")
    identity = ondol.eye(input.shape[-1], dtype=input.dtype, device=input.device).expand(input.shape)
    return cholesky_solve(identity, input.triu() if upper else input.tril(), upper)
