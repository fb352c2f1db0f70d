"""TorchScript: not supported. What marks code for it is accepted, and what would compile raises NotImplementedError.

With PYTORCH_JIT=0 in the environment `script`, `trace` and `script_method` return what they are given, as in PyTorch.
"""

from __future__ import annotations

import os
import typing
from collections.abc import Callable
from typing import Any, Final, NamedTuple, NoReturn

from ondol.nn.modules.module import Module

__all__ = [
    "Attribute", "Final", "ScriptFunction", "ScriptModule", "annotate", "export", "freeze", "ignore", "interface",
    "is_scripting", "is_tracing", "isinstance", "load", "optimize_for_inference", "save", "script",
    "script_if_tracing", "script_method", "trace", "trace_module", "unused",
]  # fmt: skip


class Attribute(NamedTuple):
    """A value and its type."""

    value: Any
    type: Any


class ScriptModule(Module):
    """Raises NotImplementedError when made. `isinstance` may ask for it."""

    def __init__(self) -> None:
        super().__init__()
        _refuse("ScriptModule", "derive from nn.Module")


class ScriptFunction:
    """Raises NotImplementedError when made. `isinstance` may ask for it."""

    def __init__(self) -> None:
        _refuse("ScriptFunction", "use the function itself")


def script(obj: Any, optimize: None = None, _frames_up: int = 0, _rcb: Any = None, example_inputs: Any = None) -> Any:
    """Raises NotImplementedError; with PYTORCH_JIT=0 returns `obj`."""
    return _itself_if_disabled(obj, "script")


def trace(func: Any, example_inputs: Any = None, *args: Any, **kwargs: Any) -> Any:
    """Raises NotImplementedError; with PYTORCH_JIT=0 returns `func`."""
    return _itself_if_disabled(func, "trace")


def trace_module(mod: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
    """Raises NotImplementedError; with PYTORCH_JIT=0 returns `mod`."""
    return _itself_if_disabled(mod, "trace_module")


def script_method(fn: Callable) -> Callable:
    """Raises NotImplementedError; with PYTORCH_JIT=0 returns `fn`."""
    return _itself_if_disabled(fn, "script_method")


def freeze(mod: Any, *args: Any, **kwargs: Any) -> NoReturn:
    """Raises NotImplementedError."""
    _refuse("freeze", "use model.eval() and no_grad()")


def optimize_for_inference(mod: Any, *args: Any, **kwargs: Any) -> NoReturn:
    """Raises NotImplementedError."""
    _refuse("optimize_for_inference", "use model.eval() and no_grad()")


def save(m: Any, f: Any, _extra_files: Any = None) -> NoReturn:
    """Raises NotImplementedError."""
    _refuse("save", "use ondol.save(model.state_dict(), file)")


def load(f: Any, map_location: Any = None, _extra_files: Any = None, _restore_shapes: bool = False) -> NoReturn:
    """Raises NotImplementedError."""
    _refuse("load", "build the model in Python and use model.load_state_dict(ondol.load(file))")


def is_scripting() -> bool:
    """False."""
    return False


def is_tracing() -> bool:
    """False."""
    return False


def export(fn: Callable) -> Callable:
    """`fn`: nothing is compiled."""
    return fn


def unused(fn: Callable) -> Callable:
    """`fn`: nothing is compiled."""
    return fn


def interface(obj: type) -> type:
    """`obj`: nothing is compiled."""
    return obj


def script_if_tracing(fn: Callable) -> Callable:
    """`fn`: nothing is traced."""
    return fn


def ignore(drop: bool | Callable = False, **kwargs: Any) -> Callable:
    """The function that it decorates; `@ignore` and `@ignore(drop=True)`."""
    return drop if callable(drop) else lambda fn: fn


def annotate(the_type: Any, the_value: Any) -> Any:
    """`the_value`."""
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:
    """Whether a value is of a type that may name the types of elements, such as `list[int]`.

    >>> isinstance([1, 2], list[int]), isinstance({"a": 1}, dict[str, str])
    (True, False)
    """
    import builtins

    if builtins.isinstance(target_type, tuple):
        return any(isinstance(obj, one) for one in target_type)
    kind, inner = typing.get_origin(target_type), typing.get_args(target_type)
    if kind is None:
        return builtins.isinstance(obj, target_type)
    if not builtins.isinstance(kind, type) or kind.__module__ != "builtins":  # Union, Optional, X | Y
        return any(isinstance(obj, type(None) if one is None else one) for one in inner)
    if not builtins.isinstance(obj, kind):
        return False
    if kind is dict:
        return all(isinstance(key, inner[0]) and isinstance(value, inner[1]) for key, value in obj.items())
    if kind is tuple and inner[-1:] != (Ellipsis,):
        return len(obj) == len(inner) and all(isinstance(one, of) for one, of in zip(obj, inner))
    return all(isinstance(one, inner[0]) for one in obj)


def _itself_if_disabled(obj: Any, name: str) -> Any:
    if os.environ.get("PYTORCH_JIT", "1") == "0":
        return obj
    _refuse(name, "use the function or module itself (PYTORCH_JIT=0 in the environment does that everywhere)")


def _refuse(name: str, instead: str) -> NoReturn:
    raise NotImplementedError(f"jit.{name} is not supported, ondol runs everything eagerly: {instead}")
