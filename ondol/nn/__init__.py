"""Neural networks: `Module`, parameters, layers, losses, and their functions."""

from __future__ import annotations

from typing import Any

from . import functional, init, modules, parameter, utils
from .modules import *  # noqa: F403
from .modules import __all__ as _module_names
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [
    "Buffer", "DataParallel", "Parameter", "UninitializedBuffer", "UninitializedParameter", "factory_kwargs",
    "functional", "init", "modules", "parameter", "utils", *_module_names,
]  # fmt: skip


class DataParallel(modules.Module):
    """Several GPUs at once: not supported."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("DataParallel is not supported: ondol runs on one device; use the module itself")


def factory_kwargs(kwargs: dict[str, Any] | None) -> dict[str, Any]:
    """The `device`, `dtype` and `memory_format` among keyword arguments, and those in their `factory_kwargs` entry.

    Raises:
        TypeError: for other names, and for a name given in both places.

    >>> ondol.nn.factory_kwargs({"dtype": ondol.float64})
    {'dtype': torch.float64}
    """
    names = {"device", "dtype", "memory_format"}
    kwargs = kwargs or {}
    unexpected = kwargs.keys() - names - {"factory_kwargs"}
    if unexpected:
        raise TypeError(f"unexpected kwargs {unexpected}")
    result = dict(kwargs.get("factory_kwargs", {}))
    for name in names & kwargs.keys():
        if name in result:
            raise TypeError(f"{name} specified twice, in **kwargs and in factory_kwargs")
        result[name] = kwargs[name]
    return result


def __getattr__(name: str) -> Any:
    if name in ("attention", "grad", "parallel"):  # rarely used: imported when asked for
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
