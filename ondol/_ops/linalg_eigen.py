"""Eigenvalues and singular values."""

from __future__ import annotations

from typing import Any

import ondol
from ondol import Tensor
from ondol._examples import batch_of_matrices
from ondol._native import linalg as _lapack
from ondol._ops.checks import adjoint
from ondol._ops.linalg_checks import check_matrix, check_square, raise_if_failed
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
    values, vectors, info = _lapack.eigh(A, upper=_check_uplo(UPLO) == "U")
    raise_if_failed(info, "linalg.eigh", _EIGEN_FAILED, batched=A.dim() > 2)
    return ondol.return_types.linalg_eigh((values, vectors))


_EIGEN_FAILED = (
    "The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated eigenvalues "
    "(error code: {})."
)


@operation(namespace="linalg")
def eigvalsh(A: Tensor, UPLO: str = "L", *, out: Any = None) -> Tensor:
    """The eigenvalues of Hermitian matrices in rising order."""
    check_square(A, "linalg.eigvalsh")
    values, _, info = _lapack.eigh(A, upper=_check_uplo(UPLO) == "U", vectors=False)
    raise_if_failed(info, "linalg.eigh", _EIGEN_FAILED, batched=A.dim() > 2)
    return values


class _Eigen(ondol.autograd.Function):
    """A V = V diag(w). Derivative: Boeddeker et al. 2017, "On the computation of complex-valued gradients", 4.77."""

    _for_batch = batch_of_matrices

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> tuple[Tensor, Tensor]:
        values, vectors, info = _lapack.eig(a)
        raise_if_failed(info, "linalg.eig", _EIGEN_FAILED, batched=a.dim() > 2)
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


@operation(namespace="linalg")
def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None, out: Any = None) -> Any:
    """U (*, m, m), S (*, k) falling, Vh (*, n, n) with A = U diag(S) Vh; reduced to k = min(m, n) on request.

    Derivatives of U and Vh exist only where singular values are distinct. `driver` is for CUDA and must be None.

    >>> ondol.linalg.svd(ondol.tensor([[0.0, 2.0], [1.0, 0.0]])).S
    tensor([2., 1.])
    """
    check_matrix(A, "linalg.svd")
    _check_driver(driver, "linalg.svd")
    u, s, vh, info = _lapack.svd(A, full_matrices)
    _raise_if_not_converged(info, A)
    return ondol.return_types.linalg_svd((u, s, vh))


def _raise_if_not_converged(info: Tensor, A: Tensor) -> None:
    if not info.any():
        return
    if (info < 0).any():
        what = "The algorithm failed to converge because the input matrix contained non-finite values."
        info = info.clamp_max(0)
    else:
        what = ("The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated "
                "singular values (error code: {}).")  # fmt: skip
    raise_if_failed(info, "linalg.svd", what, batched=A.dim() > 2)


def _check_driver(driver: str | None, name: str) -> None:
    if driver is not None:
        raise RuntimeError(f"torch.{name}: keyword argument `driver=` is only supported on CUDA inputs, got {driver!r}")


@operation(namespace="linalg")
def svdvals(A: Tensor, *, driver: str | None = None, out: Any = None) -> Tensor:
    """The singular values of matrices (*, m, n) in falling order: (*, min(m, n))."""
    check_matrix(A, "linalg.svdvals")
    _check_driver(driver, "linalg.svdvals")
    _, values, _, info = _lapack.svd(A, False, vectors=False)
    _raise_if_not_converged(info, A)
    return values
