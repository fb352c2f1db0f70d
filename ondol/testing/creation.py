"""Random tensors for tests."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import ondol


def make_tensor(
    *shape: int | Sequence[int],
    dtype: Any,
    device: Any = "cpu",
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Any:
    """A tensor with values drawn uniformly from [low, high), drawn as PyTorch draws them.

    Left out, the limits are -9 and 9 for floating and complex dtypes, -9 and 10 for integers (0 and 10 for unsigned
    ones), 0 and 2 for bool. `noncontiguous` gives every second element of a larger tensor. `exclude_zero` puts one, or
    the smallest normal number, in the place of zeros. Raises ValueError for limits that do not fit, TypeError for a
    dtype that is not supported.

    >>> ondol.testing.make_tensor(2, 3, dtype=ondol.float32, low=0, high=1).shape
    torch.Size([2, 3])
    """
    sizes = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], Sequence) else tuple(shape)
    if noncontiguous and memory_format is not None:
        raise ValueError(
            "The parameters `noncontiguous` and `memory_format` are mutually exclusive, "
            f"but got {noncontiguous=} and {memory_format=}"
        )
    continuous = dtype.is_floating_point or dtype.is_complex
    if requires_grad and not continuous:
        raise ValueError(f"`requires_grad=True` is not supported for boolean and integral dtypes, but got {dtype=}")
    noncontiguous = noncontiguous and math.prod(sizes) > 1
    if noncontiguous:
        sizes = (*sizes[:-1], 2 * sizes[-1])

    if continuous:
        result = _uniform(sizes, dtype, device, low, high)
    else:
        result = _integers(sizes, dtype, device, low, high)

    if noncontiguous:
        result = result[..., 1::2]
    elif memory_format is not None:
        result = result.clone(memory_format=memory_format)
    if exclude_zero:
        result[result == 0] = ondol.finfo(dtype).tiny if continuous else 1
    return result.requires_grad_(requires_grad) if continuous else result


def _uniform(sizes: tuple[int, ...], dtype: Any, device: Any, low: float | None, high: float | None) -> Any:
    limits = ondol.finfo(dtype)
    low, high = _limits(low, high, dtype, limits.min, limits.max, -9, 9)
    result = ondol.empty(sizes, dtype=dtype, device=device)
    values = ondol.view_as_real(result) if dtype.is_complex else result
    if high - low >= ondol.finfo(values.dtype).max:  # the difference itself would overflow
        values.uniform_(low / 2, high / 2).mul_(2)
    else:
        values.uniform_(low, high)
    return result


def _integers(sizes: tuple[int, ...], dtype: Any, device: Any, low: float | None, high: float | None) -> Any:
    if dtype == ondol.bool:
        low, high = _limits(low, high, dtype, 0, 2, 0, 2)
    else:
        limits = ondol.iinfo(dtype)
        beyond = min(limits.max + 1, 2**63 - 1)  # randint takes its limit as an int64
        low, high = _limits(low, high, dtype, limits.min, beyond, -9, 10)
    if dtype in (ondol.uint16, ondol.uint32, ondol.uint64):  # nothing is drawn in them
        return ondol.randint(math.ceil(low), math.ceil(high), sizes, device=device).to(dtype)
    return ondol.randint(math.ceil(low), math.ceil(high), sizes, dtype=dtype, device=device)


def _limits(
    low: float | None,
    high: float | None,
    dtype: Any,
    lowest: float,
    highest: float,
    default_low: float,
    default_high: float,
) -> tuple[float, float]:
    """The limits to draw from: the user's or the default, within what the dtype holds."""
    low = default_low if low is None else low
    high = default_high if high is None else high
    if math.isnan(low) or math.isnan(high):
        raise ValueError(f"`low` and `high` cannot be NaN, but got {low=} and {high=}")
    if low == high and (dtype.is_floating_point or dtype.is_complex):
        warnings.warn(
            "Passing `low==high` to `make_tensor` for floating or complex types is deprecated. Use `full(...)`.",
            FutureWarning,
            stacklevel=4,
        )
    elif low >= high:
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    elif high < lowest or low >= highest:
        raise ValueError(
            f"The value interval specified by `low` and `high` is [{low}, {high}), "
            f"but {dtype} only supports [{lowest}, {highest})"
        )
    return min(max(low, lowest), highest), min(max(high, lowest), highest)
