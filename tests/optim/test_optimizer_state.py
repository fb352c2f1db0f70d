"""Saving and resuming: the structure of a state_dict is PyTorch's, and a state that does not fit changes nothing."""

import copy
import pickle

import numpy as np
import pytest

import ondol

OPTIMIZERS = {
    "SGD": ({"lr": 0.1, "momentum": 0.9}, {"momentum_buffer"}),
    "Adam": ({"amsgrad": True}, {"step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"}),
    "AdamW": ({}, {"step", "exp_avg", "exp_avg_sq"}),
    "Adamax": ({}, {"step", "exp_avg", "exp_inf"}),
    "NAdam": ({}, {"step", "mu_product", "exp_avg", "exp_avg_sq"}),
    "RAdam": ({}, {"step", "exp_avg", "exp_avg_sq"}),
    "Adadelta": ({}, {"step", "square_avg", "acc_delta"}),
    "Adagrad": ({}, {"step", "sum"}),
    "ASGD": ({"t0": 1}, {"step", "eta", "mu", "ax"}),
    "RMSprop": ({"momentum": 0.9, "centered": True}, {"step", "square_avg", "momentum_buffer", "grad_avg"}),
    "Rprop": ({}, {"step", "prev", "step_size"}),
    "Adafactor": ({}, {"step", "row_var", "col_var"}),
    "Muon": ({}, {"momentum_buffer"}),
}


def start(name):
    p = ondol.nn.Parameter(ondol.from_numpy(np.linspace(-1, 1, 6).reshape(2, 3)))
    return p, getattr(ondol.optim, name)([p], **OPTIMIZERS[name][0])


def walk(p, optimizer, steps):
    for _ in range(steps):
        p.grad = ondol.from_numpy(np.cos(3 * p.detach().numpy()) + p.detach().numpy())
        optimizer.step()
    return p.detach().numpy().copy()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_state_has_pytorchs_names(name):
    p, optimizer = start(name)
    walk(p, optimizer, 2)
    state = optimizer.state_dict()
    assert set(state) == {"state", "param_groups"}
    assert set(state["state"][0]) == OPTIMIZERS[name][1]
    assert state["param_groups"][0]["params"] == [0]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_resumed_from_a_state_goes_on_as_if_it_had_not_stopped(name):
    p, optimizer = start(name)
    walk(p, optimizer, 3)
    saved_p, saved = p.detach().clone(), copy.deepcopy(optimizer.state_dict())
    wanted = walk(p, optimizer, 3)
    q, other = start(name)
    with ondol.no_grad():
        q.copy_(saved_p)
    other.load_state_dict(saved)
    np.testing.assert_allclose(walk(q, other, 3), wanted, rtol=1e-7)  # η, μ and the like are float32 in the state


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_pickled_optimizer_goes_on_with_its_own_parameters(name):
    p, optimizer = start(name)
    walk(p, optimizer, 2)
    other = pickle.loads(pickle.dumps(optimizer))
    q = other.param_groups[0]["params"][0]
    assert q is not p and list(other.state) == [q] and repr(other) == repr(optimizer)
    np.testing.assert_allclose(walk(q, other, 2), walk(p, optimizer, 2), rtol=1e-12)


def test_step_counters_are_float32_tensors_without_dimensions():
    p, optimizer = start("Adam")
    walk(p, optimizer, 3)
    step = optimizer.state[p]["step"]
    assert step.dtype == ondol.float32 and step.dim() == 0 and step.item() == 3


def test_adagrad_has_its_state_from_the_start():
    _p, optimizer = start("Adagrad")
    assert set(optimizer.state_dict()["state"][0]) == {"step", "sum"}


def test_parameters_are_numbered_through_all_groups():
    a, b, c = (ondol.ones(1, requires_grad=True) for _ in range(3))
    optimizer = ondol.optim.SGD([{"params": [a]}, {"params": [b, c]}], momentum=0.9)
    c.grad = ondol.ones(1)
    optimizer.step()
    state = optimizer.state_dict()
    assert [group["params"] for group in state["param_groups"]] == [[0], [1, 2]]
    assert list(state["state"]) == [2]


def test_options_come_with_the_state():
    p, optimizer = start("SGD")
    saved = optimizer.state_dict()
    saved["param_groups"][0]["lr"] = 0.7
    optimizer.load_state_dict(saved)
    assert optimizer.param_groups[0]["lr"] == 0.7 and optimizer.param_groups[0]["params"] == [p]


def test_state_takes_the_dtype_of_its_parameter_but_steps_keep_theirs():
    p, optimizer = start("Adam")
    walk(p, optimizer, 1)
    q = ondol.zeros(2, 3, requires_grad=True)
    other = ondol.optim.Adam([q])
    other.load_state_dict(optimizer.state_dict())
    assert other.state[q]["exp_avg"].dtype == ondol.float32
    assert other.state[q]["step"].dtype == ondol.float32


def test_all_wrong_shapes_are_listed_and_nothing_is_loaded():
    (p, optimizer), q = start("Adam"), ondol.zeros(2, 4, requires_grad=True)
    walk(p, optimizer, 1)
    other = ondol.optim.Adam([q], lr=0.5)
    with pytest.raises(ValueError) as caught:
        other.load_state_dict(optimizer.state_dict())
    for text in ("nothing was loaded", "parameter 0 [2, 4]: exp_avg is [2, 3], not [2, 4]", "exp_avg_sq"):
        assert text in str(caught.value)
    assert len(other.state) == 0 and other.param_groups[0]["lr"] == 0.5


def test_another_number_of_groups_or_parameters_is_refused():
    _p, optimizer = start("Adam")
    two_groups = ondol.optim.Adam([{"params": ondol.zeros(1)}, {"params": ondol.zeros(1)}])
    with pytest.raises(ValueError, match="different number of parameter groups"):
        optimizer.load_state_dict(two_groups.state_dict())
    with pytest.raises(ValueError, match="doesn't match the size"):
        optimizer.load_state_dict(ondol.optim.Adam([ondol.zeros(1), ondol.zeros(1)]).state_dict())


def test_options_that_old_states_lack_get_the_values_they_stood_for():
    p, optimizer = start("Adam")
    walk(p, optimizer, 1)
    old = copy.deepcopy(optimizer.state_dict())
    for name in ("maximize", "foreach", "capturable", "differentiable", "fused", "decoupled_weight_decay"):
        del old["param_groups"][0][name]
    old["state"][0]["step"] = 1  # once it was a plain number
    optimizer.load_state_dict(old)
    assert optimizer.param_groups[0]["maximize"] is False
    assert optimizer.state[p]["step"].item() == 1.0
    walk(p, optimizer, 1)


def test_an_adamw_state_from_before_the_option_existed_still_decays():
    _p, optimizer = start("AdamW")
    old = copy.deepcopy(optimizer.state_dict())
    del old["param_groups"][0]["decoupled_weight_decay"]
    optimizer.load_state_dict(old)
    assert optimizer.param_groups[0]["decoupled_weight_decay"] is True


def test_state_dict_hooks_see_and_change_what_is_saved_and_loaded():
    _p, optimizer = start("SGD")
    order = []
    optimizer.register_state_dict_pre_hook(lambda o: order.append("pre save"))
    optimizer.register_state_dict_post_hook(lambda o, state: {**state, "extra": 1})
    optimizer.register_load_state_dict_pre_hook(lambda o, state: order.append("pre load 2"))
    optimizer.register_load_state_dict_pre_hook(lambda o, state: order.append("pre load 1"), prepend=True)
    optimizer.register_load_state_dict_post_hook(lambda o: order.append("post load"))
    state = optimizer.state_dict()
    assert state["extra"] == 1
    optimizer.load_state_dict(state)
    assert order == ["pre save", "pre load 1", "pre load 2", "post load"]


def test_swapped_in_parameters_are_trained_and_then_the_own_ones_are_back():
    p, optimizer = start("SGD")
    walk(p, optimizer, 1)
    before, own_state = p.tolist(), optimizer.state
    q = ondol.zeros(2, 3, dtype=ondol.float64, requires_grad=True)
    q.grad = ondol.ones_like(q)
    state = copy.deepcopy(optimizer.state_dict())
    state["param_groups"][0]["lr"] = 0.5
    with ondol.optim.swap_in_optimizer_params_and_state(optimizer, {"q": q}, state):
        optimizer.step()
    assert p.tolist() == before and q.tolist() != [[0.0] * 3] * 2
    assert optimizer.state is own_state and optimizer.param_groups[0]["lr"] == 0.1
    with pytest.raises(RuntimeError, match="parameters are given"):
        with ondol.optim.swap_in_optimizer_params_and_state(optimizer, {}, state):
            pass


def test_lbfgs_resumes_with_its_history():
    def closure_for(w, optimizer):
        def closure():
            optimizer.zero_grad()
            loss = ((w - 1) ** 4).sum() + (w * w).sum()
            loss.backward()
            return loss

        return closure

    w = ondol.tensor([3.0, -1.0], dtype=ondol.float64, requires_grad=True)
    optimizer = ondol.optim.LBFGS([w], lr=0.1, max_iter=3)
    optimizer.step(closure_for(w, optimizer))
    v = w.detach().clone().requires_grad_()
    other = ondol.optim.LBFGS([v], lr=0.1, max_iter=3)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    optimizer.step(closure_for(w, optimizer))
    other.step(closure_for(v, other))
    assert v.tolist() == w.tolist()
