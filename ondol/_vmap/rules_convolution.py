"""Convolutions and poolings: the batch joins the samples, or, where weights differ, becomes groups of channels."""

from __future__ import annotations

import re
from typing import Any

from ondol._native import Tensor
from ondol._vmap.call import Call, NeedsLoop, rule


def fold(x: Tensor, dim: int) -> Tensor:
    """The batch into dimension `dim` of the examples, slower than it: [B, ..., n, ...] → [..., B · n, ...]."""
    moved = x.movedim(0, dim)
    return moved.flatten(dim, dim + 1)


def unfold(x: Tensor, dim: int, size: int) -> Tensor:
    """The inverse of `fold`."""
    return x.reshape(*x.shape[:dim], size, x.shape[dim] // size, *x.shape[dim + 1 :]).movedim(dim, 0)


@rule("conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d")
def convolution(call: Call) -> Tensor:
    """With one weight for all, more samples; with one for each, groups (the trick of PyTorch's and JAX's rules)."""
    spatial = int(call.name[-2])
    rank, size = call.rank("input"), call.level.size
    if rank not in (spatial + 1, spatial + 2) or call.rank("weight") != spatial + 2 or size == 0:
        raise NeedsLoop
    single = rank == spatial + 1
    bias = call.values.pop("bias", None)
    bias_in_call = bias if "bias" not in call.batched else None
    if "weight" not in call.batched:
        x = call.batch("input")
        result = call.run(input=x if single else fold(x, 0), bias=bias_in_call)
        result = result if single else unfold(result, 0, size)
    else:
        x = call.batch("input")
        x = x.unsqueeze(1) if single else x
        repeated = None if bias_in_call is None else bias_in_call.repeat(size)
        weight = fold(call.values["weight"], 0)
        result = call.run(input=fold(x, 1), weight=weight, bias=repeated, groups=size * call.get("groups"))
        result = unfold(result, 1, size)
        result = result.squeeze(1) if single else result
    if "bias" in call.batched:
        shape = (size, *(1,) * (not single), bias.shape[1], *(1,) * spatial)
        result = result + bias.reshape(shape)
    return result


@rule("grid_sampler_2d")
def grid_sampler(call: Call) -> Tensor:
    """Each sample by itself, with its own positions: the batch joins the samples."""
    if call.rank("input") != 4 or call.rank("grid") != 4 or call.level.size == 0:
        raise NeedsLoop
    folded = {name: fold(call.batch(name), 0) for name in ("input", "grid")}
    return unfold(call.run(**folded), 0, call.level.size)


_POOLINGS = """
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d
    adaptive_max_pool3d avg_pool1d avg_pool2d avg_pool3d max_pool1d max_pool2d max_pool3d max_pool1d_with_indices
    max_pool2d_with_indices max_pool3d_with_indices
"""
_SPATIAL = {name: int(re.findall(r"pool(\d)d", name)[0]) for name in _POOLINGS.split()} | {"im2col": 2, "col2im": 1}
"""How many dimensions an example without samples has behind its channels."""


@rule(f"{_POOLINGS} im2col col2im")
def pooling(call: Call) -> Any:
    """Each sample by itself: the batch joins the samples."""
    name, spatial = next(iter(call.values)), _SPATIAL[call.name]
    rank, size = call.rank(name), call.level.size
    if rank not in (spatial + 1, spatial + 2) or size == 0:
        raise NeedsLoop
    if rank == spatial + 1:
        return call.run()
    result = call.run(**{name: fold(call.values[name], 0)})
    if isinstance(result, Tensor):
        return unfold(result, 0, size)
    return tuple(unfold(part, 0, size) for part in result)
