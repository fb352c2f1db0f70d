"""Sampling images at arbitrary places: each sample is a weighted sum of the pixels around it."""

from __future__ import annotations

from itertools import product
from typing import Any

import ondol
from ondol._native import nn as _nn

from .resampling import cubic_weights


def sample(input: ondol.Tensor, grid: ondol.Tensor, mode: str, padding_mode: str, align_corners: bool) -> ondol.Tensor:
    """`grid_sample`; the arguments are checked there."""
    if input.dim() == 4 and mode in ("bilinear", "nearest") and input.numel():
        if not (ondol.is_grad_enabled() and (input.requires_grad or grid.requires_grad)):
            return _nn.grid_sampler_2d(input, grid, mode, padding_mode, align_corners)
        return _SampleInPlane.apply(input, grid, mode, padding_mode, align_corners)
    return _composed(input, grid, mode, padding_mode, align_corners)


class _SampleInPlane(ondol.autograd.Function):
    """By the native kernels; a derivative that is to be differentiated again is taken of the composed form."""

    @staticmethod
    def forward(ctx: Any, input: ondol.Tensor, grid: ondol.Tensor, *how: Any) -> ondol.Tensor:
        ctx.save_for_backward(input, grid)
        ctx.how = how
        return _nn.grid_sampler_2d(input, grid, *how)

    @staticmethod
    def backward(ctx: Any, gradient: ondol.Tensor) -> tuple[Any, ...]:
        input, grid = ctx.saved_tensors
        if not ondol.is_grad_enabled():
            return (*_nn.grid_sampler_2d_backward(gradient, input, grid, *ctx.how), None, None, None)
        wanted = [tensor for tensor in (input, grid) if tensor.requires_grad]
        found = iter(
            ondol.autograd.grad(
                _composed(input, grid, *ctx.how), wanted, gradient, create_graph=True, allow_unused=True
            )
        )
        return (*(next(found) if tensor.requires_grad else None for tensor in (input, grid)), None, None, None)


def _composed(
    input: ondol.Tensor, grid: ondol.Tensor, mode: str, padding_mode: str, align_corners: bool
) -> ondol.Tensor:
    """The same by operations: for every number of dimensions, for every mode, and for higher derivatives."""
    sizes = list(input.shape[2:])
    dims = len(sizes)
    batch, channels = input.shape[:2]
    pixels = input.reshape(batch, channels, -1)
    axes = []  # for each dimension, slowest first: places in pixels
    for d, size in enumerate(sizes):
        place = _to_pixels(grid[..., dims - 1 - d], size, align_corners)
        if mode != "bicubic":  # a cubic sample pads its pixels, not its place
            place = _inside(place, size, padding_mode, align_corners)
        axes.append(place)
    taps = [_TAPS[mode](place) for place in axes]  # for each dimension: pairs of whole pixel and weight
    total: Any = 0
    for corner in product(*taps):
        index: Any = 0
        weight: Any = 1
        for (pixel, part), size in zip(corner, sizes):
            if mode == "bicubic":
                pixel = _inside(pixel, size, padding_mode, align_corners)
            whole = pixel.detach().nan_to_num(nan=-1.0, posinf=-1.0, neginf=-1.0).round()
            hit = (whole >= 0) & (whole <= size - 1)
            weight = weight * ondol.where(hit, part, ondol.zeros_like(part))
            index = index * size + whole.clamp(0, size - 1).to(ondol.int64)
        flat = index.reshape(batch, 1, -1).expand(-1, channels, -1)
        values = pixels.gather(2, flat).reshape(batch, channels, *grid.shape[1:-1])
        total = total + values * weight.unsqueeze(1)
    return total


def _to_pixels(place: ondol.Tensor, size: int, align_corners: bool) -> ondol.Tensor:
    return (place + 1) / 2 * (size - 1) if align_corners else ((place + 1) * size - 1) / 2


def _inside(place: ondol.Tensor, size: int, padding_mode: str, align_corners: bool) -> ondol.Tensor:
    if padding_mode == "border":
        return place.clamp(0, size - 1)
    if padding_mode == "reflection":
        low, span = (0.0, size - 1.0) if align_corners else (-0.5, float(size))
        if span == 0:
            return place * 0
        distance = (place - low).abs()
        flips = (distance / span).detach().floor()
        rest = distance - flips * span
        return ondol.where(flips % 2 == 0, rest + low, span - rest + low).clamp(0, size - 1)
    return place


def _linear_taps(place: ondol.Tensor) -> list[tuple[ondol.Tensor, ondol.Tensor]]:
    first = place.detach().floor()
    part = place - first
    return [(first, 1 - part), (first + 1, part)]


def _nearest_taps(place: ondol.Tensor) -> list[tuple[ondol.Tensor, ondol.Tensor]]:
    return [(place.detach().round(), ondol.ones_like(place))]


def _cubic_taps(place: ondol.Tensor) -> list[tuple[ondol.Tensor, ondol.Tensor]]:
    first = place.detach().floor()
    return [(first + offset, weight) for offset, weight in zip((-1, 0, 1, 2), cubic_weights(place - first))]


_TAPS = {"bilinear": _linear_taps, "nearest": _nearest_taps, "bicubic": _cubic_taps}
