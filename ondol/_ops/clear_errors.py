"""What a composed function raises when it is given something else than a tensor, or sizes beyond the memory."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import ondol


def with_clear_errors(body: Callable) -> Callable:
    """The function; when it asks an argument for what only tensors have, it raises TypeError with the argument's name.

    Nothing is checked before the call, so that what works costs nothing more. A MemoryError of Python's or NumPy's
    becomes an OutOfMemoryError, which is a RuntimeError.
    """

    @functools.wraps(body)
    def public(*args: Any, **kwargs: Any) -> Any:
        try:
            return body(*args, **kwargs)
        except AttributeError as error:
            if not isinstance(error.obj, ondol.Tensor):
                _refuse(body, args, kwargs, error)
            raise
        except MemoryError as error:
            raise ondol.OutOfMemoryError(f"{body.__name__}(): can't allocate memory. {error}") from error

    return public


def _refuse(body: Callable, args: tuple, kwargs: dict[str, Any], error: AttributeError) -> None:
    """TypeError if the object of the error is an argument or an element of one."""
    import inspect  # large, and only for a sentence

    name = body.__name__.lstrip("_")
    found = type(error.obj).__name__
    for place, (parameter, value) in enumerate(inspect.signature(body).bind(*args, **kwargs).arguments.items(), 1):
        if value is error.obj:
            raise TypeError(
                f"{name}(): argument '{parameter}' (position {place}) must be Tensor, not {found}"
            ) from error
        for i, element in enumerate(value if isinstance(value, (list, tuple)) else ()):
            if element is error.obj or _holds(element, error.obj):
                raise TypeError(
                    f"{name}(): expected Tensor as element {i} in argument '{parameter}' (position {place}), "
                    f"but got {type(element).__name__}"
                ) from error
    if type(error.obj).__module__ == "builtins":  # a part of an argument, or what was made of one
        raise TypeError(f"{name}(): expected Tensor among the arguments, but got {found}") from error


def _holds(value: Any, sought: Any) -> bool:
    """Whether an object is an element of a list, at any depth."""
    return isinstance(value, (list, tuple)) and any(one is sought or _holds(one, sought) for one in value)
