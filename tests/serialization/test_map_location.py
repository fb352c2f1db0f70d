"""Where storages go."""

import forge
import pytest

import ondol


def cuda_file():
    return forge.archive(forge.PROTO + forge.tensor(forge.storage(location="cuda:0")) + b".", {"0": b"\0\0\x80?" * 2})


def test_a_cuda_tensor_gives_pytorchs_advice():
    with pytest.raises(RuntimeError, match=r"Attempting to deserialize object on a CUDA device.*map_location"):
        ondol.load(cuda_file())


@pytest.mark.parametrize(
    "location",
    ["cpu", ondol.device("cpu"), {"cuda:0": "cpu"}, lambda storage, tag: storage],
    ids=["str", "device", "dict", "fn"],
)
def test_a_cuda_tensor_loads_to_the_cpu(location):
    assert ondol.load(cuda_file(), map_location=location).tolist() == [1, 1]


def test_a_function_that_declines_leaves_the_tag_in_force():
    with pytest.raises(RuntimeError, match="CUDA"):
        ondol.load(cuda_file(), map_location=lambda storage, tag: None)


def test_loading_to_cuda_is_refused_before_anything_is_read():
    with pytest.raises(RuntimeError, match="CPU only"):
        ondol.load("there is no such file", map_location="cuda")


def test_an_unknown_tag_is_named():
    with pytest.raises(RuntimeError, match="tagged with 'moon'"):
        ondol.load(forge.archive(forge.PROTO + forge.tensor(forge.storage(location="moon")) + b".", {"0": b"\0" * 8}))


def test_a_big_endian_file_is_turned_around():
    pickled = forge.PROTO + forge.tensor(forge.storage()) + b"."
    assert ondol.load(forge.archive(pickled, {"0": b"?\x80\0\0" * 2}, byteorder=b"big")).tolist() == [1, 1]
