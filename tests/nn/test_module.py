"""The contract of `Module`: registration, walking, printing, errors."""

import copy
import pickle
import sys

import pytest

import ondol
from ondol import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 4)
        self.fc2 = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc2(self.fc1(x))


def nested(depth):
    """`depth` Sequentials, one in the other, around a Linear."""
    module = nn.Linear(1, 1)
    for _ in range(depth):
        module = nn.Sequential(module)
    return module


def test_a_parameter_is_registered_and_a_plain_tensor_is_not():
    module = nn.Module()
    module.weight, module.plain = nn.Parameter(ondol.zeros(2)), ondol.zeros(2)
    assert [name for name, _ in module.named_parameters()] == ["weight"]
    assert "plain" in module.__dict__


def test_a_plain_tensor_is_refused_where_a_parameter_stands():
    layer = nn.Linear(2, 2)
    before = layer.weight
    with pytest.raises(TypeError, match=r"as parameter 'weight' \(torch.nn.Parameter or None expected\).*nn.Parameter"):
        layer.weight = ondol.zeros(2, 2)
    assert layer.weight is before


def test_a_number_is_refused_where_a_child_stands():
    block = Block()
    with pytest.raises(TypeError, match="cannot assign 'int' as child module 'fc1'"):
        block.fc1 = 3


def test_none_takes_the_place_of_parameter_child_and_buffer():
    module = Block()
    module.register_buffer("steps", ondol.zeros(1))
    module.fc1.bias, module.fc2, module.steps = None, None, None
    assert list(module.state_dict()) == ["fc1.weight"]


def test_a_forgotten_super_init_says_so_when_something_is_registered():
    class Forgetful(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"before Module.__init__\(\) call.*super\(\).__init__\(\).*Forgetful"):
        Forgetful()


def test_a_forgotten_super_init_says_so_when_the_module_is_called():
    class Forgetful(nn.Module):
        def __init__(self):
            self.factor = 2

        def forward(self, x):
            return x * self.factor

    with pytest.raises(AttributeError, match=r"did not call super\(\).__init__\(\)"):
        Forgetful()(1)


@pytest.mark.parametrize(("name", "error"), [("", KeyError), ("a.b", KeyError), ("forward", KeyError), (1, TypeError)])
def test_bad_names_are_refused(name, error):
    module = nn.Module()
    with pytest.raises(error):
        module.register_buffer(name, ondol.zeros(1))
    with pytest.raises(error):
        module.add_module(name, nn.ReLU())
    with pytest.raises(error):
        module.register_parameter(name, nn.Parameter(ondol.zeros(1)))


def test_a_computed_tensor_is_no_parameter():
    module = nn.Module()
    with pytest.raises(TypeError, match=r"torch.nn.Parameter or None required"):
        module.register_parameter("w", ondol.ones(1, requires_grad=True) * 2)


def test_shared_modules_and_parameters_are_counted_once():
    layer = nn.Linear(2, 2)
    model = nn.Sequential(layer, layer)
    assert len(list(model.modules())) == 2
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias"]
    assert [name for name, _ in model.named_parameters(remove_duplicate=False)] == [
        "0.weight", "0.bias", "1.weight", "1.bias",
    ]  # fmt: skip


def test_a_buffer_moves_and_is_saved_but_not_learned():
    module = nn.Module()
    module.register_buffer("kept", ondol.ones(1))
    module.register_buffer("passing", ondol.ones(1), persistent=False)
    module.double()
    assert module.kept.dtype == module.passing.dtype == ondol.float64
    assert list(module.state_dict()) == ["kept"] and not list(module.parameters())


def test_buffer_objects_register_themselves():
    module = nn.Module()
    module.a, module.b = nn.Buffer(ondol.ones(1)), nn.Buffer(ondol.ones(1), persistent=False)
    assert [name for name, _ in module.named_buffers()] == ["a", "b"] and list(module.state_dict()) == ["a"]


def test_paths_are_looked_up():
    model = nn.Sequential(Block(), Block())
    assert model.get_submodule("1.fc2") is model[1].fc2
    assert model.get_submodule("") is model
    assert model.get_parameter("0.fc1.bias") is model[0].fc1.bias
    model.set_submodule("0.fc1", nn.Identity())
    assert isinstance(model[0].fc1, nn.Identity)


def test_a_broken_path_names_where_it_breaks_and_what_is_there():
    model = nn.Sequential(Block())
    with pytest.raises(AttributeError, match=r"0 \(Block\) has no child 'fc9'; it has fc1, fc2"):
        model.get_submodule("0.fc9")
    with pytest.raises(AttributeError, match=r"0.fc1 \(Linear\) has no parameter 'wight'; it has weight, bias"):
        model.get_parameter("0.fc1.wight")


def test_apply_visits_children_before_parents():
    seen = []
    model = nn.Sequential(Block(), nn.ReLU())
    assert model.apply(lambda module: seen.append(type(module).__name__)) is model
    assert seen == ["Linear", "Linear", "Block", "ReLU", "Sequential"]


def test_own_forms_of_walking_methods_are_called():
    class Frozen(nn.Linear):
        def train(self, mode=True):
            return super().train(False)

    model = nn.Sequential(nn.Sequential(Frozen(1, 1)), nn.Dropout()).eval().train()
    assert not model[0][0].training and model[0].training and model[1].training


def test_train_takes_a_bool():
    with pytest.raises(ValueError, match="training mode is expected to be boolean"):
        nn.ReLU().train(1)


def test_conversion_keeps_parameter_objects_and_integer_buffers():
    layer = nn.BatchNorm1d(3)
    weight = layer.weight
    layer.to(ondol.float64)
    assert layer.weight is weight and weight.dtype == ondol.float64
    assert layer.num_batches_tracked.dtype == ondol.int64


def test_conversion_converts_gradients():
    layer = nn.Linear(1, 1)
    layer(ondol.ones(1, 1)).sum().backward()
    layer.double()
    assert layer.weight.grad.dtype == ondol.float64 and layer.weight.grad.item() == 1.0


def test_to_refuses_integer_dtypes():
    with pytest.raises(TypeError, match="only accepts floating point or complex"):
        nn.Linear(1, 1).to(ondol.int64)


def test_zero_grad_forgets_or_fills_with_zeros():
    layer = nn.Linear(1, 1)
    layer(ondol.ones(1, 1)).sum().backward()
    layer.zero_grad(set_to_none=False)
    assert layer.weight.grad.item() == 0.0
    layer.zero_grad()
    assert layer.weight.grad is None


def test_the_printed_tree():
    model = nn.Sequential(Block(), nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Tanh()]), nn.ModuleList())
    assert repr(model) == (
        "Sequential(\n"
        "  (0): Block(\n"
        "    (fc1): Linear(in_features=4, out_features=4, bias=True)\n"
        "    (fc2): Linear(in_features=4, out_features=2, bias=True)\n"
        "  )\n"
        "  (1): ModuleList(\n"
        "    (0-1): 2 x ReLU()\n"
        "    (2): Tanh()\n"
        "  )\n"
        "  (2): ModuleList()\n"
        ")"
    )


def test_extra_repr_of_several_lines_and_none_children_print():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.child = None
            self.register_module("none", None)

        def extra_repr(self):
            return "one,\ntwo"

    assert repr(Odd()) == "Odd(\n  one,\n  two\n  (none): None\n)"


def test_an_own_repr_below_is_indented():
    class Own(nn.Module):
        def __repr__(self):
            return "first\nsecond"

    assert repr(nn.Sequential(Own())) == "Sequential(\n  (0): first\n  second\n)"


def test_dir_lists_parameters_and_children_but_no_numbers():
    names = dir(nn.Sequential(nn.Linear(1, 1)))
    assert "forward" in names and "0" not in names
    assert {"weight", "bias"} <= set(dir(nn.Linear(1, 1)))


def test_copies_and_pickles_are_independent_and_equal():
    model = nn.Sequential(Block(), nn.BatchNorm1d(2))
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert repr(twin) == repr(model)
        assert all((a == b).all() for a, b in zip(model.state_dict().values(), twin.state_dict().values()))
        twin[0].fc1.weight.data.zero_()
        assert not (model[0].fc1.weight == 0).all()


def test_the_instance_holds_what_pytorch_pickles_hold():
    assert list(nn.Linear(1, 1).__getstate__()) == [
        "training", "_parameters", "_buffers", "_non_persistent_buffers_set", "_backward_pre_hooks", "_backward_hooks",
        "_is_full_backward_hook", "_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called",
        "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_state_dict_hooks", "_state_dict_pre_hooks",
        "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks", "_modules", "in_features", "out_features",
    ]  # fmt: skip


def message(error):
    return "\n".join([str(error), *getattr(error, "__notes__", [])])


def test_an_error_carries_the_path_and_the_input():
    model = nn.Sequential(Block(), nn.Sequential(Block()))
    model[1][0].fc2 = nn.Linear(31, 8)
    with pytest.raises(RuntimeError) as caught:
        model[1](ondol.ones(2, 4))
    assert "in 0.fc2: Linear(in_features=31, out_features=8, bias=True), called with float32 [2, 4]" in message(
        caught.value
    )


def test_an_error_of_the_outermost_module_has_one_note():
    class Failing(nn.Module):
        def forward(self, x):
            raise ValueError("no")

    with pytest.raises(ValueError) as caught:
        nn.Sequential(nn.Sequential(Failing()))(1)
    assert message(caught.value) == "no\n  in 0.0: Failing, called with int"


def test_a_missing_forward_says_so():
    with pytest.raises(NotImplementedError, match=r'Module \[Module\] is missing the required "forward" function'):
        nn.Module()()


def test_unexpected_constructor_arguments_are_refused():
    with pytest.raises(TypeError, match="unexpected keyword argument 'size'"):
        nn.Module(size=1)


def test_ten_thousand_nested_modules_are_walked_converted_saved_and_loaded():
    model = nested(10_000)
    assert sys.getrecursionlimit() < 10_000
    assert sum(1 for _ in model.modules()) == 10_001
    model.eval().train().double().requires_grad_(False).zero_grad()
    model.apply(lambda module: None)
    state = model.state_dict()
    assert [len(key.split(".")) for key in state] == [10_001, 10_001]
    assert not any(model.load_state_dict(state))


def test_ten_thousand_nested_modules_print():
    text = repr(nested(10_000))
    assert text.count("Sequential(") == 10_000 and text.endswith("\n)")


def test_unsupported_classes_say_why():
    for kind in (nn.parallel.DistributedDataParallel, nn.SyncBatchNorm):
        with pytest.raises(NotImplementedError, match="not supported"):
            kind(nn.Linear(1, 1))


def test_compiling_a_module_leaves_it_as_it_is():
    layer, x = nn.Linear(2, 3), ondol.ones(1, 2)
    before = layer(x)
    assert layer.compile(mode="max-autotune") is None
    assert ondol.equal(layer(x), before)
    with pytest.raises(RuntimeError, match="either mode or options"):
        layer.compile(mode="default", options={"trace": True})
