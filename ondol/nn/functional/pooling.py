"""Pooling: the mean, the largest or the p-norm of windows, and the way back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import ondol
from ondol._autocast import to_float32
from ondol._examples import of_all_examples
from ondol._native import nn as _nn

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices", "adaptive_max_pool2d", "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d", "adaptive_max_pool3d_with_indices", "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "fractional_max_pool2d", "fractional_max_pool2d_with_indices", "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices", "lp_pool1d", "lp_pool2d", "lp_pool3d", "max_pool1d",
    "max_pool1d_with_indices", "max_pool2d", "max_pool2d_with_indices", "max_pool3d", "max_pool3d_with_indices",
    "max_unpool1d", "max_unpool2d", "max_unpool3d",
]  # fmt: skip

Sizes = Any  # one number, or one for each spatial dimension

avg_pool1d = _nn.avg_pool1d
avg_pool2d = _nn.avg_pool2d
avg_pool3d = _nn.avg_pool3d
adaptive_avg_pool1d = _nn.adaptive_avg_pool1d


def adaptive_avg_pool2d(input: ondol.Tensor, output_size: Sizes) -> ondol.Tensor:
    """The mean of as many windows as `output_size` asks for; `None` keeps the input's size."""
    return _nn.adaptive_avg_pool2d(input, _complete(output_size, input, 2))


def adaptive_avg_pool3d(input: ondol.Tensor, output_size: Sizes) -> ondol.Tensor:
    """The mean of as many windows as `output_size` asks for; `None` keeps the input's size."""
    return _nn.adaptive_avg_pool3d(input, _complete(output_size, input, 3))


def _complete(output_size: Sizes, input: ondol.Tensor, dims: int) -> Any:
    """An output size with the input's own sizes in place of `None`."""
    if output_size is None or isinstance(output_size, int):
        output_size = (output_size,) * dims
    if len(output_size) > input.dim():
        raise ValueError(f"Input dimension should be at least {len(output_size) + 1}")
    own = input.shape[-len(output_size) :]
    return [size if wanted is None else wanted for wanted, size in zip(output_size, own)]


def max_pool1d_with_indices(
    input: ondol.Tensor,
    kernel_size: Sizes,
    stride: Sizes = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[ondol.Tensor, ondol.Tensor]:
    """`max_pool1d` and the flat index of each maximum in its plane."""
    stride = kernel_size if stride is None else stride
    return _nn.max_pool1d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d_with_indices(
    input: ondol.Tensor,
    kernel_size: Sizes,
    stride: Sizes = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[ondol.Tensor, ondol.Tensor]:
    """`max_pool2d` and the flat index of each maximum in its plane."""
    stride = kernel_size if stride is None else stride
    return _nn.max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d_with_indices(
    input: ondol.Tensor,
    kernel_size: Sizes,
    stride: Sizes = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[ondol.Tensor, ondol.Tensor]:
    """`max_pool3d` and the flat index of each maximum in its volume."""
    stride = kernel_size if stride is None else stride
    return _nn.max_pool3d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool1d(
    input: ondol.Tensor,
    kernel_size: Sizes,
    stride: Sizes = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window of (N, C, L) or (C, L).

    >>> ondol.nn.functional.max_pool1d(ondol.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    tensor([[3., 2.]])
    """
    if return_indices:
        return max_pool1d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    stride = kernel_size if stride is None else stride
    return _nn.max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(
    input: ondol.Tensor,
    kernel_size: Sizes,
    stride: Sizes = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window of (N, C, H, W) or (C, H, W)."""
    if return_indices:
        return max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    stride = kernel_size if stride is None else stride
    return _nn.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d(
    input: ondol.Tensor,
    kernel_size: Sizes,
    stride: Sizes = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window of (N, C, D, H, W) or (C, D, H, W)."""
    if return_indices:
        return max_pool3d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    (input,) = to_float32(input)  # only without indices, as in PyTorch
    stride = kernel_size if stride is None else stride
    return _nn.max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode)


def adaptive_max_pool1d_with_indices(
    input: ondol.Tensor, output_size: Sizes, return_indices: bool = False
) -> tuple[ondol.Tensor, ondol.Tensor]:
    """`adaptive_max_pool1d` and the index of each maximum."""
    return _nn.adaptive_max_pool1d(input, output_size)


def adaptive_max_pool2d_with_indices(
    input: ondol.Tensor, output_size: Sizes, return_indices: bool = False
) -> tuple[ondol.Tensor, ondol.Tensor]:
    """`adaptive_max_pool2d` and the flat index of each maximum in its plane."""
    return _nn.adaptive_max_pool2d(input, _complete(output_size, input, 2))


def adaptive_max_pool3d_with_indices(
    input: ondol.Tensor, output_size: Sizes, return_indices: bool = False
) -> tuple[ondol.Tensor, ondol.Tensor]:
    """`adaptive_max_pool3d` and the flat index of each maximum in its volume."""
    return _nn.adaptive_max_pool3d(input, _complete(output_size, input, 3))


def adaptive_max_pool1d(input: ondol.Tensor, output_size: Sizes, return_indices: bool = False) -> Any:
    """The largest value of each of `output_size` windows."""
    both = adaptive_max_pool1d_with_indices(input, output_size)
    return both if return_indices else both[0]


def adaptive_max_pool2d(input: ondol.Tensor, output_size: Sizes, return_indices: bool = False) -> Any:
    """The largest value of each of `output_size` windows."""
    both = adaptive_max_pool2d_with_indices(input, output_size)
    return both if return_indices else both[0]


def adaptive_max_pool3d(input: ondol.Tensor, output_size: Sizes, return_indices: bool = False) -> Any:
    """The largest value of each of `output_size` windows."""
    both = adaptive_max_pool3d_with_indices(input, output_size)
    return both if return_indices else both[0]


# ------------------------------------------------------------------------------------------------- power-average pools


def lp_pool1d(
    input: ondol.Tensor, norm_type: float, kernel_size: int, stride: Sizes = None, ceil_mode: bool = False
) -> ondol.Tensor:
    """(Σ xᵖ)^(1/p) of each window."""
    return _lp_pool(avg_pool1d, input, norm_type, _each(kernel_size, 1), stride, ceil_mode)


def lp_pool2d(
    input: ondol.Tensor, norm_type: float, kernel_size: Sizes, stride: Sizes = None, ceil_mode: bool = False
) -> ondol.Tensor:
    """(Σ xᵖ)^(1/p) of each window."""
    return _lp_pool(avg_pool2d, input, norm_type, _each(kernel_size, 2), stride, ceil_mode)


def lp_pool3d(
    input: ondol.Tensor, norm_type: float, kernel_size: Sizes, stride: Sizes = None, ceil_mode: bool = False
) -> ondol.Tensor:
    """(Σ xᵖ)^(1/p) of each window."""
    return _lp_pool(avg_pool3d, input, norm_type, _each(kernel_size, 3), stride, ceil_mode)


def _each(size: Sizes, dims: int) -> tuple:
    return (size,) * dims if isinstance(size, int) else tuple(size)


def _lp_pool(
    average: Any, input: ondol.Tensor, p: float, kernel_size: tuple, stride: Sizes, ceil_mode: bool
) -> ondol.Tensor:
    mean = average(input.pow(p), kernel_size, kernel_size if stride is None else stride, 0, ceil_mode)
    # An even power of negative inputs aside, the mean may be a rounding error below zero: its root must stay real.
    return (mean.sign() * mean.abs().relu()).mul(math.prod(kernel_size)).pow(1.0 / p)


# ----------------------------------------------------------------------------------------------------- fractional pools


def fractional_max_pool2d_with_indices(
    input: ondol.Tensor,
    kernel_size: Sizes,
    output_size: Sizes = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: ondol.Tensor | None = None,
) -> tuple[ondol.Tensor, ondol.Tensor]:
    """`fractional_max_pool2d` and the flat index of each maximum in its plane."""
    return _fractional_max_pool(input, _each(kernel_size, 2), output_size, output_ratio, _random_samples)


def fractional_max_pool3d_with_indices(
    input: ondol.Tensor,
    kernel_size: Sizes,
    output_size: Sizes = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: ondol.Tensor | None = None,
) -> tuple[ondol.Tensor, ondol.Tensor]:
    """`fractional_max_pool3d` and the flat index of each maximum in its volume."""
    return _fractional_max_pool(input, _each(kernel_size, 3), output_size, output_ratio, _random_samples)


def fractional_max_pool2d(
    input: ondol.Tensor,
    kernel_size: Sizes,
    output_size: Sizes = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: ondol.Tensor | None = None,
) -> Any:
    """The largest values of windows at pseudo-random places (Graham 2015).

    Args:
        output_size: how many windows; or
        output_ratio: the same as a part of the input's size.
        _random_samples: (N, C, 2) numbers from [0, 1) that say where the windows begin.
    """
    both = fractional_max_pool2d_with_indices(
        input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )
    return both if return_indices else both[0]


def fractional_max_pool3d(
    input: ondol.Tensor,
    kernel_size: Sizes,
    output_size: Sizes = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: ondol.Tensor | None = None,
) -> Any:
    """The largest values of windows at pseudo-random places (Graham 2015); as `fractional_max_pool2d`."""
    both = fractional_max_pool3d_with_indices(
        input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )
    return both if return_indices else both[0]


def _fractional_max_pool(
    input: ondol.Tensor, kernel: tuple, output_size: Sizes, output_ratio: Any, samples: Any
) -> tuple[ondol.Tensor, ondol.Tensor]:
    dims = len(kernel)
    if output_size is None and output_ratio is None:
        raise ValueError(f"fractional_max_pool{dims}d requires specifying either an output_size or an output_ratio")
    if output_size is None:
        ratios = (output_ratio,) * dims if isinstance(output_ratio, (int, float)) else tuple(output_ratio)
        if not all(0 < ratio < 1 for ratio in ratios):
            raise ValueError(f"fractional_max_pool{dims}d: output_ratio must be between 0 and 1, got {output_ratio}")
        output_size = [int(size * ratio) for size, ratio in zip(input.shape[-dims:], ratios)]
    if samples is None:
        leading = (1, *input.shape[:-dims])[-2:]
        samples = ondol.rand(*leading, dims, dtype=input.dtype, device=input.device)
    return _nn.fractional_max_pool(input, kernel, _each(output_size, dims), samples)


# ------------------------------------------------------------------------------------------------------------ unpooling


def max_unpool1d(
    input: ondol.Tensor, indices: ondol.Tensor, kernel_size: Sizes, stride: Sizes = None, padding: Sizes = 0,
    output_size: Any = None,
) -> ondol.Tensor:  # fmt: skip
    """Put the values of a `max_pool1d` back where its indices say; the rest is zero."""
    return _max_unpool(input, indices, kernel_size, stride, padding, output_size, 1)


def max_unpool2d(
    input: ondol.Tensor, indices: ondol.Tensor, kernel_size: Sizes, stride: Sizes = None, padding: Sizes = 0,
    output_size: Any = None,
) -> ondol.Tensor:  # fmt: skip
    """Put the values of a `max_pool2d` back where its indices say; the rest is zero."""
    return _max_unpool(input, indices, kernel_size, stride, padding, output_size, 2)


def max_unpool3d(
    input: ondol.Tensor, indices: ondol.Tensor, kernel_size: Sizes, stride: Sizes = None, padding: Sizes = 0,
    output_size: Any = None,
) -> ondol.Tensor:  # fmt: skip
    """Put the values of a `max_pool3d` back where its indices say; the rest is zero."""
    return _max_unpool(input, indices, kernel_size, stride, padding, output_size, 3)


def _max_unpool(
    input: ondol.Tensor,
    indices: ondol.Tensor,
    kernel_size: Sizes,
    stride: Sizes,
    padding: Sizes,
    wanted: Any,
    dims: int,
) -> ondol.Tensor:
    name = f"max_unpool{dims}d"
    if input.dim() not in (dims + 1, dims + 2):
        raise RuntimeError(f"{name}: Input to {name} should be a {dims + 1}d or {dims + 2}d Tensor, got {input.dim()}d")
    if indices.dtype != ondol.int64:
        raise RuntimeError(f"{name}: elements in indices should be type int64 but got: {indices.dtype}")
    if indices.shape != input.shape:
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor ({list(input.shape)}) but got indices "
            f"tensor with shape: {list(indices.shape)}"
        )
    kernel = _each(kernel_size, dims)
    stride = kernel if stride is None or stride == [] else _each(stride, dims)
    output_size = _unpool_size(input, kernel, stride, _each(padding, dims), wanted, dims)
    leading, volume = input.shape[:-dims], math.prod(output_size)
    flat = indices.reshape(*leading, -1)
    known = of_all_examples(flat)
    if known.numel() and not (int(known.min()) >= 0 and int(known.max()) < volume):
        worst = int(known.min()) if int(known.min()) < 0 else int(known.max())
        raise RuntimeError(f"Found an invalid max index: {worst} (output volumes are of size {list(output_size)})")
    (input,) = to_float32(input)
    zeros = input.new_zeros((*leading, volume))
    return zeros.scatter(-1, flat, input.reshape(flat.shape)).reshape(*leading, *output_size)


def _unpool_size(
    input: ondol.Tensor, kernel: tuple, stride: tuple, padding: tuple, wanted: Any, dims: int
) -> Sequence[int]:
    spatial = input.shape[-dims:]
    default = [(s - 1) * st + k - 2 * p for s, st, k, p in zip(spatial, stride, kernel, padding)]
    if wanted is None:
        return default
    wanted = list(wanted)
    if len(wanted) == dims + 2:
        wanted = wanted[2:]
    if len(wanted) != dims:
        raise ValueError(
            f"output_size should be a sequence containing {dims} or {dims + 2} elements, but it has a length of "
            f"'{len(wanted)}'"
        )
    for size, low, step in zip(wanted, default, stride):
        if not low - step < size < low + step:
            raise ValueError(f"invalid output_size {wanted}: each size must be within {stride} of {default}")
    return wanted
