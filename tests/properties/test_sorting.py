"""Sorting, selecting and searching along any dim of any layout, against NumPy; NaN is greater than every number."""

from __future__ import annotations

import numpy as np
import pytest
from array_strategies import REALS, as_numpy, assert_same, examples, made, numbers, ondol_dtype, pairs, shapes
from hypothesis import given
from hypothesis import strategies as st

import ondol

SORTED = (*REALS, "bool")


@st.composite
def along_a_dim(draw, smallest=0, names=SORTED):
    """A pair with at least one dim, and one of its dims."""
    pair = draw(pairs(draw(shapes(smallest=smallest, largest=6).filter(len)), names=names, special=True))
    return pair, draw(st.integers(-pair.array.ndim, pair.array.ndim - 1))


def name_of(tensor):
    return str(tensor.dtype).removeprefix("torch.")


def ordered_positions(array, dim, descending):
    """Stable: equal elements (and NaNs) stay in their order in both directions."""
    if not descending:
        return np.argsort(array, axis=dim, kind="stable")
    backwards = np.flip(array, dim)
    return array.shape[dim] - 1 - np.flip(np.argsort(backwards, axis=dim, kind="stable"), dim)


@examples(150)
@given(along_a_dim(), st.booleans())
def test_stable_sort_and_argsort(case, descending):
    (array, tensor), dim = case
    positions = ordered_positions(array, dim, descending)
    expected = np.take_along_axis(array, positions, dim)
    values, found = tensor.sort(dim=dim, descending=descending, stable=True)
    assert_same(values, expected, name_of(tensor))
    assert_same(found, positions, "int64")
    assert_same(tensor.argsort(dim=dim, descending=descending, stable=True), positions, "int64")
    values, found = tensor.sort(dim, descending)
    assert_same(values, expected, name_of(tensor))
    assert_same(tensor.gather(dim, found), expected)


@examples(60)
@given(along_a_dim())
def test_msort_sorts_the_first_dim(case):
    (array, tensor), _ = case
    assert_same(ondol.msort(tensor), np.sort(array, axis=0), name_of(tensor))


@examples(20)
@given(st.sampled_from(SORTED), st.integers(200, 3000), st.booleans(), st.booleans(), st.integers(0, 2**32 - 1))
def test_long_rows(name, length, descending, special, seed):
    array = numbers(np.random.default_rng(seed), name, length, special)
    positions = ordered_positions(array, 0, descending)
    values, found = made(array, name).sort(descending=descending, stable=True)
    assert_same(values, array[positions], name)
    assert_same(found, positions, "int64")


@examples(150)
@given(along_a_dim(), st.data())
def test_topk_gives_the_first_of_the_sorted(case, data):
    (array, tensor), dim = case
    if tensor.dtype == ondol.bool:
        return
    size = array.shape[dim]
    count, largest = data.draw(st.integers(0, size)), data.draw(st.booleans())
    order = ordered_positions(array, dim, largest)
    expected = np.take_along_axis(array, order.take(range(count), dim), dim)
    values, positions = tensor.topk(count, dim, largest)
    assert_same(values, expected, name_of(tensor))
    assert_same(tensor.gather(dim, positions), expected)
    in_order = np.sort(positions.numpy(), dim)
    assert (np.diff(in_order, axis=dim) > 0).all()  # none twice
    values, positions = tensor.topk(count, dim, largest, False)
    assert_same(tensor.gather(dim, positions), as_numpy(values))
    assert_same(values.sort(dim, largest).values, expected)
    with pytest.raises((RuntimeError, IndexError)):
        tensor.topk(size + 1, dim)


@examples(100)
@given(along_a_dim(smallest=1), st.data())
def test_kthvalue_and_median(case, data):
    (array, tensor), dim = case
    if tensor.dtype == ondol.bool:
        return
    ordered, size = np.sort(array, axis=dim), array.shape[dim]
    rank, keepdim = data.draw(st.integers(1, size)), data.draw(st.booleans())
    values, positions = tensor.kthvalue(rank, dim, keepdim)
    taken = ordered.take([rank - 1], dim)
    assert_same(values, taken if keepdim else taken.squeeze(dim), name_of(tensor))
    assert_same(tensor.gather(dim, positions if keepdim else positions.unsqueeze(dim)), taken)

    holds_nan = np.isnan(array) if array.dtype.kind == "f" else np.zeros(array.shape, dtype=bool)
    middle = np.where(holds_nan.any(dim, keepdims=True), np.nan, ordered.take([(size - 1) // 2], dim))
    values, positions = tensor.median(dim, True)
    assert_same(values, middle.astype(array.dtype) if array.dtype.kind == "f" else ordered.take([(size - 1) // 2], dim))
    assert_same(tensor.gather(dim, positions), as_numpy(values))

    ranks = ((~holds_nan).sum(dim, keepdims=True) - 1) // 2  # -1, the last, which is NaN, where all are
    assert_same(tensor.nanmedian(dim, True).values, np.take_along_axis(ordered, ranks, dim), name_of(tensor))
    flat = np.sort(array, axis=None)
    whole = flat[-1] if holds_nan.any() else flat[(array.size - 1) // 2]
    assert_same(tensor.median(), whole, name_of(tensor))


@examples(100)
@given(pairs(names=SORTED))
def test_unique_of_all_elements(pair):
    array, tensor = pair
    expected, inverse, counts = np.unique(array, return_inverse=True, return_counts=True)
    values, found, numbers_of = ondol.unique(tensor, return_inverse=True, return_counts=True)
    assert_same(values, expected, name_of(tensor))
    assert_same(found, inverse.reshape(array.shape), "int64")
    assert_same(numbers_of, counts, "int64")


@examples(60)
@given(along_a_dim(smallest=1))
def test_unique_slices(case):
    """Ordered by their elements as they lie after moving the dim to the front, as PyTorch and NumPy have it."""
    (array, tensor), dim = case
    few = np.nan_to_num(array) > 0
    array, tensor = few.astype(array.dtype), made(few, name_of(tensor))
    expected, inverse, counts = np.unique(array, axis=dim, return_inverse=True, return_counts=True)
    values, found, numbers_of = ondol.unique(tensor, dim=dim, return_inverse=True, return_counts=True)
    assert_same(values, expected, name_of(tensor))
    assert_same(found, inverse.reshape(-1), "int64")
    assert_same(numbers_of, counts, "int64")


@examples(100)
@given(pairs(names=SORTED))
def test_unique_consecutive(pair):
    array, tensor = pair
    flat = array.reshape(-1)
    starts = np.flatnonzero(np.r_[True, flat[1:] != flat[:-1]][: flat.size])
    values, inverse, counts = ondol.unique_consecutive(tensor, return_inverse=True, return_counts=True)
    assert_same(values, flat[starts], name_of(tensor))
    assert_same(counts, np.diff(np.r_[starts, flat.size]), "int64")
    if flat.size:
        group = np.cumsum(np.r_[0, flat[1:] != flat[:-1]])
        assert_same(inverse, group.reshape(array.shape), "int64")


@examples(100)
@given(st.data())
def test_searchsorted_and_bucketize(data):
    name = data.draw(st.sampled_from(REALS))
    state = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    bounds = np.sort(numbers(state, name, data.draw(st.integers(0, 8)), False))
    array, tensor = data.draw(pairs(names=(name,)))
    side = data.draw(st.sampled_from(["left", "right"]))
    expected = np.searchsorted(bounds, array, side)
    assert_same(ondol.searchsorted(made(bounds, name), tensor, side=side), expected, "int64")
    assert_same(
        ondol.searchsorted(made(bounds, name), tensor, right=side == "right", out_int32=True), expected, "int32"
    )
    assert_same(ondol.bucketize(tensor, made(bounds, name), right=side == "right"), expected, "int64")

    order = state.permutation(len(bounds))
    shuffled = np.empty_like(bounds)
    shuffled[order] = bounds
    found = ondol.searchsorted(made(shuffled, name), tensor, side=side, sorter=ondol.tensor(order))
    assert_same(found, expected, "int64")


@examples(60)
@given(st.data())
def test_searchsorted_in_each_row(data):
    rows, length, count = (data.draw(st.integers(1, 5)) for _ in range(3))
    state = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    bounds = np.sort(numbers(state, "float64", rows * length, False).reshape(rows, length))
    wanted = data.draw(pairs((rows, count), names=("float64",)))
    side = data.draw(st.sampled_from(["left", "right"]))
    expected = [np.searchsorted(row, values, side) for row, values in zip(bounds, wanted.array)]
    assert_same(ondol.searchsorted(ondol.tensor(bounds), wanted.tensor, side=side), expected, "int64")


@examples(60)
@given(pairs(names=REALS), st.integers(0, 4))
def test_isin_and_histograms_of_counts(pair, offset):
    array, tensor = pair
    test = np.array([0, 1, 2]) + offset
    assert_same(ondol.isin(tensor, made(test, name_of(tensor))), np.isin(array, test), "bool")
    if array.dtype.kind in "iu":
        counts = np.abs(array.reshape(-1).astype(np.int64))
        found = ondol.tensor(counts).to(ondol_dtype(name_of(tensor))).bincount(minlength=offset)
        assert_same(found, np.bincount(counts, minlength=offset), "int64")
