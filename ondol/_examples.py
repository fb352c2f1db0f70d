"""Functions of values inside of vmap, where a tensor stands for all examples of a batch (see `ondol/_vmap`)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ondol._native import Tensor, _overrides


def of_all_examples(tensor: Tensor) -> Tensor:
    """What a check of values looks at: inside of vmap the values of the whole batch, elsewhere the tensor itself."""
    while type(tensor) is not Tensor and hasattr(tensor, "_level"):
        tensor = tensor._value
    return tensor


def one_example_at_a_time(function: Callable) -> Callable:
    """For functions that steer Python by values: inside of vmap they are called for each example."""

    @functools.wraps(function)
    def public(*args: Any, **kwargs: Any) -> Any:
        if _overrides.has_override((*args, *kwargs.values())):
            from ondol._vmap.batched import innermost_level
            from ondol._vmap.fallback import loop

            level = innermost_level(kwargs.values(), innermost_level(args))
            if level is not None:
                return loop(public, args, kwargs, level)
        return function(*args, **kwargs)

    return public


@staticmethod
def batch_of_matrices(*args: Any) -> tuple:
    """As `_for_batch` of a Function: it takes batches of matrices in any number of leading dimensions already."""
    return args
