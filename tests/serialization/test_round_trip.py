"""What `save` writes, `load` reads."""

import copy
import io
import pickle
import zipfile
from collections import Counter, OrderedDict, defaultdict

import pytest

import ondol
from ondol import nn


def round_trip(value, **options):
    buffer = io.BytesIO()
    ondol.save(value, buffer, **options)
    buffer.seek(0)
    return ondol.load(buffer)


both_formats = pytest.mark.parametrize("zipped", [True, False])


code_that_ran = []


class Net(nn.Module):
    """A user's module, which a file may name because it is imported already."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        code_that_ran.append("init")

    def __setstate__(self, state):
        code_that_ran.append("setstate")
        super().__setstate__(state)

    def forward(self, x):
        return self.layer(x)


class Plain:
    def __init__(self, value):
        self.value = value


@both_formats
def test_shared_storage_is_written_once_and_shared_again(zipped):
    base = ondol.arange(6.0)
    loaded = round_trip([base, base[2:4], base.view(2, 3).t()], _use_new_zipfile_serialization=zipped)
    loaded[0].zero_()
    assert [t.sum().item() for t in loaded] == [0, 0, 0]
    assert loaded[2].stride() == (1, 3)


@both_formats
def test_two_dtypes_over_one_storage(zipped):
    base = ondol.ones(2)
    loaded = round_trip([base, base.view(ondol.int32)], _use_new_zipfile_serialization=zipped)
    assert loaded[1].tolist() == [0x3F800000] * 2
    loaded[0].zero_()
    assert loaded[1].tolist() == [0, 0]


def test_requires_grad_survives():
    assert [t.requires_grad for t in round_trip([ondol.ones(1), ondol.ones(1, requires_grad=True)])] == [False, True]


def test_containers_keep_their_types():
    value = [
        OrderedDict(b=1, a=2),
        defaultdict(list, {1: [2]}),
        Counter("aab"),
        {1, 2},
        frozenset([3]),
        (1, (2,)),
        range(3),
    ]
    loaded = round_trip(value)
    assert loaded == value
    assert [type(item) for item in loaded] == [type(item) for item in value]
    assert loaded[1]["new"] == []


def test_an_object_met_twice_is_one_object_again():
    shared = [1]
    loaded = round_trip([shared, shared, {"again": shared}])
    assert loaded[0] is loaded[1] is loaded[2]["again"]


def test_a_list_that_holds_itself():
    value = []
    value.append((value,))
    loaded = round_trip(value)
    assert loaded[0][0] is loaded


def test_integers_of_every_size():
    value = [
        sign * (1 << bits) + delta
        for bits in (0, 7, 8, 15, 16, 31, 32, 63, 64, 2000, 3000)
        for sign in (1, -1)
        for delta in (-1, 0, 1)
    ]
    assert round_trip(value) == value


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_pickle_protocol(protocol):
    assert round_trip({"b": b"x" * 300, "": b""}, pickle_protocol=protocol) == {"b": b"x" * 300, "": b""}


def test_ten_thousand_nested_modules():
    deep = nn.Identity()
    for _ in range(10_000):
        deep = nn.Sequential(deep)
    loaded, depth = round_trip(deep), 0
    while isinstance(loaded, nn.Sequential):
        loaded, depth = loaded[0], depth + 1
    assert depth == 10_000


def test_a_users_module_is_built_without_running_its_code():
    net = Net()
    code_that_ran.clear()
    loaded = round_trip(net)
    assert type(loaded) is Net
    assert code_that_ran == []
    assert loaded(ondol.ones(1, 2)).tolist() == net(ondol.ones(1, 2)).tolist()


def test_a_function_of_nn_functional_may_be_an_attribute():
    net = nn.Identity()
    net.activation = nn.functional.relu
    assert round_trip(net).activation is nn.functional.relu


@pytest.mark.parametrize("name", ["relu", "gelu", "logsigmoid", "conv2d", "hardtanh_"])
def test_a_function_is_written_under_the_name_that_pytorch_has_for_it(name):
    net = nn.Identity()
    net.activation = getattr(nn.functional, name)
    buffer = io.BytesIO()
    ondol.save(net, buffer)
    assert f"torch.nn.functional\n{name}\n".encode() in buffer.getvalue()
    assert round_trip(net).activation is net.activation


@pytest.mark.parametrize(
    "function", [ondol.add, ondol.relu_, ondol.Tensor.view, nn.functional.gelu, nn.functional.relu]
)
def test_a_function_of_the_core_survives_pythons_own_pickle_and_copy(function):
    assert pickle.loads(pickle.dumps(function)) is function
    assert copy.deepcopy(function) is function


def test_another_class_is_refused_with_its_name_and_the_remedy():
    with pytest.raises(Exception, match=r"Plain.*add_safe_globals\(\[Plain\]\).*weights_only=False"):
        round_trip(Plain(1))


def test_a_class_on_the_users_list_is_built():
    with ondol.serialization.safe_globals([Plain]):
        assert round_trip(Plain(5)).value == 5
    assert ondol.serialization.get_safe_globals() == []


def test_unsafe_globals_are_listed_without_loading():
    buffer = io.BytesIO()
    ondol.save([Plain(1), ondol.ones(1)], buffer)
    buffer.seek(0)
    assert ondol.serialization.get_unsafe_globals_in_checkpoint(buffer) == [f"{Plain.__module__}.Plain"]


def test_a_lambda_cannot_be_saved_and_the_message_says_why():
    with pytest.raises(Exception, match="lambda"):
        ondol.save({"f": lambda: 0}, io.BytesIO())


def test_the_names_in_a_file_are_pytorchs():
    buffer = io.BytesIO()
    ondol.save([nn.Linear(1, 1), ondol.float16, ondol.Size([1])], buffer)
    pickled = zipfile.ZipFile(buffer).read("archive/data.pkl")
    assert b"ondol" not in pickled
    assert all(name in pickled for name in (b"torch.nn.modules.linear\nLinear", b"torch\nfloat16", b"torch\nSize"))


def test_the_archive_is_sound_for_other_readers_and_aligned_to_64_bytes():
    buffer = io.BytesIO()
    ondol.save({"a": ondol.ones(3), "b": ondol.zeros(5)}, buffer)
    archive = zipfile.ZipFile(buffer)
    assert archive.testzip() is None
    assert {"archive/data.pkl", "archive/byteorder", "archive/version", "archive/data/1"} <= set(archive.namelist())
    content = buffer.getvalue()
    for name in ("archive/data/0", "archive/data/1"):
        header = archive.getinfo(name).header_offset
        lengths = [int.from_bytes(content[header + at : header + at + 2], "little") for at in (26, 28)]
        assert (header + 30 + sum(lengths)) % 64 == 0


def test_a_failed_save_leaves_the_older_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "model.pt"
    ondol.save({"good": 1}, path)
    with pytest.raises(Exception, match="lambda"):
        ondol.save({"bad": lambda: 0}, path)
    assert ondol.load(path) == {"good": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.pt"]


def test_several_legacy_objects_in_one_file():
    buffer = io.BytesIO()
    for value in (1, ondol.ones(2), "end"):
        ondol.save(value, buffer, _use_new_zipfile_serialization=False)
    buffer.seek(0)
    assert [ondol.load(buffer), ondol.load(buffer).tolist(), ondol.load(buffer)] == [1, [1, 1], "end"]
