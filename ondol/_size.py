"""`torch.Size`: a tuple of sizes that knows the number of elements."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import SupportsIndex, overload

from ondol import _native


class Size(tuple[int, ...]):
    """The shape of a tensor: a tuple of ints with `numel()`.

    >>> size = ondol.zeros(2, 3).shape
    >>> size, size.numel(), size[1:]
    (torch.Size([2, 3]), 6, torch.Size([3]))
    """

    __slots__ = ()

    def __new__(cls, iterable: Iterable[SupportsIndex] = ()) -> Size:
        items = list(iterable)
        for i, item in enumerate(items):
            if not hasattr(item, "__index__"):
                raise TypeError(f"torch.Size() takes an iterable of 'int' (item {i} is '{type(item).__name__}')")
            items[i] = item.__index__()
        return super().__new__(cls, items)

    def numel(self) -> int:
        """The number of elements of a tensor of this size."""
        return math.prod(self)

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"

    @overload
    def __getitem__(self, index: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Size: ...
    def __getitem__(self, index: SupportsIndex | slice) -> int | Size:
        found = super().__getitem__(index)
        return Size(found) if isinstance(index, slice) else found

    def __add__(self, other: tuple) -> Size:
        if not isinstance(other, tuple):
            raise TypeError(f"can only concatenate tuple (not {type(other).__name__!r}) to torch.Size")
        return Size(super().__add__(other))

    def __radd__(self, other: tuple) -> Size:
        return Size(tuple(other) + tuple(self))

    def __mul__(self, times: SupportsIndex) -> Size:
        return Size(super().__mul__(times))

    __rmul__ = __mul__

    def __reduce__(self) -> tuple:
        return (Size, (tuple(self),))


Size.__module__ = "ondol"
_native._register_size(Size)
