"""The commission, M1 to M7 and M9: modules and how they nest. Each test is named for its row in FEATURES."""

import copy
import json
import pathlib
import pickle
import types
from collections import OrderedDict

import pytest

import ondol as torch
from ondol import nn

PYTORCH_TEXTS = json.loads((pathlib.Path(__file__).parent / "data" / "module_texts.json").read_text())


class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.W1 = nn.Parameter(torch.tensor([2.0]))
        self.register_buffer("count", torch.zeros(1))

    def forward(self, x):
        return x * self.W1


class Middle(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = Inner()
        self.b = Inner()

    def forward(self, x):
        return self.b(self.a(x))


class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.ab = Middle()
        self.last = nn.Linear(1, 1)

    def forward(self, x):
        return self.last(self.ab(x))


def test_M1_calling_a_module_runs_forward_with_its_hooks():
    layer, seen = Inner(), []
    layer.register_forward_hook(lambda module, inputs, output: seen.append(output.item()))
    assert layer(torch.tensor([3.0])).item() == 6 and seen == [6]
    layer.forward(torch.tensor([4.0]))
    assert seen == [6]  # forward itself is only the function
    with pytest.raises(NotImplementedError, match="forward"):
        nn.Module()(1)


def test_M1_forgetting_super_init_is_an_error_that_says_so():
    class Forgetful(nn.Module):
        def __init__(self, what):
            self.value = what

    for what in (nn.Parameter(torch.zeros(1)), nn.Linear(1, 1)):
        with pytest.raises(AttributeError, match=r"before Module.__init__\(\) call") as raised:
            Forgetful(what)
        assert "cannot assign" in str(raised.value)
    forgetful = Forgetful("a plain value needs no module")
    with pytest.raises(AttributeError):
        forgetful.register_buffer("b", torch.zeros(1))


def test_M2_modules_nest_without_limit_and_one_call_runs_them_all():
    model = Inner()
    for _ in range(40):
        outer = nn.Module()
        outer.inside = model
        outer.forward = types.MethodType(lambda self, x: self.inside(x) + 1, outer)
        model = outer
    assert model(torch.tensor([1.0])).item() == 42
    assert len(list(model.modules())) == 41
    assert next(iter(dict(model.named_parameters()))) == "inside." * 40 + "W1"
    assert Outer()(torch.ones(2, 1)).shape == (2, 1)


def test_M3_sequential():
    first, second, third = nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)
    model = nn.Sequential(first, second)
    model.append(third)
    assert len(model) == 3 and model[0] is first and model[-1] is third and list(model) == [first, second, third]
    assert isinstance(model[1:], nn.Sequential) and list(model[1:]) == [second, third]
    x = torch.ones(4, 2)
    assert torch.equal(model(x), third(second(first(x))))
    model.insert(1, nn.Identity())
    assert [type(layer) for layer in model] == [nn.Linear, nn.Identity, nn.ReLU, nn.Linear]
    assert type(model.pop(1)) is nn.Identity and len(model) == 3
    model[1] = nn.Tanh()
    del model[2]
    model.extend([third, nn.Sigmoid()])
    assert [type(layer) for layer in model] == [nn.Linear, nn.Tanh, nn.Linear, nn.Sigmoid]
    assert len(nn.Sequential(first) + nn.Sequential(second, third)) == 3
    assert len(nn.Sequential(nn.ReLU()) * 3) == 3
    named = nn.Sequential(OrderedDict(one=first, two=second))
    assert named.one is first and [name for name, _ in named.named_children()] == ["one", "two"]
    with pytest.raises(IndexError):
        model[10]
    with pytest.raises(TypeError):
        nn.Sequential("not a module")


def test_M3_module_list():
    layers = nn.ModuleList([nn.Linear(1, 1) for _ in range(3)])
    assert len(layers) == 3 and len(list(layers.parameters())) == 6
    layers.append(nn.ReLU())
    layers.insert(0, nn.Tanh())
    layers.extend([nn.Sigmoid()])
    layers += [nn.ELU()]
    assert [type(layer).__name__ for layer in layers] == ["Tanh", *["Linear"] * 3, "ReLU", "Sigmoid", "ELU"]
    assert isinstance(layers[1:3], nn.ModuleList) and len(layers[1:3]) == 2 and isinstance(layers[-1], nn.ELU)
    assert isinstance(layers.pop(0), nn.Tanh) and isinstance(layers + layers, nn.ModuleList)
    layers[0] = nn.GELU()
    del layers[1:3]
    assert [name for name, _ in layers.named_children()] == ["0", "1", "2", "3"]
    assert layers[0] in layers and len(layers + [nn.ReLU()]) == 5  # noqa: RUF005
    with pytest.raises(NotImplementedError):
        layers(1)


def test_M3_module_dict():
    choices = nn.ModuleDict({"conv": nn.Conv2d(1, 1, 1), "pool": nn.MaxPool2d(2)})
    choices["act"] = nn.ReLU()
    choices.update({"last": nn.Tanh()})
    assert list(choices) == ["conv", "pool", "act", "last"] == list(choices.keys()) and len(choices) == 4
    assert "conv" in choices and choices["act"] is choices.act
    assert isinstance(choices.pop("pool"), nn.MaxPool2d) and "pool" not in choices
    del choices["last"]
    assert [type(layer) for layer in choices.values()] == [nn.Conv2d, nn.ReLU]
    assert [name for name, _ in choices.items()] == ["conv", "act"]
    choices.clear()
    assert len(choices) == 0
    with pytest.raises(KeyError):
        choices["conv"]


def test_M3_parameter_list_and_parameter_dict():
    listed = nn.ParameterList([nn.Parameter(torch.zeros(1)), torch.ones(2)])
    listed.append(torch.ones(3))
    listed.extend([nn.Parameter(torch.ones(4))])
    assert len(listed) == 4 and all(isinstance(parameter, nn.Parameter) for parameter in listed)
    assert [parameter.numel() for parameter in listed[1:3]] == [2, 3]
    listed[0] = nn.Parameter(torch.ones(9))
    assert [name for name, _ in listed.named_parameters()] == ["0", "1", "2", "3"] and listed[0].numel() == 9

    named = nn.ParameterDict({"left": torch.zeros(1)})
    named["right"] = nn.Parameter(torch.zeros(2))
    named.update({"middle": torch.zeros(3)})
    assert list(named.keys()) == ["left", "right", "middle"] and isinstance(named["left"], nn.Parameter)
    assert named.left is named["left"] and "middle" in named and len(named) == 3
    assert named.pop("left").numel() == 1 and named.get("left") is None
    assert named.setdefault("new", torch.zeros(4)).numel() == 4
    assert [parameter.numel() for parameter in named.values()] == [2, 3, 4]


def test_M3_a_plain_list_of_layers_is_not_registered():
    class Lists(nn.Module):
        def __init__(self):
            super().__init__()
            self.forgotten = [nn.Linear(1, 1)]
            self.known = nn.ModuleList([nn.Linear(1, 1)])

    assert [name for name, _ in Lists().named_parameters()] == ["known.0.weight", "known.0.bias"]


def test_M4_walks_over_modules_and_parameters():
    model = Outer()
    assert [name for name, _ in model.named_modules()] == ["", "ab", "ab.a", "ab.b", "last"]
    assert [name for name, _ in model.named_children()] == ["ab", "last"]
    assert list(model.children()) == [model.ab, model.last] and next(model.modules()) is model
    assert [name for name, _ in model.named_parameters()] == ["ab.a.W1", "ab.b.W1", "last.weight", "last.bias"]
    assert list(model.named_parameters(recurse=False)) == []
    assert next(model.named_parameters(prefix="net"))[0] == "net.ab.a.W1"
    assert next(model.named_modules(prefix="net"))[0] == "net"
    assert [name for name, _ in model.named_buffers()] == ["ab.a.count", "ab.b.count"]
    assert len(list(model.buffers())) == 2 and list(model.buffers(recurse=False)) == []
    for walk in (model.modules, model.children, model.named_modules, model.parameters, model.buffers):
        assert isinstance(walk(), types.GeneratorType)


def test_M4_what_is_shared_counts_once():
    model = Middle()
    model.b = model.a
    assert [name for name, _ in model.named_modules()] == ["", "a"]
    assert [name for name, _ in model.named_modules(remove_duplicate=False)] == ["", "a", "b"]
    assert [name for name, _ in model.named_children()] == ["a"]
    assert [name for name, _ in model.named_parameters()] == ["a.W1"]
    assert [name for name, _ in model.named_parameters(remove_duplicate=False)] == ["a.W1", "b.W1"]
    assert len(list(model.parameters())) == 1 and list(model.state_dict()) == ["a.W1", "a.count", "b.W1", "b.count"]


def test_M5_a_path_leads_to_a_submodule_a_parameter_a_buffer():
    model = Outer()
    assert model.get_submodule("ab.a") is model.ab.a and model.get_submodule("") is model
    assert model.get_parameter("ab.b.W1") is model.ab.b.W1
    assert model.get_buffer("ab.a.count") is model.ab.a.count
    replacement = nn.Identity()
    model.set_submodule("ab.a", replacement)
    assert model.ab.a is replacement


def test_M5_a_path_that_breaks_names_where():
    model = Outer()
    with pytest.raises(AttributeError, match="missing"):
        model.get_submodule("ab.missing.x")
    with pytest.raises(AttributeError, match="ab.*missing"):
        model.get_submodule("ab.missing")
    with pytest.raises(AttributeError, match="W9"):
        model.get_parameter("ab.a.W9")
    with pytest.raises(AttributeError, match="(?i)parameter"):
        model.get_parameter("ab.a.count")
    with pytest.raises(AttributeError, match="(?i)buffer"):
        model.get_buffer("ab.a.W1")
    with pytest.raises(AttributeError, match="(?i)module"):
        model.get_submodule("ab.a.W1")


@pytest.mark.parametrize("expression", PYTORCH_TEXTS)
def test_M6_every_module_prints_as_in_pytorch(expression):
    assert repr(eval(expression, {"nn": nn, "torch": torch})) == PYTORCH_TEXTS[expression]


def test_M6_extra_repr_adds_to_the_tree():
    class Told(nn.Linear):
        def extra_repr(self):
            return "told, " + super().extra_repr()

    assert repr(nn.Sequential(Told(1, 2))) == (
        "Sequential(\n  (0): Told(told, in_features=1, out_features=2, bias=True)\n)"
    )
    assert str(Outer()) == (
        "Outer(\n  (ab): Middle(\n    (a): Inner()\n    (b): Inner()\n  )\n"
        "  (last): Linear(in_features=1, out_features=1, bias=True)\n)"
    )


def test_M7_apply_visits_children_before_parents_and_returns_the_model():
    visited = []
    model = Outer()
    assert model.apply(lambda module: visited.append(type(module).__name__)) is model
    assert visited == ["Inner", "Inner", "Middle", "Linear", "Outer"]


def test_M7_apply_initialises_weights():
    @torch.no_grad()
    def fill(module):
        if isinstance(module, nn.Linear):
            module.weight.fill_(1.0)
            nn.init.zeros_(module.bias)

    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 1)))
    model.apply(fill)
    assert model(torch.ones(1, 2)).item() == 4


def test_M7_apply_adds_a_parameter():
    model = Middle()
    model.apply(lambda module: module.register_parameter("scale", nn.Parameter(torch.ones(1))))
    assert [name for name, _ in model.named_parameters()] == ["scale", "a.W1", "a.scale", "b.W1", "b.scale"]


def test_M7_apply_adds_a_method():
    def double_forward(self, x):
        return self(self(x))

    def give(module):
        module.double_forward = types.MethodType(double_forward, module)

    assert Middle().apply(give).a.double_forward(torch.tensor([1.0])).item() == 4


def test_M7_apply_adds_hooks():
    seen = []

    def watch(module):
        module.register_forward_hook(lambda module, inputs, output: seen.append(type(module).__name__))

    Outer().apply(watch)(torch.ones(1, 1))
    assert seen == ["Inner", "Inner", "Middle", "Linear", "Outer"]


def test_M7_apply_changes_extra_repr():
    def tell(module):
        count = sum(parameter.numel() for parameter in module.parameters(recurse=False))
        module.extra_repr = types.MethodType(lambda self: f"{count} own", module)

    assert repr(Middle().apply(tell)) == "Middle(\n  0 own\n  (a): Inner(1 own)\n  (b): Inner(1 own)\n)"


def test_M9_train_and_eval_reach_every_module():
    model = nn.Sequential(nn.Dropout(0.5), nn.Sequential(nn.BatchNorm1d(2)))
    assert model.training and model.eval() is model
    assert not any(module.training for module in model.modules())
    x = torch.ones(3, 2)
    assert torch.equal(model(x), model(x))
    assert model.train() is model and all(module.training for module in model.modules())
    assert not model.train(False)[1][0].training
    with pytest.raises(ValueError):
        model.train("yes")


def test_M9_to_half_double_float_type_and_zero_grad():
    model = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1))
    assert model.double() is model and model[0].weight.dtype is torch.float64
    assert model[1].num_batches_tracked.dtype is torch.int64  # only floating point changes
    assert model.half()[0].weight.dtype is torch.float16 and model.bfloat16()[0].weight.dtype is torch.bfloat16
    assert model.float()[0].weight.dtype is torch.float32
    assert model.to(dtype=torch.float64)[0].bias.dtype is torch.float64
    assert model.to("cpu")[0].weight.device.type == "cpu"
    with pytest.raises(TypeError):
        model.to(torch.int32)
    parameter = model[0].weight
    model.double()
    assert model[0].weight is parameter
    model(torch.ones(2, 1, dtype=torch.float64)).sum().backward()
    model.zero_grad()
    assert all(each.grad is None for each in model.parameters())


def test_M9_a_deep_copy_shares_nothing():
    model = Outer()
    twin = copy.deepcopy(model)
    with torch.no_grad():
        model.ab.a.W1.fill_(100)
    assert twin.ab.a.W1.item() == 2 and type(twin.ab.a.W1) is nn.Parameter
    assert twin.ab.a.count.data_ptr() != model.ab.a.count.data_ptr()
    shared = Middle()
    shared.b = shared.a
    assert copy.deepcopy(shared).b is not shared.b
    twin = copy.deepcopy(shared)
    assert twin.a is twin.b


def test_M9_a_module_can_be_pickled():
    model = Outer().eval()
    model.last.weight.requires_grad_(False)
    twin = pickle.loads(pickle.dumps(model))
    x = torch.ones(3, 1)
    assert torch.equal(twin(x), model(x)) and not twin.training and not twin.last.weight.requires_grad
    assert [name for name, _ in twin.named_modules()] == [name for name, _ in model.named_modules()]
