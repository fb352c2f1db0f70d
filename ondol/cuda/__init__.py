"""What a program asks before it uses a GPU: there is none."""

from __future__ import annotations

from typing import Any


def is_available() -> bool:
    """False: ondol computes on the CPU."""
    return False


def device_count() -> int:
    """0."""
    return 0


def is_initialized() -> bool:
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    return False


def manual_seed(seed: int) -> None:
    """Nothing to seed; `ondol.manual_seed` seeds the CPU's generator."""


def manual_seed_all(seed: int) -> None:
    """Nothing to seed."""


def empty_cache() -> None:
    """Nothing is cached on a GPU."""


def synchronize(device: Any = None) -> None:
    _refuse()


def current_device() -> int:
    _refuse()


def get_device_name(device: Any = None) -> str:
    _refuse()


def _refuse() -> Any:
    raise AssertionError("Torch not compiled with CUDA enabled: ondol computes on the CPU")
