"""Are two results equal up to rounding, and if not, where do they differ most."""

from __future__ import annotations

import cmath
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

import ondol

# Relative and absolute tolerance by dtype, and by type of number; everything else must be equal.
TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex32": (1e-3, 1e-5),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}
_DTYPE_OF_NUMBER = {float: "float64", complex: "complex128"}


class _Options(NamedTuple):
    allow_subclasses: bool
    rtol: float | None
    atol: float | None
    equal_nan: bool
    check_device: bool
    check_dtype: bool
    check_layout: bool
    check_stride: bool


class _Difference(Exception):
    """A comparison failed: which exception it shall become, with which text."""

    def __init__(self, kind: type[Exception], text: str):
        super().__init__(text)
        self.kind, self.text = kind, text


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raise AssertionError unless |actual - expected| <= atol + rtol |expected| for every element.

    Compares tensors, NumPy arrays, numbers, None, and sequences and mappings of these. Infinities are close only to
    themselves, NaN to nothing unless `equal_nan`. Tolerances go by dtype where they are not given (both or neither);
    integers must be equal. Device, dtype, layout and, if asked, strides must agree too. `msg` replaces the message, or
    makes a new one from it.

    >>> ondol.testing.assert_close(ondol.tensor([1.0, 2.0]), ondol.tensor([1.0, 2.5]))
    Traceback (most recent call last):
    ...
    AssertionError: Tensor-likes are not close!
    <BLANKLINE>
    Mismatched elements: 1 / 2 (50.0%)
    Greatest absolute difference: 0.5 at index (1,) (up to 1e-05 allowed)
    Greatest relative difference: 0.20000000298023224 at index (1,) (up to 1.3e-06 allowed)
    """
    __tracebackhide__ = True
    options = _Options(allow_subclasses, rtol, atol, equal_nan, check_device, check_dtype, check_layout, check_stride)
    path: list[Any] = []
    try:
        _check_same_form(actual, expected, options, path)
        _compare(actual, expected, options, path)
    except _Difference as difference:
        text, kind = difference.text, difference.kind
    else:
        return
    if not isinstance(msg, str):
        if path:
            text += f"\n\nThe failure occurred for item {''.join(str([step]) for step in path)}"
        raise kind(msg(text) if callable(msg) else text)
    raise kind(msg)


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """An older form of `assert_close`, which ignores dtypes. Deprecated, as in PyTorch."""
    warnings.warn("assert_allclose is deprecated; use assert_close instead", FutureWarning, stacklevel=2)
    if not isinstance(actual, ondol.Tensor):
        actual = ondol.tensor(actual)
    if not isinstance(expected, ondol.Tensor):
        expected = ondol.tensor(expected, dtype=actual.dtype)
    if rtol is None and atol is None:
        older = {"float16": (1e-3, 1e-3), "float32": (1e-4, 1e-5), "float64": (1e-5, 1e-8)}
        pairs = [older.get(_name(tensor.dtype), (0.0, 0.0)) for tensor in (actual, expected)]
        rtol, atol = (max(column) for column in zip(*pairs))
    assert_close(actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False, msg=msg or None)


def default_tolerances(*inputs: Any) -> tuple[float, float]:
    """The loosest relative and absolute tolerance that tensors or dtypes call for."""
    for value in inputs:
        if not isinstance(value, (ondol.Tensor, ondol.dtype)):
            raise TypeError(f"Expected a torch.Tensor or a torch.dtype, but got {type(value)} instead.")
    return _loosest(_name(value.dtype if isinstance(value, ondol.Tensor) else value) for value in inputs)


def _loosest(names: Any) -> tuple[float, float]:
    relative, absolute = zip(*(TOLERANCES.get(name, (0.0, 0.0)) for name in names))
    return max(relative), max(absolute)


def _name(dtype: Any) -> str:
    return str(dtype).rpartition(".")[2]


# --- containers ---


def _check_same_form(actual: Any, expected: Any, options: _Options, path: list[Any]) -> None:
    """Lengths, keys and kinds are compared before any values, wherever they stand."""
    for step, left, right in _items(actual, expected):
        path.append(step)
        _check_same_form(left, right, options, path)
        path.pop()
    if _is_container(actual, expected):
        return
    if _kind_of_pair(actual, expected, options) in (_compare_numbers, _compare_tensors):
        _check_tolerances(options)


def _compare(actual: Any, expected: Any, options: _Options, path: list[Any]) -> None:
    if not _is_container(actual, expected):
        _kind_of_pair(actual, expected, options)(actual, expected, options)
    for step, left, right in _items(actual, expected):
        path.append(step)
        _compare(left, right, options, path)
        path.pop()


def _is_container(actual: Any, expected: Any) -> bool:
    return any(
        isinstance(actual, kind) and isinstance(expected, kind) and not isinstance(actual, str)
        for kind in (Sequence, Mapping)
    )


def _items(actual: Any, expected: Any) -> list[tuple[Any, Any, Any]]:
    """Place and both values, for two sequences or two mappings."""
    if not _is_container(actual, expected):
        return []
    if isinstance(actual, Sequence):
        if len(actual) != len(expected):
            text = f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
            raise _Difference(AssertionError, text)
        return [(index, actual[index], expected[index]) for index in range(len(actual))]
    missing, additional = set(expected) - set(actual), set(actual) - set(expected)
    if missing or additional:
        raise _Difference(
            AssertionError,
            f"The keys of the mappings do not match:\nMissing keys in the actual mapping: {_ordered(missing)}\n"
            f"Additional keys in the actual mapping: {_ordered(additional)}",
        )
    return [(key, actual[key], expected[key]) for key in _ordered(actual)]


def _ordered(keys: Any) -> list[Any]:
    try:
        return sorted(keys)
    except TypeError:
        return list(keys)


# --- pairs of values ---


def _kind_of_pair(actual: Any, expected: Any, options: _Options) -> Callable[[Any, Any, _Options], None]:
    """The comparison for two values that are not containers. Raises TypeError for what cannot be compared."""
    if actual is None or expected is None:
        return _compare_none
    if isinstance(actual, (bool, np.bool_)) and isinstance(expected, (bool, np.bool_)):
        return _compare_booleans
    numbers = (int, float, complex, np.number)
    if isinstance(actual, numbers) and isinstance(expected, numbers):
        return _compare_numbers
    related = isinstance(actual, type(expected)) or isinstance(expected, type(actual))
    same = type(actual) is type(expected) or (options.allow_subclasses and related)
    if same and isinstance(actual, (ondol.Tensor, np.ndarray)):
        return _compare_tensors
    raise _Difference(
        TypeError, f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}."
    )


def _compare_none(actual: Any, expected: Any, options: _Options) -> None:
    if actual is not expected:
        raise _Difference(AssertionError, f"None mismatch: {actual} is not {expected}")


def _compare_booleans(actual: Any, expected: Any, options: _Options) -> None:
    if bool(actual) is not bool(expected):
        raise _Difference(AssertionError, f"Booleans mismatch: {bool(actual)} is not {bool(expected)}")


def _compare_numbers(actual: Any, expected: Any, options: _Options) -> None:
    actual, expected = (value.item() if isinstance(value, np.number) else value for value in (actual, expected))
    if options.check_dtype and type(actual) is not type(expected):
        raise _Difference(AssertionError, f"The (d)types do not match: {type(actual)} != {type(expected)}.")
    names = (_DTYPE_OF_NUMBER.get(type(value), "int64") for value in (actual, expected))
    rtol, atol = _tolerances(options, names)
    if actual == expected or (options.equal_nan and cmath.isnan(actual) and cmath.isnan(expected)):
        return
    difference = abs(actual - expected)
    if math.isfinite(difference) and difference <= atol + rtol * abs(expected):
        return
    raise _Difference(AssertionError, _scalar_message(actual, expected, rtol, atol))


def _compare_tensors(actual: Any, expected: Any, options: _Options) -> None:
    actual, expected = (
        value if isinstance(value, ondol.Tensor) else ondol.as_tensor(value) for value in (actual, expected)
    )
    actual, expected = actual.detach(), expected.detach()
    _expect_same("shape", actual.shape, expected.shape)
    if options.check_layout:
        _expect_same("layout", actual.layout, expected.layout)
    if options.check_device:
        _expect_same("device", actual.device, expected.device)
    if options.check_dtype:
        _expect_same("dtype", actual.dtype, expected.dtype)
    if options.check_stride:
        _expect_same("stride()", actual.stride(), expected.stride())
    rtol, atol = _tolerances(options, (_name(actual.dtype), _name(expected.dtype)))
    common = ondol.promote_types(actual.dtype, expected.dtype)
    actual, expected = actual.to(common), expected.to(common)
    matches = ondol.isclose(actual, expected, rtol=rtol, atol=atol, equal_nan=options.equal_nan)
    if matches.all().item():
        return
    if actual.dim() == 0:
        raise _Difference(AssertionError, _scalar_message(actual.item(), expected.item(), rtol, atol))
    raise _Difference(AssertionError, _tensor_message(actual, expected, matches, rtol, atol))


def _expect_same(what: str, actual: Any, expected: Any) -> None:
    if actual != expected:
        text = f"The values for attribute {what!r} do not match: {actual} != {expected}."
        raise _Difference(AssertionError, text)


def _tolerances(options: _Options, names: Any) -> tuple[float, float]:
    return _loosest(names) if options.rtol is None else (options.rtol, options.atol)


def _check_tolerances(options: _Options) -> None:
    if (options.rtol is None) != (options.atol is None):
        missing = "rtol" if options.rtol is None else "atol"
        raise _Difference(
            ValueError, f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}."
        )


# --- messages ---


def _scalar_message(actual: Any, expected: Any, rtol: float, atol: float) -> str:
    absolute = abs(actual - expected)
    relative = math.inf if expected == 0 else absolute / abs(expected)
    lines = [f"Expected {expected} but got {actual}."]
    for name, difference, allowed in (("Absolute", absolute, atol), ("Relative", relative, rtol)):
        lines.append(f"{name} difference: {difference}{_allowed(allowed, rtol, atol)}")
    return f"Scalars are not {_degree(rtol, atol)}!\n\n" + "\n".join(lines)


def _tensor_message(actual: Any, expected: Any, matches: Any, rtol: float, atol: float) -> str:
    """How many elements differ, and where the greatest absolute and relative differences are."""
    if not (actual.is_floating_point() or actual.is_complex()):
        actual, expected = actual.to(ondol.int64), expected.to(ondol.int64)
    total, wrong = matches.numel(), int((~matches).sum().item())
    absolute = (actual - expected).abs().masked_fill(matches, 0)
    relative = (absolute / expected.abs()).masked_fill(matches, 0)
    lines = [f"Mismatched elements: {wrong} / {total} ({wrong / total:.1%})"]
    for name, differences, allowed in (("absolute", absolute, atol), ("relative", relative, rtol)):
        flat = differences.reshape(-1)
        place = int(flat.argmax().item())
        index = tuple(int(i) for i in np.unravel_index(place, tuple(differences.shape)))
        lines.append(
            f"Greatest {name} difference: {flat[place].item()} at index {index}{_allowed(allowed, rtol, atol)}"
        )
    return f"Tensor-likes are not {_degree(rtol, atol)}!\n\n" + "\n".join(lines)


def _degree(rtol: float, atol: float) -> str:
    return "equal" if rtol == 0 and atol == 0 else "close"


def _allowed(tolerance: float, rtol: float, atol: float) -> str:
    return "" if rtol == 0 and atol == 0 else f" (up to {tolerance} allowed)"
