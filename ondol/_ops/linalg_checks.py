"""Argument checks of linear algebra, and the error for matrices that have no answer."""

from __future__ import annotations

from typing import Any

import numpy as np

import ondol
from ondol import Tensor
from ondol._examples import of_all_examples
from ondol._ops.checks import is_inexact
from ondol._ops.host import to_numpy


class LinAlgError(RuntimeError):
    """A factorisation or solution that does not exist: a singular or indefinite matrix."""


def check_inexact(tensor: Tensor, name: str) -> None:
    """LAPACK knows float32, float64 and the complex pairs of them."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name}: expected a Tensor, got {type(tensor).__name__}")
    if not is_inexact(tensor):
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {tensor.dtype}")
    if tensor.dtype in (ondol.float16, ondol.bfloat16):
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {tensor.dtype}")


def check_matrix(tensor: Tensor, name: str, argument: str = "A") -> None:
    """Floating or complex, with at least two dimensions."""
    check_inexact(tensor, name)
    if tensor.dim() < 2:
        raise RuntimeError(f"{name}: The input tensor {argument} must have at least 2 dimensions.")


def check_square(tensor: Tensor, name: str, argument: str = "A") -> None:
    """Floating or complex, a square matrix or a batch of them."""
    check_matrix(tensor, name, argument)
    rows, columns = tensor.shape[-2:]
    if rows != columns:
        raise RuntimeError(
            f"{name}: {argument} must be batches of square matrices, but they are {rows} by {columns} matrices"
        )


def check_same_dtype(one: Tensor, other: Tensor, name: str) -> None:
    """Both of one dtype."""
    if one.dtype != other.dtype:
        raise RuntimeError(
            f"{name}: Expected both inputs to have the same dtype, but got {one.dtype} and {other.dtype}"
        )


def common_batch(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Both with the broadcast of their batch dimensions."""
    batch = ondol.broadcast_shapes(one.shape[:-2], other.shape[:-2])
    return one.expand([*batch, *one.shape[-2:]]), other.expand([*batch, *other.shape[-2:]])


def raise_if_failed(info: Any, name: str, what: str, *, batched: bool) -> None:
    """LinAlgError for the first matrix whose `info` is not zero; `what` is formatted with that number."""
    info = of_all_examples(info)
    if not info.any():
        return
    flat = info.reshape(-1)
    first = int(flat.nonzero()[0, 0])
    place = f"(Batch element {first}): " if batched else ""
    raise LinAlgError(f"{name}: {place}{what.format(int(flat[first]))}")


def finite_array(matrices: Tensor, name: str) -> Any:
    """As NumPy's array. LinAlgError if an element is NaN or infinite, with which LAPACK's iterations may never end."""
    array = to_numpy(matrices)
    finite = np.isfinite(array)
    if not finite.all():
        place = ""
        if array.ndim > 2:
            place = f"(Batch element {int(np.flatnonzero(~finite.all(axis=(-2, -1)).reshape(-1))[0])}): "
        raise LinAlgError(
            f"{name}: {place}The algorithm failed to converge because the input matrix contained non-finite values. "
            "Look for them with isfinite()."
        )
    return array
