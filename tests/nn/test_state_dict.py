"""Saving into and loading from a `state_dict`."""

from collections import OrderedDict

import pytest

import ondol
from ondol import nn


def model():
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def values(module):
    return {key: value.clone() for key, value in module.state_dict().items()}


def same(a, b):
    return list(a) == list(b) and all((a[key] == b[key]).all() for key in a)


def test_it_is_an_ordered_dict_with_versions():
    state = model().state_dict()
    assert isinstance(state, OrderedDict)
    assert list(state) == [
        "0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked",
    ]  # fmt: skip
    assert dict(state._metadata) == {"": {"version": 1}, "0": {"version": 1}, "1": {"version": 2}}


def test_its_tensors_are_detached_and_share_memory():
    layer = nn.Linear(1, 1)
    state = layer.state_dict()
    state["weight"].fill_(5.0)
    assert layer.weight.item() == 5.0 and not state["weight"].requires_grad
    assert layer.state_dict(keep_vars=True)["weight"] is layer.weight


def test_prefix_and_destination():
    destination = OrderedDict(other=1)
    assert nn.ReLU().state_dict(destination=destination, prefix="a.") is destination
    assert list(nn.Linear(1, 1).state_dict(prefix="a.")) == ["a.weight", "a.bias"]


def test_one_model_takes_over_the_weights_of_another():
    source, target = model(), model()
    assert repr(target.load_state_dict(source.state_dict())) == "<All keys matched successfully>"
    assert same(values(source), values(target))


def test_a_failed_load_leaves_every_parameter_as_it_was():
    target = model()
    before, state = values(target), model().state_dict()
    state["1.weight"] = ondol.zeros(99)
    with pytest.raises(RuntimeError):
        target.load_state_dict(state)
    assert same(before, values(target))


def test_a_failed_load_lists_all_that_is_wrong():
    state = model().state_dict()
    del state["0.bias"], state["1.running_var"]
    state["extra"], state["0.more"] = ondol.zeros(1), ondol.zeros(1)
    state["0.weight"] = ondol.zeros(3, 5)
    with pytest.raises(RuntimeError) as caught:
        model().load_state_dict(state)
    text = str(caught.value)
    assert text.startswith("Error(s) in loading state_dict for Sequential:\n\tMissing key(s) in state_dict: ")
    assert '"0.bias", "1.running_var". ' in text
    assert 'Unexpected key(s) in state_dict: "extra", "0.more". ' in text
    assert (
        "size mismatch for 0.weight: copying a param with shape torch.Size([3, 5]) from checkpoint, "
        "the shape in current model is torch.Size([3, 2])."
    ) in text
    assert text.endswith("Nothing was loaded: the model is as it was.")


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod."])
def test_a_wrapped_model_is_recognised(prefix):
    state = {prefix + key: value for key, value in model().state_dict().items()}
    with pytest.raises(RuntimeError, match=f'hint: every unexpected key starts with "{prefix}".*strip the prefix'):
        model().load_state_dict(state)


def test_a_transposed_weight_is_recognised():
    state = nn.Linear(2, 3).state_dict()
    state["weight"] = state["weight"].t()
    with pytest.raises(RuntimeError, match=r'hint: "weight" has the transposed shape; pass `weight.t\(\)`'):
        nn.Linear(2, 3).load_state_dict(state)


def test_a_renamed_key_is_recognised():
    state = nn.Linear(2, 3).state_dict()
    state["weights"] = state.pop("weight")
    with pytest.raises(RuntimeError, match='hint: "weight" may have been renamed: the dictionary has "weights"'):
        nn.Linear(2, 3).load_state_dict(state)


def test_a_model_that_wraps_the_saved_one_is_recognised():
    with pytest.raises(RuntimeError, match='hint: every missing key starts with "0.".*add the prefix'):
        nn.Sequential(nn.Linear(2, 3)).load_state_dict(nn.Linear(2, 3).state_dict())


def test_behind_a_prefix_the_other_causes_are_found_too():
    state = {f"net.{key}": value for key, value in nn.Sequential(nn.Linear(2, 5), nn.Linear(3, 4)).state_dict().items()}
    with pytest.raises(RuntimeError) as caught:
        nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4)).load_state_dict(state)
    assert 'starts with "net.": saved from a model that holds this one as `net`' in str(caught.value)
    assert '"0" has 5 outputs (rows) in the dictionary and 3 in the model' in str(caught.value)


def test_a_renamed_module_is_recognised_by_its_shapes_and_named_once():
    def network(name):
        return nn.ModuleDict({name: nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), "head": nn.Linear(3, 2)})

    with pytest.raises(RuntimeError) as caught:
        network("encoder").load_state_dict(network("trunk").state_dict())
    hints = [line for line in str(caught.value).splitlines() if "hint" in line]
    assert hints == [
        '\thint: "encoder" may have been renamed: the dictionary has "trunk" with entries of the same shapes'
    ]


def test_another_number_of_inputs_is_recognised():
    with pytest.raises(RuntimeError, match=r'"weight" has 1 inputs \(columns\) in the dictionary and 3 in the model'):
        nn.Conv2d(3, 8, 3).load_state_dict(nn.Conv2d(1, 8, 3).state_dict())


def test_of_a_model_of_another_kind_not_every_difference_is_explained():
    def network(width):
        return nn.Sequential(*[nn.Linear(8, width) for _ in range(15)])

    with pytest.raises(RuntimeError, match="hint: and 5 more of this kind") as caught:
        network(3).load_state_dict(network(5).state_dict())
    assert str(caught.value).count("size mismatch") == 30


def test_without_strict_the_keys_are_returned():
    result = nn.Linear(1, 1).load_state_dict({"weight": ondol.ones(1, 1), "what": ondol.ones(1)}, strict=False)
    assert result.missing_keys == ["bias"] and result.unexpected_keys == ["what"]


def test_without_strict_a_wrong_shape_is_still_an_error():
    with pytest.raises(RuntimeError, match="size mismatch"):
        nn.Linear(1, 1).load_state_dict({"weight": ondol.ones(2, 2)}, strict=False)


def test_assign_puts_the_tensors_themselves_in_place():
    layer, weight = nn.Linear(1, 1), ondol.ones(1, 1, dtype=ondol.float64)
    layer.weight.requires_grad = False
    layer.load_state_dict({"weight": weight, "bias": ondol.ones(1)}, assign=True)
    assert layer.weight.dtype == ondol.float64 and not layer.weight.requires_grad and layer.bias.requires_grad
    weight.fill_(8.0)
    assert layer.weight.item() == 8.0


def test_weights_alone_forget_what_was_frozen():
    frozen = nn.Linear(1, 1).requires_grad_(False)
    fresh = nn.Linear(1, 1)
    fresh.load_state_dict(frozen.state_dict())
    assert fresh.weight.requires_grad


def test_extra_state_is_saved_and_loaded():
    class Counting(nn.Module):
        count = 0

        def get_extra_state(self):
            return self.count

        def set_extra_state(self, state):
            self.count = state

    source, target = nn.Sequential(Counting()), nn.Sequential(Counting())
    source[0].count = 7
    target.load_state_dict(source.state_dict())
    assert target[0].count == 7 and list(source.state_dict()) == ["0._extra_state"]


def test_a_class_with_its_own_loading_is_put_back_when_another_part_fails():
    class Own(nn.Linear):
        def _load_from_state_dict(self, *args):
            super()._load_from_state_dict(*args)
            self.weight.data.mul_(2)

    target = nn.Sequential(Own(1, 1), nn.Linear(1, 1))
    good = {**target.state_dict(), "0.weight": ondol.full((1, 1), 3.0)}
    target.load_state_dict(good)
    assert target[0].weight.item() == 6.0
    before = values(target)
    with pytest.raises(RuntimeError):
        target.load_state_dict({**good, "1.weight": ondol.zeros(9)})
    assert same(before, values(target))


def test_what_is_no_mapping_is_refused():
    with pytest.raises(TypeError, match="Expected state_dict to be dict-like"):
        nn.Linear(1, 1).load_state_dict([1])
    with pytest.raises(RuntimeError, match=r"expected torch.Tensor or Tensor-like object"):
        nn.Linear(1, 1).load_state_dict({"weight": 1, "bias": ondol.zeros(1)})


def test_old_batch_norms_without_a_counter_load():
    state = nn.BatchNorm1d(2).state_dict()
    del state["num_batches_tracked"]
    state._metadata[""]["version"] = 1
    nn.BatchNorm1d(2).load_state_dict(state)


def test_a_lazy_layer_is_saved_as_it_is():
    source = nn.LazyLinear(3)
    assert source.state_dict()["weight"] is source.weight
    target = nn.LazyLinear(3)
    target.load_state_dict(source.state_dict())
    assert target.has_uninitialized_params()


def test_a_lazy_layer_takes_its_shape_from_the_dictionary():
    layer = nn.LazyLinear(3)
    layer.load_state_dict(nn.Linear(5, 3).state_dict())
    assert tuple(layer.weight.shape) == (3, 5)
    assert layer(ondol.ones(2, 5)).shape == (2, 3)
