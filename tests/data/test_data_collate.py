"""What becomes of samples in a batch."""

from collections import OrderedDict, namedtuple

import numpy as np
import pytest

import ondol
from ondol.utils.data import default_collate, default_convert
from ondol.utils.data._utils.collate import collate, default_collate_fn_map

Point = namedtuple("Point", "x y")


def test_tensors_are_stacked():
    batch = default_collate([ondol.tensor([1, 2]), ondol.tensor([3, 4])])
    assert batch.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("samples", "values", "dtype"),
    [
        ([1, 2], [1, 2], "int64"),
        ([1.5, 2.0], [1.5, 2.0], "float64"),
        ([True, False], [True, False], "bool"),
        ([np.float32(1.5), np.float32(2)], [1.5, 2.0], "float32"),
        ([np.int16(1), np.int16(2)], [1, 2], "int16"),
        ([np.ones(2, np.float32)] * 2, [[1.0, 1.0], [1.0, 1.0]], "float32"),
    ],
)
def test_numbers_and_arrays_become_tensors_of_their_dtype(samples, values, dtype):
    batch = default_collate(samples)
    assert batch.tolist() == values and batch.dtype == getattr(ondol, dtype)


def test_arrays_of_any_layout_are_stacked():
    rows = np.arange(24, dtype=np.float32).reshape(4, 6)
    for samples in ([rows, rows * 2], [rows.T, rows.T], [rows[:, ::2], rows[::1, 1::2]], [np.zeros((0, 3))] * 2):
        batch = default_collate(samples)
        assert batch.shape == (2, *samples[0].shape) and (batch.numpy() == np.stack(samples)).all()
    frozen = rows.copy()
    batch = default_collate([frozen, frozen])
    batch.zero_()
    assert frozen.any()  # a batch is a copy


def test_arrays_of_several_dtypes_are_promoted_as_tensors_are():
    batch = default_collate([np.ones(2, np.int64), np.ones(2, np.float32)])
    assert batch.dtype == ondol.float32 and batch.shape == (2, 2)
    assert default_collate([np.array(1.5), np.array(2.5)]).tolist() == [1.5, 2.5]  # no dimensions


def test_arrays_of_several_shapes_are_refused():
    with pytest.raises(RuntimeError, match="stack expects each tensor to be equal size"):
        default_collate([np.ones(2), np.ones(3)])


def test_a_table_of_ones_own_has_its_say_about_arrays_too():
    table = {**default_collate_fn_map, ondol.Tensor: lambda batch, *, collate_fn_map: "mine"}
    assert collate([np.ones(2), np.ones(2)], collate_fn_map=table) == "mine"


def test_strings_and_bytes_stay_as_they_are():
    assert default_collate(["a", "b"]) == ["a", "b"]
    assert default_collate([b"a", b"b"]) == [b"a", b"b"]


def test_containers_are_collated_entry_by_entry_and_keep_their_type():
    batch = default_collate([OrderedDict(a=1, b=("x", [1.0])), OrderedDict(a=2, b=("y", [2.0]))])
    assert type(batch) is OrderedDict and batch["a"].tolist() == [1, 2]
    assert batch["b"][0] == ("x", "y") and batch["b"][1][0].tolist() == [1.0, 2.0]
    points = default_collate([Point(1, 2), Point(3, 4)])
    assert type(points) is Point and points.y.tolist() == [2, 4]


def test_a_tuple_becomes_a_list():
    assert [column.tolist() for column in default_collate([(1, 2), (3, 4)])] == [[1, 3], [2, 4]]


def test_sequences_of_different_lengths_are_refused():
    with pytest.raises(RuntimeError, match="equal size"):
        default_collate([[1, 2], [3]])


def test_other_types_are_refused_by_name():
    with pytest.raises(TypeError, match="found <class 'object'>"):
        default_collate([object()])
    with pytest.raises(TypeError, match="found"):
        default_collate([np.array("text")])


def test_a_table_of_ones_own_decides_before_the_default():
    table = {**default_collate_fn_map, complex: lambda batch, *, collate_fn_map: sum(batch)}
    assert collate([{"z": 1j}, {"z": 2j}], collate_fn_map=table) == {"z": 3j}


def test_a_subclass_is_treated_as_its_base():
    class Name(str):
        __slots__ = ()

    assert default_collate([Name("a")]) == ["a"]


def test_converting_reaches_into_containers_and_leaves_other_things_alone():
    data = default_convert({"a": np.arange(2), "b": [np.float32(1), "text"], "c": Point(np.zeros(1), None)})
    assert data["a"].tolist() == [0, 1] and data["b"][0].dtype == ondol.float32 and data["b"][1] == "text"
    assert type(data["c"]) is Point and data["c"].x.tolist() == [0.0] and data["c"].y is None
