"""Products of tensors that are not matrix products as such: tensordot, inner, kron, cross, chains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ondol
from ondol import Tensor
from ondol._ops.checks import element_count, flat_arguments, wrap_dim, wrap_dims
from ondol._ops.registry import operation


@operation
def tensordot(a: Tensor, b: Tensor, dims: int | Sequence[Sequence[int]] | Tensor = 2, *, out: Any = None) -> Tensor:
    """Contract the given dimensions of `a` with those of `b`: the last and first `dims` ones, or two lists of them.

    >>> ondol.tensordot(ondol.ones(2, 3), ondol.ones(3, 4), dims=1).shape
    torch.Size([2, 4])
    """
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, (list, tuple)) and len(dims) == 1:
        dims = dims[0]
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.dim(), b.dim()):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims} for "
                               f"tensors of {a.dim()} and {b.dim()} dimensions")  # fmt: skip
        dims = list(range(a.dim() - dims, a.dim())), list(range(dims))
    ours, theirs = dims
    if len(ours) != len(theirs):
        raise RuntimeError("both dimension lists should have same length")
    if a.dtype != b.dtype:
        raise RuntimeError(f"tensordot: both inputs should have same dtype, got {a.dtype} and {b.dtype}")
    ours, theirs = wrap_dims(ours, a.dim()), wrap_dims(theirs, b.dim())
    for one, other in zip(ours, theirs):
        if b.shape[other] == 1:
            a = a.sum(one, keepdim=True, dtype=a.dtype)
        elif a.shape[one] == 1:
            b = b.sum(other, keepdim=True, dtype=b.dtype)
        elif a.shape[one] != b.shape[other]:
            raise RuntimeError(f"contracted dimensions need to match, but first has size {a.shape[one]} in dim {one} "
                               f"and second has size {b.shape[other]} in dim {other}")  # fmt: skip
    kept_a = [dim for dim in range(a.dim()) if dim not in ours]
    kept_b = [dim for dim in range(b.dim()) if dim not in theirs]
    shape_a, shape_b = [a.shape[dim] for dim in kept_a], [b.shape[dim] for dim in kept_b]
    inner_size = element_count(a.shape[dim] for dim in ours)
    left = a.permute([*kept_a, *ours]).reshape(element_count(shape_a), inner_size)
    right = b.permute([*theirs, *kept_b]).reshape(inner_size, element_count(shape_b))
    if left.shape[0] == right.shape[1] == 1:  # as PyTorch; under autocast a dot product is not rounded
        return ondol.dot(left.reshape(-1), right.reshape(-1)).reshape([*shape_a, *shape_b])
    return ondol.mm(left, right).reshape([*shape_a, *shape_b])


@operation(method=True)
def inner(input: Tensor, other: Tensor, *, out: Any = None) -> Tensor:
    """Dot products over the last dimension of both: (*, n) and (+, n) give (*, +). A scalar multiplies.

    >>> ondol.inner(ondol.tensor([1.0, 2.0]), ondol.tensor([3.0, 4.0]))
    tensor(11.)
    """
    if input.dim() == 0 or other.dim() == 0:
        return ondol.mul(input, other)
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(f"inner() the last dimension must match on both input tensors but got shapes "
                           f"{list(input.shape)} and {list(other.shape)}")  # fmt: skip
    return tensordot(input, other, dims=([-1], [-1]))


@operation(method=True)
def kron(input: Tensor, other: Tensor, *, out: Any = None) -> Tensor:
    """The Kronecker product over all dimensions; the shorter shape is filled with ones in front.

    >>> ondol.kron(ondol.eye(2), ondol.ones(1, 2))
    tensor([[1., 1., 0., 0.],
            [0., 0., 1., 1.]])
    """
    ndim = max(input.dim(), other.dim())
    ours = [1] * (ndim - input.dim()) + list(input.shape)
    theirs = [1] * (ndim - other.dim()) + list(other.shape)
    spread = input.reshape([size for pair in zip(ours, [1] * ndim) for size in pair])
    product = spread * other.reshape([size for pair in zip([1] * ndim, theirs) for size in pair])
    return product.reshape([one * two for one, two in zip(ours, theirs)])


@operation(method=True)
def cross(input: Tensor, other: Tensor, dim: int | None = None, *, out: Any = None) -> Tensor:
    """The vector product along `dim`, by default the first dimension of size 3; see `ondol.linalg.cross`."""
    if dim is None:
        shape = ondol.broadcast_shapes(input.shape, other.shape)
        if 3 not in shape:
            raise RuntimeError("no dimension of size 3 in input")
        if input.shape != shape or other.shape != shape:
            input, other = input.expand(shape), other.expand(shape)
        dim = list(shape).index(3)
    return vector_product(input, other, dim, "cross")


def vector_product(input: Tensor, other: Tensor, dim: int, name: str) -> Tensor:
    """The vector product of 3-vectors along `dim`, broadcasting the other dimensions."""
    if input.dim() != other.dim():
        raise RuntimeError(f"{name}: inputs must have the same number of dimensions, "
                           f"got {input.dim()} and {other.dim()}.")  # fmt: skip
    dim = wrap_dim(dim, input.dim())
    if input.dim() == 0 or input.shape[dim] != 3 or other.shape[dim] != 3:
        raise RuntimeError(f"{name}: inputs dimension {dim} must have length 3. "
                           f"Got {list(input.shape)} and {list(other.shape)}")  # fmt: skip
    a0, a1, a2 = input.unbind(dim)
    b0, b1, b2 = other.unbind(dim)
    return ondol.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], dim)


@operation
def chain_matmul(*matrices: Tensor, out: Any = None) -> Tensor:
    """The product of matrices in the cheapest order; like `ondol.linalg.multi_dot`, for matrices only.

    >>> ondol.chain_matmul(ondol.eye(2), ondol.ones(2, 3), ondol.ones(3, 1)).shape
    torch.Size([2, 1])
    """
    matrices = flat_arguments(matrices)
    if not matrices:
        raise RuntimeError("chain_matmul(): Expected one or more matrices")
    for at, matrix in enumerate(matrices):
        if matrix.dim() != 2:
            raise RuntimeError(f"chain_matmul(): Tensor {at} has {matrix.dim()} dimensions, expected a matrix")
    return matrices[0] if len(matrices) == 1 else cheapest_chain(matrices)


def cheapest_chain(matrices: Sequence[Tensor]) -> Tensor:
    """The product in the order of fewest multiplications (Cormen et al., Introduction to Algorithms, section 15.2)."""
    count = len(matrices)
    sizes = [matrices[0].shape[0], *(matrix.shape[1] for matrix in matrices)]
    cost = [[0] * count for _ in range(count)]
    split = [[0] * count for _ in range(count)]
    for length in range(1, count):
        for first in range(count - length):
            last = first + length
            cost[first][last], split[first][last] = min(
                (cost[first][at] + cost[at + 1][last] + sizes[first] * sizes[at + 1] * sizes[last + 1], at)
                for at in range(first, last)
            )

    def product(first: int, last: int) -> Tensor:
        if first == last:
            return matrices[first]
        at = split[first][last]
        return ondol.mm(product(first, at), product(at + 1, last))

    return product(0, count - 1)
