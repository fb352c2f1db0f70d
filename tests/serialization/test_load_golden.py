"""Files that PyTorch wrote, in both of its formats."""

from collections import OrderedDict
from pathlib import Path

import pytest

import ondol

GOLDEN = Path(__file__).parent / "golden"
DTYPES = (
    *("float32", "float64", "float16", "bfloat16", "complex64", "complex128"),
    *("int8", "int16", "int32", "int64", "uint8", "bool"),
)
FORMATS = [".pt", ".legacy.pt"]


@pytest.fixture(params=FORMATS)
def golden(request):
    return lambda name, **options: ondol.load(GOLDEN / (name + request.param), **options)


def test_a_state_dict_keeps_its_order_and_versions(golden):
    loaded = golden("state_dict")
    assert type(loaded) is OrderedDict
    assert list(loaded)[:3] == ["0.weight", "0.bias", "1.weight"]
    assert loaded._metadata["1"] == {"version": 2}


def test_values_arrive_bit_for_bit(golden):
    assert golden("state_dict")["0.weight"].tolist() == [[k / 8 for k in range(4 * r, 4 * r + 4)] for r in range(3)]


@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype(golden, name):
    loaded = golden("dtypes")[name]
    assert loaded.dtype == getattr(ondol, name)
    assert loaded.tolist() == ([[False, True, True], [True] * 3] if name == "bool" else [[0, 1, 2], [3, 4, 5]])


def test_views_share_their_storage_and_keep_their_strides(golden):
    views = golden("views")
    views["base"].zero_()
    assert views["slice"].tolist() == [0] * 4
    assert views["transposed"].stride() == (1, 4)


def test_a_lazily_conjugated_tensor_is_conjugated(golden):
    assert golden("views")["conj"].tolist() == [1 - 2j]


def test_plain_values_and_types(golden):
    values = golden("values")
    assert values["plain"] == [1, -(2**70), 2.5, True, None, "text", (), [], {}, 1j, b"bytes", bytearray(b"x"), {1, 2}]
    assert values["types"] == [ondol.float16, ondol.Size([2, 3]), ondol.device("cpu"), ondol.strided]
    assert values["empty"].shape == (0, 3)
    assert values["scalar"].item() == 7


def test_a_parameter_keeps_its_class_and_flag(golden):
    parameter = golden("values")["parameter"]
    assert type(parameter) is ondol.nn.Parameter
    assert not parameter.requires_grad


def test_attributes_of_a_tensor_are_kept(golden):
    assert golden("values")["attributed"].note == "kept"


def test_a_whole_model_comes_back_with_flags_and_no_class_named(golden):
    model = golden("model")
    assert isinstance(model, ondol.nn.Sequential)
    assert [p.requires_grad for p in model.parameters()] == [False, True, True, True, True]
    assert model.eval()(ondol.ones(1, 4)).shape == (1, 2)


def test_the_state_of_an_optimizer(golden):
    state = golden("optimizer")
    assert state["param_groups"][0]["lr"] == 0.01
    assert state["state"][0]["exp_avg"].shape == (3,)


def test_a_mapped_file_gives_the_same_and_stays_as_it_was(tmp_path):
    path = tmp_path / "mapped.pt"
    path.write_bytes((GOLDEN / "dtypes.pt").read_bytes())
    loaded = ondol.load(path, mmap=True)
    assert loaded["float64"].tolist() == [[0, 1, 2], [3, 4, 5]]
    loaded["float64"].zero_()
    assert ondol.load(path)["float64"].sum().item() == 15


def test_weights_only_off_reads_the_same_files(golden):
    assert golden("model", weights_only=False)[0].weight.tolist() == golden("model")[0].weight.tolist()
