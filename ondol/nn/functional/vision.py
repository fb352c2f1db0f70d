"""Functions of images: resizing, sampling on a grid, rearranging, cutting into patches."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import ondol
from ondol._autocast import to_float32
from ondol._native import nn as _nn
from ondol._ops.clear_errors import with_clear_errors

from .pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from .resampling import resize

__all__ = [
    "GRID_SAMPLE_INTERPOLATION_MODES", "GRID_SAMPLE_PADDING_MODES",
    "affine_grid", "channel_shuffle", "fold", "grid_sample", "interpolate", "native_channel_shuffle", "pixel_shuffle",
    "pixel_unshuffle", "unfold", "upsample", "upsample_bilinear", "upsample_nearest",
]  # fmt: skip

GRID_SAMPLE_INTERPOLATION_MODES = {"bilinear": 0, "nearest": 1, "bicubic": 2}
GRID_SAMPLE_PADDING_MODES = {"zeros": 0, "border": 1, "reflection": 2}

_AREA = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}
_DIMS_OF_MODE = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}


def interpolate(
    input: ondol.Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> ondol.Tensor:
    """Make images larger or smaller: (N, C, L), (N, C, H, W) or (N, C, D, H, W).

    Args:
        size: the new size, or
        scale_factor: new size / old size.
        mode: `"nearest"`, `"nearest-exact"`, `"linear"` (3-d), `"bilinear"` and `"bicubic"` (4-d), `"trilinear"` (5-d),
            `"area"`.
        align_corners: whether the corners' centres, not their outer edges, stay in place; linear and cubic modes only.
        recompute_scale_factor: take the ratio of the sizes, not `scale_factor`, for the places of the samples.
        antialias: average over what a smaller image leaves out; `"bilinear"` and `"bicubic"` only.

    Raises:
        ValueError: if sizes, mode and input do not go together.
        NotImplementedError: for a mode that the input's dimensions do not have.

    >>> ondol.nn.functional.interpolate(ondol.tensor([[[1.0, 2.0]]]), scale_factor=2)
    tensor([[[1., 1., 2., 2.]]])
    """
    dims = input.dim() - 2
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError(
                "align_corners option can only be set with the interpolating modes: "
                "linear | bilinear | bicubic | trilinear"
            )
    elif align_corners is None:
        align_corners = False
    sizes, scales = _output_sizes(input, size, scale_factor, dims)
    if recompute_scale_factor:
        if scales is None:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        scales = None
    if antialias and not (mode in ("bilinear", "bicubic") and dims == 2):
        raise ValueError(
            "Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D tensor as input"
        )
    if dims not in (1, 2, 3):
        raise NotImplementedError(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.dim()}D) for the modes: nearest | "
            f"linear | bilinear | bicubic | trilinear | area | nearest-exact (got {mode})"
        )
    if mode == "area":
        return _AREA[dims](input, sizes)
    if mode not in ("nearest", "nearest-exact") and _DIMS_OF_MODE.get(mode) != dims:
        known = mode in _DIMS_OF_MODE
        raise NotImplementedError(
            f"Got {input.dim()}D input, but {mode} mode needs {_DIMS_OF_MODE[mode] + 2}D input"
            if known
            else f"unknown mode {mode!r}: use nearest | linear | bilinear | bicubic | trilinear | area | nearest-exact"
        )
    if (input.numel() == 0 and 0 in input.shape[1:]) or min(sizes) <= 0:
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input {list(input.shape)} and output {sizes}"
        )
    return resize(input, sizes, scales, mode, bool(align_corners), antialias)


def _output_sizes(input: ondol.Tensor, size: Any, scale_factor: Any, dims: int) -> tuple[list[int], list[float] | None]:
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    given, name = (size, "output shape") if size is not None else (scale_factor, "scale_factor")
    values = list(given) if isinstance(given, (list, tuple)) else [given] * dims
    if len(values) != dims:
        raise ValueError(
            f"Input and {name} must have the same number of spatial dimensions, but got input with spatial dimensions "
            f"of {list(input.shape[2:])} and {name} of {given}."
        )
    if size is not None:
        return [int(value) for value in values], None
    scales = [float(value) for value in values]
    if not all(abs(scale) * float(old) < 2**62 for old, scale in zip(input.shape[2:], scales)):
        raise RuntimeError(f"interpolate: a scale_factor of {scale_factor} makes no size of {list(input.shape[2:])}")
    return [math.floor(float(old) * scale) for old, scale in zip(input.shape[2:], scales)], scales


def upsample(
    input: ondol.Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: Any = None
) -> ondol.Tensor:
    """Deprecated: use `interpolate`."""
    warnings.warn("`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2)
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: ondol.Tensor, size: Any = None, scale_factor: Any = None) -> ondol.Tensor:
    """Deprecated: use `interpolate`."""
    warnings.warn("`nn.functional.upsample_nearest` is deprecated. Use `interpolate` instead.", stacklevel=2)
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: ondol.Tensor, size: Any = None, scale_factor: Any = None) -> ondol.Tensor:
    """Deprecated: use `interpolate(..., mode="bilinear", align_corners=True)`."""
    warnings.warn("`nn.functional.upsample_bilinear` is deprecated. Use `interpolate` instead.", stacklevel=2)
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


# ------------------------------------------------------------------------------------------------ spatial transformers


def affine_grid(theta: ondol.Tensor, size: Sequence[int], align_corners: bool | None = None) -> ondol.Tensor:
    """The places, for `grid_sample`, to which affine maps take the pixels of an image (Jaderberg et al. 2015).

    Shapes: `theta` (N, 2, 3) with size (N, C, H, W) → (N, H, W, 2); (N, 3, 4) with (N, C, D, H, W) → (N, D, H, W, 3).

    >>> identity = ondol.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    >>> ondol.nn.functional.affine_grid(identity, (1, 1, 1, 2), align_corners=True)
    tensor([[[[-1.,  0.],
              [ 1.,  0.]]]])
    """
    align_corners = _chosen_corners("affine_grid", align_corners)
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    dims = len(size) - 2
    if dims not in (2, 3):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. "
            f"Got size {tuple(size)}"
        )
    if theta.dim() != 3 or tuple(theta.shape[1:]) != (dims, dims + 1):
        raise ValueError(
            f"Expected a batch of {dims}D affine matrices of shape Nx{dims}x{dims + 1} for size {tuple(size)}. "
            f"Got {theta.shape}."
        )
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {tuple(size)}")
    axes = [_pixel_places(length, align_corners, theta.dtype) for length in size[2:]]
    coordinates = [*ondol.meshgrid(*axes, indexing="ij")][::-1]  # x first
    points = ondol.stack([*coordinates, ondol.ones_like(coordinates[0])], dim=-1).reshape(1, -1, dims + 1)
    grid = points.expand(theta.shape[0], -1, -1) @ theta.transpose(1, 2)
    return grid.reshape(theta.shape[0], *size[2:], dims)


def _chosen_corners(name: str, align_corners: bool | None) -> bool:
    if align_corners is None:
        warnings.warn(
            f"Default {name} behavior is align_corners=False. "
            f"Please specify align_corners=True if you want the corners' centres to stay in place.",
            stacklevel=3,
        )
    return bool(align_corners)


def _pixel_places(length: int, align_corners: bool, dtype: Any) -> ondol.Tensor:
    if length <= 1:
        return ondol.zeros(length, dtype=dtype)
    places = ondol.linspace(-1, 1, length, dtype=dtype)
    return places if align_corners else places * ((length - 1) / length)


def grid_sample(
    input: ondol.Tensor,
    grid: ondol.Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> ondol.Tensor:
    """The values of images at places given in units from −1 (left, top) to 1 (right, bottom).

    Args:
        mode: `"bilinear"`, `"nearest"` or, for 4-d inputs, `"bicubic"`.
        padding_mode: outside the image take `"zeros"`, the `"border"`, or the `"reflection"`.
        align_corners: whether −1 and 1 are the centres of the corner pixels instead of their outer edges.

    Shapes: (N, C, H, W) at (N, H', W', 2) → (N, C, H', W'); (N, C, D, H, W) at (N, D', H', W', 3) → 5-d.
    """
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', "
            f"but got: '{padding_mode}'"
        )
    align_corners = _chosen_corners("grid_sample", align_corners)
    input, grid = to_float32(input, grid)
    _check_grid(input, grid, mode)
    from .grid import sample

    return sample(input, grid, mode, padding_mode, align_corners)


def _check_grid(input: ondol.Tensor, grid: ondol.Tensor, mode: str) -> None:
    dims = input.dim() - 2
    if input.dtype != grid.dtype:
        raise RuntimeError(
            f"grid_sampler(): expected input and grid to have same dtype, but input has {input.dtype} and grid has "
            f"{grid.dtype}"
        )
    if dims not in (2, 3) or grid.dim() != input.dim():
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with sizes "
            f"{list(input.shape)} and grid with sizes {list(grid.shape)}"
        )
    if input.shape[0] != grid.shape[0]:
        raise RuntimeError(
            "grid_sampler(): expected grid and input to have same batch size, but got input with sizes "
            f"{list(input.shape)} and grid with sizes {list(grid.shape)}"
        )
    if grid.shape[-1] != dims:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {dims} in last dimension, but got grid with sizes "
            f"{list(grid.shape)}"
        )
    if 0 in input.shape[2:]:
        raise RuntimeError(
            f"grid_sampler(): expected input to have non-empty spatial dimensions, but got sizes {list(input.shape)}"
        )
    if mode == "bicubic" and dims == 3:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")


# ---------------------------------------------------------------------------------------------------- rearrangements


@with_clear_errors
def pixel_shuffle(input: ondol.Tensor, upscale_factor: int) -> ondol.Tensor:
    """(*, C · r², H, W) → (*, C, H · r, W · r): channels become pixels (Shi et al. 2016).

    >>> ondol.nn.functional.pixel_shuffle(ondol.arange(4.0).view(1, 4, 1, 1), 2)
    tensor([[[[0., 1.],
              [2., 3.]]]])
    """
    r = upscale_factor
    if input.dim() < 3:
        raise RuntimeError(f"pixel_shuffle expects input to have at least 3 dimensions, but got {input.dim()}")
    if r <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    *batch, channels, height, width = input.shape
    if channels % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
            f"but input.size(-3)={channels} is not divisible by {r * r}"
        )
    out = channels // (r * r)
    n = len(batch)
    split = input.reshape(*batch, out, r, r, height, width)
    moved = split.permute(*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return moved.reshape(*batch, out, height * r, width * r)


@with_clear_errors
def pixel_unshuffle(input: ondol.Tensor, downscale_factor: int) -> ondol.Tensor:
    """(*, C, H · r, W · r) → (*, C · r², H, W): the inverse of `pixel_shuffle`."""
    r = downscale_factor
    if input.dim() < 3:
        raise RuntimeError(f"pixel_unshuffle expects input to have at least 3 dimensions, but got {input.dim()}")
    if r <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {r}")
    *batch, channels, height, width = input.shape
    for name, size in (("height", height), ("width", width)):
        if size % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, "
                f"but {size} is not divisible by {r}"
            )
    n = len(batch)
    split = input.reshape(*batch, channels, height // r, r, width // r, r)
    moved = split.permute(*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return moved.reshape(*batch, channels * r * r, height // r, width // r)


@with_clear_errors
def channel_shuffle(input: ondol.Tensor, groups: int) -> ondol.Tensor:
    """(N, groups · k, *) → the same shape with the groups' channels interleaved (Zhang et al. 2018)."""
    if input.dim() < 3:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input.shape)}")
    if groups <= 0:
        raise RuntimeError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    channels = input.shape[1]
    if channels % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {channels} channels and {groups} groups."
        )
    split = input.reshape(input.shape[0], groups, channels // groups, *input.shape[2:])
    return split.transpose(1, 2).reshape(input.shape)


native_channel_shuffle = channel_shuffle


def unfold(input: ondol.Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> ondol.Tensor:
    """The patches of an image as columns: (N, C, H, W) → (N, C · ∏ kernel_size, L).

    >>> ondol.nn.functional.unfold(ondol.arange(4.0).view(1, 1, 2, 2), 2)[0, :, 0]
    tensor([0., 1., 2., 3.])
    """
    return _nn.im2col(input, _pair(kernel_size), _pair(dilation), _pair(padding), _pair(stride))


def fold(
    input: ondol.Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> ondol.Tensor:
    """The sum of patches at their places: the transpose of `unfold`, (N, C · ∏ kernel_size, L) → (N, C, H, W)."""
    return _nn.col2im(input, _pair(output_size), _pair(kernel_size), _pair(dilation), _pair(padding), _pair(stride))


def _pair(x: Any) -> list[int]:
    return [x, x] if isinstance(x, int) else list(x)
