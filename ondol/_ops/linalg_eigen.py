"""Eigenvalues and singular values."""

from __future__ import annotations

from typing import Any

import numpy as np

import ondol
from ondol import Tensor
from ondol._examples import batch_of_matrices
from ondol._ops.checks import adjoint, complex_dtype
from ondol._ops.host import to_numpy, to_tensor
from ondol._ops.linalg_checks import LinAlgError, check_matrix, check_square, finite_array
from ondol._ops.registry import operation


def _identity_like(matrix: Tensor) -> Tensor:
    return ondol.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)


def _diagonal_matrix(values: Tensor) -> Tensor:
    return ondol.diag_embed(values)


def _sum(*terms: Tensor | None) -> Tensor | None:
    total = None
    for term in terms:
        if term is not None:
            total = term if total is None else total + term
    return total


class _HermitianEigen(ondol.autograd.Function):
    """A = V diag(w) Vᴴ. Derivative: Giles 2008, section 3.1, for Hermitian A."""

    _for_batch = batch_of_matrices

    @staticmethod
    def forward(ctx: Any, a: Tensor, uplo: str) -> tuple[Tensor, Tensor]:
        try:
            values, vectors = np.linalg.eigh(finite_array(a, "linalg.eigh"), uplo)
        except np.linalg.LinAlgError as error:
            raise LinAlgError(f"linalg.eigh: The algorithm failed to converge: {error}") from error
        values, vectors = to_tensor(values, a), to_tensor(vectors, a)
        ctx.save_for_backward(values, vectors)
        ctx.set_materialize_grads(False)
        return values, vectors

    @staticmethod
    def backward(ctx: Any, values_grad: Tensor | None, vectors_grad: Tensor | None) -> tuple[Any, ...]:
        values, vectors = ctx.saved_tensors
        inside = None if values_grad is None else _diagonal_matrix(values_grad)
        if vectors_grad is not None:
            gaps = values.unsqueeze(-2) - values.unsqueeze(-1)
            gaps = gaps + ondol.eye(gaps.shape[-1], dtype=gaps.dtype, device=gaps.device)
            turned = ondol.matmul(adjoint(vectors), vectors_grad) / gaps
            inside = _sum(turned - turned.tril().triu(), inside)
        if inside is None:
            return None, None
        return ondol.matmul(ondol.matmul(vectors, inside.to(vectors.dtype)), adjoint(vectors)), None


def _check_uplo(uplo: str) -> str:
    if not isinstance(uplo, str) or uplo.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {uplo}")
    return uplo.upper()


@operation(namespace="linalg")
def eigh(A: Tensor, UPLO: str = "L", *, out: Any = None) -> Any:
    """Eigenvalues in rising order (*, n) and eigenvectors in columns (*, n, n) of Hermitian matrices.

    Only the triangle `UPLO` of A is read. Derivatives of eigenvectors exist only where eigenvalues are distinct.

    >>> ondol.linalg.eigh(ondol.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    tensor([1., 2.])
    """
    check_square(A, "linalg.eigh")
    return ondol.return_types.linalg_eigh(_HermitianEigen.apply(A, _check_uplo(UPLO)))


@operation(namespace="linalg")
def eigvalsh(A: Tensor, UPLO: str = "L", *, out: Any = None) -> Tensor:
    """The eigenvalues of Hermitian matrices in rising order."""
    check_square(A, "linalg.eigvalsh")
    return _HermitianEigen.apply(A, _check_uplo(UPLO))[0]


class _Eigen(ondol.autograd.Function):
    """A V = V diag(w). Derivative: Boeddeker et al. 2017, "On the computation of complex-valued gradients", 4.77."""

    _for_batch = batch_of_matrices

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> tuple[Tensor, Tensor]:
        matrices = to_numpy(a)
        if not np.isfinite(matrices).all():
            raise RuntimeError("torch.linalg.eig: input tensor should not contain infs or NaNs.")
        try:
            values, vectors = np.linalg.eig(matrices)
        except np.linalg.LinAlgError as error:
            raise LinAlgError(f"linalg.eig: The algorithm failed to converge: {error}") from error
        dtype = complex_dtype(a.dtype)
        values, vectors = to_tensor(values, a).to(dtype), to_tensor(vectors, a).to(dtype)
        ctx.save_for_backward(values, vectors)
        ctx.set_materialize_grads(False)
        ctx.real = not a.is_complex()
        return values, vectors

    @staticmethod
    def backward(ctx: Any, values_grad: Tensor | None, vectors_grad: Tensor | None) -> Tensor | None:
        values, vectors = ctx.saved_tensors
        inside = None if values_grad is None else _diagonal_matrix(values_grad)
        dual = adjoint(vectors)
        if vectors_grad is not None:
            turned = ondol.matmul(dual, vectors_grad)
            lengths = turned.diagonal(0, -2, -1).real.to(turned.dtype)
            gaps = (values.unsqueeze(-2) - values.unsqueeze(-1)).conj() + _identity_like(vectors)
            turned = (turned - ondol.matmul(dual, vectors * lengths.unsqueeze(-2))) / gaps
            inside = _sum(turned - turned.tril().triu(), inside)
        if inside is None:
            return None
        result = ondol.linalg.solve(dual, ondol.matmul(inside, dual))
        return result.real if ctx.real else result


@operation(namespace="linalg")
def eig(A: Tensor, *, out: Any = None) -> Any:
    """Eigenvalues (*, n) and eigenvectors in columns (*, n, n) of square matrices, complex and in no order.

    >>> ondol.linalg.eig(ondol.eye(2)).eigenvalues
    tensor([1.+0.j, 1.+0.j])
    """
    check_square(A, "linalg.eig")
    return ondol.return_types.linalg_eig(_Eigen.apply(A))


@operation(namespace="linalg")
def eigvals(A: Tensor, *, out: Any = None) -> Tensor:
    """The eigenvalues of square matrices, complex and in no order."""
    check_square(A, "linalg.eigvals")
    return _Eigen.apply(A)[0]


class _SingularValues(ondol.autograd.Function):
    """A = U diag(S) Vᴴ. Derivative: Townsend 2016, "Differentiating the SVD"; complex: Wan & Zhang 2019."""

    _for_batch = batch_of_matrices

    @staticmethod
    def forward(ctx: Any, a: Tensor, full: bool) -> tuple[Tensor, Tensor, Tensor]:
        try:
            u, s, vh = np.linalg.svd(finite_array(a, "linalg.svd"), full_matrices=full)
        except np.linalg.LinAlgError as error:
            raise LinAlgError(f"linalg.svd: The algorithm failed to converge: {error}") from error
        u, s, vh = to_tensor(u, a), to_tensor(s, a), to_tensor(vh, a)
        ctx.save_for_backward(u, s, vh)
        ctx.set_materialize_grads(False)
        return u, s, vh

    @staticmethod
    def backward(ctx: Any, u_grad: Tensor | None, s_grad: Tensor | None, vh_grad: Tensor | None) -> tuple[Any, ...]:
        u, s, vh = ctx.saved_tensors
        rank = s.shape[-1]
        u, vh = u[..., :, :rank], vh[..., :rank, :]
        if u_grad is None and vh_grad is None:
            if s_grad is None:
                return None, None
            return ondol.matmul(u * s_grad.unsqueeze(-2).to(u.dtype), vh), None
        v = adjoint(vh)
        squares = s * s
        gaps = squares.unsqueeze(-2) - squares.unsqueeze(-1)
        gaps = gaps + ondol.eye(rank, dtype=gaps.dtype, device=gaps.device)
        core, phase = None, None
        u_part = v_part = None
        if u_grad is not None:
            u_grad = u_grad[..., :, :rank]
            u_part = ondol.matmul(adjoint(u), u_grad)
            skew = u_part - adjoint(u_part)
            core, phase = skew / gaps * s.unsqueeze(-2), skew
        if vh_grad is not None:
            v_grad = adjoint(vh_grad[..., :rank, :])
            v_part = ondol.matmul(vh, v_grad)
            core = _sum(core, s.unsqueeze(-1) * ((v_part - adjoint(v_part)) / gaps))
        core = core - core.tril().triu()
        if s_grad is not None:
            core = core + _diagonal_matrix(s_grad).to(core.dtype)
        if core.is_complex() and phase is not None:
            core = core + _diagonal_matrix(phase.diagonal(0, -2, -1) / (2 * s))
        result = ondol.matmul(ondol.matmul(u, core), vh)
        rows, columns = u.shape[-2], vh.shape[-1]
        if rows > rank and u_grad is not None:  # the part of dU outside the span of U
            outside = (u_grad - ondol.matmul(u, u_part)) / s.unsqueeze(-2)
            result = result + ondol.matmul(outside, vh)
        if columns > rank and vh_grad is not None:
            outside = (v_grad - ondol.matmul(v, v_part)) / s.unsqueeze(-2)
            result = result + ondol.matmul(u, adjoint(outside))
        return result, None


@operation(namespace="linalg")
def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None, out: Any = None) -> Any:
    """U (*, m, m), S (*, k) falling, Vh (*, n, n) with A = U diag(S) Vh; reduced to k = min(m, n) on request.

    Derivatives of U and Vh exist only where singular values are distinct. `driver` is for CUDA and must be None.

    >>> ondol.linalg.svd(ondol.tensor([[0.0, 2.0], [1.0, 0.0]])).S
    tensor([2., 1.])
    """
    check_matrix(A, "linalg.svd")
    _check_driver(driver, "linalg.svd")
    return ondol.return_types.linalg_svd(_SingularValues.apply(A, full_matrices))


def _check_driver(driver: str | None, name: str) -> None:
    if driver is not None:
        raise RuntimeError(f"torch.{name}: keyword argument `driver=` is only supported on CUDA inputs, got {driver!r}")


@operation(namespace="linalg")
def svdvals(A: Tensor, *, driver: str | None = None, out: Any = None) -> Tensor:
    """The singular values of matrices (*, m, n) in falling order: (*, min(m, n))."""
    check_matrix(A, "linalg.svdvals")
    _check_driver(driver, "linalg.svdvals")
    return _SingularValues.apply(A, False)[1]
