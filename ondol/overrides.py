"""`__torch_function__`: how classes and modes take calls of ondol's functions over.

An argument takes part if its class has a method `__torch_function__(func, types, args=(), kwargs=None)`; a subclass of
Tensor inherits one that computes with plain tensors and gives the result the class of the argument. A TorchFunctionMode
sees every call while it is active. Native operations and the functions of `ondol.linalg`, `fft`, `special` ask; other
functions composed of them, such as most of `nn.functional`, are seen as the operations that they call.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import ondol
from ondol._native import Tensor
from ondol._native import _overrides as _native

__all__ = [
    "BaseTorchFunctionMode", "DisableTorchFunction", "DisableTorchFunctionSubclass", "TorchFunctionMode",
    "get_default_nowrap_functions", "get_overridable_functions", "handle_torch_function", "has_torch_function",
    "has_torch_function_unary", "has_torch_function_variadic", "is_tensor_like", "is_tensor_method_or_property",
    "resolve_name", "wrap_torch_function",
]  # fmt: skip


class _Disabled:
    """`with` switches part of the protocol off on this thread."""

    _level: int

    def __enter__(self) -> None:
        self._before = _native.set_disabled(max(self._level, _native.disabled()))

    def __exit__(self, *error: Any) -> None:
        _native.set_disabled(self._before)


class DisableTorchFunctionSubclass(_Disabled):
    """`with DisableTorchFunctionSubclass():` objects of subclasses are taken for plain tensors; modes stay active."""

    _level = 1


class DisableTorchFunction(_Disabled):
    """`with DisableTorchFunction():` neither classes nor modes are asked."""

    _level = 2


class TorchFunctionMode:
    """Sees every call while it is active; while its handler runs it is off.

    >>> class Names(TorchFunctionMode):
    ...     def __torch_function__(self, func, types, args=(), kwargs=None):
    ...         print(func.__name__)
    ...         return func(*args, **(kwargs or {}))
    >>> with Names():
    ...     sum = ondol.ones(2) + 1
    ones
    add
    """

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        raise NotImplementedError("a TorchFunctionMode needs a method __torch_function__")

    def __enter__(self) -> TorchFunctionMode:
        _native.push_mode(self)
        return self

    def __exit__(self, *error: Any) -> None:
        _native.pop_mode()


class BaseTorchFunctionMode(TorchFunctionMode):
    """A mode that changes nothing."""

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return func(*args, **(kwargs or {}))


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether a call with these arguments is to be handed to `handle_torch_function`."""
    return _native.has_override(tuple(relevant_args))


def has_torch_function_unary(arg: Any) -> bool:
    """`has_torch_function` of one argument."""
    return _native.has_override((arg,))


def has_torch_function_variadic(*args: Any) -> bool:
    """`has_torch_function` of several arguments."""
    return _native.has_override(args)


def handle_torch_function(public_api: Callable, relevant_args: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
    """Hand a call of `public_api` over to the modes, then to the classes of the relevant arguments.

    Raises TypeError if all answer NotImplemented.

    >>> class Constant:
    ...     @classmethod
    ...     def __torch_function__(cls, func, types, args=(), kwargs=None):
    ...         return 42
    >>> def mean(x):
    ...     if has_torch_function_unary(x):
    ...         return handle_torch_function(mean, (x,), x)
    ...     return x.mean()
    >>> mean(Constant())
    42
    """
    return _native.dispatch(public_api, tuple(relevant_args), args, kwargs)


def wrap_torch_function(dispatcher: Callable[..., Iterable[Any]]) -> Callable[[Callable], Callable]:
    """A decorator that makes a function ask; `dispatcher`, called with its arguments, returns the relevant ones."""

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def asking(*args: Any, **kwargs: Any) -> Any:
            relevant = tuple(dispatcher(*args, **kwargs))
            if _native.has_override(relevant):
                return _native.dispatch(asking, relevant, args, kwargs)
            return function(*args, **kwargs)

        return asking

    return decorate


def is_tensor_like(inp: Any) -> bool:
    """Whether it is a Tensor, or of a class with `__torch_function__`."""
    return isinstance(inp, Tensor) or hasattr(inp, "__torch_function__")


@functools.cache
def get_default_nowrap_functions() -> frozenset:
    """What a subclass's results keep their class in: attributes that give back what was put there."""
    return frozenset(getattr(Tensor, name).__get__ for name in ("_base", "grad", "_backward_hooks"))


def get_overridable_functions() -> dict[Any, list[Callable]]:
    """The functions that ask, by the module or class that they are found in."""
    operator = type(ondol.add)
    places = (ondol, ondol.nn.functional, ondol.linalg, ondol.fft, ondol.special, Tensor)
    found: dict[Any, list[Callable]] = {}
    for place in places:
        values = (getattr(place, name) for name in dir(place) if name[0] != "_" and name not in ondol._MODULES)
        found[place] = [value for value in values if type(value) is operator or hasattr(value, "_asks_overrides")]
    return found


@functools.cache
def _names() -> dict[Any, str]:
    names: dict[Any, str] = {}
    for place, functions in get_overridable_functions().items():
        for function in functions:
            names.setdefault(function, f"{place.__name__}.{function.__name__}")
    return names


def resolve_name(f: Callable) -> str | None:
    """The dotted name of a function that asks, or None."""
    return _names().get(f)


def is_tensor_method_or_property(func: Callable) -> bool:
    """Whether it is a method of Tensor, or the getter of an attribute."""
    return func.__name__ == "__get__" or getattr(Tensor, func.__name__, None) == func


def _convert(result: Any, cls: type) -> Any:
    """Plain tensors in a result as objects of a subclass."""
    if cls is Tensor:
        return result
    if isinstance(result, Tensor) and not isinstance(result, cls):
        return result.as_subclass(cls)
    if isinstance(result, (tuple, list)):
        converted = [_convert(item, cls) for item in result]
        return type(result)(*converted) if hasattr(result, "_fields") else type(result)(converted)
    return result


def default_torch_function(cls: type, func: Callable, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
    """Tensor's own `__torch_function__`: func on plain tensors, its results as objects of `cls`.

    NotImplemented if an argument is of a class that `cls` does not derive from.
    """
    if not all(issubclass(cls, kind) for kind in types):
        return NotImplemented
    before = _native.set_disabled(max(1, _native.disabled()))
    try:
        result = func(*args, **(kwargs or {}))
        return result if func in get_default_nowrap_functions() else _convert(result, cls)
    finally:
        _native.set_disabled(before)
