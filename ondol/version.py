"""Which ondol this is, and what it was built for."""

from __future__ import annotations

from ondol import __version__ as __version__

__all__ = ["__version__", "cuda", "debug", "hip", "xpu"]

cuda: str | None = None
hip: str | None = None
xpu: str | None = None
debug = False
