"""Hooks of modules: forward, backward, global, their order and their removal."""

import pytest

import ondol
from ondol import nn
from ondol.nn.modules import module as module_file


class Add(nn.Module):
    def forward(self, x, other=1.0):
        return x + other


def test_a_forward_hook_sees_and_replaces():
    layer, seen = Add(), []
    layer.register_forward_hook(lambda module, args, output: seen.append((module, args, output)))
    layer.register_forward_hook(lambda module, args, output: output * 10)
    assert layer(1.0) == 20.0 and seen == [(layer, (1.0,), 2.0)]


def test_a_forward_pre_hook_replaces_arguments():
    layer = Add()
    layer.register_forward_pre_hook(lambda module, args: args[0] * 5)
    assert layer(1.0) == 6.0


def test_hooks_with_kwargs():
    layer = Add()
    layer.register_forward_pre_hook(lambda m, args, kwargs: (args, {"other": 3.0}), with_kwargs=True)
    layer.register_forward_hook(lambda m, args, kwargs, output: output + kwargs["other"], with_kwargs=True)
    assert layer(1.0) == 7.0


def test_a_pre_hook_with_kwargs_must_return_a_pair():
    layer = Add()
    layer.register_forward_pre_hook(lambda m, args, kwargs: 1, with_kwargs=True)
    with pytest.raises(RuntimeError, match="None or a tuple of"):
        layer(1.0)


def test_prepend_puts_a_hook_first():
    layer, order = Add(), []
    layer.register_forward_hook(lambda *_: order.append("a"))
    layer.register_forward_hook(lambda *_: order.append("b"), prepend=True)
    layer(1.0)
    assert order == ["b", "a"]


def test_a_removed_hook_is_gone_and_the_short_way_is_back():
    layer = Add()
    with layer.register_forward_pre_hook(lambda module, args: (100.0,)):
        assert layer(1.0) == 101.0
    assert layer(1.0) == 2.0 and "_hooked" not in layer.__dict__


def test_a_hook_written_into_the_dictionary_runs():
    layer = Add()
    layer._forward_hooks[10**6] = lambda module, args, output: 0
    assert layer(1.0) == 0


def test_always_call_runs_when_forward_raises():
    class Failing(nn.Module):
        def forward(self, x):
            raise ValueError("no")

    seen, layer = [], Failing()
    layer.register_forward_hook(lambda module, args, output: seen.append(output), always_call=True)
    layer.register_forward_hook(lambda module, args, output: seen.append("never"))
    with pytest.raises(ValueError):
        layer(1)
    assert seen == [None]


def test_full_backward_hooks_see_and_replace_gradients():
    layer = nn.Linear(2, 1, bias=False)
    layer.weight.data.copy_(ondol.tensor([[2.0, 3.0]]))
    seen = []
    layer.register_full_backward_pre_hook(lambda module, grad_output: (grad_output[0] * 10,))

    def double(module, grad_input, grad_output):
        seen.append((grad_input[0].tolist(), grad_output[0].tolist()))
        return (grad_input[0] * 2,)

    layer.register_full_backward_hook(double)
    x = ondol.ones(1, 2, requires_grad=True)
    layer(x).sum().backward()
    assert seen == [([[20.0, 30.0]], [[10.0]])] and x.grad.tolist() == [[40.0, 60.0]]


def test_a_backward_hook_runs_when_no_input_needs_a_gradient():
    layer, seen = nn.Linear(2, 1), []
    layer.register_full_backward_hook(lambda module, grad_input, grad_output: seen.append(grad_input))
    layer(ondol.ones(1, 2)).sum().backward()
    assert seen == [(None,)]


def test_the_two_kinds_of_backward_hooks_do_not_mix():
    layer = nn.Linear(1, 1)
    layer.register_full_backward_hook(lambda *_: None)
    with pytest.raises(RuntimeError, match="Cannot use both regular backward hooks and full backward hooks"):
        layer.register_backward_hook(lambda *_: None)


def test_global_hooks_run_for_every_module_before_its_own():
    order, model = [], nn.Sequential(Add())
    model[0].register_forward_pre_hook(lambda *_: order.append("own"))
    handles = [
        module_file.register_module_forward_pre_hook(lambda module, args: order.append(type(module).__name__)),
        module_file.register_module_forward_hook(lambda module, args, output: output + 1),
    ]
    try:
        assert model(1.0) == 4.0 and order == ["Sequential", "Add", "own"]
    finally:
        for handle in handles:
            handle.remove()
    assert model(1.0) == 2.0 and nn.Module._hooked is False


def test_global_registration_hooks_see_what_is_registered():
    names = []
    handle = module_file.register_module_parameter_registration_hook(lambda module, name, value: names.append(name))
    try:
        nn.Linear(1, 1)
    finally:
        handle.remove()
    assert names == ["weight", "bias"]


def test_state_dict_hooks_run_around_the_collection():
    layer, order = nn.Linear(1, 1), []
    layer.register_state_dict_pre_hook(lambda module, prefix, keep_vars: order.append("pre"))

    def post(module, state_dict, prefix, local_metadata):
        order.append("post")
        del state_dict[prefix + "bias"]

    layer.register_state_dict_post_hook(post)
    assert list(nn.Sequential(layer).state_dict()) == ["0.weight"] and order == ["pre", "post"]


def test_a_load_pre_hook_may_rename_keys():
    layer = nn.Linear(1, 1)

    def rename(module, state_dict, prefix, *_):
        state_dict[prefix + "weight"] = state_dict.pop(prefix + "old")

    layer.register_load_state_dict_pre_hook(rename)
    nn.Sequential(layer).load_state_dict({"0.old": ondol.full((1, 1), 7.0), "0.bias": ondol.zeros(1)})
    assert layer.weight.item() == 7.0


def test_a_load_post_hook_sees_loaded_values_and_may_clear_the_keys():
    layer, seen = nn.Linear(1, 1), []

    def post(module, incompatible):
        seen.append((module.weight.item(), list(incompatible.missing_keys)))
        incompatible.missing_keys.clear()

    layer.register_load_state_dict_post_hook(post)
    layer.load_state_dict({"weight": ondol.full((1, 1), 3.0)})
    assert seen == [(3.0, ["bias"])]
