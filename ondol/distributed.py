"""Several processes that train together: not available; what programs ask before they try is answered."""

from __future__ import annotations

import enum
from typing import Any, NoReturn

__all__ = [
    "ReduceOp", "all_gather", "all_reduce", "barrier", "broadcast", "destroy_process_group", "get_backend", "get_rank",
    "get_world_size", "init_process_group", "is_available", "is_gloo_available", "is_initialized", "is_mpi_available",
    "is_nccl_available", "is_torchelastic_launched", "reduce",
]  # fmt: skip


class ReduceOp(enum.Enum):
    """How values of processes would be joined; for default arguments."""

    SUM = 0
    AVG = 1
    PRODUCT = 2
    MIN = 3
    MAX = 4


def is_available() -> bool:
    """False."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def is_nccl_available() -> bool:
    """False."""
    return False


def is_gloo_available() -> bool:
    """False."""
    return False


def is_mpi_available() -> bool:
    """False."""
    return False


def is_torchelastic_launched() -> bool:
    """False."""
    return False


def init_process_group(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises NotImplementedError."""
    raise NotImplementedError(
        "distributed training is not supported: ondol trains in one process, whose operations use all cores"
    )


def get_rank(group: Any = None) -> int:
    """Raises ValueError, as in PyTorch before there is a group."""
    _refuse()


def get_world_size(group: Any = None) -> int:
    """Raises ValueError, as `get_rank`."""
    _refuse()


def get_backend(group: Any = None) -> str:
    """Raises ValueError, as `get_rank`."""
    _refuse()


def barrier(*args: Any, **kwargs: Any) -> None:
    """Raises ValueError, as `get_rank`."""
    _refuse()


def all_reduce(tensor: Any, *args: Any, **kwargs: Any) -> Any:
    """Raises ValueError, as `get_rank`."""
    _refuse()


def all_gather(tensor_list: Any, tensor: Any, *args: Any, **kwargs: Any) -> Any:
    """Raises ValueError, as `get_rank`."""
    _refuse()


def broadcast(tensor: Any, *args: Any, **kwargs: Any) -> Any:
    """Raises ValueError, as `get_rank`."""
    _refuse()


def reduce(tensor: Any, *args: Any, **kwargs: Any) -> Any:
    """Raises ValueError, as `get_rank`."""
    _refuse()


def destroy_process_group(group: Any = None) -> None:
    """Raises ValueError, as `get_rank`."""
    _refuse()


def _refuse() -> NoReturn:
    raise ValueError(
        "Default process group has not been initialized: ondol has none. Ask distributed.is_initialized() first"
    )
