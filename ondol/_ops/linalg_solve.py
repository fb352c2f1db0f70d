"""Linear systems, inverses and determinants."""

from __future__ import annotations

from typing import Any

import ondol
from ondol import Tensor
from ondol._native import linalg as _lapack
from ondol._ops.checks import element_count, wrap_dims
from ondol._ops.linalg_checks import (
    check_inexact,
    check_matrix,
    check_same_dtype,
    check_square,
    raise_if_failed,
)
from ondol._ops.registry import operation


def is_vector_rhs(A: Tensor, B: Tensor) -> bool:
    """PyTorch's rule: one vector, or a batch of them in the batch shape of A."""
    return B.dim() == 1 or (A.dim() - 1 == B.dim() and B.shape == A.shape[:-1])


@operation(namespace="linalg")
def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False, out: Any = None) -> Any:
    """(X, info) of `solve`: info is 0, or the number of the first pivot that is zero, where X is of no use."""
    name = "linalg.solve"
    check_square(A, name)
    check_inexact(B, name)
    check_same_dtype(A, B, name)
    vector = is_vector_rhs(A, B)
    if vector and not left:
        raise RuntimeError("linalg.solve: Vector broadcasting of the left hand side is not supported for left=False. "
                           "In this case linalg.solve is equivalent to B / A.squeeze(-1)")  # fmt: skip
    rhs = B.unsqueeze(-1) if vector else B
    check_matrix(rhs, name, "B")
    if A.shape[-1] != rhs.shape[-2 if left else -1]:
        raise RuntimeError(f"{name}: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
                           f"({A.shape[-2]}x{A.shape[-1]} and {rhs.shape[-2]}x{rhs.shape[-1]})")  # fmt: skip
    result, info = _lapack.solve_ex(A, rhs, left=left)
    if check_errors:
        raise_if_failed(
            info, "linalg.solve_ex", "The solver failed because the input matrix is singular.", batched=A.dim() > 2
        )
    return ondol.return_types.linalg_solve_ex((result.squeeze(-1) if vector else result, info))


@operation(namespace="linalg")
def solve(A: Tensor, B: Tensor, *, left: bool = True, out: Any = None) -> Tensor:
    """X with A X = B, or X A = B unless `left`: A (*, n, n), B (*, n) or (*, n, k).

    Raises LinAlgError for a singular matrix.

    >>> ondol.linalg.solve(ondol.tensor([[2.0, 0.0], [0.0, 4.0]]), ondol.tensor([2.0, 4.0]))
    tensor([1., 1.])
    """
    result, info = solve_ex(A, B, left=left)
    raise_if_failed(
        info, "torch.linalg.solve", "The solver failed because the input matrix is singular.", batched=A.dim() > 2
    )
    return result


@operation(namespace="linalg")
def inv_ex(A: Tensor, *, check_errors: bool = False, out: Any = None) -> Any:
    """(A⁻¹, info) of `inv`: info is 0, or the number of the first pivot that is zero."""
    inverse, info = _lapack.inv_ex(A)
    if check_errors:
        raise_if_failed(info, "linalg.inv_ex", _SINGULAR, batched=A.dim() > 2)
    return ondol.return_types.linalg_inv_ex((inverse, info))


_SINGULAR = (
    "The diagonal element {} is zero, the inversion could not be completed because the input matrix is singular."
)


@operation(namespace="linalg")
def inv(A: Tensor, *, out: Any = None) -> Tensor:
    """The inverse of square matrices (*, n, n). Raises LinAlgError for a singular one.

    >>> ondol.linalg.inv(ondol.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    inverse, info = _lapack.inv_ex(A)
    raise_if_failed(info, "linalg.inv", _SINGULAR, batched=A.dim() > 2)
    return inverse


@operation(method=True)
def inverse(input: Tensor, *, out: Any = None) -> Tensor:
    """Another name of `ondol.linalg.inv`."""
    return inv(input)


@operation(namespace="linalg")
def det(A: Tensor, *, out: Any = None) -> Tensor:
    """The determinant of square matrices (*, n, n), of shape (*).

    >>> ondol.linalg.det(ondol.tensor([[2.0, 1.0], [0.0, 4.0]]))
    tensor(8.)
    """
    return _lapack.det(A)


@operation(namespace="linalg")
def slogdet(A: Tensor, *, out: Any = None) -> Any:
    """(sign, logabsdet) of square matrices: the determinant is `sign * exp(logabsdet)`, without overflow.

    >>> ondol.linalg.slogdet(-ondol.eye(1)).sign
    tensor(-1.)
    """
    return ondol.return_types.linalg_slogdet(_lapack.slogdet(A))


@operation(method=True)
def logdet(input: Tensor) -> Tensor:
    """log det A: NaN for a negative determinant, -inf for zero."""
    check_square(input, "logdet")
    sign, logarithm = slogdet(input)
    if sign.is_complex():
        return ondol.log(sign) + logarithm
    return ondol.where(sign == -1, ondol.full_like(logarithm, float("nan")), logarithm)


@operation(namespace="linalg")
def tensorinv(A: Tensor, ind: int = 2, *, out: Any = None) -> Tensor:
    """The inverse for `tensordot`: dimensions up to `ind` are rows, the others columns, of equal counts."""
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    rows, columns = list(A.shape[:ind]), list(A.shape[ind:])
    if element_count(rows) != element_count(columns):
        raise RuntimeError(f"Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind])"
                           f", but got {element_count(columns)} != {element_count(rows)}")  # fmt: skip
    inverse, info = inv_ex(A.reshape(element_count(rows), element_count(columns)))
    raise_if_failed(info, "linalg.tensorinv", _SINGULAR, batched=False)
    return inverse.reshape([*columns, *rows])


@operation(namespace="linalg")
def tensorsolve(A: Tensor, B: Tensor, dims: Any = None, *, out: Any = None) -> Tensor:
    """X with `tensordot(A, X, X.ndim) = B`; `dims` of A are moved to its end first."""
    if dims is not None:
        moved = wrap_dims(dims, A.dim())
        A = A.permute([*(dim for dim in range(A.dim()) if dim not in moved), *moved])
    shape = list(A.shape[B.dim() :])
    if element_count(shape) != element_count(A.shape[: B.dim()]):
        raise RuntimeError("Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
                           f"prod(self.shape[:other.ndim]), but got shape {list(A.shape)}")  # fmt: skip
    size = element_count(shape)
    return solve(A.reshape(element_count(B.shape), size), B.reshape(-1)).reshape(shape)
