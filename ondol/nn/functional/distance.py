"""Distances and similarities between vectors."""

from __future__ import annotations

import ondol
from ondol._ops.clear_errors import with_clear_errors

__all__ = ["cosine_similarity", "pairwise_distance", "pdist"]


@with_clear_errors
def cosine_similarity(x1: ondol.Tensor, x2: ondol.Tensor, dim: int = 1, eps: float = 1e-8) -> ondol.Tensor:
    """x₁ · x₂ / (max(‖x₁‖, eps) · max(‖x₂‖, eps)) along `dim`; the inputs are broadcast.

    Raises:
        RuntimeError: for integer inputs.

    >>> ondol.nn.functional.cosine_similarity(ondol.tensor([1.0, 0.0]), ondol.tensor([1.0, 1.0]), dim=0)
    tensor(0.7071)
    """
    dtype = ondol.promote_types(x1.dtype, x2.dtype)
    if not (dtype.is_floating_point or dtype.is_complex):
        raise RuntimeError(f"expected common dtype to be floating point, yet common dtype is {dtype}")
    x1, x2 = x1.to(dtype), x2.to(dtype)
    if x1.shape != x2.shape:
        x1, x2 = ondol.broadcast_tensors(x1, x2)
    return (x1 * x2).sum(dim) / (_length(x1, dim, eps) * _length(x2, dim, eps))


def _length(x: ondol.Tensor, dim: int, eps: float) -> ondol.Tensor:
    """The norm, at least eps; the limit is not differentiated, so that short vectors keep a gradient."""
    length = x.norm(2, dim).clone()
    with ondol.no_grad():
        length.clamp_min_(eps)
    return length


@with_clear_errors
def pairwise_distance(
    x1: ondol.Tensor, x2: ondol.Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> ondol.Tensor:
    """‖x₁ − x₂ + eps‖ₚ along the last dimension; the inputs are broadcast.

    >>> ondol.nn.functional.pairwise_distance(ondol.tensor([[3.0, 4.0]]), ondol.zeros(1, 2))
    tensor([5.0000])
    """
    return (x1 - x2 + eps).norm(p, -1, keepdim)


def pdist(input: ondol.Tensor, p: float = 2) -> ondol.Tensor:
    """The distances between all pairs of rows of a matrix, in the order of the upper triangle.

    Raises:
        RuntimeError: if the input is not 2-d, or p is negative.

    >>> ondol.nn.functional.pdist(ondol.tensor([[0.0], [1.0], [3.0]]))
    tensor([1., 3., 2.])
    """
    return ondol.pdist(input, p)
