"""Modules and objects whose attributes are switches."""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Iterator
from typing import Any

PRECISIONS = ("none", "ieee", "tf32", "bf16")


def check(name: str, before: Any, value: Any) -> None:
    """Raises RuntimeError if `value` cannot follow `before`: a truth value needs one, a precision a known name."""
    if isinstance(before, bool) and not isinstance(value, bool):
        raise RuntimeError(f"{name} expects a bool, but got {type(value).__name__}")
    if name.endswith("fp32_precision") and value not in PRECISIONS:
        raise RuntimeError(f"Unknown precision: {value}; it is one of {', '.join(PRECISIONS)}")


class SwitchModule(types.ModuleType):
    """A module that looks at what its attributes are set to."""

    def __setattr__(self, name: str, value: Any) -> None:
        check(f"{self.__name__.removeprefix('ondol.')}.{name}", vars(self).get(name), value)
        super().__setattr__(name, value)


class Switches:
    """Attributes of the given names, and no others."""

    def __init__(self, name: str, **defaults: Any) -> None:
        vars(self).update(defaults, _name=name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in vars(self):
            raise AttributeError(f"{self._name} has no switch {name!r}")
        check(f"{self._name}.{name}", vars(self)[name], value)
        vars(self)[name] = value


def watch(module: str) -> None:
    """Turns the module of that name into a SwitchModule."""
    sys.modules[module].__class__ = SwitchModule


@contextlib.contextmanager
def switched(target: Any, values: dict[str, Any]) -> Iterator[None]:
    """Sets attributes for the time of a `with`; those given as None stay. All are checked before any is set."""
    values = {name: value for name, value in values.items() if value is not None}
    before = {name: getattr(target, name) for name in values}
    for name, value in values.items():
        check(name, before[name], value)
    try:
        for name, value in values.items():
            setattr(target, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(target, name, value)
