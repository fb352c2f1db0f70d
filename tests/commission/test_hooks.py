"""The commission, M8: hooks that see values and change them."""

import functools

import pytest

import ondol as torch
from ondol import nn
from ondol.nn.modules import module as module_hooks


class Scale(nn.Module):
    """y = factor * weight * x; the factor comes as a keyword."""

    def __init__(self, weight=2.0):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([weight]))

    def forward(self, x, factor=1.0):
        if factor is None:
            raise ValueError("no factor")
        return x * self.weight * factor


ONE = torch.tensor([1.0])


def test_M8_a_forward_hook_sees_values_and_may_change_them():
    layer, seen = Scale(), []
    handle = layer.register_forward_hook(lambda module, inputs, output: seen.append((module, inputs, output.item())))
    assert layer(ONE).item() == 2 and seen == [(layer, (ONE,), 2)]
    changing = layer.register_forward_hook(lambda module, inputs, output: output + 10)
    assert layer(ONE).item() == 12
    changing.remove()
    handle.remove()
    assert layer(ONE).item() == 2 and len(seen) == 2


def test_M8_a_forward_pre_hook_sees_the_inputs_and_may_change_them():
    layer, seen = Scale(), []
    layer.register_forward_pre_hook(lambda module, inputs: seen.append(inputs))
    single = layer.register_forward_pre_hook(lambda module, inputs: inputs[0] + 1)  # one value is wrapped in a tuple
    assert layer(ONE).item() == 4 and seen == [(ONE,)]
    single.remove()
    layer.register_forward_pre_hook(lambda module, inputs: (inputs[0] * 5,))
    assert layer(ONE).item() == 10


def test_M8_with_kwargs():
    layer, seen = Scale(), []

    def before(module, args, kwargs):
        return args, {"factor": kwargs["factor"] + 1}

    def after(module, args, kwargs, output):
        seen.append((args, kwargs, output.item()))

    layer.register_forward_pre_hook(before, with_kwargs=True)
    layer.register_forward_hook(after, with_kwargs=True)
    assert layer(ONE, factor=3.0).item() == 8
    assert seen == [((ONE,), {"factor": 4.0}, 8)]


def test_M8_prepend_and_order():
    layer, order = Scale(), []
    for name, prepend in (("first", False), ("second", False), ("zeroth", True)):
        layer.register_forward_hook(lambda *_, name=name: order.append(name), prepend=prepend)
        layer.register_forward_pre_hook(lambda *_, name=name: order.append("pre " + name), prepend=prepend)
    layer(ONE)
    assert order == ["pre zeroth", "pre first", "pre second", "zeroth", "first", "second"]


def test_M8_always_call_runs_even_if_forward_fails():
    layer, called = Scale(), []
    layer.register_forward_hook(lambda *_: called.append("always"), always_call=True)
    layer.register_forward_hook(lambda *_: called.append("on success"))
    with pytest.raises(ValueError, match="no factor"):
        layer(ONE, factor=None)
    assert called == ["always"]


def test_M8_full_backward_hooks_see_and_change_gradients():
    layer, seen = Scale(3.0), []

    def before(module, output_gradients):
        seen.append(("pre", [gradient.item() for gradient in output_gradients]))
        return (output_gradients[0] * 10,)

    def after(module, input_gradients, output_gradients):
        seen.append(("post", input_gradients[0].item(), output_gradients[0].item()))
        return (input_gradients[0] + 1,)

    layer.register_full_backward_pre_hook(before)
    handle = layer.register_full_backward_hook(after)
    x = torch.tensor([2.0], requires_grad=True)
    layer(x).sum().backward()
    assert seen == [("pre", [1]), ("post", 30, 10)]
    assert x.grad.item() == 31 and layer.weight.grad.item() == 20

    handle.remove()
    x.grad = None
    layer(x).sum().backward()
    assert x.grad.item() == 30


def test_M8_state_dict_hooks():
    layer, order = Scale(), []
    layer.register_state_dict_pre_hook(lambda module, prefix, keep_vars: order.append(("pre", prefix)))

    def rename(module, state, prefix, metadata):
        order.append(("post", prefix))
        state[prefix + "extra"] = torch.zeros(1)

    layer.register_state_dict_post_hook(rename)
    assert list(nn.Sequential(layer).state_dict()) == ["0.weight", "0.extra"]
    assert order == [("pre", "0."), ("post", "0.")]


def test_M8_load_state_dict_hooks():
    layer, seen = Scale(), []

    def from_old_name(module, state, prefix, metadata, strict, missing, unexpected, errors):
        if prefix + "w" in state:
            state[prefix + "weight"] = state.pop(prefix + "w")

    def forgive(module, incompatible):
        seen.append((list(incompatible.missing_keys), list(incompatible.unexpected_keys)))
        incompatible.unexpected_keys.clear()

    layer.register_load_state_dict_pre_hook(from_old_name)
    layer.register_load_state_dict_post_hook(forgive)
    layer.load_state_dict({"w": torch.tensor([7.0]), "other": torch.zeros(1)})
    assert layer.weight.item() == 7 and seen == [([], ["other"])]


def test_M8_global_hooks_reach_every_module():
    model, seen = nn.Sequential(Scale(), Scale()), []
    handles = [
        module_hooks.register_module_forward_pre_hook(lambda module, inputs: seen.append("pre")),
        module_hooks.register_module_forward_hook(lambda module, inputs, output: seen.append("post")),
        module_hooks.register_module_full_backward_hook(lambda module, gi, go: seen.append("backward")),
        module_hooks.register_module_full_backward_pre_hook(lambda module, go: seen.append("backward pre")),
    ]
    try:
        model(ONE.clone().requires_grad_()).sum().backward()
    finally:
        for handle in handles:
            handle.remove()
    assert seen[:6] == ["pre", "pre", "post", "pre", "post", "post"]
    assert seen.count("backward") == 3 and seen.count("backward pre") == 3
    model(ONE)
    assert len(seen) == 12


def test_M8_partial_gives_a_hook_its_name():
    means = {}

    def record(name, module, inputs, output):
        means[name] = output.mean().item()

    model = nn.Sequential(Scale(2.0), nn.Sequential(Scale(3.0)))
    for name, module in model.named_modules():
        module.register_forward_hook(functools.partial(record, name))
    model(ONE)
    assert means == {"0": 2, "1.0": 6, "1": 6, "": 6}


def test_M8_a_handle_is_a_context_and_may_be_removed_twice():
    layer, calls = Scale(), []
    with layer.register_forward_hook(lambda *_: calls.append(1)) as handle:
        layer(ONE)
    layer(ONE)
    handle.remove()
    assert calls == [1]
