"""Older names of what `ondol.amp` has."""

from __future__ import annotations

import warnings
from typing import Any

import ondol

__all__ = ["GradScaler", "autocast"]


class autocast(ondol.amp.autocast):
    """Deprecated: `ondol.autocast("cpu", ...)`. Warns with FutureWarning."""

    def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> None:
        _deprecated("autocast(args...)", "autocast('cpu', args...)")
        super().__init__("cpu", ondol.bfloat16 if dtype is None else dtype, enabled, cache_enabled)


class GradScaler(ondol.amp.GradScaler):
    """Deprecated: `ondol.amp.GradScaler("cpu", ...)`. Warns with FutureWarning."""

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        _deprecated("GradScaler(args...)", "GradScaler('cpu', args...)")
        super().__init__("cpu", init_scale, growth_factor, backoff_factor, growth_interval, enabled)


def _deprecated(old: str, new: str) -> None:
    warnings.warn(f"`torch.cpu.amp.{old}` is deprecated. Use `torch.amp.{new}` instead.", FutureWarning, stacklevel=3)
