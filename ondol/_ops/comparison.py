"""Questions about tensors: close, equal, contained, of which sign and kind."""

from __future__ import annotations

import numbers
from typing import Any

import ondol
from ondol import Tensor
from ondol._ops.checks import is_inexact, require_tensors
from ondol._ops.registry import operation


@operation(method=True)
def isclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """Where |input - other| <= atol + rtol |other|, or both are equal.

    >>> ondol.isclose(ondol.tensor([1.0, 2.0]), ondol.tensor([1.0, 2.1]))
    tensor([ True, False])
    """
    require_tensors("isclose", input=input, other=other)
    if input.dtype != other.dtype:
        raise RuntimeError(f"{other.dtype} did not match {input.dtype}: isclose compares tensors of one dtype")
    if rtol < 0 or atol < 0:
        raise RuntimeError(f"rtol and atol must be greater than or equal to zero, but got rtol={rtol} and atol={atol}")
    close = input == other
    if equal_nan and is_inexact(input):
        close = close | (ondol.isnan(input) & ondol.isnan(other))
    if rtol == 0 and atol == 0:
        return close
    if not is_inexact(input):
        input, other = input.to(ondol.float64), other.to(ondol.float64)
    error, allowed = (input - other).abs(), atol + (rtol * other).abs()
    return close | (ondol.isfinite(error) & (error <= allowed))


@operation(method=True)
def allclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether `isclose` holds everywhere.

    >>> ondol.allclose(ondol.ones(2), ondol.ones(2) + 1e-9)
    True
    """
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


@operation(method=True)
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and elements.

    >>> ondol.equal(ondol.tensor([1, 2]), ondol.tensor([1, 2]))
    True
    """
    if input.shape != other.shape:
        return False
    return bool((input == other).all())


@operation
def isin(
    elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False, out: Any = None
) -> Tensor:
    """Which elements occur among `test_elements`, in the shape of `elements`; one of the two may be a number.

    >>> ondol.isin(ondol.tensor([1, 2, 3]), ondol.tensor([2, 3]))
    tensor([False,  True,  True])
    """
    if not isinstance(elements, Tensor) and not isinstance(test_elements, Tensor):
        raise TypeError("isin(): at least one of elements and test_elements must be a tensor")
    for value in (elements, test_elements):
        if not isinstance(value, (Tensor, numbers.Number)):
            raise TypeError(f"isin(): elements and test_elements must be Tensor or Number, not {type(value).__name__}")
    if not isinstance(test_elements, Tensor):
        found = elements == test_elements
        return found.logical_not() if invert else found
    if not isinstance(elements, Tensor):
        elements = ondol.tensor(elements, device=test_elements.device)
    dtype = ondol.promote_types(elements.dtype, test_elements.dtype)
    values, tests = elements.to(dtype), test_elements.to(dtype).reshape(-1)
    if tests.numel() == 0:
        found = ondol.zeros_like(values, dtype=ondol.bool)
    else:
        ordered = ondol.sort(tests)[0]
        place = ondol.searchsorted(ordered, values.contiguous()).clamp(max=tests.numel() - 1)
        found = ordered[place] == values
    return found.logical_not() if invert else found


@operation(method=True)
def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """`nonzero` cut or filled with `fill_value` to exactly `size` rows.

    >>> ondol.nonzero_static(ondol.tensor([0, 7]), size=2).tolist()
    [[1], [-1]]
    """
    if size < 0:
        raise RuntimeError(f"nonzero_static: 'size' must be an non-negative integer, got {size}")
    found = input.nonzero()[:size]
    filler = ondol.full((size - found.shape[0], input.dim()), fill_value, dtype=ondol.int64, device=input.device)
    return ondol.cat([found, filler])


@operation(method=True)
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape."""
    return input.shape == other.shape
