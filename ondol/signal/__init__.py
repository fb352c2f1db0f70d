"""Signal processing: window functions."""

from ondol.signal import windows

__all__ = ["windows"]
