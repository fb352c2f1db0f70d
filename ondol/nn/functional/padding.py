"""Padding and cropping."""

from __future__ import annotations

from collections.abc import Sequence

import ondol
from ondol._autocast import to_float32
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
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if len(pairs) not in (1, 2, 3) or input.dim() not in (len(pairs) + 1, len(pairs) + 2):
        raise NotImplementedError(
            "Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: "
            f"mode {mode!r} cannot pad {len(pairs)} dimensions of an input of shape {list(input.shape)}"
        )
    if 0 in input.shape[1:]:
        raise RuntimeError(f"pad: expected an input without empty dimensions but the first, got {list(input.shape)}")
    if mode == "replicate" or (mode == "reflect" and len(pairs) < 3):
        (input,) = to_float32(input)
    return _nn.continued_pad(_nn.with_joined_gradient(input), [int(number) for number in pad], mode)
