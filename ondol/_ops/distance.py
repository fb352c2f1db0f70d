"""Distances between vectors, and norms cut down to a bound."""

from __future__ import annotations

from typing import Any

import ondol
from ondol import Tensor
from ondol._native import linalg_vector_norm as _norm
from ondol._native import nn as _nn
from ondol._ops.checks import wrap_dim
from ondol._ops.registry import operation


@operation
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary") -> Tensor:
    """The p-norm distance of every row of `x1` (B, P, M) to every row of `x2` (B, R, M): (B, P, R).

    Batch dimensions broadcast. Euclidean distances of more than 25 rows come from one matrix product,
    |x - y|² = |x|² - 2 x·y + |y|², unless `compute_mode` forbids or demands it.

    >>> ondol.cdist(ondol.tensor([[0.0, 0.0]]), ondol.tensor([[3.0, 4.0]]))
    tensor([[5.]])
    """
    modes = {None: 0, "use_mm_for_euclid_dist_if_necessary": 0, "use_mm_for_euclid_dist": 1,
             "donot_use_mm_for_euclid_dist": 2}  # fmt: skip
    if compute_mode not in modes:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    for tensor, name in ((x1, "X1"), (x2, "X2")):
        if not tensor.is_floating_point():
            raise RuntimeError(f"cdist only supports floating-point dtypes, {name} got: {tensor.dtype}")
        if tensor.dim() < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {tensor.dim()}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}")
    if not p >= 0:
        raise RuntimeError("cdist only supports non-negative p values")
    batch = ondol.broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
    rows1, rows2, width = x1.shape[-2], x2.shape[-2], x1.shape[-1]
    x1, x2 = x1.expand([*batch, rows1, width]), x2.expand([*batch, rows2, width])
    if width == 0:
        return x1.sum(-1, keepdim=True) * x2.sum(-1).unsqueeze(-2)
    mode = modes[compute_mode]
    if p == 2 and (mode == 1 or (mode == 0 and (rows1 > 25 or rows2 > 25))):
        return _nn.euclidean_distances(x1, x2)
    return _norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)


@operation
def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The distances of all pairs of rows of a matrix, in the order of `combinations`.

    >>> ondol.pdist(ondol.tensor([[0.0], [1.0], [3.0]]))
    tensor([1., 3., 2.])
    """
    if input.dim() != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.dim()}D")
    if not input.is_floating_point():
        raise RuntimeError(f"pdist only supports floating-point dtypes, got: {input.dtype}")
    if not p >= 0:
        raise RuntimeError("pdist only supports non-negative p values")
    if p == 2 and input.dtype in (ondol.float32, ondol.float64):
        return _nn.euclidean_pairs(input)
    first, second = ondol.triu_indices(input.shape[0], input.shape[0], 1)
    if input.shape[1] == 0:
        return input.new_zeros(first.shape[0]) + input.sum()
    return _norm(input[first] - input[second], p, -1)


@operation(method=True)
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of the difference of two tensors that broadcast."""
    difference = input - other
    if difference.numel() == 0:
        return difference.abs().sum()
    return _norm(difference, p)


@operation(method=True, inplace=True)
def renorm(input: Tensor, p: float, dim: int, maxnorm: float, *, out: Any = None) -> Tensor:
    """The input with every slice along `dim` whose p-norm exceeds `maxnorm` scaled down to it.

    >>> ondol.renorm(ondol.tensor([[3.0, 4.0], [0.0, 1.0]]), 2, 0, 1.0)
    tensor([[0.6000, 0.8000],
            [0.0000, 1.0000]])
    """
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    if input.dim() < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.dim()} dimensions")
    dim = wrap_dim(dim, input.dim())
    others = [at for at in range(input.dim()) if at != dim]
    norm = _norm(input, p, others, keepdim=True)
    scale = ondol.where(norm > maxnorm, maxnorm / (norm + 1e-7), ondol.ones_like(norm))
    return input * scale.to(input.dtype)
