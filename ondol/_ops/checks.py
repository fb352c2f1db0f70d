"""Argument checks and small conversions that the families share, with PyTorch's sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import ondol
from ondol import Tensor


def wrap_dim(dim: int, ndim: int) -> int:
    """A dimension counted from the front; a scalar is taken to have one."""
    limit = max(ndim, 1)
    if not -limit <= dim < limit:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-limit}, {limit - 1}], but got {dim})")
    return dim + limit if dim < 0 else dim


def wrap_dims(dims: int | Iterable[int], ndim: int, name: str = "dim") -> tuple[int, ...]:
    """Several dimensions counted from the front, each at most once."""
    wrapped = tuple(wrap_dim(dim, ndim) for dim in ([dims] if isinstance(dims, int) else dims))
    if len(set(wrapped)) != len(wrapped):
        repeated = next(dim for dim in wrapped if wrapped.count(dim) > 1)
        raise RuntimeError(f"{name} {repeated} appears multiple times in the list of dims")
    return wrapped


def is_inexact(tensor: Tensor) -> bool:
    """Floating or complex."""
    return tensor.is_floating_point() or tensor.is_complex()


def floating(tensor: Tensor) -> Tensor:
    """The tensor itself if it is floating or complex, else in the default dtype."""
    return tensor if is_inexact(tensor) else tensor.to(ondol.get_default_dtype())


def require_tensors(function: str, **arguments: Any) -> None:
    """TypeError unless every one of the named arguments is a tensor."""
    for name, value in arguments.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"{function}(): argument '{name}' must be Tensor, not {type(value).__name__}")


def flat_arguments(arguments: Sequence[Any]) -> tuple[Any, ...]:
    """`f(a, b)` and `f([a, b])` are the same call."""
    if len(arguments) == 1 and isinstance(arguments[0], (list, tuple)):
        return tuple(arguments[0])
    return tuple(arguments)


def adjoint(matrix: Tensor) -> Tensor:
    """The conjugate transpose of the last two dimensions."""
    transposed = matrix.transpose(-2, -1)
    return transposed.conj() if matrix.is_complex() else transposed


def real_dtype(dtype: Any) -> Any:
    """The dtype of the absolute value."""
    return {ondol.complex64: ondol.float32, ondol.complex128: ondol.float64}.get(dtype, dtype)


def complex_dtype(dtype: Any) -> Any:
    """The complex dtype of the same precision; integers take that of the default dtype."""
    if dtype.is_complex:
        return dtype
    if not dtype.is_floating_point:
        dtype = ondol.get_default_dtype()
    return ondol.complex128 if dtype == ondol.float64 else ondol.complex64


def element_count(shape: Iterable[int]) -> int:
    """The product of sizes."""
    count = 1
    for size in shape:
        count *= size
    return count
