"""`copy.deepcopy` and plain `pickle` of tensors."""

import copy
import pickle

import pytest

import ondol


def test_a_deep_copy_has_its_own_memory_and_the_same_strides():
    original = ondol.arange(6.0).view(2, 3).t()
    duplicate = copy.deepcopy(original)
    original.zero_()
    assert duplicate.sum().item() == 15
    assert duplicate.stride() == original.stride()


def test_a_deep_copy_keeps_flag_gradient_and_attributes():
    original = ondol.ones(2, requires_grad=True)
    (original * 3).sum().backward()
    original.note = ["kept"]
    duplicate = copy.deepcopy(original)
    assert duplicate.requires_grad and duplicate.grad.tolist() == [3, 3]
    assert duplicate.note == ["kept"] and duplicate.note is not original.note
    assert duplicate.grad is not original.grad


def test_copies_share_what_the_originals_share():
    base = ondol.ones(4)
    first, second, again = copy.deepcopy([base, base[1:3], base])
    first.zero_()
    assert second.tolist() == [0, 0]
    assert again is first


def test_a_computed_tensor_is_not_copied():
    with pytest.raises(RuntimeError, match="graph leaves"):
        copy.deepcopy(ondol.ones(1, requires_grad=True) * 2)


def test_a_deep_copied_parameter_is_a_parameter():
    assert type(copy.deepcopy(ondol.nn.Parameter(ondol.ones(1)))) is ondol.nn.Parameter


def test_plain_pickle():
    value = {"t": ondol.arange(3), "d": ondol.float16, "s": ondol.Size([1, 2]), "v": ondol.device("cpu")}
    loaded = pickle.loads(pickle.dumps(value))
    assert loaded["t"].tolist() == [0, 1, 2]
    assert {name: loaded[name] for name in "dsv"} == {name: value[name] for name in "dsv"}
