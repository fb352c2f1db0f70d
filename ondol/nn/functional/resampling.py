"""Resizing of images, one dimension after the other: each new pixel is a weighted sum of old ones along it."""

from __future__ import annotations

import math
from typing import Any

import ondol
from ondol._native import nn as _nn


def resize(
    input: ondol.Tensor, sizes: list[int], scales: list[float] | None, mode: str, align_corners: bool, antialias: bool
) -> ondol.Tensor:
    """`interpolate` for all modes but `"area"`; the arguments are checked there."""
    dims = len(sizes)
    integral = not input.is_floating_point()
    # Between the passes nothing is rounded to half precision.
    narrow = integral or input.dtype in (ondol.float16, ondol.bfloat16)
    values = input.to(ondol.float32) if narrow and not mode.startswith("nearest") else input
    for i in reversed(range(dims)):  # the last dimension first: its passes read memory in order
        old, new = input.shape[2 + i], sizes[i]
        scale = None if scales is None else scales[i]
        if mode.startswith("nearest"):
            values = values if old == new and scale in (None, 1.0) else _nearest(values, 2 + i, old, new, scale, mode)
        elif antialias:
            values = _antialiased(values, 2 + i, old, new, scale, mode, align_corners)
        else:
            values = _weighted(values, 2 + i, old, new, scale, mode, align_corners)
    if narrow and values is not input and not mode.startswith("nearest"):
        values = (values.round().clamp(0, 255) if integral else values).to(input.dtype)
    return input.clone() if values is input else values


def _nearest(x: ondol.Tensor, dim: int, old: int, new: int, scale: float | None, mode: str) -> ondol.Tensor:
    ratio = ondol.tensor(old / new if scale is None else 1.0 / scale, dtype=ondol.float32)
    places = ondol.arange(new, dtype=ondol.float32)
    if mode == "nearest-exact":
        places = places + 0.5
    index = (places * ratio).floor().to(ondol.int64).clamp_max(old - 1)
    return x.index_select(dim, index)


def _source_places(old: int, new: int, scale: float | None, align_corners: bool, dtype: Any) -> ondol.Tensor:
    """Where, in old pixels, the centres of the new ones lie."""
    steps = ondol.arange(new, dtype=dtype)
    if align_corners:
        return steps * ((old - 1) / (new - 1) if new > 1 else 0.0)
    ratio = old / new if scale is None else 1.0 / scale
    return (steps + 0.5) * ratio - 0.5


def _weighted(
    x: ondol.Tensor, dim: int, old: int, new: int, scale: float | None, mode: str, align_corners: bool
) -> ondol.Tensor:
    if old == new and not align_corners and scale in (None, 1.0):
        return x
    places = _source_places(old, new, scale, align_corners, ondol.float64)
    if mode != "bicubic":
        places = places.clamp(min=0)
        low = places.floor().clamp_max(old - 1)
        part = places - low
        index, weights = [low, (low + 1).clamp_max(old - 1)], [1 - part, part]
    else:
        first = places.floor()
        index = [(first + offset).clamp(0, old - 1) for offset in (-1, 0, 1, 2)]
        weights = cubic_weights(places - first)
    return _nn.resample(x, dim, ondol.stack(index).to(ondol.int64), ondol.stack(weights))


def cubic_weights(t: ondol.Tensor, a: float = -0.75) -> list[ondol.Tensor]:
    """Weights of the four pixels around a place, `t` after the second (Keys 1981)."""

    def near(d: ondol.Tensor) -> ondol.Tensor:
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d: ondol.Tensor) -> ondol.Tensor:
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


def _antialiased(
    x: ondol.Tensor, dim: int, old: int, new: int, scale: float | None, mode: str, align_corners: bool
) -> ondol.Tensor:
    """A filter as wide as a new pixel, as Pillow's `resize`: a product with a sparse matrix of weights."""
    if old == new and not align_corners:
        return x
    if align_corners:
        ratio = (old - 1) / (new - 1) if new > 1 else 0.0
    else:
        ratio = old / new if scale is None else 1.0 / scale
    kernel, radius = (_cubic_kernel, 2.0) if mode == "bicubic" else (_tent_kernel, 1.0)
    width = max(ratio, 1.0)
    weights = ondol.zeros(new, old, dtype=ondol.float64)
    for i in range(new):
        centre = ratio * (i + 0.5)
        first = max(int(centre - radius * width + 0.5), 0)
        last = min(int(centre + radius * width + 0.5), old)
        row = [kernel((j - centre + 0.5) / width) for j in range(first, last)]
        total = sum(row)
        weights[i, first:last] = ondol.tensor([w / total if total else w for w in row], dtype=ondol.float64)
    return (x.transpose(dim, -1) @ weights.to(x.dtype).t()).transpose(dim, -1)


def _tent_kernel(d: float) -> float:
    return max(0.0, 1.0 - math.fabs(d))


def _cubic_kernel(d: float, a: float = -0.5) -> float:
    d = math.fabs(d)
    if d < 1.0:
        return ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0
    return (((d - 5.0) * d + 8.0) * d - 4.0) * a if d < 2.0 else 0.0
