"""Padding and cropping."""

from __future__ import annotations

from collections.abc import Sequence

import ondol
from ondol._native import nn as _nn

__all__ = ["pad"]


def pad(input: ondol.Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> ondol.Tensor:
    """Make a tensor larger at its borders, or smaller by negative numbers.

    Args:
        pad: (left, right) of the last dimension, then of the one before, and so on.
        mode: `"constant"` fills with `value` (0 if `None`); `"reflect"`, `"replicate"` and `"circular"` continue the
            last one, two or three dimensions of an input that has one or two more.

    Raises:
        RuntimeError: if the numbers are not in pairs, are too many, or ask for more than the input has.
        NotImplementedError: for an unknown mode, or a dimension that a mode does not support.

    >>> ondol.nn.functional.pad(ondol.ones(2), (1, 2))
    tensor([0., 1., 1., 0., 0.])
    >>> ondol.nn.functional.pad(ondol.arange(3.0).view(1, 3), (2, 0), mode="reflect")
    tensor([[2., 1., 0., 1., 2.]])
    """
    pairs = [(int(pad[i]), int(pad[i + 1])) for i in range(0, len(pad) - 1, 2)]
    if len(pad) % 2:
        raise RuntimeError(f"Padding length must be divisible by 2, got {list(pad)}")
    if len(pairs) > input.dim():
        raise RuntimeError(
            f"Padding length should be less than or equal to two times the input dimension but got padding length "
            f"{len(pad)} and input of dimension {input.dim()}"
        )
    if mode == "constant":
        return _nn.constant_pad_nd(input, [int(number) for number in pad], 0.0 if value is None else value)
    if value is not None and value != 0:
        raise ValueError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in _PLACES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if len(pairs) not in (1, 2, 3) or input.dim() not in (len(pairs) + 1, len(pairs) + 2):
        raise NotImplementedError(
            "Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: "
            f"mode {mode!r} cannot pad {len(pairs)} dimensions of an input of shape {list(input.shape)}"
        )
    if 0 in input.shape[1:]:
        raise RuntimeError(f"pad: expected an input without empty dimensions but the first, got {list(input.shape)}")
    result = input
    for i, (left, right) in enumerate(pairs):
        result = _continue(result, input.dim() - 1 - i, left, right, mode)
    return input.clone() if result is input else result


def _crop(tensor: ondol.Tensor, dim: int, left: int, right: int) -> ondol.Tensor:
    """Without the first −left and the last −right entries."""
    if left == 0 and right == 0:
        return tensor
    return tensor.narrow(dim, -left, tensor.shape[dim] + left + right)


def _continue(tensor: ondol.Tensor, dim: int, left: int, right: int, mode: str) -> ondol.Tensor:
    size = tensor.shape[dim]
    if mode == "reflect" and (left >= size or right >= size):
        raise RuntimeError(
            "Padding size should be less than the corresponding input dimension, but got: "
            f"padding ({left}, {right}) at dimension {dim} of input {list(tensor.shape)}"
        )
    if mode == "circular" and (left > size or right > size):
        raise RuntimeError(
            "Padding value causes wrapping around more than once: "
            f"padding ({left}, {right}) at dimension {dim} of input {list(tensor.shape)}"
        )
    if size + left + right < (0 if mode == "circular" else 1):
        raise RuntimeError(
            f"Negative padding ({left}, {right}) leaves nothing of dimension {dim}, which has size {size}"
        )
    if mode == "circular":  # what is cut off does not come round again
        tensor = _crop(tensor, dim, min(left, 0), min(right, 0))
        left, right, size = max(left, 0), max(right, 0), tensor.shape[dim]
    if left == right == 0:
        return tensor
    return _selected(tensor, dim, _PLACES[mode](ondol.arange(-left, size + right), size))


def _selected(tensor: ondol.Tensor, dim: int, places: ondol.Tensor) -> ondol.Tensor:
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return tensor.index_select(dim, places)
    return _nn.resample(tensor, dim, places.unsqueeze(0), ondol.ones(1, places.numel(), dtype=ondol.float64))


def _reflected(places: ondol.Tensor, size: int) -> ondol.Tensor:
    return (size - 1) - (size - 1 - places.abs()).abs()


def _replicated(places: ondol.Tensor, size: int) -> ondol.Tensor:
    return places.clamp(0, size - 1)


def _wrapped(places: ondol.Tensor, size: int) -> ondol.Tensor:
    return places.remainder(size)


_PLACES = {"reflect": _reflected, "replicate": _replicated, "circular": _wrapped}
"""Which element stands at each place of a continued dimension; the dimension's own places are 0 to size - 1."""
