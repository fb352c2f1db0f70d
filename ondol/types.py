"""Names of types for annotations."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO

from ondol import Size, Tensor, UntypedStorage, device, dtype

__all__ = ["Device", "FileLike", "Number", "Storage"]

Number = int | float | bool
Device = device | str | int | None
FileLike = str | os.PathLike | IO[bytes]
Storage = UntypedStorage

_TensorOrTensors = Tensor | Sequence[Tensor]
_size = Size | list[int] | tuple[int, ...]
_device, _dtype = device, dtype
_bool, _int, _float, _complex, _str, _bytes = bool, int, float, complex, str, bytes
