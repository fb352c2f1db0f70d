"""PyTorch's benchmark timers: not supported."""

from __future__ import annotations

from typing import Any

__all__ = ["Compare", "Timer"]


class Timer:
    """Raises NotImplementedError when made."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("utils.benchmark.Timer is not supported; use timeit.Timer(stmt, setup)")


class Compare:
    """Raises NotImplementedError when made."""

    def __init__(self, results: Any) -> None:
        raise NotImplementedError("utils.benchmark.Compare is not supported; use timeit.repeat for each statement")
