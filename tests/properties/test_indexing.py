"""Reading and writing through an index, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from array_strategies import DTYPES, assert_same, examples, made, numbers, pairs, shapes
from hypothesis import given
from hypothesis import strategies as st

import ondol


@st.composite
def indices(draw, shape, unique=False):
    """What may stand between brackets: numbers, slices, None, `...`, True, lists, masks and arrays of positions.

    `unique` leaves out what would name an element twice.
    """
    state = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    common = draw(st.sampled_from([(), (1,), (2,), (2, 1), (3,), (2, 3), (0,)]))
    left = draw(st.integers(0, len(shape)))
    right = draw(st.integers(left, len(shape)))
    index = []
    for ends, dim in ((left, 0), (len(shape), right)):
        while dim < ends:
            item, dims = draw(one_index(shape[dim:ends], state, common, unique))
            index += [None] * draw(st.sampled_from([0, 0, 0, 1])) + [item]
            dim += dims
        if ends == left:
            if right == len(shape) and draw(st.booleans()):
                break
            index.append(...)
            if left == len(shape):
                break
    if draw(st.integers(0, 9)) == 0:
        index.insert(draw(st.integers(0, len(index))), True)
    return tuple(index)


@st.composite
def one_index(draw, shape, state, common, unique):
    """An index of the first dim of the shape, or a mask of several, and of how many dims it is."""
    size = shape[0]
    kinds = ["slice", "slice", "mask"] + (["int", "scalar", "array", "array", "list"] if size else ["empty"])
    kind = draw(st.sampled_from(kinds))
    if kind == "slice":
        bounds = st.none() | st.integers(-size - 2, size + 2)
        return slice(draw(bounds), draw(bounds), draw(st.none() | st.integers(1, 3))), 1
    if kind == "int":
        return int(state.integers(-size, size)), 1
    if kind == "scalar":
        return np.array(state.integers(-size, size)), 1
    if kind == "list":
        return [int(state.integers(-size, size))], 1
    if kind == "empty":
        return np.zeros(0, dtype=np.int64), 1
    if kind == "mask":
        dims = draw(st.integers(1, min(len(shape), 3)))
        elements = int(np.prod(shape[:dims]))
        chosen = np.zeros(elements, dtype=bool)
        chosen[state.permutation(elements)[: draw(st.sampled_from([1, int(np.prod(common)), elements]))]] = True
        return chosen.reshape(shape[:dims]), dims
    if unique:
        return state.permutation(size)[:1], 1
    part = tuple(1 if draw(st.integers(0, 3)) == 0 else one for one in common)
    positions = state.integers(-size, size, part)
    return positions.astype(draw(st.sampled_from(["int64", "int64", "int32", "int16", "int8"]))), 1


def read(array, index):
    """What is left to read, and by what, after numbers, slices and None have selected, which PyTorch does first."""
    filled = sum(item.ndim if _is_mask(item) else 1 for item in index if item not in _NO_DIM)
    basic, advanced = [], []
    for item in index:
        if item is ...:
            basic += [slice(None)] * (array.ndim - filled)
            advanced += [slice(None)] * (array.ndim - filled)
        elif item is True:
            basic.append(None)
            advanced.append(np.zeros(1, dtype=np.int64))
        elif _is_mask(item):
            basic += [slice(None)] * item.ndim
            advanced += list(item.nonzero())
        elif isinstance(item, (np.ndarray, list)) and np.ndim(item):
            basic.append(slice(None))
            advanced.append(np.asarray(item))
        else:
            basic.append(int(item) if isinstance(item, np.ndarray) else item)
            if isinstance(item, slice) or item is None:
                advanced.append(slice(None))
    return array[(*basic, ...)], tuple(advanced)  # with `...` a view, also of one element


class _NoDim:
    """Contains what indexes no dim; compared by identity, since arrays compare by element."""

    def __contains__(self, item):
        return item is None or item is ... or item is True


_NO_DIM = _NoDim()


def _is_mask(item):
    return isinstance(item, np.ndarray) and item.dtype == bool


def for_ondol(index):
    return tuple(ondol.from_numpy(item.copy()) if isinstance(item, np.ndarray) else item for item in index)


@examples(200)
@given(st.data())
def test_reading_gives_what_numpy_gives(data):
    array, tensor = data.draw(pairs(special=True))
    index = data.draw(indices(array.shape))
    view, advanced = read(array, index)
    try:
        expected = view[advanced]
    except IndexError:  # arrays of positions that do not broadcast against each other
        with pytest.raises(IndexError):
            tensor[for_ondol(index)]
        return
    assert_same(tensor[for_ondol(index)], expected)


@examples(200)
@given(st.data())
def test_writing_changes_what_numpy_changes(data):
    shape = data.draw(shapes())
    name = data.draw(st.sampled_from(DTYPES))
    order = data.draw(st.permutations(range(len(shape))))
    array = np.zeros(shape, dtype=numbers(np.random.default_rng(0), name, 1, False).dtype)
    tensor = made(array, name).permute(order)
    array = array.transpose(order)
    index = data.draw(indices(array.shape, unique=True))
    view, advanced = read(array, index)
    try:
        window = view[advanced].shape
    except IndexError:
        with pytest.raises(IndexError):
            tensor[for_ondol(index)] = 1
        assert_same(tensor, array, name)
        return
    values = np.arange(1, np.prod(window) + 1).reshape(window).astype(array.dtype)
    for dim, size in enumerate(window):  # of which some broadcast
        if size > 1 and data.draw(st.integers(0, 4)) == 0:
            values = values.take([0], dim)
    view[advanced] = values
    tensor[for_ondol(index)] = made(values, name)
    assert_same(tensor, array, name)


@examples(100)
@given(st.data())
def test_writing_a_number_changes_what_numpy_changes(data):
    array, tensor = data.draw(pairs())
    array, tensor = array.copy(), tensor.clone()
    index = data.draw(indices(array.shape))
    view, advanced = read(array, index)
    number = data.draw(st.sampled_from([True, 3, 2.0]))
    try:
        view[advanced] = number
    except IndexError:
        with pytest.raises(IndexError):
            tensor[for_ondol(index)] = number
    else:
        tensor[for_ondol(index)] = number
    assert_same(tensor, array)


@examples(100)
@given(st.data())
def test_index_put_accumulates_what_names_an_element_twice(data):
    array, tensor = data.draw(
        pairs(data.draw(shapes(smallest=1).filter(len)), names=("float32", "float64", "int64", "int8"))
    )
    array, tensor = array.copy(), tensor.clone()
    count = data.draw(st.integers(0, 6))
    dims = data.draw(st.integers(1, array.ndim))
    state = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    positions = tuple(state.integers(-size, size, count) for size in array.shape[:dims])
    values = state.integers(-5, 5, (count, *array.shape[dims:])).astype(array.dtype)
    np.add.at(array, positions, values)
    tensor.index_put_(for_ondol(positions), ondol.tensor(values), accumulate=True)
    assert_same(tensor, array)


@examples(100)
@given(st.data())
def test_gathering_along_a_dim_gives_what_numpy_gives(data):
    array, tensor = data.draw(pairs(data.draw(shapes(smallest=1).filter(len)), special=True))
    dim = data.draw(st.integers(-array.ndim, array.ndim - 1))
    state = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    size = array.shape[dim]
    chosen = state.integers(0, size, data.draw(st.integers(0, 5)))
    assert_same(tensor.index_select(dim, ondol.tensor(chosen)), array.take(chosen, dim))

    wanted = list(array.shape)
    wanted[dim] = data.draw(st.integers(0, 5))
    positions = state.integers(0, size, wanted)
    expected = np.take_along_axis(array, positions, dim)
    assert_same(tensor.gather(dim, ondol.tensor(positions)), expected)
    assert_same(ondol.take_along_dim(tensor, ondol.tensor(positions), dim), expected)

    flat = state.integers(-array.size, array.size, (2, 3))
    assert_same(tensor.take(ondol.tensor(flat)), array.take(flat))


@examples(100)
@given(st.data())
def test_scattering_along_a_dim_changes_what_numpy_changes(data):
    array, tensor = data.draw(pairs(data.draw(shapes(smallest=1).filter(len))))
    dim = data.draw(st.integers(0, array.ndim - 1))
    state = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    positions = np.argsort(state.random(array.shape), dim)  # each position once: the order does not matter
    values = data.draw(pairs(array.shape, names=(str(tensor.dtype).removeprefix("torch."),)))
    expected = array.copy()
    np.put_along_axis(expected, positions, values.array, dim)
    assert_same(tensor.scatter(dim, ondol.tensor(positions), values.tensor), expected)

    if tensor.dtype not in (ondol.bool, ondol.float16, ondol.bfloat16):
        repeated = state.integers(0, array.shape[dim], array.shape)
        grid = list(np.indices(array.shape))
        grid[dim] = repeated
        expected = array.copy()
        np.add.at(expected, tuple(grid), values.array)
        assert_same(tensor.scatter_add(dim, ondol.tensor(repeated), values.tensor), expected)


@examples(100)
@given(st.data())
def test_masks_select_and_fill_as_in_numpy(data):
    array, tensor = data.draw(pairs(special=True))
    mask = data.draw(pairs(array.shape, names=("bool",)))
    assert_same(tensor.masked_select(mask.tensor), array[mask.array])
    assert_same(tensor[mask.tensor], array[mask.array])
    expected = np.where(mask.array, array.dtype.type(1), array)
    assert_same(tensor.masked_fill(mask.tensor, 1), expected)
    assert_same(tensor.nonzero(), np.argwhere(array))


@examples(60)
@given(st.data())
def test_a_position_outside_is_refused_and_changes_nothing(data):
    array, tensor = data.draw(pairs(data.draw(shapes(smallest=1).filter(len))))
    tensor = tensor.clone()
    dim = data.draw(st.integers(0, array.ndim - 1))
    size = array.shape[dim]
    outside = data.draw(st.sampled_from([size, -size - 1, size + 100, 2**40, -(2**63), 2**63 - 1]))
    before = (slice(None),) * dim
    for wrong in (outside, [0, outside], ondol.tensor([[0], [outside]])):
        with pytest.raises(IndexError):
            tensor[(*before, wrong)]
        with pytest.raises(IndexError):
            tensor[(*before, wrong)] = 1
    assert_same(tensor, array)


@pytest.mark.parametrize(
    "index",
    [
        [[0, 1], [1, 2]],
        [0, slice(None)],
        [None, 0],
        [..., 0],
        ((0, 1), (1, 2)),
    ],
)
def test_a_list_with_more_than_numbers_counts_as_a_tuple(index):
    x = ondol.arange(9).reshape(3, 3)
    array = np.arange(9).reshape(3, 3)
    assert x[index].tolist() == array[tuple(index)].tolist()


def test_numpy_integers_index_as_integers():
    x = ondol.arange(3)
    assert [x[kind(1)].item() for kind in (np.int64, np.int32, np.uint8)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("index", "error"),
    [
        (5, IndexError),
        (-4, IndexError),
        ((0, 0), IndexError),
        (0.5, IndexError),
        ("a", IndexError),
        ({}, IndexError),
        (slice(None, None, -1), ValueError),
        (slice(1.0, 2), TypeError),
        (2**70, (OverflowError, ValueError)),
        ([0.5], IndexError),
        ([5], IndexError),
        ([True, False], IndexError),
    ],
)
def test_what_is_no_index_is_refused(index, error):
    with pytest.raises(error):
        ondol.arange(3)[index]
    with pytest.raises(error):
        ondol.arange(3)[index] = 1


def test_slices_beyond_all_bounds():
    x = ondol.arange(3)
    assert x[2**64 :].tolist() == [] and x[-(2**64) :].tolist() == [0, 1, 2] and x[:: 2**64].tolist() == [0]
    assert x[:: 2**64].numpy().tolist() == [0]
