"""Arrays of NumPy's beside tensors of ondol's with the same numbers in the same layout, for tests by hypothesis."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

import ondol

REALS = ("float32", "float64", "float16", "bfloat16", "uint8", "int8", "int16", "int32", "int64")
DTYPES = (*REALS, "bool", "complex64", "complex128")
INTEGERS = tuple(name for name in REALS if "int" in name)
FLOATS = ("float32", "float64", "float16", "bfloat16")


def examples(few: int) -> settings:
    """`few` examples of a test, or as many as the environment variable ONDOL_EXAMPLES says."""
    number = int(os.environ.get("ONDOL_EXAMPLES", few))
    unhurried = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    return settings(max_examples=number, deadline=None, suppress_health_check=unhurried)


class Pair(NamedTuple):
    """The same numbers in both libraries. NumPy has no bfloat16: there the array is one of float32."""

    array: np.ndarray
    tensor: ondol.Tensor


def numpy_dtype(name: str) -> np.dtype:
    return np.dtype("float32" if name == "bfloat16" else name)


def ondol_dtype(name: str) -> ondol.dtype:
    return getattr(ondol, name)


def as_numpy(tensor: ondol.Tensor) -> np.ndarray:
    tensor = tensor.detach()
    return (tensor.float() if tensor.dtype == ondol.bfloat16 else tensor).numpy()


def shapes(dims: int = 4, largest: int = 4, smallest: int = 0) -> st.SearchStrategy[tuple[int, ...]]:
    size = st.integers(max(smallest, 1), largest)
    if smallest == 0:
        size = st.integers(1, largest) | st.sampled_from([1, 2, 0])
    return st.lists(size, max_size=dims).map(tuple)


def numbers(state: np.random.Generator, name: str, count: int, special: bool) -> np.ndarray:
    """Small whole numbers, of which sums and products are exact; `special` adds NaN, infinities, -0 and extremes."""
    dtype = numpy_dtype(name)
    if name == "bool":
        return state.integers(0, 2, count).astype(bool)
    low = 0 if name == "uint8" else -6
    values = state.integers(low, 7, count).astype(dtype)
    if dtype.kind == "c":
        values = values + 1j * state.integers(-6, 7, count).astype(dtype)
    if special and count:
        chosen = state.random(count) < 0.3
        if dtype.kind in "iu":
            ends = np.iinfo(dtype)
            values[chosen] = state.choice([ends.min, ends.max], chosen.sum())
        else:
            values[chosen] = state.choice([np.nan, np.inf, -np.inf, -0.0, 0.0], chosen.sum())
    return values.astype(dtype)


@st.composite
def pairs(
    draw: Any, shape: tuple[int, ...] | None = None, names: tuple[str, ...] = DTYPES, special: bool = False
) -> Pair:
    """A pair of any layout: permuted, every second or third element of a larger one, with an offset, expanded."""
    if shape is None:
        shape = draw(shapes())
    name = draw(st.sampled_from(names))
    state = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    special = special and draw(st.booleans())
    if draw(st.integers(0, 2)) == 0:
        array = numbers(state, name, int(np.prod(shape)), special).reshape(shape)
        return Pair(array, made(array, name))

    order = draw(st.permutations(range(len(shape))))
    steps = [draw(st.sampled_from([1, 1, 2, 3])) for _ in shape]
    offsets = [draw(st.sampled_from([0, 0, 1, 2])) for _ in shape]
    expanded = [draw(st.integers(0, 5)) == 0 for _ in shape]
    sizes = [1 if one else size * step + offset for one, size, step, offset in zip(expanded, shape, steps, offsets)]
    stored = numbers(state, name, int(np.prod(sizes)), special).reshape([sizes[dim] for dim in order])
    window = tuple(
        slice(None) if one else slice(offset, None, step) for one, step, offset in zip(expanded, steps, offsets)
    )
    back = np.argsort(order) if len(shape) else []
    array = np.broadcast_to(_first(stored.transpose([int(dim) for dim in back])[window], shape, expanded), shape)
    view = made(stored, name).permute([int(dim) for dim in back])[window]
    return Pair(array, _first(view, shape, expanded).expand(shape))


def _first(view: Any, shape: tuple[int, ...], expanded: list[bool]) -> Any:
    """As many elements along each dim as the shape has."""
    return view[tuple(slice(None) if one else slice(0, size) for size, one in zip(shape, expanded))]


def made(array: np.ndarray, name: str) -> ondol.Tensor:
    """In memory of ondol's own, which the sanitizers watch."""
    return ondol.tensor(array).to(ondol_dtype(name))


def assert_same(found: ondol.Tensor, expected: Any, name: str | None = None) -> None:
    """The same shape and the same numbers, NaN where NaN is expected and zeros of the same sign; the dtype `name`."""
    expected = np.asarray(expected)
    if name is not None:
        assert found.dtype == ondol_dtype(name), (found.dtype, name)
    values = as_numpy(found)
    assert values.shape == expected.shape, (values.shape, expected.shape)
    assert np.array_equal(values, expected, equal_nan=values.dtype.kind in "fc"), (values, expected)


def assert_close(found: ondol.Tensor, expected: Any, name: str) -> None:
    """Within a few units in the last place of the dtype."""
    assert found.dtype == ondol_dtype(name), (found.dtype, name)
    places = {"float16": 2e-3, "bfloat16": 1.6e-2, "float32": 3e-6, "complex64": 3e-6}.get(name, 1e-12)
    np.testing.assert_allclose(as_numpy(found), np.asarray(expected), rtol=places, atol=places, equal_nan=True)
