"""PyTorch's profiler: not supported. Regions of code that are marked for it run as they are."""

from __future__ import annotations

import contextlib
import enum
from typing import Any

__all__ = ["ProfilerActivity", "profile", "record_function"]


class ProfilerActivity(enum.Enum):
    """What a profiler would watch; for code that is shared with PyTorch."""

    CPU = 0
    XPU = 1
    MTIA = 2
    CUDA = 3


class record_function(contextlib.ContextDecorator):
    """A context, or a decorator, that names a region; nothing watches it.

    >>> with record_function("forward"):
    ...     y = ondol.ones(1) + 1
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name, self.args = name, args

    def __enter__(self) -> record_function:
        return self

    def __exit__(self, *exception: object) -> None:
        return None


class profile:
    """Raises NotImplementedError when made."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            "profiler.profile is not supported; operations return when they are done, so cProfile and "
            "time.perf_counter measure them"
        )
