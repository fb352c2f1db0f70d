"""Apple's Metal, which is not used."""

from __future__ import annotations

__all__ = ["is_available", "is_built", "is_macos13_or_newer", "is_macos_or_newer"]


def is_built() -> bool:
    """False."""
    return False


def is_available() -> bool:
    """False: `device="mps"` is refused."""
    return False


def is_macos_or_newer(major: int, minor: int) -> bool:
    """False: asked before Metal is used, and it is not."""
    return False


def is_macos13_or_newer(minor: int = 0) -> bool:
    """False, as `is_macos_or_newer`."""
    return False
