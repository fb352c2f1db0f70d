"""Paths given to functional_call: known, new, and wrong ones; the module is afterwards what it was."""

from __future__ import annotations

import pytest

import ondol
from ondol import nn
from ondol.func import functional_call


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2, bias=False)
        self.offset = ondol.zeros(2)  # a plain attribute

    def forward(self, x):
        return self.layer(x) + self.offset + getattr(self, "extra", 0)


X = ondol.ones(1, 2)
IDENTITY = {"layer.weight": ondol.eye(2)}


def test_plain_tensor_is_replaced_and_comes_back():
    model = Scaled()
    before = model.offset
    assert functional_call(model, {**IDENTITY, "offset": ondol.ones(2)}, X).tolist() == [[2, 2]]
    assert model.offset is before


def test_new_name_is_there_during_the_call_only():
    model = Scaled()
    assert functional_call(model, {**IDENTITY, "extra": ondol.tensor(5.0)}, X).tolist() == [[6, 6]]
    assert not hasattr(model, "extra")
    with pytest.raises(RuntimeError, match="Unexpected key"):
        functional_call(model, {**IDENTITY, "extra": ondol.tensor(5.0)}, X, strict=True)


@pytest.mark.parametrize("path, error", [("layer", TypeError), ("", KeyError), ("head.weight", AttributeError)])
def test_wrong_path_is_refused_and_changes_nothing(path, error):
    model = Scaled()
    before = model.layer.weight
    with pytest.raises(error):
        functional_call(model, {**IDENTITY, path: ondol.eye(2)}, X)
    assert model.layer.weight is before


def test_computed_weight_is_replaced_by_its_original_only():
    model = nn.Linear(2, 2, bias=False)
    nn.utils.parametrize.register_parametrization(model, "weight", nn.Identity())
    assert functional_call(model, {"parametrizations.weight.original": ondol.eye(2)}, X).tolist() == [[1, 1]]
    with pytest.raises(AttributeError, match="weight"):
        functional_call(model, {"weight": ondol.eye(2)}, X)


def test_older_name_warns():
    with pytest.warns(FutureWarning, match=r"func\.functional_call"):
        assert nn.utils.stateless.functional_call(Scaled(), IDENTITY, X).tolist() == [[1, 1]]
