"""Names that PyTorch's signatures are written with."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ondol

__all__ = [
    "TYPE_CHECKING", "BroadcastingList1", "BroadcastingList2", "BroadcastingList3", "DType", "ScalingType",
    "SwizzleType",
]  # fmt: skip

DType = ondol.dtype


class _BroadcastingList:
    """`BroadcastingList2[int]` annotates a parameter that takes two ints, or one that stands for both."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __getitem__(self, item: Any) -> Any:
        return item | Sequence[item]

    def __repr__(self) -> str:
        return f"BroadcastingList{self.length}"


BroadcastingList1, BroadcastingList2, BroadcastingList3 = (_BroadcastingList(length) for length in (1, 2, 3))


class ScalingType(enum.IntEnum):
    """Which elements of a scaled matrix product share a scale."""

    TensorWise = 0
    RowWise = 1
    BlockWise1x16 = 2
    BlockWise1x32 = 3
    BlockWise1x128 = 4
    BlockWise128x128 = 5


class SwizzleType(enum.IntEnum):
    """How the scales of a scaled matrix product lie in memory."""

    NO_SWIZZLE = 0
    SWIZZLE_32_4_4 = 1
