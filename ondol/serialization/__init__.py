"""Saving and loading in PyTorch's file formats, safe by default."""

from __future__ import annotations

from .allowed import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals
from .loading import get_unsafe_globals_in_checkpoint, load
from .saving import get_crc32_options, save, set_crc32_options

__all__ = [
    "add_safe_globals",
    "clear_safe_globals",
    "get_crc32_options",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "safe_globals",
    "save",
    "set_crc32_options",
]
