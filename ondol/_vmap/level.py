"""The vmaps that are running: each is a level, the innermost on top of the stack of its thread."""

from __future__ import annotations

import threading
from typing import Any

from ondol._native import Tensor


class Level:
    """One running vmap.

    Attributes:
        size: how many examples the batch has.
        randomness: 'error', 'different' or 'same'.
        depth: its place on the stack, from 1.
    """

    __slots__ = ("active", "depth", "randomness", "size")

    def __init__(self, size: int, randomness: str) -> None:
        self.size, self.randomness, self.active = size, randomness, True
        self.depth = len(stack()) + 1

    def expand(self, value: Tensor) -> Tensor:
        """An unbatched value as a batch of equal ones, without copying."""
        return value.unsqueeze(0).expand(self.size, *value.shape)


class _Stack(threading.local):
    def __init__(self) -> None:
        self.levels: list[Level] = []


_stack = _Stack()


def stack() -> list[Level]:
    """The levels of this thread, outermost first."""
    return _stack.levels


class entered:
    """`with entered(level)`: the level runs."""

    def __init__(self, level: Level) -> None:
        self.level = level

    def __enter__(self) -> Level:
        _stack.levels.append(self.level)
        return self.level

    def __exit__(self, *error: Any) -> None:
        self.level.active = False
        _stack.levels.remove(self.level)
