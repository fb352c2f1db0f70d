"""Parameter groups: what is accepted, what is refused, and how an optimizer prints."""

import pytest

import ondol


def leaf(value=1.0):
    return ondol.tensor([value], requires_grad=True)


def test_groups_have_options_of_their_own_and_defaults_for_the_rest():
    a, b = leaf(), leaf()
    optimizer = ondol.optim.SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.1, momentum=0.9)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.5]
    assert [group["momentum"] for group in optimizer.param_groups] == [0.9, 0.9]
    assert optimizer.param_groups[1]["params"] == [b]


def test_a_group_added_later_is_trained_too():
    a, b = leaf(), leaf()
    optimizer = ondol.optim.SGD([a], lr=0.5)
    optimizer.add_param_group({"params": b})
    b.grad = ondol.ones(1)
    optimizer.step()
    assert b.tolist() == [0.5]


def test_names_given_with_the_parameters_are_kept_in_the_group():
    model = ondol.nn.Linear(2, 1)
    optimizer = ondol.optim.Adam(model.named_parameters())
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]


def test_some_parameters_with_and_some_without_names_are_refused():
    with pytest.raises(ValueError, match="with/without names"):
        ondol.optim.SGD([("a", leaf()), leaf()])
    optimizer = ondol.optim.SGD([("a", leaf())])
    with pytest.raises(ValueError, match="without names"):
        optimizer.add_param_group({"params": leaf()})


@pytest.mark.parametrize(
    ("params", "error", "text"),
    [
        (lambda: leaf(), TypeError, "iterable of Tensors"),
        (list, ValueError, "empty parameter list"),
        (lambda: [1.0], TypeError, "can only optimize Tensors"),
        (lambda: [leaf() * 2], ValueError, "non-leaf"),
        (lambda: [{"params": {leaf()}}], TypeError, "ordered collections"),
    ],
)
def test_what_cannot_be_optimized_is_refused(params, error, text):
    with pytest.raises(error, match=text):
        ondol.optim.SGD(params(), lr=0.1)


def test_a_parameter_in_two_groups_is_refused_and_nothing_is_added():
    a, b = leaf(), leaf()
    optimizer = ondol.optim.SGD([a])
    with pytest.raises(ValueError, match="more than one parameter group"):
        optimizer.add_param_group({"params": [b, a]})
    assert len(optimizer.param_groups) == 1


def test_a_parameter_twice_in_one_group_is_warned_of():
    a = leaf()
    with pytest.warns(UserWarning, match="duplicate parameters"):
        ondol.optim.SGD([a, a])


def test_a_group_without_a_required_option_is_refused():
    from ondol.optim.optimizer import required

    with pytest.raises(ValueError, match="required optimization parameter lr"):
        ondol.optim.Optimizer([leaf()], {"lr": required})


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("SGD", {"lr": -1}, "Invalid learning rate: -1"),
        ("SGD", {"lr": 0.1, "nesterov": True}, "Nesterov momentum requires a momentum and zero dampening"),
        ("SGD", {"lr": float("nan")}, "Invalid learning rate"),
        ("Adam", {"betas": (1.0, 0.9)}, "Invalid beta parameter at index 0: 1.0"),
        ("Adam", {"eps": -1}, "Invalid epsilon value: -1"),
        ("Adam", {"betas": (0, 0.9)}, "both floats or both Tensors"),
        ("AdamW", {"weight_decay": -1}, "Invalid weight_decay value: -1"),
        ("Adadelta", {"rho": 1.1}, "Invalid rho value: 1.1"),
        ("NAdam", {"momentum_decay": -0.2}, "Invalid momentum_decay value: -0.2"),
        ("Rprop", {"etas": (1.0, 0.5)}, "Invalid eta values: 1.0, 0.5"),
        ("RMSprop", {"momentum": -1.0}, "Invalid momentum value: -1.0"),
        ("Adafactor", {"d": 0.0}, "Clipping threshold d should be >= 1 but is: 0.0"),
        ("Muon", {"adjust_lr_fn": "x"}, "Adjust learning rate function x is not supported"),
        ("Adam", {"lr": [0.1, 0.2]}, "Tensor lr must be 1-element"),
    ],
)
def test_an_option_out_of_its_range_is_refused(name, options, text):
    if isinstance(options.get("lr"), list):
        options = {"lr": ondol.tensor(options["lr"])}
    with pytest.raises(ValueError, match=text):
        getattr(ondol.optim, name)([ondol.zeros(2, 2, requires_grad=True)], **options)


def test_fused_goes_neither_with_foreach_nor_with_differentiable():
    with pytest.raises(RuntimeError, match="cannot be `True` together"):
        ondol.optim.Adam([leaf()], fused=True, foreach=True)
    with pytest.raises(RuntimeError, match="does not support `differentiable`"):
        ondol.optim.Adam([leaf()], fused=True, differentiable=True)


def test_an_optimizer_prints_its_groups():
    assert repr(ondol.optim.SGD([leaf()], lr=0.1, momentum=0.9)) == (
        "SGD (\nParameter Group 0\n    dampening: 0\n    differentiable: False\n    foreach: None\n    fused: None\n"
        "    lr: 0.1\n    maximize: False\n    momentum: 0.9\n    nesterov: False\n    weight_decay: 0\n)"
    )
