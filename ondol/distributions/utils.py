"""Parameters of one shape, probabilities and their logarithms, values computed on demand."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import ondol
from ondol import Tensor

__all__ = ["broadcast_all", "clamp_probs", "lazy_property", "logits_to_probs", "probs_to_logits"]


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Numbers and tensors as tensors of one shape; numbers take dtype and device of the first tensor.

    >>> ondol.distributions.utils.broadcast_all(1.0, ondol.zeros(2))
    (tensor([1., 1.]), tensor([0., 0.]))
    """
    if not all(isinstance(value, (Tensor, int, float)) for value in values):
        raise ValueError("Input arguments must all be instances of Number, torch.Tensor or objects implementing "
                         "__torch_function__.")  # fmt: skip
    first = next((value for value in values if isinstance(value, Tensor)), None)
    dtype = ondol.get_default_dtype() if first is None else first.dtype
    tensors = [value if isinstance(value, Tensor) else ondol.tensor(value, dtype=dtype) for value in values]
    return tuple(ondol.broadcast_tensors(*tensors))


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities kept off 0 and 1 by the precision of their dtype, so that their logarithms are finite."""
    eps = ondol.finfo(probs.dtype).eps
    return probs.clamp(eps, 1 - eps)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """log p; for binary events log(p / (1 - p))."""
    safe = clamp_probs(probs)
    return ondol.log(safe) - ondol.log1p(-safe) if is_binary else ondol.log(safe)


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """The softmax of the last dimension; for binary events the logistic function."""
    return ondol.sigmoid(logits) if is_binary else ondol.softmax(logits, -1)


class lazy_property:
    """A property that is computed once and then kept in the instance."""

    def __init__(self, wrapped: Callable) -> None:
        self.wrapped = wrapped
        functools.update_wrapper(self, wrapped)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        with ondol.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value
