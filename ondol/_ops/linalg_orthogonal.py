"""QR factorisation and Householder reflectors."""

from __future__ import annotations

from typing import Any

import ondol
from ondol import Tensor
from ondol._native import linalg as _lapack
from ondol._ops.checks import adjoint
from ondol._ops.linalg_checks import check_matrix
from ondol._ops.registry import operation


@operation(namespace="linalg")
def qr(A: Tensor, mode: str = "reduced", *, out: Any = None) -> Any:
    """Q with orthonormal columns and upper triangular R with A = Q R, for matrices (*, m, n).

    `mode`: "reduced" gives (m, k) and (k, n) for k = min(m, n); "complete" (m, m) and (m, n); "r" only R, Q is empty
    and there is no derivative.

    >>> ondol.linalg.qr(ondol.tensor([[0.0, 1.0], [1.0, 0.0]])).R.abs()
    tensor([[1., 0.],
            [0., 1.]])
    """
    return ondol.return_types.linalg_qr(_lapack.qr(A, mode))


@operation(namespace="linalg")
def householder_product(A: Tensor, tau: Tensor, *, out: Any = None) -> Tensor:
    """The first n columns of H₁ H₂ … H_k, reflectors I - tau v vᴴ with v below the diagonal of A (*, m, n).

    >>> A, tau = ondol.geqrf(ondol.tensor([[3.0], [4.0]]))
    >>> ondol.linalg.householder_product(A, tau).abs()
    tensor([[0.6000],
            [0.8000]])
    """
    _check_reflectors(A, tau, "linalg.householder_product")
    rows, columns = A.shape[-2:]
    result = ondol.eye(rows, columns, dtype=A.dtype, device=A.device).expand(A.shape)
    for vector, scale in reversed(_reflectors(A, tau)):
        result = result - scale * ondol.matmul(vector, ondol.matmul(adjoint(vector), result))
    # Without reflectors the result is constant: a zero matrix made from A keeps it on the tape.
    return result + A.tril(-1).triu() if tau.shape[-1] == 0 else result


def _check_reflectors(A: Tensor, tau: Tensor, name: str) -> None:
    check_matrix(A, name, "input")
    if A.shape[-2] < A.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]")
    if A.shape[-1] < tau.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    if tau.dim() != A.dim() - 1 or tau.shape[:-1] != A.shape[:-2]:
        raise RuntimeError(f"{name}: Expected tau to have one dimension less than input and its batch shape, but "
                           f"got tau {list(tau.shape)} and input {list(A.shape)}")  # fmt: skip
    if tau.dtype != A.dtype:
        raise RuntimeError(f"{name}: tau dtype {tau.dtype} does not match input dtype {A.dtype}")


def _reflectors(A: Tensor, tau: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The vectors (*, m, 1), with their implicit one, and their scales (*, 1, 1)."""
    unit = ondol.eye(A.shape[-2], tau.shape[-1], dtype=A.dtype, device=A.device)
    vectors = A[..., : tau.shape[-1]].tril(-1) + unit
    return [(vectors[..., :, at : at + 1], tau[..., at : at + 1].unsqueeze(-1)) for at in range(tau.shape[-1])]


@operation(method=True)
def orgqr(input: Tensor, tau: Tensor, *, out: Any = None) -> Tensor:
    """Another name of `ondol.linalg.householder_product`."""
    return householder_product(input, tau)


@operation(method=True)
def ormqr(
    input: Tensor, tau: Tensor, other: Tensor, left: bool = True, transpose: bool = False, *, out: Any = None
) -> Tensor:
    """Q times `other` (`other` times Q unless `left`), for the whole Q = H₁ … H_k of reflectors; Qᴴ if `transpose`."""
    check_matrix(input, "ormqr", "input")
    check_matrix(other, "ormqr", "other")
    if other.shape[-2 if left else -1] != input.shape[-2]:
        raise RuntimeError(f"torch.ormqr: other.shape[{-2 if left else -1}] must be equal to input.shape[-2], got "
                           f"{list(other.shape)} and {list(input.shape)}")  # fmt: skip
    if tau.shape[-1] > input.shape[-1] or tau.dim() != input.dim() - 1:
        raise RuntimeError(f"torch.ormqr: tau {list(tau.shape)} does not fit input {list(input.shape)}")
    if tau.dtype != input.dtype or other.dtype != input.dtype:
        raise RuntimeError("torch.ormqr: Expected input, tau and other to have the same dtype")
    reflectors = _reflectors(input, tau)
    # Q B = H1 (H2 (... B)): the last reflector comes first; transposing turns the order, and so does the right side.
    if left != transpose:
        reflectors.reverse()
    result = other
    for vector, scale in reflectors:
        scale = scale.conj() if transpose and scale.is_complex() else scale
        if left:
            result = result - scale * ondol.matmul(vector, ondol.matmul(adjoint(vector), result))
        else:
            result = result - scale * ondol.matmul(ondol.matmul(result, vector), adjoint(vector))
    return result


@operation(method=True)
def geqrf(input: Tensor, *, out: Any = None) -> Any:
    """LAPACK's compact QR: (a, tau), with R in and above the diagonal of a, reflectors below. Not differentiable.

    >>> ondol.geqrf(ondol.tensor([[3.0], [4.0]])).a[0, 0].abs()
    tensor(5.)
    """
    return ondol.return_types.geqrf(_lapack.geqrf(input))
