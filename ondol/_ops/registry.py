"""How a composed function joins the public API: a decorator, `out=`, in-place forms and lazy Tensor methods.

`exports.py` knows the names without importing a family; the decorator below holds the same facts next to each function,
and `tests/ops_composed/test_registry.py` keeps the two in step.
"""

from __future__ import annotations

import functools
import importlib
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import ondol
from ondol._autocast import with_autocast
from ondol._ops import exports
from ondol._ops.clear_errors import with_clear_errors


class Operation(NamedTuple):
    """What the decorator was told about one function."""

    name: str
    module: str
    namespace: str
    method: bool
    inplace: bool
    aliases: tuple[str, ...]


OPERATIONS: list[Operation] = []


def operation(
    function: Callable | None = None,
    *,
    method: bool = False,
    inplace: bool = False,
    aliases: tuple[str, ...] = (),
    namespace: str = "",
) -> Callable:
    """Register a composed function under its own name and `aliases` (which it also becomes in its module).

    A function that declares a keyword `out=None` never sees it: the wrapper calls the body, then resizes `out` and
    copies the result into it, as PyTorch does.

    Args:
        method: the function is a method of Tensor as well, with `self` for its first argument.
        inplace: Tensor also gets `name_`, which stores the result in `self`.
        aliases: further public names of the same function.
        namespace: `linalg`, `fft`, `special`, ...; empty for the top level.
    """

    def register(body: Callable) -> Callable:
        dotted = f"{namespace}.{body.__name__}" if namespace else body.__name__
        public = _public(with_clear_errors(body), dotted, takes_out="out" in (body.__kwdefaults__ or {}))
        module = body.__module__.rpartition(".")[2]
        OPERATIONS.append(Operation(body.__name__, module, namespace, method, inplace, aliases))
        scope = body.__globals__
        scope.update(dict.fromkeys(aliases, public))
        return public

    return register if function is None else register(function)


def _public(body: Callable, dotted: str, takes_out: bool) -> Callable:
    """What users call: it asks for overrides (see `ondol.overrides`) and sees to autocast and `out=`."""
    converting = with_autocast(body, dotted)
    has_override, dispatch = ondol._native._overrides.has_override, ondol._native._overrides.dispatch

    @functools.wraps(body)
    def plain(*args: Any, **kwargs: Any) -> Any:
        if has_override((args, *kwargs.values())):
            return dispatch(plain, (args, *kwargs.values()), args, kwargs)
        return converting(*args, **kwargs)

    @functools.wraps(body)
    def with_out(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        if has_override((args, out, *kwargs.values())):
            given = kwargs if out is None else {**kwargs, "out": out}
            return dispatch(with_out, (args, *given.values()), args, given)
        if out is None:
            return converting(*args, **kwargs)
        return store(body(*args, **kwargs), out, body.__name__)

    public = with_out if takes_out else plain
    public._asks_overrides = True  # type: ignore[attr-defined]
    public._autocast = getattr(converting, "_autocast", 0)  # type: ignore[attr-defined]
    return public


def store(result: Any, out: Any, name: str) -> Any:
    """Put a result, or each of a tuple of results, into the tensors given as `out=` and return those.

    Nothing is written before all of them are found to fit.
    """
    if not isinstance(result, tuple):
        _check_place(result, out, name)
        return _put(result, out)
    if not isinstance(out, (tuple, list)) or len(out) != len(result):
        raise TypeError(f"{name}(): argument 'out' must be a tuple of {len(result)} tensors")
    for one, place in zip(result, out):
        _check_place(one, place, name)
    reaches = sorted(_reach(one, place) for one, place in zip(result, out) if one.numel())
    if any(start < end for (_, end), (start, _) in itertools.pairwise(reaches)):
        raise RuntimeError(f"{name}(): the tensors given as out= share memory")
    return type(result)([_put(one, place) for one, place in zip(result, out)])


def _reach(result: Any, place: Any) -> tuple[int, int]:
    """The addresses between which a result will lie, in a tensor that is resized to hold it if need be."""
    if place.shape == result.shape:
        last = sum((size - 1) * stride for size, stride in zip(place.shape, place.stride()))
    else:
        last = result.numel() - 1
    start = place.untyped_storage().data_ptr() + place.storage_offset() * place.element_size()
    return start, start + (last + 1) * place.element_size()


def _check_place(result: Any, out: Any, name: str) -> None:
    if not isinstance(out, ondol.Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if ondol.is_grad_enabled() and (result.requires_grad or out.requires_grad):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad."
        )
    check_castable(result.dtype, out.dtype)
    if any(size > 1 and stride == 0 for size, stride in zip(out.shape, out.stride())):
        raise RuntimeError(
            f"{name}(): unsupported operation: more than one element of the written-to tensor 'out' refers to a single "
            "memory location. Please clone() the tensor before performing the operation."
        )


def _put(result: Any, out: Any) -> Any:
    if out.shape != result.shape:
        out.resize_(result.shape)
    return out.copy_(result)


def check_castable(source: Any, target: Any) -> None:
    """Refuse to lose a category: complex to real, floating to integral, number to bool."""
    if not ondol.can_cast(source, target):
        raise RuntimeError(f"result type {source} can't be cast to the desired output type {target}")


def implementation(name: str, module: str) -> Callable:
    """The function `name` of the family `module`, which is imported now if it was not before."""
    return getattr(importlib.import_module(f"ondol._ops.{module}"), name)


def attach_methods(tensor_type: type) -> None:
    """Give a tensor type every composed method and in-place form that it does not have natively.

    A method is a stand-in of one line until its first call, which imports the family and replaces it.
    """
    for name, module in exports.METHODS.items():
        if not hasattr(tensor_type, name):
            setattr(tensor_type, name, _lazy_method(tensor_type, name, module))
    for name, module in exports.INPLACE.items():
        if not hasattr(tensor_type, f"{name}_"):
            setattr(tensor_type, f"{name}_", _inplace_method(name, module))


def _lazy_method(tensor_type: type, name: str, module: str) -> Callable:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        function = implementation(name, module)
        setattr(tensor_type, name, function)
        return function(self, *args, **kwargs)

    method.__name__, method.__qualname__ = name, f"Tensor.{name}"
    return method


def _inplace_method(name: str, module: str) -> Callable:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        # Composed functions save their input for backward; writing to it afterwards would spoil that, so save a copy.
        source = self.clone() if ondol.is_grad_enabled() and self.requires_grad else self
        result = implementation(name, module)(source, *args, **kwargs)
        if result.shape != self.shape:
            raise RuntimeError(
                f"output with shape {list(self.shape)} doesn't match the broadcast shape {list(result.shape)}"
            )
        check_castable(result.dtype, self.dtype)
        return self.copy_(result)

    method.__name__, method.__qualname__ = f"{name}_", f"Tensor.{name}_"
    return method
