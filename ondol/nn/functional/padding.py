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
    if mode not in _PIECES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if len(pairs) not in (1, 2, 3) or input.dim() not in (len(pairs) + 1, len(pairs) + 2):
        raise NotImplementedError(
            "Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: "
            f"mode {mode!r} cannot pad {len(pairs)} dimensions of an input of shape {list(input.shape)}"
        )
    if 0 in input.shape[1:]:
        raise RuntimeError(f"pad: expected an input without empty dimensions but the first, got {list(input.shape)}")
    start = result = _nn.with_joined_gradient(input)
    for i, (left, right) in enumerate(pairs):
        result = _continue(result, input.dim() - 1 - i, left, right, mode)
    return input.clone() if result is start else result


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
    cropped = _crop(tensor, dim, min(left, 0), min(right, 0))
    source = cropped if mode == "circular" else tensor  # what is cut off does not come round again
    before, after = _PIECES[mode](source, dim, source.shape[dim], max(left, 0), max(right, 0))
    pieces = [cropped]
    if left > 0:
        pieces.insert(0, before)
    if right > 0:
        pieces.append(after)
    return ondol.cat(pieces, dim) if len(pieces) > 1 else pieces[0]


def _reflected(x: ondol.Tensor, dim: int, size: int, left: int, right: int) -> tuple[ondol.Tensor, ondol.Tensor]:
    return x.narrow(dim, min(1, size), left).flip(dim), x.narrow(dim, max(size - 1 - right, 0), right).flip(dim)


def _replicated(x: ondol.Tensor, dim: int, size: int, left: int, right: int) -> tuple[ondol.Tensor, ondol.Tensor]:
    def repeat(index: int, times: int) -> ondol.Tensor:
        sizes = list(x.shape)
        sizes[dim] = times
        return x.narrow(dim, index, 1).expand(sizes)

    return repeat(0, left), repeat(size - 1, right)


def _wrapped(x: ondol.Tensor, dim: int, size: int, left: int, right: int) -> tuple[ondol.Tensor, ondol.Tensor]:
    return x.narrow(dim, size - left, left), x.narrow(dim, 0, right)


_PIECES = {"reflect": _reflected, "replicate": _replicated, "circular": _wrapped}
