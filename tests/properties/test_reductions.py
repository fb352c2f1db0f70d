"""Reductions and scans over any dims of any layout, against NumPy, with PyTorch's dtypes of results."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from array_strategies import DTYPES, FLOATS, INTEGERS, REALS, assert_close, assert_same, examples, pairs, shapes
from hypothesis import given
from hypothesis import strategies as st

import ondol

COMPLEX = ("complex64", "complex128")
ABSOLUTE = {"complex64": "float32", "complex128": "float64"}


@pytest.fixture(autouse=True)
def silence():
    """NumPy warns of the means of nothing, which are NaN in both libraries."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def name_of(tensor):
    return str(tensor.dtype).removeprefix("torch.")


@st.composite
def some_dims(draw, ndim):
    """Of NumPy's and of PyTorch's: the same, some counted from the end, in any order."""
    chosen = draw(st.permutations(range(ndim)))[: draw(st.integers(1, max(ndim, 1)))]
    if not chosen:
        return None
    return tuple(dim - ndim * draw(st.integers(0, 1)) for dim in chosen)


@st.composite
def reduced(draw, names=DTYPES, special=False, smallest=0):
    """A pair, the dims to reduce (None: all), and keepdim."""
    pair = draw(pairs(draw(shapes(smallest=smallest)), names=names, special=special))
    dims = draw(st.none() | some_dims(pair.array.ndim))
    return pair, dims, draw(st.booleans())


def sum_dtype(name):
    return "int64" if name in INTEGERS or name == "bool" else name


def exact(array, name):
    """In the widest type of its kind, in which the numbers of these tests add up exactly."""
    kind = "complex128" if name in COMPLEX else "int64" if sum_dtype(name) == "int64" else "float64"
    return array.astype(kind)


def rounded(values, name):
    """To the dtype `name`: what one correctly rounded operation gives."""
    if name == "bfloat16":
        return ondol.tensor(np.asarray(values, dtype=np.float32)).bfloat16().float().numpy()
    return np.asarray(values).astype(name)


@examples(60)
@given(reduced())
def test_sum_is_exact_for_whole_numbers(case):
    (array, tensor), dims, keepdim = case
    name = sum_dtype(name_of(tensor))
    expected = exact(array, name).sum(axis=dims, keepdims=keepdim)
    assert_same(tensor.sum(dim=dims, keepdim=keepdim), rounded(expected, name), name)
    wide = tensor.sum(dim=dims, keepdim=keepdim, dtype=ondol.complex128 if name in COMPLEX else ondol.float64)
    assert_same(wide, expected)


@examples(60)
@given(reduced(names=FLOATS, special=True), st.booleans())
def test_sums_and_means_of_special_numbers(case, ignore_nan):
    (array, tensor), dims, keepdim = case
    name = name_of(tensor)
    add, mean = (np.nansum, np.nanmean) if ignore_nan else (np.sum, np.mean)
    wide = array.astype(np.float64)
    found = (ondol.nansum if ignore_nan else ondol.sum)(tensor, dims, keepdim)
    assert_close(found, add(wide, axis=dims, keepdims=keepdim), name)
    found = (ondol.nanmean if ignore_nan else ondol.mean)(tensor, dims, keepdim)
    assert_close(found, mean(wide, axis=dims, keepdims=keepdim), name)


@examples(40)
@given(reduced(names=("float32", "float64", "int64", "uint8", "bool", "complex128")))
def test_prod(case):
    (array, tensor), dims, keepdim = case
    name = sum_dtype(name_of(tensor))
    if not np.isfinite(np.where(array, array, 1).astype(name).prod()):
        return  # infinity times 0 depends on the order
    if dims is None:
        assert_close(tensor.prod(), array.astype(name).prod(), name)
        return
    expected = array.astype(name).prod(axis=dims[0], keepdims=keepdim)
    found = tensor.prod(dims[0], keepdim)
    if name == "int64":
        assert_same(found, expected, name)  # wraps around alike
    else:
        assert_close(found, expected, name)


@examples(60)
@given(reduced(names=(*REALS, "bool"), special=True))
def test_amax_and_amin(case):
    (array, tensor), dims, keepdim = case
    sizes = array.shape if dims is None else [array.shape[dim] for dim in dims]
    for name in ("amax", "amin"):
        found = getattr(tensor, name)
        if 0 in sizes:
            with pytest.raises((IndexError, RuntimeError)):
                found(dims or (), keepdim)
            continue
        expected = getattr(np, name)(array, axis=dims, keepdims=keepdim)
        assert_same(found(dims or (), keepdim), expected, name_of(tensor))


@examples(60)
@given(reduced(names=REALS, special=True, smallest=1))
def test_extremes_with_their_positions(case):
    """The first of equal ones; NaN is the greatest and the least."""
    (array, tensor), dims, keepdim = case
    for name in ("max", "min"):
        if dims is None:
            assert_same(getattr(tensor, name)(), getattr(np, name)(array), name_of(tensor))
            assert_same(getattr(tensor, f"arg{name}")(), getattr(np, f"arg{name}")(array), "int64")
            continue
        dim = dims[0]
        positions = np.expand_dims(getattr(np, f"arg{name}")(array, axis=dim), dim)
        expected = np.take_along_axis(array, positions, dim)
        if not keepdim:
            positions, expected = positions.squeeze(dim), expected.squeeze(dim)
        values, found = getattr(tensor, name)(dim, keepdim)
        assert_same(values, expected, name_of(tensor))
        assert_same(found, positions, "int64")
        assert_same(getattr(tensor, f"arg{name}")(dim, keepdim), positions, "int64")


@examples(60)
@given(reduced(special=True))
def test_any_all_and_count_nonzero(case):
    (array, tensor), dims, keepdim = case
    name = "uint8" if tensor.dtype == ondol.uint8 else "bool"
    assert_same(tensor.any(dims, keepdim), array.astype(bool).any(axis=dims, keepdims=keepdim), name)
    assert_same(tensor.all(dims, keepdim), array.astype(bool).all(axis=dims, keepdims=keepdim), name)
    assert_same(tensor.count_nonzero(dims), np.count_nonzero(array, axis=dims), "int64")


@examples(60)
@given(reduced(names=(*FLOATS, *COMPLEX)), st.integers(0, 2))
def test_mean_variance_and_deviation(case, correction):
    (array, tensor), dims, keepdim = case
    name = name_of(tensor)
    wide = exact(array, name)
    assert_close(tensor.mean(dims, keepdim), wide.mean(axis=dims, keepdims=keepdim), name)
    real = ABSOLUTE.get(name, name)
    count = array.size // max(1, wide.sum(axis=dims, keepdims=True).size) if array.size else 0
    options = {"axis": dims, "keepdims": keepdim, "ddof": min(correction, count)}  # NumPy goes below 0 beyond that
    assert_close(tensor.var(dims, correction=correction, keepdim=keepdim), wide.var(**options), real)
    assert_close(tensor.std(dims, correction=correction, keepdim=keepdim), wide.std(**options), real)
    found, mean = ondol.var_mean(tensor, dims, correction=correction, keepdim=keepdim)
    assert_close(found, wide.var(**options), real)
    assert_close(mean, wide.mean(axis=dims, keepdims=keepdim), name)


@examples(60)
@given(reduced(names=("float32", "float64", "complex64", "complex128"), smallest=1), st.data())
def test_norm_of_each_order(case, data):
    (array, tensor), dims, keepdim = case
    name = name_of(tensor)
    order = data.draw(st.sampled_from([0, 1, 2, 3, 0.5, -1, -2, float("inf"), -float("inf")]))
    sizes = np.abs(exact(array, name))
    wanted = {"axis": dims, "keepdims": keepdim}
    if order == 0:
        expected = (sizes != 0).sum(**wanted)
    elif order in (float("inf"), -float("inf")):
        expected = (sizes.max if order > 0 else sizes.min)(**wanted)
    else:
        expected = (sizes ** float(order)).sum(**wanted) ** (1 / order)
    found = ondol.linalg.vector_norm(tensor, order, dims, keepdim)
    assert_close(found, expected, ABSOLUTE.get(name, name))
    if dims is not None:
        assert_close(tensor.norm(order, dims, keepdim), expected, ABSOLUTE.get(name, name))


@examples(60)
@given(reduced(names=("float32", "float64"), special=True, smallest=1))
def test_logsumexp(case):
    (array, tensor), dims, keepdim = case
    if dims is None:
        dims = tuple(range(array.ndim))
    wide = array.astype(np.float64)
    most = wide.max(axis=dims, keepdims=True) if array.ndim else wide
    most = np.where(np.isfinite(most), most, 0)
    expected = np.log(np.exp(wide - most).sum(axis=dims, keepdims=True)) + most
    if not keepdim:
        expected = expected.squeeze(dims)
    assert_close(tensor.logsumexp(dims, keepdim), expected, name_of(tensor))


@examples(60)
@given(reduced(names=("float32", "float64", "int64", "int8", "bool", "complex64")))
def test_cumulative_sum_and_product(case):
    (array, tensor), dims, _ = case
    if array.ndim == 0:
        return
    dim = (dims or (0,))[0]
    name = sum_dtype(name_of(tensor))
    assert_same(tensor.cumsum(dim), rounded(exact(array, name).cumsum(dim), name), name)
    assert_close(tensor.cumprod(dim), array.astype(name).cumprod(dim), name)


@examples(60)
@given(reduced(names=REALS, special=True))
def test_cumulative_extremes(case):
    (array, tensor), dims, _ = case
    if array.ndim == 0:
        return
    dim = (dims or (0,))[0]
    assert_same(tensor.cummax(dim).values, np.maximum.accumulate(array, axis=dim), name_of(tensor))
    assert_same(tensor.cummin(dim).values, np.minimum.accumulate(array, axis=dim), name_of(tensor))


@examples(30)
@given(pairs(names=("float32", "int32")), st.integers(-6, 5))
def test_a_dim_that_is_not_there_is_refused(pair, dim):
    array, tensor = pair
    bound = max(array.ndim, 1)
    if -bound <= dim < bound:
        return
    for name in ("sum", "amax", "argmax", "cumsum", "any", "logsumexp", "prod", "sort"):
        with pytest.raises(IndexError):
            getattr(tensor, name)(dim)


@pytest.mark.parametrize("name", ["sum", "amax", "any", "var", "logsumexp"])
def test_a_dim_named_twice_is_refused(name):
    with pytest.raises(RuntimeError):
        getattr(ondol.ones(2, 3), name)((1, -1))
