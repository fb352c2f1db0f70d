"""Powers and exponentials of matrices, and products of several."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

import ondol
from ondol import Tensor
from ondol._examples import batch_of_matrices
from ondol._ops.checks import adjoint, wrap_dim
from ondol._ops.diagonal import rising_powers
from ondol._ops.host import flat_batch, to_numpy, to_tensor
from ondol._ops.linalg_checks import check_square
from ondol._ops.linalg_solve import inv
from ondol._ops.product import cheapest_chain, vector_product
from ondol._ops.registry import operation


@operation(method=True)
def matrix_power(input: Tensor, n: int, *, out: Any = None) -> Tensor:
    """The `n`-th power of square matrices by repeated squaring; a negative one is that of the inverse.

    >>> ondol.matrix_power(ondol.tensor([[1.0, 1.0], [0.0, 1.0]]), 3)
    tensor([[1., 3.],
            [0., 1.]])
    """
    if input.dim() < 2 or input.shape[-1] != input.shape[-2]:
        raise RuntimeError(
            f"linalg.matrix_power: A must be batches of square matrices, but they are {list(input.shape)}"
        )
    if n == 0:
        identity = ondol.eye(input.shape[-1], dtype=input.dtype, device=input.device)
        return identity + input.tril(-1).triu()  # a zero that keeps the result on the tape
    base = inv(input) if n < 0 else input
    n, result = abs(n), None
    while True:
        if n & 1:
            result = base if result is None else ondol.matmul(result, base)
        n >>= 1
        if not n:
            return result
        base = ondol.matmul(base, base)


class _MatrixExponential(ondol.autograd.Function):
    """exp(A). The derivative in direction G is the upper right block of exp [[Aᴴ, G], [0, Aᴴ]] (Mathias 1996)."""

    _for_batch = batch_of_matrices

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> Tensor:
        matrices = to_numpy(a)
        ctx.save_for_backward(a)
        return to_tensor(_exponential(flat_batch(matrices)).reshape(matrices.shape), a)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (a,) = ctx.saved_tensors
        dual, size = adjoint(a), a.shape[-1]
        upper = ondol.cat([dual, grad], -1)
        lower = ondol.cat([ondol.zeros_like(dual), dual], -1)
        return _MatrixExponential.apply(ondol.cat([upper, lower], -2))[..., :size, size:]


_PADE_13 = (64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600,
            670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1)  # fmt: skip


def _exponential(a: np.ndarray) -> np.ndarray:
    """Scaling, Padé approximant of degree 13 and squaring (Higham 2005), each matrix with its own scale."""
    if not a.size:
        return a.copy()
    dtype, a = a.dtype, a.astype(np.complex128 if np.iscomplexobj(a) else np.float64)
    norms = np.abs(a).sum(-2).max(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        halvings = np.ceil(np.log2(norms / 5.371920351148152))
    halvings = np.where(np.isfinite(halvings), np.maximum(halvings, 0), 0).astype(int)
    a = a / np.exp2(halvings)[:, None, None]
    b, identity = _PADE_13, np.eye(a.shape[-1], dtype=a.dtype)
    a2 = a @ a
    a4 = a2 @ a2
    a6 = a4 @ a2
    odd = a @ (a6 @ (b[13] * a6 + b[11] * a4 + b[9] * a2) + b[7] * a6 + b[5] * a4 + b[3] * a2 + b[1] * identity)
    even = a6 @ (b[12] * a6 + b[10] * a4 + b[8] * a2) + b[6] * a6 + b[4] * a4 + b[2] * a2 + b[0] * identity
    result = np.linalg.solve(even - odd, even + odd)
    for step in range(int(halvings.max())):
        again = halvings > step
        result[again] = result[again] @ result[again]
    return result.astype(dtype)


@operation(method=True)
def matrix_exp(input: Tensor) -> Tensor:
    """The exponential of square matrices (*, n, n).

    >>> ondol.matrix_exp(ondol.tensor([[0.0, 1.0], [0.0, 0.0]]))
    tensor([[1., 1.],
            [0., 1.]])
    """
    if input.dtype in (ondol.bfloat16, ondol.float16):
        if input.dim() < 2 or input.shape[-1] != input.shape[-2]:
            raise RuntimeError(
                f"linalg.matrix_exp: A must be batches of square matrices, but they are {list(input.shape)}"
            )
        return matrix_exp(input.to(ondol.float32)).to(input.dtype)
    check_square(input, "linalg.matrix_exp")
    return _MatrixExponential.apply(input)


@operation(namespace="linalg")
def multi_dot(tensors: Sequence[Tensor], *, out: Any = None) -> Tensor:
    """The product of two or more matrices in the cheapest order; the first and the last may be vectors.

    >>> ondol.linalg.multi_dot([ondol.ones(2), ondol.ones(2, 3), ondol.ones(3)])
    tensor(6.)
    """
    tensors = list(tensors)
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    for at, tensor in enumerate(tensors):
        allowed = (1, 2) if at in (0, len(tensors) - 1) else (2,)
        if tensor.dim() not in allowed:
            raise RuntimeError(
                f"multi_dot(): tensor {at} must be {' or '.join(f'{n}D' for n in allowed)} but got {tensor.dim()}D"
            )
        if tensor.dtype != tensors[0].dtype:
            raise RuntimeError(f"multi_dot(): all tensors must be of the same dtype but tensor {at} is "
                               f"{tensor.dtype} and tensor 0 {tensors[0].dtype}")  # fmt: skip
    row, column = tensors[0].dim() == 1, tensors[-1].dim() == 1
    if row:
        tensors[0] = tensors[0].unsqueeze(0)
    if column:
        tensors[-1] = tensors[-1].unsqueeze(-1)
    for at, (one, other) in enumerate(itertools.pairwise(tensors)):
        if one.shape[-1] != other.shape[0]:
            raise RuntimeError(f"multi_dot(): tensors {at} and {at + 1} with shapes {list(one.shape)} and "
                               f"{list(other.shape)} cannot be multiplied")  # fmt: skip
    result = cheapest_chain(tensors)
    if row:
        result = result.squeeze(0)
    return result.squeeze(-1) if column else result


def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1, out: Any = None) -> Tensor:
    """The vector product of 3-vectors along `dim`; the other dimensions broadcast.

    >>> ondol.linalg.cross(ondol.tensor([1.0, 0.0, 0.0]), ondol.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    return vector_product(input, other, dim, "linalg.cross")


def linalg_diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """A view of the diagonals of matrices over two dimensions, which come last."""
    return A.diagonal(offset, dim1, dim2)


@operation(namespace="linalg")
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1, out: Any = None) -> Tensor:
    """Dot products along one dimension, x conjugated; the other dimensions broadcast.

    >>> ondol.linalg.vecdot(ondol.ones(2, 3), ondol.ones(3))
    tensor([3., 3.])
    """
    if x.dtype != y.dtype:
        raise RuntimeError(f"linalg.vecdot: Expected x and y to have the same dtype, but got {x.dtype} and {y.dtype}")
    if not (x.is_floating_point() or x.is_complex()):
        raise RuntimeError(f"linalg.vecdot: Expected a floating point or complex tensor as input. Got {x.dtype}")
    product = (x.conj() if x.is_complex() else x) * y
    return product.sum(wrap_dim(dim, product.dim()))


def linalg_vander(x: Tensor, N: int | None = None) -> Tensor:
    """The Vandermonde matrices 1, x, x², ... of vectors (*, n): (*, n, N), N = n if not given.

    >>> ondol.linalg.vander(ondol.tensor([1, 2, 3]))
    tensor([[1, 1, 1],
            [1, 2, 4],
            [1, 3, 9]])
    """
    if x.dtype == ondol.bool:
        raise RuntimeError("linalg.vander: Expected a floating point, complex, or integral tensor, got torch.bool")
    x = x.unsqueeze(0) if x.dim() == 0 else x
    count = x.shape[-1] if N is None else N
    if count <= 1:
        raise RuntimeError(f"N must be greater than 1, got {count}")
    return rising_powers(x, count)


def _named(function: Any, name: str) -> Any:
    """These share their name with an older function of the top level, so they are defined under another one."""
    function.__name__ = function.__qualname__ = name
    return operation(function, namespace="linalg")


linalg_cross = _named(linalg_cross, "cross")
linalg_diagonal = _named(linalg_diagonal, "diagonal")
linalg_vander = _named(linalg_vander, "vander")
