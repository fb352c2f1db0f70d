"""Neural networks: `Module`, parameters, layers, losses, and their functions."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import functional, init, modules, parameter, utils
from .modules import *  # noqa: F403
from .modules import __all__ as _module_names
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

if TYPE_CHECKING:
    from . import attention as attention
    from . import common_types as common_types
    from . import parallel as parallel
    from .parallel import DataParallel

__all__ = [
    "Buffer", "DataParallel", "Parameter", "UninitializedBuffer", "UninitializedParameter", "factory_kwargs",
    "functional", "init", "modules", "parameter", "utils", *_module_names,
]  # fmt: skip


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
    # Rarely used: imported when asked for.
    if name in ("attention", "common_types", "grad", "parallel"):
        return importlib.import_module(f"{__name__}.{name}")
    if name == "DataParallel":
        return importlib.import_module(f"{__name__}.parallel").DataParallel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
