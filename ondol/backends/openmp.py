"""OpenMP, which is not used: ondol has threads of its own (`ondol.set_num_threads`)."""

from __future__ import annotations

__all__ = ["is_available"]


def is_available() -> bool:
    """False."""
    return False
