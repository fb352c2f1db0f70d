"""Automatic mixed precision: only the part that leaves everything as it is."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import ondol

__all__ = ["autocast", "get_autocast_dtype", "is_autocast_enabled"]


class autocast:
    """A context, or a decorator, in which nothing changes: for programs that pass `enabled=False`.

    Raises NotImplementedError if enabled: use `model.to(ondol.bfloat16)`, or float32, which is as fast on most CPUs.

    >>> with ondol.autocast("cpu", enabled=False):
    ...     ondol.ones(1).dtype
    torch.float32
    """

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if enabled:
            raise NotImplementedError(
                "autocast is not supported: convert model and input with .to(ondol.bfloat16), or pass enabled=False"
            )
        self.device, self.fast_dtype = device_type, dtype or get_autocast_dtype(device_type)

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def same(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return same


def is_autocast_enabled(device_type: str = "cpu") -> bool:
    """False."""
    return False


def get_autocast_dtype(device_type: str) -> Any:
    """The dtype that autocast would use if not told: bfloat16 on a CPU, float16 elsewhere."""
    return ondol.bfloat16 if device_type == "cpu" else ondol.float16
