"""The older names of linear algebra at the top level, where they differ from those of `ondol.linalg`."""

from __future__ import annotations

from typing import Any

import ondol
from ondol import Tensor
from ondol._ops import linalg_eigen, linalg_lu, linalg_orthogonal, linalg_solve, linalg_triangular
from ondol._ops.checks import adjoint
from ondol._ops.linalg_checks import check_matrix, check_square
from ondol._ops.registry import operation


@operation(method=True)
def cholesky(input: Tensor, upper: bool = False, *, out: Any = None) -> Tensor:
    """See `ondol.linalg.cholesky`."""
    return linalg_triangular.cholesky(input, upper=upper)


@operation(method=True)
def det(input: Tensor) -> Tensor:
    """See `ondol.linalg.det`."""
    return linalg_solve.det(input)


@operation(method=True)
def slogdet(input: Tensor, *, out: Any = None) -> Any:
    """See `ondol.linalg.slogdet`."""
    return ondol.return_types.slogdet(linalg_solve.slogdet(input))


@operation(method=True)
def qr(input: Tensor, some: bool = True, *, out: Any = None) -> Any:
    """Q and R, reduced if `some`; see `ondol.linalg.qr`."""
    return ondol.return_types.qr(linalg_orthogonal.qr(input, "reduced" if some else "complete"))


@operation(method=True)
def svd(input: Tensor, some: bool = True, compute_uv: bool = True, *, out: Any = None) -> Any:
    """U, S and V (not its adjoint, which `ondol.linalg.svd` returns), reduced if `some`.

    Without `compute_uv`, U and V are zeros of their full sizes.
    """
    check_matrix(input, "svd", "input")
    if not compute_uv:
        values = linalg_eigen.svdvals(input)
        batch, (rows, columns) = input.shape[:-2], input.shape[-2:]
        u, v = input.new_zeros([*batch, rows, rows]), input.new_zeros([*batch, columns, columns])
        return ondol.return_types.svd((u, values, v))
    u, s, vh = linalg_eigen.svd(input, full_matrices=not some)
    return ondol.return_types.svd((u, s, adjoint(vh).resolve_conj()))


@operation(method=True)
def lu(A: Tensor, pivot: bool = True, get_infos: bool = False, out: Any = None) -> tuple[Tensor, ...]:
    """The packed factors and pivots, with `get_infos` also the info; see `ondol.linalg.lu_factor_ex`."""
    check_matrix(A, "lu")
    results = tuple(linalg_lu.lu_factor_ex(A, pivot=pivot))
    return results if get_infos else results[:2]


@operation(method=True)
def lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor, *, out: Any = None) -> Tensor:
    """`ondol.linalg.lu_solve` with the right-hand side first."""
    check_square(LU_data, "lu_solve", "LU_data")
    return linalg_lu.lu_solve(LU_data, LU_pivots, b)


_MOST_ITERATIONS = 10_000  # more would seem to hang


def _random_range(A: Tensor, columns: int, niter: int) -> Tensor:
    """An orthonormal basis of nearly the range of A (Halko, Martinsson & Tropp 2011, algorithm 4.4)."""
    if niter > _MOST_ITERATIONS:
        raise NotImplementedError(f"niter={niter}: at most {_MOST_ITERATIONS} iterations; a few are usually enough")
    probe = ondol.randn(A.shape[-1], columns, dtype=A.dtype, device=A.device)
    basis = linalg_orthogonal.qr(ondol.matmul(A, probe)).Q
    for _ in range(niter):
        basis = linalg_orthogonal.qr(ondol.matmul(adjoint(A), basis)).Q
        basis = linalg_orthogonal.qr(ondol.matmul(A, basis)).Q
    return basis


@operation
def svd_lowrank(A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None) -> tuple[Tensor, ...]:
    """About the `q` largest singular values and vectors of A, or of A - M: U, S, V (Halko, Martinsson & Tropp 2011).

    Draws random numbers; exact if the rank is at most `q`.
    """
    q, niter = 6 if q is None else q, 2 if niter is None else niter
    if M is not None:
        A = A - M.expand(A.shape)
    tall = A.shape[-2] >= A.shape[-1]
    B = A if tall else adjoint(A)
    basis = _random_range(B, q, niter)
    u, s, vh = linalg_eigen.svd(ondol.matmul(adjoint(basis), B), full_matrices=False)
    left, right = ondol.matmul(basis, u), adjoint(vh)
    return (left, s, right) if tall else (right, s, left)


@operation
def pca_lowrank(A: Tensor, q: int | None = None, center: bool = True, niter: int = 2) -> tuple[Tensor, ...]:
    """About the `q` first principal components of rows of A (*, m, n): U, S, V with A ≈ U diag(S) Vᴴ after centring."""
    rows, columns = A.shape[-2:]
    q = min(6, rows, columns) if q is None else q
    if not 0 <= q <= min(rows, columns):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(rows, columns)}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - A.mean(-2, keepdim=True) if center else A, q, niter)
