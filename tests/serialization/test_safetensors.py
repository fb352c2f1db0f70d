"""The safetensors format."""

import pytest

import ondol

pytest.importorskip("safetensors")

from ondol import safetensors


def tensors():
    names = ("float32", "bfloat16", "float16", "int8", "int64", "bool", "complex64")
    return {name: ondol.arange(6).view(2, 3).to(getattr(ondol, name)) for name in names} | {"empty": ondol.empty(0, 2)}


def test_a_file_gives_back_its_tensors(tmp_path):
    safetensors.save_file(tensors(), tmp_path / "x.safetensors", metadata={"who": "me"})
    loaded = safetensors.load_file(tmp_path / "x.safetensors")
    assert all(ondol.equal(loaded[name], t) and loaded[name].dtype == t.dtype for name, t in tensors().items())


def test_single_tensors_are_read_from_an_open_file(tmp_path):
    safetensors.save_file(tensors(), tmp_path / "x.safetensors", metadata={"who": "me"})
    with safetensors.safe_open(tmp_path / "x.safetensors", framework="ondol") as file:
        assert sorted(file.keys()) == sorted(tensors())
        assert file.metadata() == {"who": "me"}
        assert file.get_tensor("bfloat16").tolist() == [[0, 1, 2], [3, 4, 5]]


def test_bytes_in_memory():
    assert safetensors.load(safetensors.save({"a": ondol.ones(2)}))["a"].tolist() == [1, 1]


def test_tensors_that_share_memory_are_refused():
    base = ondol.ones(2)
    with pytest.raises(RuntimeError, match="share memory"):
        safetensors.save({"a": base, "b": base})


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "x").write_bytes(b"\xff" * 100)
    with pytest.raises(Exception, match="header"):
        safetensors.load_file(tmp_path / "x")
