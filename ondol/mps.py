"""What a program asks before it uses Apple's Metal: there is none."""

from __future__ import annotations

from typing import NoReturn

__all__ = [
    "current_allocated_memory",
    "device_count",
    "empty_cache",
    "is_available",
    "is_initialized",
    "manual_seed",
    "seed",
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


def seed() -> None:
    """Nothing to seed."""


def empty_cache() -> None:
    """Raises RuntimeError, as in PyTorch without Metal."""
    _refuse("empty_cache")


def synchronize() -> None:
    """Raises RuntimeError, as in PyTorch without Metal."""
    _refuse("synchronize")


def current_allocated_memory() -> int:
    """Raises RuntimeError, as in PyTorch without Metal."""
    _refuse("current_allocated_memory")


def _refuse(name: str) -> NoReturn:
    raise RuntimeError(f"mps.{name}() without Metal: ondol computes on the CPU; ask mps.is_available() first")
