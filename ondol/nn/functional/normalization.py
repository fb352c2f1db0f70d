"""Normalization by batch, layer, group, instance or neighbourhood."""

from __future__ import annotations

import math
from collections.abc import Sequence

import ondol
from ondol._native import nn as _nn

from .padding import pad
from .pooling import avg_pool2d, avg_pool3d

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "normalize", "rms_norm"]


def batch_norm(
    input: ondol.Tensor,
    running_mean: ondol.Tensor | None,
    running_var: ondol.Tensor | None,
    weight: ondol.Tensor | None = None,
    bias: ondol.Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> ondol.Tensor:
    """(x − mean) / √(var + eps) · weight + bias for each channel (Ioffe & Szegedy 2015).

    In training with the batch's mean and variance, which also move the running ones; otherwise with the running ones.

    Raises:
        ValueError: in training with one value for each channel.
    """
    if training:
        _check_more_than_one_value(input.size(), input.size()[:1] + input.size()[2:])
    return _nn.batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)


def _check_more_than_one_value(size: Sequence[int], others: Sequence[int]) -> None:
    if math.prod(others) == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {size}: "
            "a single value has no variance; use larger batches (drop_last=True in the DataLoader), or eval()"
        )


def instance_norm(
    input: ondol.Tensor,
    running_mean: ondol.Tensor | None = None,
    running_var: ondol.Tensor | None = None,
    weight: ondol.Tensor | None = None,
    bias: ondol.Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> ondol.Tensor:
    """`batch_norm` of each sample's channels by themselves (Ulyanov et al. 2016).

    Raises:
        ValueError: if mean and variance come from the input and there is one value for each.
    """
    if use_input_stats:
        size = input.size()
        if math.prod(size[2:]) == 1:
            raise ValueError(f"Expected more than 1 spatial element when training, got input size {size}")
    elif running_mean is None or running_var is None:
        raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false")
    if input.dim() < 2:
        raise RuntimeError(f"instance_norm: expected an input with channels, got shape {list(input.shape)}")
    samples, channels = input.shape[:2]

    def for_each_sample(tensor: ondol.Tensor | None) -> ondol.Tensor | None:
        return None if tensor is None else tensor.repeat(samples)

    mean, var = for_each_sample(running_mean), for_each_sample(running_var)
    merged = input.reshape(1, samples * channels, *input.shape[2:])
    result = _nn.batch_norm(
        merged, for_each_sample(weight), for_each_sample(bias), mean, var, use_input_stats, momentum, eps
    )
    if use_input_stats:
        with ondol.no_grad():
            for running, moved in ((running_mean, mean), (running_var, var)):
                if running is not None:
                    running.copy_(moved.view(samples, channels).mean(0))
    return result.view(input.shape)


def layer_norm(
    input: ondol.Tensor,
    normalized_shape: Sequence[int],
    weight: ondol.Tensor | None = None,
    bias: ondol.Tensor | None = None,
    eps: float = 1e-5,
) -> ondol.Tensor:
    """(x − mean) / √(var + eps) · weight + bias over the last dimensions (Ba et al. 2016)."""
    return _nn.layer_norm(input, normalized_shape, weight, bias, eps)


def rms_norm(
    input: ondol.Tensor,
    normalized_shape: Sequence[int],
    weight: ondol.Tensor | None = None,
    eps: float | None = None,
) -> ondol.Tensor:
    """x / √(mean(x²) + eps) · weight over the last dimensions (Zhang & Sennrich 2019)."""
    return _nn.rms_norm(input, normalized_shape, weight, eps)


def group_norm(
    input: ondol.Tensor,
    num_groups: int,
    weight: ondol.Tensor | None = None,
    bias: ondol.Tensor | None = None,
    eps: float = 1e-5,
) -> ondol.Tensor:
    """(x − mean) / √(var + eps) · weight + bias, mean and variance over groups of channels (Wu & He 2018)."""
    if input.dim() < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.dim()}")
    size = input.size()
    if num_groups > 0:
        _check_more_than_one_value(size, [size[0] * size[1] // num_groups, *size[2:]])
    return _nn.group_norm(input, num_groups, weight, bias, eps)


def local_response_norm(
    input: ondol.Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> ondol.Tensor:
    """x / (k + alpha · mean of x² over `size` neighbouring channels)^beta (Krizhevsky et al. 2012, section 3.3)."""
    if input.dim() < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {input.dim()} dimensions)")
    if input.numel() == 0:
        return input
    squares = input.mul(input)
    if input.dim() == 3:
        squares = pad(squares.unsqueeze(1), (0, 0, size // 2, (size - 1) // 2))
        mean = avg_pool2d(squares, (size, 1), stride=1).squeeze(1)
    else:
        sizes = input.size()
        squares = pad(squares.view(sizes[0], 1, sizes[1], sizes[2], -1), (0, 0, 0, 0, size // 2, (size - 1) // 2))
        mean = avg_pool3d(squares, (size, 1, 1), stride=1).view(sizes)
    return input / mean.mul(alpha).add(k).pow(beta)


def normalize(
    input: ondol.Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: ondol.Tensor | None = None
) -> ondol.Tensor:
    """x / max(‖x‖ₚ, eps) along `dim`.

    >>> ondol.nn.functional.normalize(ondol.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    length = input.norm(p, dim, keepdim=True).clamp_min(eps).expand_as(input)
    return input / length if out is None else ondol.div(input, length, out=out)
