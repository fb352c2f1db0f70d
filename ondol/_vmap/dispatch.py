"""From a call on batched tensors to the rule that computes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ondol import _autocast
from ondol._native import Tensor
from ondol._native._autocast import enabled as autocast_enabled
from ondol._vmap import (  # noqa: F401  (each module registers its rules)
    rules_convolution,
    rules_copy,
    rules_indexing,
    rules_layer,
    rules_linalg,
    rules_pointwise,
    rules_product,
    rules_random,
    rules_reduction,
    rules_shape,
)
from ondol._vmap.batched import BatchedTensor, ValueAskedError, innermost_level, is_batched, refresh, wrap
from ondol._vmap.call import RULES, Call, NeedsLoop, Operator, bind, info
from ondol._vmap.fallback import loop, loop_in_place
from ondol._vmap.level import Level
from ondol._vmap.protocol import METHODS

_DYNAMIC = frozenset({"_unique2", "nonzero", "unique", "unique_consecutive", "unique_dim"})


def dispatch(func: Any, args: tuple, kwargs: dict) -> Any:
    """Compute a call in which batched tensors take part; under autocast it converts them first."""
    policy = getattr(func, "_autocast", 0) if autocast_enabled() else 0
    if policy in (_autocast.LOWER_PRECISION, _autocast.FLOAT32) and kwargs.get("out") is None:
        return _autocast.call(lambda *args, **kwargs: _dispatch(func, args, kwargs), policy, args, kwargs)
    return _dispatch(func, args, kwargs)


def _dispatch(func: Any, args: tuple, kwargs: dict) -> Any:
    level = innermost_level(kwargs.values(), innermost_level(args))
    if level is None:
        raise RuntimeError(f"vmap: {func} found no batched tensor among its arguments")
    if type(func) is Operator:
        return _operator(func, args, kwargs, level)
    method = METHODS.get(_key(func))
    if method is not None:
        return method(level, *args, **kwargs)
    composed = getattr(func, "__module__", None) or ""
    if composed.startswith("ondol"):
        return _decompose(func, args, kwargs, level)
    return loop(func, args, kwargs, level)


def _key(func: Any) -> str:
    """`item` of a method, `T.__get__` of an attribute."""
    if func.__name__ in ("__get__", "__set__"):
        return f"{func.__self__.__name__}.{func.__name__}"
    return func.__name__


def _decompose(func: Callable, args: tuple, kwargs: dict, level: Level) -> Any:
    """A composed function computes with the native operations that it calls, unless it steers Python by values."""
    if kwargs.get("out") is not None:
        raise RuntimeError(f"vmap: {func.__name__}(..., out=) is not supported inside of vmap: use the result instead")
    try:
        return getattr(func, "__wrapped__", func)(*args, **kwargs)
    except ValueAskedError:
        return loop(func, args, kwargs, level)


def _operator(func: Any, args: tuple, kwargs: dict, level: Level) -> Any:
    if kwargs.get("out") is not None:
        raise RuntimeError(f"vmap: {func.__name__}(..., out=) is not supported inside of vmap: use the result instead")
    facts = info(func)
    bound = schema = None
    for schema in facts.schemas:
        bound = bind(schema, args, kwargs)
        if bound is not None:
            break
    if bound is None:  # wrong arguments: one example shows the core's own message
        return loop(func, args, kwargs, level)
    _check_fixed_shape(facts.name, bound, level)
    call = Call(func, facts, schema, bound, level)
    target = next(iter(bound)) if facts.in_place else None
    if target is not None and target not in call.batched:
        _check_target(func, bound, target)
    computed = RULES.get(facts.name)
    if computed is not None:
        try:
            result = computed(call)
        except NeedsLoop:
            pass
        else:
            return wrap_results(result, level) if target is None else _changed(bound[target], result)
    if target is not None:
        others = {name: value for name, value in bound.items() if name != target}
        return loop_in_place(func, bound[target], (), others, level)
    return loop(func, (), bound, level)


def _changed(target: BatchedTensor, result: Tensor) -> BatchedTensor:
    """The target of an in-place operation, once it holds the result that a rule computed in place or apart."""
    value = target._value
    if result is not value:
        value.copy_(result)
    if value.shape[1:] != target.shape:  # unsqueeze_() and the like
        refresh(target, value)
    return target


def wrap_results(result: Any, level: Level) -> Any:
    """The batches that a rule returned, as examples."""
    if isinstance(result, Tensor):
        return wrap(result, level)
    if type(result) in (tuple, list):
        return type(result)(wrap_results(item, level) for item in result)
    if isinstance(result, tuple):  # of return_types
        return type(result)(wrap_results(item, level) for item in result)
    return result


def _check_fixed_shape(name: str, bound: dict, level: Level) -> None:
    dynamic = name in _DYNAMIC or (name == "where" and "self" not in bound)
    dynamic = dynamic or (name == "masked_select" and is_batched(bound["mask"], level))
    if dynamic:
        raise ValueAskedError(
            f"vmap: the shape of the result of {name}() depends on the values in the tensor, which differ between the "
            "examples of a batch. Use an operation whose result has one shape: ondol.where instead of a mask as index"
        )


def _check_target(func: Any, bound: dict, target: str) -> None:
    raise RuntimeError(
        f"vmap: {func.__name__}(self, ...) is not possible because `{target}` is one tensor for all examples of the "
        "batch, and a batched tensor is to be written into it: there is no room for the values of each example. Use "
        f"{func.__name__.rstrip('_')}(), or make `{target}` from a batched tensor (with new_zeros, zeros_like or clone)"
    )
