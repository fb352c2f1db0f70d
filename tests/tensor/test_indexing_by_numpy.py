"""Reading and writing through an index, against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ondol


@st.composite
def shapes_and_indices(draw):
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    advanced_shape = draw(st.sampled_from([(), (1,), (2,), (2, 1), (3,)]))
    index, dim, ellipsis_left = [], 0, True
    while dim < len(shape):
        size = shape[dim]
        kind = draw(st.sampled_from(["int", "slice", "none", "ellipsis", "array", "list", "mask", "stop"]))
        if kind == "stop":
            break
        if kind == "none":
            index.append(None)
            if len(index) > 6:
                break
            continue
        if kind == "ellipsis":
            if not ellipsis_left:
                continue
            ellipsis_left = False
            if dim + 1 >= len(shape):
                break
            index.append(...)
            dim = draw(st.integers(dim + 1, len(shape)))  # of no dimensions it would part neighbours in NumPy only
            rest = len(shape) - dim
            for later in shape[len(shape) - rest :]:
                index.append(draw(st.integers(-later, later - 1)))
            break
        if kind == "int":
            index.append(draw(st.integers(-size, size - 1)))
        elif kind == "slice":
            bounds = st.none() | st.integers(-size - 2, size + 2)
            index.append(slice(draw(bounds), draw(bounds), draw(st.none() | st.integers(1, 3))))
        elif kind == "array":
            index.append(np.array(draw(st.integers(-size, size - 1))) + np.zeros(advanced_shape, dtype=np.int64))
        elif kind == "list":
            index.append([draw(st.integers(-size, size - 1))])
        else:
            chosen = [False] * size
            chosen[draw(st.integers(0, size - 1))] = True  # one position: it broadcasts against the others
            index.append(np.array(chosen))
        dim += 1
    if any(isinstance(item, (list, np.ndarray)) for item in index):
        # NumPy lets integers broadcast with arrays, PyTorch selects by them first: a list of one is the same to both.
        index = [[item] if isinstance(item, int) else item for item in index]
    return tuple(shape), tuple(index)


def for_ondol(index):
    return tuple(ondol.from_numpy(item.copy()) if isinstance(item, np.ndarray) else item for item in index)


@settings(max_examples=400, deadline=None)
@given(shapes_and_indices())
def test_reading_gives_what_numpy_gives(case):
    shape, index = case
    array = np.arange(np.prod(shape)).reshape(shape)
    expected = array[index]
    found = ondol.from_numpy(array)[for_ondol(index)]
    assert tuple(found.shape) == expected.shape and found.tolist() == expected.tolist()


@settings(max_examples=300, deadline=None)
@given(shapes_and_indices())
def test_writing_changes_what_numpy_changes(case):
    shape, index = case
    array = np.zeros(shape)
    tensor = ondol.zeros(shape, dtype=ondol.float64)
    window = array[index]
    values = np.arange(1.0, window.size + 1).reshape(window.shape)
    array[index] = values
    tensor[for_ondol(index)] = ondol.tensor(values)
    assert sorted(tensor.flatten().tolist()) == sorted(array.ravel().tolist())
    array[index] = 7
    tensor[for_ondol(index)] = 7
    assert tensor.tolist() == array.tolist()


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
