"""What the older names of a device, `cpu.amp` and `cuda.amp`, have in common."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import ondol


class FormerAutocast(ondol.amp.autocast):
    """`autocast` of one device, under its older name."""

    device_type: ClassVar[str]
    usual_dtype: ClassVar[Any]

    def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> None:
        _warn(self.device_type, "autocast")
        super().__init__(self.device_type, self.usual_dtype if dtype is None else dtype, enabled, cache_enabled)


class FormerGradScaler(ondol.amp.GradScaler):
    """`GradScaler` of one device, under its older name."""

    device_type: ClassVar[str]

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        _warn(self.device_type, "GradScaler")
        super().__init__(self.device_type, init_scale, growth_factor, backoff_factor, growth_interval, enabled)


def _warn(device: str, name: str) -> None:
    warnings.warn(
        f"`torch.{device}.amp.{name}(args...)` is deprecated. Use `torch.amp.{name}('{device}', args...)` instead.",
        FutureWarning,
        stacklevel=3,
    )
