"""Memory shared with NumPy, buffers and DLPack: values, lifetimes, read-only memory."""

import gc

import numpy as np
import pytest

import ondol


def test_arrays_and_tensors_mix_in_expressions():
    assert (ondol.ones(3) + np.ones(3)).tolist() == [2.0, 2.0, 2.0]
    assert (np.float32(2) * ondol.ones(3)).tolist() == [2.0, 2.0, 2.0]
    assert np.asarray(ondol.ones(2)).dtype == np.float32
    assert np.asarray(ondol.ones(2), dtype=np.float64).dtype == np.float64


def test_an_array_keeps_the_memory_of_its_tensor():
    array = ondol.arange(1000).numpy()
    gc.collect()
    ondol.zeros(1000, dtype=ondol.int64)
    assert array.sum() == 499500


def test_a_tensor_keeps_the_memory_of_its_array():
    tensor = ondol.from_numpy(np.arange(1000))
    gc.collect()
    assert tensor.tolist() == list(range(1000))


def test_dlpack_both_ways_shares_memory():
    array = np.arange(6.0).reshape(2, 3)
    tensor = ondol.from_dlpack(array)
    tensor[0, 0] = 9
    assert array[0, 0] == 9
    back = np.from_dlpack(ondol.arange(4.0))
    gc.collect()
    assert back.tolist() == [0.0, 1.0, 2.0, 3.0]


def test_a_capsule_is_taken_once():
    capsule = ondol.ones(2).__dlpack__()
    assert ondol.from_dlpack(capsule).tolist() == [1.0, 1.0]
    with pytest.raises(RuntimeError, match="consumed only once"):
        ondol.from_dlpack(capsule)


def test_subclasses_of_arrays_are_arrays(tmp_path):
    path = tmp_path / "numbers"
    np.arange(4.0).tofile(path)
    mapped = np.memmap(path, dtype=np.float64, mode="r")
    tensor = ondol.from_numpy(mapped)
    assert tensor.tolist() == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.add_(1),
        lambda t: t.zero_(),
        lambda t: t.__setitem__(0, 1),
        lambda t: ondol.add(ondol.ones(4), 1, out=t),
        lambda t: t.view(2, 2)[0].mul_(2),
        lambda t: t.copy_(ondol.ones(4)),
    ],
)
def test_read_only_memory_is_never_written(change):
    array = np.zeros(4, dtype=np.float32)
    array.flags.writeable = False
    with pytest.raises(RuntimeError, match="read-only"):
        change(ondol.from_numpy(array))
    assert array.tolist() == [0.0] * 4


def test_expanded_memory_is_not_written():
    with pytest.raises(RuntimeError, match="single memory location"):
        ondol.ones(1).expand(3).add_(1)
    with pytest.raises(RuntimeError, match="single memory location"):
        ondol.add(ondol.ones(3), 1, out=ondol.ones(1).expand(3))


def test_interleaved_memory_may_be_written():
    x = ondol.zeros(12).as_strided((3, 2), (2, 3))  # no two elements share a place, though the rows interleave
    x.add_(1)
    assert x.tolist() == [[1.0, 1.0]] * 3


@pytest.mark.parametrize("name", ["_to_numpy", "_to_dlpack", "_array_protocol"])
def test_the_private_doors_check_their_argument(name):
    options = {"_to_numpy": (5, False), "_to_dlpack": (5,), "_array_protocol": (5, None, None)}[name]
    with pytest.raises(TypeError):
        getattr(ondol._native, name)(*options)


@pytest.mark.parametrize("name", ["retain_grad", "increment_version", "gradient_edge"])
def test_the_private_doors_of_autograd_check_their_argument(name):
    with pytest.raises(TypeError):
        getattr(ondol._native.autograd, name)(5)
