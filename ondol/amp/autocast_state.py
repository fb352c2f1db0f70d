"""Whether autocast is on, and to which dtype: of each thread, for each type of device.

That of the CPU stands in the core, where operations look. For other devices, which ondol does not compute on, the
settings are only kept for programs that ask.
"""

from __future__ import annotations

import threading
import warnings
from typing import Any, NamedTuple

import ondol
from ondol import _autocast
from ondol._native import _autocast as _state

__all__ = [
    "autocast_decrement_nesting", "autocast_increment_nesting", "clear_autocast_cache", "get_autocast_cpu_dtype",
    "get_autocast_dtype", "get_autocast_gpu_dtype", "is_autocast_available", "is_autocast_cache_enabled",
    "is_autocast_cpu_enabled", "is_autocast_enabled", "set_autocast_cache_enabled", "set_autocast_cpu_dtype",
    "set_autocast_cpu_enabled", "set_autocast_dtype", "set_autocast_enabled", "set_autocast_gpu_dtype",
]  # fmt: skip

_autocast.install()

_DEFAULT_DTYPES = {
    "cuda": "float16", "hpu": "bfloat16", "ipu": "float16", "maia": "bfloat16", "mps": "float16", "mtia": "float16",
    "privateuseone": "float16", "xla": "bfloat16", "xpu": "float16",
}  # fmt: skip


class _Setting(NamedTuple):
    enabled: bool
    dtype: Any


class _OtherDevices(threading.local):
    def __init__(self) -> None:
        self.settings = {name: _Setting(False, getattr(ondol, dtype)) for name, dtype in _DEFAULT_DTYPES.items()}


_others = _OtherDevices()


def _type(device_type: str) -> str:
    """The type of device that a name such as "cpu" or "cuda:0" stands for. RuntimeError if there is none."""
    if not isinstance(device_type, str):
        raise TypeError(f"device_type must be str, not {type(device_type).__name__}")
    return device_type if device_type == "cpu" else ondol.device(device_type).type


def _setting(device_type: str) -> _Setting:
    if device_type not in _others.settings:
        raise RuntimeError(f"unsupported scalarType: autocast has no dtype for the device {device_type!r}")
    return _others.settings[device_type]


def is_autocast_available(device_type: str) -> bool:
    """Whether autocast knows a type of device; ondol computes on "cpu" alone.

    Raises RuntimeError for a name that is no device.

    >>> ondol.amp.is_autocast_available("cpu"), ondol.amp.is_autocast_available("meta")
    (True, False)
    """
    return _type(device_type) in {"cpu", *_DEFAULT_DTYPES}


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether autocast is on for this thread; without a type of device PyTorch means "cuda".

    >>> with ondol.autocast("cpu"):
    ...     ondol.is_autocast_enabled("cpu"), ondol.is_autocast_enabled()
    (True, False)
    """
    kind = "cuda" if device_type is None else _type(device_type)
    return _state.enabled() if kind == "cpu" else _setting(kind).enabled


def set_autocast_enabled(device_type: str | bool, enabled: bool | None = None) -> None:
    """Switch autocast on or off, as `ondol.autocast` does for a while; with a bool alone, that of "cuda"."""
    name, on = ("cuda", device_type) if enabled is None else (device_type, enabled)
    if not isinstance(on, bool):
        raise TypeError(f"set_autocast_enabled(): argument 'enabled' must be bool, not {type(on).__name__}")
    kind = _type(name)  # type: ignore[arg-type]
    if kind == "cpu":
        _state.set_enabled(on)
    else:
        _others.settings[kind] = _setting(kind)._replace(enabled=on)


def get_autocast_dtype(device_type: str) -> Any:
    """The lower precision of autocast: bfloat16 on a CPU unless set otherwise, float16 on most other devices.

    >>> ondol.get_autocast_dtype("cpu")
    torch.bfloat16
    """
    kind = _type(device_type)
    return _state.dtype() if kind == "cpu" else _setting(kind).dtype


def set_autocast_dtype(device_type: str, dtype: Any) -> None:
    """Set what `get_autocast_dtype` gives."""
    kind = _type(device_type)
    if not isinstance(dtype, ondol.dtype):
        raise TypeError(f"set_autocast_dtype(): argument 'dtype' must be torch.dtype, not {type(dtype).__name__}")
    if kind == "cpu":
        _state.set_dtype(dtype)
    else:
        _others.settings[kind] = _setting(kind)._replace(dtype=dtype)


def is_autocast_cache_enabled() -> bool:
    """Whether weights in lower precision are kept until the outermost autocast ends."""
    return _state.keeps_weights()


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Keep weights in lower precision until the outermost autocast ends, or convert them for each operation."""
    _state.set_keeps_weights(enabled)


def clear_autocast_cache() -> None:
    """Forget the weights in lower precision."""
    _state.forget_weights()


def autocast_increment_nesting() -> int:
    """Count one more context that autocast is in; gives how many."""
    return _state.enter()


def autocast_decrement_nesting() -> int:
    """Count one less; gives how many are left."""
    return _state.leave()


def _deprecated(name: str, instead: str) -> None:
    warnings.warn(f"torch.{name} is deprecated: use torch.{instead}", DeprecationWarning, stacklevel=3)


def is_autocast_cpu_enabled() -> bool:
    """Deprecated: `is_autocast_enabled("cpu")`."""
    _deprecated("is_autocast_cpu_enabled()", "is_autocast_enabled('cpu')")
    return is_autocast_enabled("cpu")


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """Deprecated: `set_autocast_enabled("cpu", enabled)`."""
    _deprecated("set_autocast_cpu_enabled(enabled)", "set_autocast_enabled('cpu', enabled)")
    set_autocast_enabled("cpu", enabled)


def get_autocast_cpu_dtype() -> Any:
    """Deprecated: `get_autocast_dtype("cpu")`."""
    _deprecated("get_autocast_cpu_dtype()", "get_autocast_dtype('cpu')")
    return get_autocast_dtype("cpu")


def set_autocast_cpu_dtype(dtype: Any) -> None:
    """Deprecated: `set_autocast_dtype("cpu", dtype)`."""
    _deprecated("set_autocast_cpu_dtype(dtype)", "set_autocast_dtype('cpu', dtype)")
    set_autocast_dtype("cpu", dtype)


def get_autocast_gpu_dtype() -> Any:
    """Deprecated: `get_autocast_dtype("cuda")`."""
    _deprecated("get_autocast_gpu_dtype()", "get_autocast_dtype('cuda')")
    return get_autocast_dtype("cuda")


def set_autocast_gpu_dtype(dtype: Any) -> None:
    """Deprecated: `set_autocast_dtype("cuda", dtype)`."""
    _deprecated("set_autocast_gpu_dtype(dtype)", "set_autocast_dtype('cuda', dtype)")
    set_autocast_dtype("cuda", dtype)
