"""Convolutions and transposed convolutions."""

from __future__ import annotations

import ondol
from ondol._native import nn as _nn

__all__ = ["conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]

conv1d = _nn.conv1d
conv2d = _nn.conv2d
conv3d = _nn.conv3d
conv_transpose1d = _nn.conv_transpose1d
conv_transpose2d = _nn.conv_transpose2d
conv_transpose3d = _nn.conv_transpose3d


def conv_tbc(input: ondol.Tensor, weight: ondol.Tensor, bias: ondol.Tensor, pad: int = 0) -> ondol.Tensor:
    """A 1-d convolution over (time, batch, channels).

    Shapes: `input` (T, B, in), `weight` (kernel, in, out), `bias` (out) → (T', B, out).

    >>> ondol.nn.functional.conv_tbc(ondol.ones(5, 1, 2), ondol.ones(3, 2, 4), ondol.zeros(4)).shape
    torch.Size([3, 1, 4])
    """
    return conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad).permute(2, 0, 1)
