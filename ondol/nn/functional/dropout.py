"""Dropout, of elements and of whole channels."""

from __future__ import annotations

import math
import warnings

import ondol
from ondol._native import nn as _nn

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"]

_SELU_LIMIT = 1.7580993408473766  # −lim selu(x) for x → −∞: scale · alpha of Klambauer et al. 2017


def dropout(input: ondol.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> ondol.Tensor:
    """In training, set elements to zero with probability `p` and divide the others by 1 − p (Hinton et al. 2012).

    Raises:
        ValueError: if `p` is not in [0, 1].

    >>> ondol.nn.functional.dropout(ondol.ones(2), training=False)
    tensor([1., 1.])
    """
    _check_probability(p)
    return _nn.dropout_(input, p, training) if inplace else _nn.dropout(input, p, training)


def dropout1d(input: ondol.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> ondol.Tensor:
    """Drop whole channels of (N, C, L) or (C, L)."""
    _check_probability(p)
    if input.dim() not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.dim()}D input. Note that dropout1d exists to "
            "provide channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, and an optional "
            "batch dimension (i.e. 2D or 3D inputs)."
        )
    return _drop_channels(input, p, training, inplace, unbatched=input.dim() == 2)


def dropout2d(input: ondol.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> ondol.Tensor:
    """Drop whole channels of (N, C, H, W); a 3-d input counts as (N, C, L)."""
    _check_probability(p)
    if input.dim() not in (3, 4):
        warnings.warn(f"dropout2d: Received a {input.dim()}-D input to dropout2d, but it takes 3-D and 4-D ones.")
    if input.dim() == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is desired "
            "- input is interpreted as shape (N, C, L), where C is the channel dim. Use dropout1d for that."
        )
    return _drop_channels(input, p, training, inplace)


def dropout3d(input: ondol.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> ondol.Tensor:
    """Drop whole channels of (N, C, D, H, W) or (C, D, H, W)."""
    _check_probability(p)
    if input.dim() not in (4, 5):
        warnings.warn(f"dropout3d: Received a {input.dim()}-D input to dropout3d, but it takes 4-D and 5-D ones.")
    return _drop_channels(input, p, training, inplace, unbatched=input.dim() == 4)


def alpha_dropout(input: ondol.Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> ondol.Tensor:
    """Dropout for SELU networks: keeps mean and variance (Klambauer et al. 2017, section 4)."""
    _check_probability(p)
    return _alpha_drop(input, p, training, inplace, input.shape)


def feature_alpha_dropout(
    input: ondol.Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> ondol.Tensor:
    """Alpha dropout of whole channels."""
    _check_probability(p)
    return _alpha_drop(input, p, training, inplace, _channels_of(input) if training and p > 0 else input.shape)


def _check_probability(p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _channels_of(input: ondol.Tensor) -> tuple[int, ...]:
    if input.dim() < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return (*input.shape[:2], *[1] * (input.dim() - 2))


def _drop_channels(
    input: ondol.Tensor, p: float, training: bool, inplace: bool, unbatched: bool = False
) -> ondol.Tensor:
    if not training or p == 0 or input.numel() == 0:
        return input
    batch = input.unsqueeze(0) if unbatched else input
    shape = _channels_of(batch)
    noise = ondol.zeros(shape, dtype=batch.dtype) if p == 1 else batch.new_empty(shape).bernoulli_(1 - p).div_(1 - p)
    result = batch.mul_(noise) if inplace else batch * noise
    return result.squeeze(0) if unbatched else result


def _alpha_drop(input: ondol.Tensor, p: float, training: bool, inplace: bool, shape: tuple) -> ondol.Tensor:
    if not training or p == 0 or input.numel() == 0:
        return input
    if p == 1:
        return input.mul_(0) if inplace else input * ondol.zeros((), dtype=input.dtype)
    scale = 1 / math.sqrt((_SELU_LIMIT**2 * p + 1) * (1 - p))
    keep = input.new_empty(shape).bernoulli_(1 - p)
    shift = keep.add(-1).mul_(_SELU_LIMIT * scale).add_(_SELU_LIMIT * scale * p)
    keep.mul_(scale)
    return input.mul_(keep).add_(shift) if inplace else ondol.addcmul(shift, input, keep)
