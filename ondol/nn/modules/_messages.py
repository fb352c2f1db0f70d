"""Words of `Module`'s errors."""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .module import Module


def type_name(value: Any) -> str:
    return full_name(type(value))


def full_name(named: Any) -> str:
    """The full name of a class or function, as it is in PyTorch."""
    module = named.__module__
    if module in (None, "builtins"):
        return named.__name__
    if module.split(".")[0] == "ondol":
        module = "torch" + module[len("ondol") :]
    return f"{module}.{named.__qualname__}"


def not_a_module(value: Any) -> str:
    """What was given in place of a module, and what was meant, probably."""
    words = full_name(value) if isinstance(value, (type, FunctionType)) else type_name(value)
    meant = ""
    if isinstance(value, type):
        meant = f": it is a class, and {value.__name__}() makes an object of it"
    elif isinstance(value, (list, tuple)):
        meant = ": give its items one by one, as in Sequential(*layers)"
    elif callable(value):
        meant = ": it is a function; nn.ReLU() is the module of relu, and a class with forward() that of any other"
    return f"{words} is not a Module subclass{meant}"


def without_forward(module: Module) -> str:
    """The class has no `forward`; perhaps it has one that is spelt otherwise."""
    import difflib  # only a failure needs it

    kind = type(module)
    own = [name for name in vars(kind) if callable(getattr(kind, name)) and not name.startswith("__")]
    close = difflib.get_close_matches("forward", own, n=1, cutoff=0.6)
    hint = f": it has {close[0]}(), is that meant?" if close else ""
    return f'Module [{kind.__name__}] is missing the required "forward" function{hint}'


def broken_path(module: Module, walked: list[str], name: str, target: str) -> str:
    kind = module._get_name()
    where = f"{'.'.join(walked)} ({kind})" if walked else f"the {kind} itself"
    if hasattr(module, name):
        return f"`{name}` is not an nn.Module: in {target!r}, {where} has a {type_name(getattr(module, name))} there"
    children = ", ".join(module._modules) or "none"
    return f"{kind} has no attribute `{name}`: in {target!r}, {where} has no child '{name}'; it has {children}"


def absent(owner: Module, path: list[str], name: str, kind: str, store: dict) -> str:
    where = f"{'.'.join(path)} ({owner._get_name()})" if path else f"the {owner._get_name()} itself"
    present = ", ".join(store) or "none"
    return f"{owner._get_name()} has no attribute `{name}`: {where} has no {kind} '{name}'; it has {present}"
