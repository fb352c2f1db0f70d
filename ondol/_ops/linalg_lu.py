"""LU factorisation with partial pivoting, and what is solved with it."""

from __future__ import annotations

from typing import Any

import ondol
from ondol import Tensor
from ondol._examples import batch_of_matrices
from ondol._native import linalg as _lapack
from ondol._ops.checks import adjoint
from ondol._ops.linalg_checks import check_matrix, check_same_dtype, check_square, common_batch, raise_if_failed
from ondol._ops.linalg_triangular import solve_triangular
from ondol._ops.registry import operation


class _LU(ondol.autograd.Function):
    """A = P L U, both factors in one matrix. Derivative from L⁻¹ Pᵀ dA U⁻¹ = L⁻¹ dL + dU U⁻¹, whose two terms are
    strictly lower and upper triangular; the rest of a rectangular matrix follows from a triangular system."""

    _for_batch = batch_of_matrices

    @staticmethod
    def forward(ctx: Any, a: Tensor, pivot: bool) -> tuple[Tensor, Tensor, Tensor]:
        packed, pivots, info = _lapack.lu_factor_ex(a, pivot=pivot)
        ctx.save_for_backward(packed, pivots)
        ctx.mark_non_differentiable(pivots, info)
        return packed, pivots, info

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Any, ...]:
        packed, pivots = ctx.saved_tensors
        rows, columns = packed.shape[-2:]
        rank = min(rows, columns)
        lower, upper = _split(packed)
        square_l, square_u = lower[..., :rank, :], upper[..., :, :rank]
        l_grad, u_grad = grad[..., :, :rank].tril(-1), grad[..., :rank, :].triu()
        rest = None
        if rows > columns:
            rest = solve_triangular(adjoint(square_u), l_grad[..., rank:, :], upper=False, left=False)
            u_grad = u_grad - ondol.matmul(adjoint(lower[..., rank:, :]), rest)
            l_grad = l_grad[..., :rank, :]
        elif columns > rows:
            rest = solve_triangular(adjoint(square_l), u_grad[..., :, rank:], upper=True, unitriangular=True)
            l_grad = l_grad - ondol.matmul(rest, adjoint(upper[..., :, rank:]))
            u_grad = u_grad[..., :, :rank]
        inside = ondol.matmul(adjoint(square_l), l_grad).tril(-1) + ondol.matmul(u_grad, adjoint(square_u)).triu()
        left = solve_triangular(adjoint(square_l), inside, upper=True, unitriangular=True)
        result = solve_triangular(adjoint(square_u), left, upper=False, left=False)
        if rest is not None:
            result = ondol.cat([result, rest], -2 if rows > columns else -1)
        return ondol.matmul(permutation_matrix(pivots, rows, result.dtype), result), None


def _split(packed: Tensor) -> tuple[Tensor, Tensor]:
    rows, columns = packed.shape[-2:]
    rank = min(rows, columns)
    unit = ondol.eye(rows, rank, dtype=packed.dtype, device=packed.device)
    return packed[..., :, :rank].tril(-1) + unit, packed[..., :rank, :].triu()


def permutation_matrix(pivots: Tensor, rows: int, dtype: Any) -> Tensor:
    """P with A = P L U, from LAPACK's sequence of swaps."""
    order = _lapack.row_order(pivots, rows)
    return ondol.eye(rows, dtype=dtype, device=pivots.device)[order].mT


_SINGULAR = "U[{0},{0}] is zero and using it on lu_solve would result in a division by zero."


@operation(namespace="linalg")
def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False, out: Any = None) -> Any:
    """(LU, pivots, info) of `lu_factor`: info is 0, or the number of the first diagonal element of U that is zero."""
    check_matrix(A, "torch.lu_factor_ex")
    packed, pivots, info = _LU.apply(A, pivot)
    if check_errors:
        raise_if_failed(info, "torch.linalg.lu_factor_ex", _SINGULAR, batched=A.dim() > 2)
    return ondol.return_types.linalg_lu_factor_ex((packed, pivots, info))


@operation(namespace="linalg")
def lu_factor(A: Tensor, *, pivot: bool = True, out: Any = None) -> Any:
    """L (unit, below the diagonal) and U in one matrix (*, m, n), and LAPACK's pivots from 1: (*, min(m, n)).

    Raises LinAlgError if U has a zero on its diagonal.

    >>> ondol.linalg.lu_factor(ondol.tensor([[1.0, 2.0], [2.0, 8.0]])).LU
    tensor([[ 2.0000,  8.0000],
            [ 0.5000, -2.0000]])
    """
    packed, pivots, info = lu_factor_ex(A, pivot=pivot)
    raise_if_failed(info, "torch.linalg.lu_factor", _SINGULAR, batched=A.dim() > 2)
    return ondol.return_types.linalg_lu_factor((packed, pivots))


@operation(namespace="linalg")
def lu(A: Tensor, *, pivot: bool = True, out: Any = None) -> Any:
    """P, L and U with A = P L U; without pivoting P is empty.

    >>> ondol.linalg.lu(ondol.tensor([[1.0, 2.0], [2.0, 8.0]])).P
    tensor([[0., 1.],
            [1., 0.]])
    """
    check_matrix(A, "linalg.lu")
    packed, pivots, _ = _LU.apply(A, pivot)
    lower, upper = _split(packed)
    order = permutation_matrix(pivots, A.shape[-2], A.dtype) if pivot else A.new_zeros(0)
    return ondol.return_types.linalg_lu((order, lower, upper))


@operation
def lu_unpack(
    LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True, *, out: Any = None
) -> Any:
    """P, L and U from what `ondol.linalg.lu_factor` returned; what is not asked for is empty."""
    if unpack_pivots and LU_pivots.dtype != ondol.int32:
        raise RuntimeError(f"torch.lu_unpack: LU_pivots is expected to be a tensor of torch.int32 dtype, as "
                           f"torch.linalg.lu_factor returns it, got {LU_pivots.dtype}")  # fmt: skip
    check_matrix(LU_data, "torch.lu_unpack", "LU_data")
    empty = LU_data.new_zeros(0)
    order = permutation_matrix(LU_pivots, LU_data.shape[-2], LU_data.dtype) if unpack_pivots else empty
    lower, upper = _split(LU_data) if unpack_data else (empty, empty)
    return ondol.return_types.lu_unpack((order, lower, upper))


@operation(namespace="linalg")
def lu_solve(
    LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False, out: Any = None
) -> Tensor:
    """X with A X = B (X A = B unless `left`, Aᴴ for A with `adjoint`), given the result of `lu_factor(A)`."""
    name = "linalg.lu_solve"
    check_square(LU, name, "LU")
    check_matrix(B, name, "B")
    check_same_dtype(LU, B, name)
    if pivots.dtype != ondol.int32:
        raise RuntimeError(f"{name}: pivots should be a Tensor of scalar type torch.int32. Got {pivots.dtype}")
    if pivots.shape != LU.shape[:-1]:
        raise RuntimeError(f"{name}: Number of pivots per batch should be same as the dimension of the matrix, got "
                           f"{list(pivots.shape)} and {list(LU.shape)}")  # fmt: skip
    if LU.shape[-1] != B.shape[-2 if left else -1]:
        raise RuntimeError(f"{name}: Incompatible shapes of A and B: {list(LU.shape)} and {list(B.shape)}")
    order = permutation_matrix(pivots, LU.shape[-2], LU.dtype)
    order, B = common_batch(order, B)
    LU = LU.expand([*B.shape[:-2], *LU.shape[-2:]])
    return _solve_packed(LU, order, B, adjoint) if left else _solve_from_right(LU, order, B, adjoint)


def _solve_packed(packed: Tensor, order: Tensor, rhs: Tensor, conjugate: bool) -> Tensor:
    """P L U X = B, or (P L U)ᴴ X = B."""
    if conjugate:
        dual = adjoint(packed)
        half = solve_triangular(dual, rhs, upper=False)
        return ondol.matmul(order, solve_triangular(dual, half, upper=True, unitriangular=True))
    half = solve_triangular(packed, ondol.matmul(order.mT, rhs), upper=False, unitriangular=True)
    return solve_triangular(packed, half, upper=True)


def _solve_from_right(packed: Tensor, order: Tensor, rhs: Tensor, conjugate: bool) -> Tensor:
    """X A = B is the same as Aᴴ Xᴴ = Bᴴ."""
    return adjoint(_solve_packed(packed, order, adjoint(rhs), not conjugate)).resolve_conj()
