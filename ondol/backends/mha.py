"""The fast path of PyTorch's transformer layers in evaluation; ondol has one path."""

from __future__ import annotations

__all__ = ["get_fastpath_enabled", "set_fastpath_enabled"]

_fast = {"enabled": True}


def get_fastpath_enabled() -> bool:
    """What `set_fastpath_enabled` was told."""
    return _fast["enabled"]


def set_fastpath_enabled(value: bool) -> None:
    """Accepted: results are the same."""
    _fast["enabled"] = value
