"""Layers that PyTorch also has at the top level, with all arguments required and modes as numbers."""

from __future__ import annotations

from ondol import Tensor
from ondol._ops.clear_errors import with_clear_errors
from ondol.nn import functional
from ondol.nn.functional.embedding import pool_bags

__all__ = [
    "alpha_dropout", "embedding_bag", "feature_alpha_dropout", "grid_sampler", "grid_sampler_2d", "grid_sampler_3d",
]  # fmt: skip

_INTERPOLATION = ("bilinear", "nearest", "bicubic")
_PADDING = ("zeros", "border", "reflection")
_POOLING = ("sum", "mean", "max")


@with_clear_errors
def alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """`ondol.nn.functional.alpha_dropout`."""
    return functional.alpha_dropout(input, p, train)


@with_clear_errors
def feature_alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """`ondol.nn.functional.feature_alpha_dropout`."""
    return functional.feature_alpha_dropout(input, p, train)


@with_clear_errors
def embedding_bag(
    weight: Tensor, indices: Tensor, offsets: Tensor, scale_grad_by_freq: bool = False, mode: int = 0,
    sparse: bool = False, per_sample_weights: Tensor | None = None, include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """`ondol.nn.functional.embedding_bag` with modes sum, mean, max, numbered from 0 on: what it gives, the bag of each
    index, the size of each bag and, for max, the row that each maximum comes from.

    Raises IndexError for other numbers.
    """
    return tuple(pool_bags(indices, weight, offsets, None, 2.0, scale_grad_by_freq, _POOLING[mode], sparse,
                           per_sample_weights, include_last_offset, padding_idx))  # fmt: skip


@with_clear_errors
def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """`grid_sample`: modes bilinear, nearest, bicubic; padding zeros, border, reflection, numbered from 0 on.

    Raises IndexError for other numbers.
    """
    mode, padding = _INTERPOLATION[interpolation_mode], _PADDING[padding_mode]
    return functional.grid_sample(input, grid, mode, padding, align_corners)


@with_clear_errors
def grid_sampler_2d(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """`grid_sampler` for (N, C, H, W)."""
    if input.dim() != 4:
        raise RuntimeError(f"grid_sampler_2d(): expected a 4D input, but got sizes {list(input.shape)}")
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)


@with_clear_errors
def grid_sampler_3d(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """`grid_sampler` for (N, C, D, H, W)."""
    if input.dim() != 5:
        raise RuntimeError(f"grid_sampler_3d(): expected a 5D input, but got sizes {list(input.shape)}")
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)
