"""What programs say to PyTorch's compiler. There is none: functions and modules stay what they are."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from ondol._functions import compile

__all__ = [
    "allow_in_graph", "assume_constant_result", "compile", "cudagraph_mark_step_begin", "disable", "is_compiling",
    "is_dynamo_compiling", "is_exporting", "list_backends", "reset", "set_stance",
]  # fmt: skip


def is_compiling() -> bool:
    """False."""
    return False


def is_dynamo_compiling() -> bool:
    """False."""
    return False


def is_exporting() -> bool:
    """False."""
    return False


def disable(fn: Callable | None = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """`fn`, or a decorator that returns what it decorates."""
    return (lambda function: function) if fn is None else fn


def allow_in_graph(fn: Any) -> Any:
    """`fn`."""
    return fn


def assume_constant_result(fn: Callable) -> Callable:
    """`fn`."""
    return fn


def reset() -> None:
    """Nothing was compiled."""


def cudagraph_mark_step_begin() -> None:
    """Nothing was recorded."""


def list_backends(exclude_tags: Any = ("debug", "experimental")) -> list[str]:
    """None: an empty list."""
    return []


def set_stance(
    stance: str = "default", *, skip_guard_eval_unsafe: bool = False, force_backend: Any = None
) -> contextlib.ContextDecorator:
    """Accepted, alone or as a context or decorator."""
    return contextlib.nullcontext()
