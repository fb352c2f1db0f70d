"""The accelerator of the machine: there is none."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = [
    "current_accelerator", "current_device_index", "device_count", "is_available", "set_device_index", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """False: ondol computes on the CPU."""
    return False


def device_count() -> int:
    """0."""
    return 0


def current_accelerator(check_available: bool = False) -> None:
    """None."""
    return None


def current_device_index() -> int:
    """Raises RuntimeError."""
    _refuse()


def set_device_index(device: Any, /) -> None:
    """Raises RuntimeError."""
    _refuse()


def synchronize(device: Any = None, /) -> None:
    """Raises RuntimeError."""
    _refuse()


def _refuse() -> NoReturn:
    raise RuntimeError("Cannot access accelerator device when none is available: ondol computes on the CPU")
