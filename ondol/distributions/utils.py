"""Parameters of one shape, probabilities and their logarithms, values computed on demand."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import ondol
from ondol import Tensor

__all__ = [
    "broadcast_all", "clamp_probs", "lazy_property", "logits_to_probs", "probs_to_logits", "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]  # fmt: skip


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


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """The elements of the lower triangle, up to a diagonal, of matrices (..., n, n) as vectors, row by row.

    >>> ondol.distributions.utils.tril_matrix_to_vec(ondol.tensor([[1, 2], [3, 4]]))
    tensor([1, 3, 4])
    """
    size = mat.shape[-1]
    if diag < -size or diag >= size:
        raise ValueError(f"diag ({diag}) provided is outside [{-size}, {size - 1}].")
    row, column = ondol.tril_indices(size, size, diag)
    return mat[..., row, column]


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """The inverse of `tril_matrix_to_vec`, with zeros elsewhere; ValueError if no triangle has that many elements.

    >>> ondol.distributions.utils.vec_to_tril_matrix(ondol.tensor([1, 3, 4]))
    tensor([[1, 0],
            [3, 4]])
    """
    count = vec.shape[-1]
    # With what a diagonal above the main one lacks at its end, the rows make a triangle of n + diag rows.
    whole = 8 * (count + max(diag, 0) * (diag + 1)) + 1
    root = math.isqrt(whole)
    if root * root != whole:
        raise ValueError(
            f"The size of last dimension is {count} which cannot be expressed as the lower triangular part of a "
            "square D x D matrix."
        )
    size = (root - 1) // 2 - diag
    matrix = vec.new_zeros((*vec.shape[:-1], size, size))
    row, column = ondol.tril_indices(size, size, diag)
    matrix[..., row, column] = vec
    return matrix


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
