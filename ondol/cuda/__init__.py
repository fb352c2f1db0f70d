"""What a program asks before it uses a GPU: there is none.

Questions are answered, and what only prepares or tidies up is accepted, as in PyTorch without CUDA; what would use a
GPU raises AssertionError.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NoReturn

from ondol._native import OutOfMemoryError, Tensor

if TYPE_CHECKING:
    from ondol.cuda import amp as amp

__all__ = [
    "Event", "OutOfMemoryError", "Stream", "current_device", "current_stream", "device", "device_count", "empty_cache",
    "get_arch_list", "get_device_capability", "get_device_name", "get_device_properties", "get_rng_state",
    "get_rng_state_all", "init", "initial_seed", "ipc_collect", "is_available", "is_bf16_supported", "is_initialized",
    "manual_seed", "manual_seed_all", "max_memory_allocated", "max_memory_reserved", "mem_get_info",
    "memory_allocated", "memory_reserved", "memory_stats", "reset_peak_memory_stats", "seed", "seed_all",
    "set_device", "set_rng_state", "set_rng_state_all", "stream", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """False: ondol computes on the CPU."""
    return False


def device_count() -> int:
    """0."""
    return 0


def is_initialized() -> bool:
    """False."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False."""
    return False


def get_arch_list() -> list[str]:
    """None: an empty list."""
    return []


def manual_seed(seed: int) -> None:
    """Nothing to seed; `ondol.manual_seed` seeds the CPU's generator."""


def manual_seed_all(seed: int) -> None:
    """Nothing to seed."""


def seed() -> None:
    """Nothing to seed."""


def seed_all() -> None:
    """Nothing to seed."""


def get_rng_state_all() -> list[Tensor]:
    """The states of no generators: an empty list."""
    return []


def set_rng_state_all(new_states: Any) -> None:
    """Accepts the states of no generators.

    Raises:
        AssertionError: there are some.
    """
    if list(new_states):
        _refuse()


def empty_cache() -> None:
    """Nothing is cached on a GPU."""


def memory_allocated(device: Any = None) -> int:
    """0; `ondol.memory_stats()` tells of the CPU's memory."""
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """0."""
    return 0


def memory_reserved(device: Any = None) -> int:
    """0."""
    return 0


def max_memory_reserved(device: Any = None) -> int:
    """0."""
    return 0


def memory_stats(device: Any = None) -> dict[str, Any]:
    """Nothing: an empty dict."""
    return {}


def reset_peak_memory_stats(device: Any = None) -> None:
    """Nothing to reset. (PyTorch without CUDA raises AttributeError.)"""


class device:
    """A context that chooses a GPU; without one, it does nothing.

    Raises:
        AssertionError: on entering, for an index that is not negative.
    """

    def __init__(self, device: Any) -> None:
        self.idx = -1 if device is None else device if isinstance(device, int) else getattr(device, "index", 0)

    def __enter__(self) -> None:
        if self.idx is not None and self.idx >= 0:
            _refuse()

    def __exit__(self, *exception: object) -> None:
        return None


class stream:
    """A context that chooses a stream; for None, the only one there is, it does nothing."""

    def __init__(self, stream: None) -> None:
        if stream is not None:
            _refuse()

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exception: object) -> None:
        return None


class Stream:
    """Raises RuntimeError when made. `isinstance` and annotations may ask for it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("cuda.Stream requires CUDA support: ondol computes on the CPU")


class Event:
    """Raises RuntimeError when made; time with `time.perf_counter`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("cuda.Event requires CUDA support: ondol computes on the CPU; use time.perf_counter()")


def init() -> None:
    """Raises AssertionError."""
    _refuse()


def synchronize(device: Any = None) -> None:
    """Raises AssertionError."""
    _refuse()


def ipc_collect() -> None:
    """Raises AssertionError."""
    _refuse()


def initial_seed() -> int:
    """Raises AssertionError."""
    _refuse()


def current_device() -> int:
    """Raises AssertionError."""
    _refuse()


def set_device(device: Any) -> None:
    """Raises AssertionError. (PyTorch without CUDA raises AttributeError.)"""
    _refuse()


def current_stream(device: Any = None) -> Stream:
    """Raises AssertionError."""
    _refuse()


def get_device_name(device: Any = None) -> str:
    """Raises AssertionError."""
    _refuse()


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """Raises AssertionError."""
    _refuse()


def get_device_properties(device: Any = None) -> Any:
    """Raises AssertionError."""
    _refuse()


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Raises AssertionError."""
    _refuse()


def get_rng_state(device: Any = "cuda") -> Tensor:
    """Raises AssertionError."""
    _refuse()


def set_rng_state(new_state: Tensor, device: Any = "cuda") -> None:
    """Raises AssertionError."""
    _refuse()


def _refuse() -> NoReturn:
    raise AssertionError("Torch not compiled with CUDA enabled: ondol computes on the CPU")


def __getattr__(name: str) -> Any:
    if name == "amp":
        return importlib.import_module(f"{__name__}.amp")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
