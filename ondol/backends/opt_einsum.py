"""The package opt_einsum, which is not used: `einsum` contracts from left to right."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from ondol.backends._switch import switched, watch

enabled = False
strategy: str | None = None


def is_available() -> bool:
    """False, whether or not the package is installed."""
    return False


def get_opt_einsum() -> Any:
    """None."""
    return None


@contextlib.contextmanager
def flags(enabled: bool | None = None, strategy: str | None = None) -> Iterator[None]:
    """Sets the switches for the time of a `with`.

    Raises:
        ValueError: turning it on, or a strategy, as in PyTorch where the package is missing.
    """
    if enabled or strategy is not None:
        raise ValueError("opt_einsum is not available: ondol's einsum contracts from left to right")
    with switched(sys.modules[__name__], {"enabled": enabled}):
        yield


watch(__name__)
