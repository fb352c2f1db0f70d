"""Tensors to and from other libraries by DLPack, without a copy."""

from __future__ import annotations

from typing import Any

from ondol import Tensor, from_dlpack

__all__ = ["from_dlpack", "to_dlpack"]


def to_dlpack(tensor: Tensor) -> Any:
    """A DLPack capsule on the memory of the tensor; libraries of today take the tensor itself.

    >>> from_dlpack(to_dlpack(ondol.arange(3)))
    tensor([0, 1, 2])
    """
    return tensor.__dlpack__()
