"""What a program asks before it uses Intel's GPUs: there is none."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = [
    "current_device",
    "device_count",
    "empty_cache",
    "is_available",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "synchronize",
]


def is_available() -> bool:
    """False: ondol computes on the CPU."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing to seed; `ondol.manual_seed` seeds the CPU's generator."""


def manual_seed_all(seed: int) -> None:
    """Nothing to seed."""


def empty_cache() -> None:
    """Nothing is cached on a GPU."""


def synchronize(device: Any = None) -> None:
    """Raises AssertionError, as in PyTorch without such a GPU."""
    _refuse()


def current_device() -> int:
    """Raises AssertionError, as in PyTorch without such a GPU."""
    _refuse()


def _refuse() -> NoReturn:
    raise AssertionError("Torch not compiled with XPU enabled: ondol computes on the CPU")
