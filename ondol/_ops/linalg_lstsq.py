"""What follows from singular values: pseudoinverse, rank, least squares."""

from __future__ import annotations

from typing import Any

import ondol
from ondol import Tensor
from ondol._native import nn as _nn
from ondol._ops.checks import adjoint, real_dtype
from ondol._ops.linalg_checks import check_matrix, check_same_dtype, check_square, common_batch
from ondol._ops.linalg_eigen import eigh, eigvalsh, svd, svdvals
from ondol._ops.registry import operation


@operation(method=True)
def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """The pseudoinverse; see `ondol.linalg.pinv`."""
    return pinv(input, rcond)


def rank_tolerance(largest: Tensor, shape: Any, atol: Any, rtol: Any) -> Tensor:
    """max(atol, rtol × largest singular value), with PyTorch's defaults: rtol is max(m, n) ε unless atol is given."""
    if rtol is None:
        given = atol is not None and (isinstance(atol, Tensor) or atol > 0)
        epsilon = max(shape[-2:]) * ondol.finfo(largest.dtype).eps
        if given and isinstance(atol, Tensor):
            rtol = ondol.where(atol > 0, ondol.zeros_like(largest), ondol.full_like(largest, epsilon))
        else:
            rtol = 0.0 if given else epsilon
    relative = rtol * largest
    if atol is None:
        return relative
    return ondol.maximum(relative, atol if isinstance(atol, Tensor) else ondol.full_like(relative, atol))


class _PseudoInverse(ondol.autograd.Function):
    """A⁺. Derivative: Golub & Pereyra 1973, "The differentiation of pseudo-inverses", for constant rank."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, atol: Any, rtol: Any, hermitian: bool) -> Tensor:
        if hermitian:
            values, left = eigh(a)
            right = adjoint(left)
        else:
            left, values, right = svd(a, full_matrices=False)
        sizes = values.abs()
        tolerance = rank_tolerance(sizes.amax(-1), a.shape, atol, rtol)
        kept = sizes > tolerance.unsqueeze(-1)
        inverse = ondol.where(kept, 1 / values, 0).to(a.dtype)
        result = ondol.matmul(adjoint(right) * inverse.unsqueeze(-2), adjoint(left))
        ctx.save_for_backward(a, result)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        a, inverse = ctx.saved_tensors
        dual, grad_dual, mm = adjoint(inverse), adjoint(grad), ondol.matmul
        within = -mm(mm(dual, grad), dual)
        column_space = mm(grad_dual - mm(a, mm(inverse, grad_dual)), mm(inverse, dual))
        row_space = mm(mm(dual, inverse), grad_dual - mm(mm(grad_dual, inverse), a))
        return within + row_space + column_space, None, None, None


@operation(namespace="linalg")
def pinv(
    A: Tensor, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None, out: Any = None
) -> Tensor:
    """The Moore-Penrose pseudoinverse (*, n, m) of matrices (*, m, n).

    Singular values up to max(atol, rtol × the largest) count as zero; `rcond` is an older name of `rtol`.

    >>> ondol.linalg.pinv(ondol.tensor([[2.0, 0.0]]))
    tensor([[0.5000],
            [0.0000]])
    """
    check_square(A, "linalg.pinv") if hermitian else check_matrix(A, "linalg.pinv")
    if rcond is not None and rtol is not None:
        raise TypeError("linalg.pinv() got both rcond and rtol: they are the same argument")
    if A.numel() == 0:
        return adjoint(_nn.with_joined_gradient(A)).clone()
    rtol = rcond if rtol is None else rtol
    return _PseudoInverse.apply(A, atol, rtol, hermitian)


@operation(namespace="linalg")
def matrix_rank(
    A: Tensor, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None, out: Any = None
) -> Tensor:
    """How many singular values of each matrix exceed max(atol, rtol × the largest); `tol` is an older `atol`.

    >>> ondol.linalg.matrix_rank(ondol.ones(3, 3))
    tensor(1)
    """
    check_square(A, "linalg.matrix_rank") if hermitian else check_matrix(A, "linalg.matrix_rank")
    if tol is not None:
        atol, rtol = tol, 0.0
    matrix = A.detach()
    if A.numel() == 0:
        return ondol.zeros(A.shape[:-2], dtype=ondol.int64, device=A.device)
    values = eigvalsh(matrix).abs() if hermitian else svdvals(matrix)
    tolerance = rank_tolerance(values.amax(-1), A.shape, atol, rtol)
    return (values > tolerance.unsqueeze(-1)).sum(-1)


@operation(namespace="linalg")
def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None) -> Any:
    """Least squares: X minimising ‖A X - B‖, with residuals, rank and singular values as the driver gives them.

    `driver` is gelsy (default), gels, gelsd or gelss; all of them are computed from the singular values here. Residuals
    are given for m > n and full rank by all but gelsy, the rank by all but gels, singular values by gelsd and gelss.

    >>> ondol.linalg.lstsq(ondol.tensor([[1.0], [1.0]]), ondol.tensor([[1.0], [3.0]])).solution.round(decimals=3)
    tensor([[2.]])
    """
    name = "torch.linalg.lstsq"
    check_matrix(A, name)
    check_same_dtype(A, B, name)
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss), got {driver}")
    driver = driver or "gelsy"
    vector = B.dim() == 1 or (A.dim() - 1 == B.dim() and B.shape == A.shape[:-1])
    rhs = B.unsqueeze(-1) if vector else B
    if rhs.dim() < 2 or rhs.shape[-2] != A.shape[-2]:
        raise RuntimeError(
            f"{name}: input.size(-2) should match other.size(-2), got A {list(A.shape)} and B {list(B.shape)}"
        )
    rows, columns = A.shape[-2:]
    cut = ondol.finfo(A.dtype).eps * max(rows, columns) if rcond is None else rcond
    A, rhs = common_batch(A, rhs)
    solution = ondol.matmul(pinv(A, rtol=0.0 if driver == "gels" else cut), rhs)
    values = svdvals(A.detach()) if A.numel() else A.new_zeros([*A.shape[:-2], 0], dtype=real_dtype(A.dtype))
    rank = (values > cut * values[..., :1]).sum(-1) if A.numel() else values.sum(-1).to(ondol.int64)
    residuals = solution.abs().reshape(-1)[:0]
    if rows > columns and driver != "gelsy" and (driver == "gels" or bool((rank == columns).all())):
        error = ondol.matmul(A, solution) - rhs
        residuals = (error.abs() ** 2).sum(-2)
    if driver == "gels":
        rank = rank.new_zeros(0)
    if driver not in ("gelsd", "gelss"):
        values = values.new_zeros(0)
    solution = solution.squeeze(-1) if vector else solution
    return ondol.return_types.linalg_lstsq((solution, residuals, rank, values))
