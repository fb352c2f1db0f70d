"""Python's `multiprocessing`, whose queues carry tensors by value: memory is not shared between processes.

Everything of the standard module is here. Tensors are pickled on their way, so a change in one process is not seen in
another.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing import *  # noqa: F403
from typing import Any, NoReturn

__all__ = [
    *multiprocessing.__all__, "get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy", "spawn",
]  # fmt: skip

_STRATEGIES = ("file_descriptor", "file_system")
_chosen = {"strategy": "file_descriptor"}


def get_all_sharing_strategies() -> set[str]:
    """The names that `set_sharing_strategy` accepts."""
    return set(_STRATEGIES)


def get_sharing_strategy() -> str:
    """What `set_sharing_strategy` was told."""
    return _chosen["strategy"]


def set_sharing_strategy(new_strategy: str) -> None:
    """Accepted: tensors are copied to other processes, whatever the name.

    Raises:
        AssertionError: an unknown name.
    """
    if new_strategy not in _STRATEGIES:
        raise AssertionError(f"unknown sharing strategy {new_strategy!r}: it is one of {', '.join(_STRATEGIES)}")
    _chosen["strategy"] = new_strategy


def spawn(fn: Any, args: tuple = (), nprocs: int = 1, *options: Any, **more: Any) -> NoReturn:
    """Raises NotImplementedError."""
    raise NotImplementedError(
        "multiprocessing.spawn is not supported, it serves distributed training; use multiprocessing.Process"
    )
