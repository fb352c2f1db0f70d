"""Linear systems, inverses and determinants."""

from __future__ import annotations

from typing import Any

import numpy as np

import ondol
from ondol import Tensor
from ondol._examples import batch_of_matrices, of_all_examples, one_example_at_a_time
from ondol._ops.checks import adjoint, element_count, wrap_dims
from ondol._ops.host import to_numpy, to_tensor
from ondol._ops.linalg_checks import (
    check_inexact,
    check_matrix,
    check_same_dtype,
    check_square,
    common_batch,
    raise_if_failed,
)
from ondol._ops.linalg_numpy import flat_batch, lu_factor
from ondol._ops.registry import operation


def _singular_at(matrices: np.ndarray) -> np.ndarray:
    """LAPACK's info of each matrix, asked after a failure: the first pivot that is zero, counted from 1, or 0."""
    return lu_factor(flat_batch(matrices))[2].reshape(matrices.shape[:-2])


@one_example_at_a_time
def _first_zero_pivot(matrices: Tensor, info: Tensor) -> Tensor:
    """What `info` becomes after a failure."""
    return to_tensor(_singular_at(to_numpy(matrices)), info)


def _solve_or_nan(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`numpy.linalg.solve`, with NaN for singular matrices instead of an exception for the whole batch."""
    try:
        return np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        result = np.full(np.broadcast_shapes(a.shape[:-2], b.shape[:-2]) + b.shape[-2:], np.nan, a.dtype)
        for at in np.ndindex(result.shape[:-2]):
            try:
                result[at] = np.linalg.solve(a[at], b[at])
            except np.linalg.LinAlgError:
                continue  # stays NaN
        return result


class _Solve(ondol.autograd.Function):
    """X with A X = B. Derivatives: Giles 2008, section 2.3.1."""

    _for_batch = batch_of_matrices

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        x = to_tensor(_solve_or_nan(to_numpy(a), to_numpy(b)), a)
        ctx.save_for_backward(a, x)
        return x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        a, x = ctx.saved_tensors
        b_grad = _Solve.apply(adjoint(a), grad)
        return (-ondol.matmul(b_grad, adjoint(x)) if ctx.needs_input_grad[0] else None), b_grad


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
    A, rhs = common_batch(A, rhs)
    result = _Solve.apply(A, rhs) if left else _Solve.apply(A.mT, rhs.mT).mT
    failed = ondol.isnan(result.detach()).reshape([*result.shape[:-2], element_count(result.shape[-2:])]).any(-1)
    info = failed.to(ondol.int32)
    if result.numel() and bool(of_all_examples(failed).any()):
        info = _first_zero_pivot(A, info)
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


class _Inverse(ondol.autograd.Function):
    """A⁻¹. Derivative: Giles 2008, section 2.2.3."""

    _for_batch = batch_of_matrices

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> Tensor:
        matrices = to_numpy(a)
        try:
            inverse = np.linalg.inv(matrices)
        except np.linalg.LinAlgError:
            identity = np.broadcast_to(np.eye(a.shape[-1], dtype=matrices.dtype), matrices.shape)
            inverse = _solve_or_nan(matrices, identity)
        result = to_tensor(inverse, a)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (inverse,) = ctx.saved_tensors
        adjoint_inverse = adjoint(inverse)
        return -ondol.matmul(adjoint_inverse, ondol.matmul(grad, adjoint_inverse))


@operation(namespace="linalg")
def inv_ex(A: Tensor, *, check_errors: bool = False, out: Any = None) -> Any:
    """(A⁻¹, info) of `inv`: info is 0, or the number of the first pivot that is zero."""
    check_square(A, "linalg.inv")
    inverse = _Inverse.apply(A)
    failed = ondol.isnan(inverse.detach()).reshape([*A.shape[:-2], element_count(A.shape[-2:])]).any(-1)
    info = failed.to(ondol.int32)
    if A.numel() and bool(of_all_examples(failed).any()):
        info = _first_zero_pivot(A, info)
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
    inverse, info = inv_ex(A)
    raise_if_failed(info, "linalg.inv", _SINGULAR, batched=A.dim() > 2)
    return inverse


@operation(method=True)
def inverse(input: Tensor, *, out: Any = None) -> Tensor:
    """Another name of `ondol.linalg.inv`."""
    return inv(input)


class _Determinant(ondol.autograd.Function):
    """det A, with the derivative g adj(A)ᴴ, which singular matrices have as well (Jacobi's formula)."""

    _for_batch = batch_of_matrices

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> Tensor:
        result = to_tensor(np.asarray(np.linalg.det(to_numpy(a))), a)
        ctx.save_for_backward(a, result)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        a, determinant = ctx.saved_tensors
        if ondol.is_grad_enabled():  # second derivatives: a form whose own derivative is known
            scale = grad * (determinant.conj() if determinant.is_complex() else determinant)
            return scale.unsqueeze(-1).unsqueeze(-1) * adjoint(_Inverse.apply(a))
        return grad.unsqueeze(-1).unsqueeze(-1) * to_tensor(_adjugate_adjoint(to_numpy(a)), a)


def _adjugate_adjoint(a: np.ndarray) -> np.ndarray:
    """adj(A)ᴴ = conj(det(U) det(Vᴴ)) U diag(products of the other singular values) Vᴴ, for any A = U S Vᴴ."""
    if not np.isfinite(a).all():
        return np.full_like(a, np.nan)
    u, s, vh = np.linalg.svd(a)
    ones = np.ones_like(s[..., :1])
    before = np.concatenate([ones, np.cumprod(s, -1)[..., :-1]], -1)
    after = np.concatenate([np.cumprod(s[..., ::-1], -1)[..., -2::-1], ones], -1) if s.shape[-1] else s
    unit = np.conj(np.linalg.det(u) * np.linalg.det(vh))
    return unit[..., None, None] * ((u * (before * after)[..., None, :]) @ vh)


@operation(namespace="linalg")
def det(A: Tensor, *, out: Any = None) -> Tensor:
    """The determinant of square matrices (*, n, n), of shape (*).

    >>> ondol.linalg.det(ondol.tensor([[2.0, 1.0], [0.0, 4.0]]))
    tensor(8.)
    """
    check_square(A, "linalg.det")
    return _Determinant.apply(A)


class _SignLogDeterminant(ondol.autograd.Function):
    """Sign and log |det A|. Derivative: Giles 2008, section 2.2.4; the phase of a complex determinant turns too."""

    _for_batch = batch_of_matrices

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> tuple[Tensor, Tensor]:
        sign, logarithm = np.linalg.slogdet(to_numpy(a))
        sign, logarithm = to_tensor(np.asarray(sign), a), to_tensor(np.asarray(logarithm), a)
        ctx.save_for_backward(a, sign)
        return sign, logarithm

    @staticmethod
    def backward(ctx: Any, sign_grad: Tensor, log_grad: Tensor) -> Tensor:
        a, sign = ctx.saved_tensors
        scale = log_grad
        if sign.is_complex():
            scale = ondol.complex(log_grad, -(sign_grad.conj() * sign).imag)
        return scale.unsqueeze(-1).unsqueeze(-1) * adjoint(_Inverse.apply(a))


@operation(namespace="linalg")
def slogdet(A: Tensor, *, out: Any = None) -> Any:
    """(sign, logabsdet) of square matrices: the determinant is `sign * exp(logabsdet)`, without overflow.

    >>> ondol.linalg.slogdet(-ondol.eye(1)).sign
    tensor(-1.)
    """
    check_square(A, "linalg.slogdet")
    return ondol.return_types.linalg_slogdet(_SignLogDeterminant.apply(A))


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
