"""Building modules without drawing their first values."""

from __future__ import annotations

import inspect
from typing import Any

from .. import init

__all__ = ["skip_init"]

_FILLING = ("uniform_", "normal_", "trunc_normal_", "constant_", "zeros_")


def skip_init(module_cls: type, *args: Any, **kwargs: Any) -> Any:
    """A module whose parameters are not initialized, for when they are loaded right away.

    Raises:
        RuntimeError: if what is given is no module class, or one without an argument `device`, whose parameters
            PyTorch could not leave uninitialized.

    >>> ondol.nn.utils.skip_init(ondol.nn.Linear, 5, 1)
    Linear(in_features=5, out_features=1, bias=True)
    """
    from ..modules import Module

    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError(
            f"skip_init needs a module class with an argument 'device', and {module_cls.__name__} has none"
        )
    kept = {name: getattr(init, name) for name in _FILLING}
    try:
        for name in _FILLING:
            setattr(init, name, _leave_alone)
        return module_cls(*args, **kwargs)
    finally:
        for name, function in kept.items():
            setattr(init, name, function)


def _leave_alone(tensor: Any, *args: Any, **kwargs: Any) -> Any:
    return tensor
