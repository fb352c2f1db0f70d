"""The commission, M10: weights as an ordered dict of names to tensors."""

from collections import OrderedDict

import pytest

import ondol as torch
from ondol import nn


def model_a():
    return nn.Sequential(OrderedDict(conv=nn.Conv2d(1, 2, 3), norm=nn.BatchNorm2d(2), fc=nn.Linear(2, 5)))


def model_b():
    """As model_a, with another head."""
    return nn.Sequential(OrderedDict(conv=nn.Conv2d(1, 2, 3), norm=nn.BatchNorm2d(2), fc=nn.Linear(2, 3)))


def test_M10_a_state_dict_is_ordered_detached_and_shares_memory():
    model = model_a()
    state = model.state_dict()
    assert isinstance(state, OrderedDict)
    assert list(state) == [
        "conv.weight", "conv.bias", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var",
        "norm.num_batches_tracked", "fc.weight", "fc.bias",
    ]  # fmt: skip
    assert type(state["fc.bias"]) is torch.Tensor and not state["fc.bias"].requires_grad
    state["fc.bias"].fill_(4)
    assert model.fc.bias.tolist() == [4] * 5
    assert model.state_dict(keep_vars=True)["fc.bias"] is model.fc.bias
    assert next(iter(model.state_dict(prefix="net."))) == "net.conv.weight"


def test_M10_metadata_carries_versions():
    metadata = model_a().state_dict()._metadata
    assert list(metadata) == ["", "conv", "norm", "fc"] and metadata["norm"] == {"version": 2}


def test_M10_load_state_dict_copies_and_answers_with_what_did_not_fit():
    source, target = model_a(), model_a()
    weight = target.fc.weight
    answer = target.load_state_dict(source.state_dict())
    assert answer.missing_keys == [] and answer.unexpected_keys == []
    assert repr(answer) == "<All keys matched successfully>"
    assert target.fc.weight is weight and torch.equal(weight, source.fc.weight)
    assert weight.data_ptr() != source.fc.weight.data_ptr()


def test_M10_everything_that_does_not_fit_is_listed_at_once_and_nothing_is_loaded():
    model = model_a()
    state = model_a().state_dict()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    del state["conv.bias"], state["norm.running_var"]
    state["surprise"] = state["other.thing"] = torch.zeros(1)
    state["fc.weight"] = torch.zeros(3, 2)
    with pytest.raises(RuntimeError) as raised:
        model.load_state_dict(state)
    message = str(raised.value)
    assert message.startswith("Error(s) in loading state_dict for Sequential:")
    assert 'Missing key(s) in state_dict: "conv.bias", "norm.running_var"' in message
    assert 'Unexpected key(s) in state_dict: "surprise", "other.thing"' in message
    assert (
        "size mismatch for fc.weight: copying a param with shape torch.Size([3, 2]) from checkpoint, "
        "the shape in current model is torch.Size([5, 2])."
    ) in message
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_M10_one_models_weights_are_laid_over_another_similar_one():
    a, b = model_a(), model_b()
    with pytest.raises(RuntimeError, match="size mismatch for fc.weight"):
        b.load_state_dict(a.state_dict())
    fitting = {name: tensor for name, tensor in a.state_dict().items() if not name.startswith("fc.")}
    head = b.fc.weight.detach().clone()
    answer = b.load_state_dict(fitting, strict=False)
    assert answer.missing_keys == ["fc.weight", "fc.bias"] and answer.unexpected_keys == []
    assert torch.equal(b.conv.weight, a.conv.weight) and torch.equal(b.fc.weight, head)
    answer = b.load_state_dict({"nothing.of.this": torch.zeros(1)}, strict=False)
    assert (
        answer.unexpected_keys == ["nothing.of.this"] and len(answer.missing_keys) == 8
    )  # an old file may lack num_batches_tracked
    with pytest.raises(RuntimeError, match="size mismatch"):  # strict=False forgives names, not shapes
        b.load_state_dict(a.state_dict(), strict=False)


def test_M10_assign_takes_the_tensors_themselves():
    model = model_a()
    state = OrderedDict((name, tensor.clone().double()) for name, tensor in model_a().state_dict().items())
    model.conv.weight.requires_grad_(False)
    model.load_state_dict(state, assign=True)
    assert model.fc.weight.dtype is torch.float64 and model.fc.weight.data_ptr() == state["fc.weight"].data_ptr()
    assert isinstance(model.fc.weight, nn.Parameter) and model.fc.weight.requires_grad
    assert not model.conv.weight.requires_grad


def test_M10_only_a_dict_can_be_loaded():
    with pytest.raises(TypeError, match="(?i)dict"):
        model_a().load_state_dict([("fc.weight", torch.zeros(1))])


def test_M10_extra_state_travels_along():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.calls = 0

        def get_extra_state(self):
            return {"calls": self.calls}

        def set_extra_state(self, state):
            self.calls = state["calls"]

    first, second = nn.Sequential(Counting()), nn.Sequential(Counting())
    first[0].calls = 3
    assert list(first.state_dict()) == ["0._extra_state"]
    second.load_state_dict(first.state_dict())
    assert second[0].calls == 3
