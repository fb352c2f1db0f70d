"""What has no rule is computed example by example, and the results are stacked."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import ondol
from ondol._native import Tensor
from ondol._vmap.batched import is_batched, wrap
from ondol._vmap.level import Level


def pick(value: Any, level: Level, index: int) -> Any:
    """Example `index` of a batched tensor, or of the batched tensors in a container."""
    if is_batched(value, level):
        return value._value.select(0, index)
    if isinstance(value, (tuple, list)):
        items = [pick(item, level, index) for item in value]
        if all(new is old for new, old in zip(items, value)):
            return value
        return type(value)(items) if type(value) in (tuple, list) else type(value)(*items)
    if isinstance(value, slice):
        return slice(*(pick(item, level, index) for item in (value.start, value.stop, value.step)))
    if isinstance(value, dict):
        return {key: pick(item, level, index) for key, item in value.items()}
    return value


def loop(func: Callable, args: tuple, kwargs: dict, level: Level) -> Any:
    """func for each example; tensors in its results are stacked, what is the same for all examples stays as it is."""
    if level.size == 0:
        return _for_no_example(func, args, kwargs, level)
    results = []
    with _same_stream(level) as restart:
        for index in range(level.size):
            restart()
            results.append(func(*pick(args, level, index), **pick(kwargs, level, index)))
    return _stack(results, func, level)


@contextlib.contextmanager
def _same_stream(level: Level) -> Iterator[Callable[[], None]]:
    """With randomness='same' every example draws from the same state of the generator."""
    if level.randomness != "same":
        yield lambda: None
        return
    state = ondol.get_rng_state()
    yield lambda: ondol.set_rng_state(state)


def loop_in_place(func: Callable, target: Any, args: tuple, kwargs: dict, level: Level) -> Any:
    """func for each example, which changes `target`: the examples of the batch are changed through views of it."""
    with _same_stream(level) as restart:
        for index in range(level.size):
            restart()
            func(target._value.select(0, index), *pick(args, level, index), **pick(kwargs, level, index))
    return target


def _stack(results: list, func: Callable, level: Level) -> Any:
    first = results[0]
    if isinstance(first, Tensor):
        if any(result.shape != first.shape for result in results):
            name = getattr(func, "__name__", str(func))
            raise RuntimeError(
                f"vmap: the shape of the result of {name}() depends on the values of the examples: "
                f"{sorted({tuple(result.shape) for result in results})}. Use operations whose result has one shape"
            )
        return wrap(ondol.stack(results), level)
    if isinstance(first, (tuple, list)):
        columns = [_stack(list(column), func, level) for column in zip(*results)]
        if type(first) in (tuple, list):
            return type(first)(columns)
        return type(first)(*columns) if hasattr(first, "_fields") else type(first)(columns)
    if any(result != first for result in results[1:]):
        name = getattr(func, "__name__", str(func))
        raise RuntimeError(f"vmap: {name}() gives a value of Python that differs between the examples")
    return first


def _for_no_example(func: Callable, args: tuple, kwargs: dict, level: Level) -> Any:
    """The form of the results of an empty batch, learned from an example of zeros."""

    def blank(value: Any) -> Any:
        if is_batched(value, level):
            return ondol.zeros(value.shape, dtype=value.dtype)
        if type(value) in (tuple, list):
            return type(value)(blank(item) for item in value)
        return value

    def empty(result: Any) -> Any:
        if isinstance(result, Tensor):
            return wrap(result.new_empty((0, *result.shape)), level)
        if type(result) in (tuple, list):
            return type(result)(empty(item) for item in result)
        return result

    return empty(func(*(blank(value) for value in args), **{name: blank(value) for name, value in kwargs.items()}))
