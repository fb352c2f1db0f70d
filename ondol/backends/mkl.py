"""Intel's MKL, which is not used: matrix products are OpenBLAS's and ondol's own."""

from __future__ import annotations

__all__ = ["is_available"]


def is_available() -> bool:
    """False."""
    return False
