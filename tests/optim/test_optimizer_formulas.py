"""Every optimizer follows the formula of its paper, written out in `optimizer_formulas.py`."""

import numpy as np
import optimizer_formulas as reference
import pytest

import ondol

CASES = [
    ("SGD", reference.sgd, {}),
    ("SGD", reference.sgd, {"momentum": 0.9}),
    ("SGD", reference.sgd, {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", reference.sgd, {"momentum": 0.9, "nesterov": True}),
    ("SGD", reference.sgd, {"maximize": True, "lr": 0.01}),
    ("Adam", reference.adam, {}),
    ("Adam", reference.adam, {"amsgrad": True, "weight_decay": 0.1, "betas": (0.5, 0.7)}),
    ("AdamW", reference.adamw, {}),
    ("AdamW", reference.adamw, {"amsgrad": True, "weight_decay": 0.3}),
    ("Adamax", reference.adamax, {"weight_decay": 0.1}),
    ("NAdam", reference.nadam, {"momentum_decay": 0.2}),
    ("RAdam", reference.radam, {}),
    ("Adadelta", reference.adadelta, {}),
    ("Adagrad", reference.adagrad, {"lr_decay": 0.1, "initial_accumulator_value": 0.5}),
    ("ASGD", reference.asgd, {"lambd": 1e-2, "t0": 2}),
    ("RMSprop", reference.rmsprop, {"alpha": 0.9}),
    ("RMSprop", reference.rmsprop, {"alpha": 0.9, "centered": True, "momentum": 0.5, "weight_decay": 0.1}),
    ("Rprop", reference.rprop, {}),
    ("Adafactor", reference.adafactor, {"weight_decay": 0.1}),
]


def build(name, start, options):
    parameter = ondol.nn.Parameter(ondol.from_numpy(np.array(start)))
    return parameter, getattr(ondol.optim, name)([parameter], **{"lr": 0.1, **options})


def follow(parameter, optimizer, steps=reference.STEPS):
    for step in range(steps):
        parameter.grad = ondol.from_numpy(reference.gradient(parameter.detach().numpy(), step))
        optimizer.step()
        yield parameter.detach().numpy().copy()


@pytest.mark.parametrize("fused", [None, False])
@pytest.mark.parametrize(("name", "formula", "options"), CASES)
def test_it_follows_its_formula(name, formula, options, fused):
    parameter, optimizer = build(name, reference.START, options)
    for group in optimizer.param_groups:
        group["fused"] = fused
    wanted = formula(**{"lr": 0.1, **options})
    for step, (got, want) in enumerate(zip(follow(parameter, optimizer), wanted, strict=True)):
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-9, err_msg=f"after step {step + 1}")


@pytest.mark.parametrize(("name", "formula", "options"), [case for case in CASES if case[0] != "Adafactor"])
def test_a_complex_parameter_moves_as_two_real_ones(name, formula, options):
    pair, pair_optimizer = build(name, reference.START[:, :2], options)
    parameter = ondol.nn.Parameter(ondol.view_as_complex(pair.detach().clone()))
    optimizer = getattr(ondol.optim, name)([parameter], **{"lr": 0.1, **options})
    for step in range(4):
        g = ondol.from_numpy(reference.gradient(pair.detach().numpy(), step))
        pair.grad, parameter.grad = g, ondol.view_as_complex(g.clone())
        pair_optimizer.step()
        optimizer.step()
    np.testing.assert_allclose(ondol.view_as_real(parameter.detach()).numpy(), pair.detach().numpy(), rtol=1e-6)


def test_the_average_of_asgd_is_the_mean_of_the_path_after_t0():
    parameter, optimizer = build("ASGD", reference.START, {"t0": 1})
    path = list(follow(parameter, optimizer))
    np.testing.assert_allclose(optimizer.state[parameter]["ax"].numpy(), np.mean(path[2:], axis=0), rtol=1e-6)


def test_a_step_of_muon_has_singular_values_near_its_rate():
    g = np.random.default_rng(0).normal(size=(6, 3))
    parameter = ondol.nn.Parameter(ondol.zeros(6, 3))
    parameter.grad = ondol.from_numpy(g.astype(np.float32))
    ondol.optim.Muon([parameter], lr=0.1).step()
    step = parameter.detach().numpy() / -0.1 / np.sqrt(6 / 3)
    assert np.all(np.abs(np.linalg.svd(step)[1] - 1) < 0.35)
    u, _, v = np.linalg.svd(g, full_matrices=False)
    assert np.sum(step * (u @ v)) / 3 > 0.8  # it is near the orthogonal factor of the gradient


def test_muon_refuses_what_is_no_matrix():
    with pytest.raises(ValueError, match="2D"):
        ondol.optim.Muon([ondol.zeros(3)])


@pytest.mark.parametrize("line_search", [None, "strong_wolfe"])
def test_lbfgs_finds_the_minimum_of_rosenbrocks_valley(line_search):
    w = ondol.nn.Parameter(ondol.tensor([-1.2, 1.0], dtype=ondol.float64))
    optimizer = ondol.optim.LBFGS([w], lr=1.0 if line_search else 0.05, max_iter=400, line_search_fn=line_search)

    def closure():
        x, y = w.detach().numpy()
        w.grad = ondol.tensor([-400 * x * (y - x * x) - 2 * (1 - x), 200 * (y - x * x)], dtype=ondol.float64)
        return 100 * (y - x * x) ** 2 + (1 - x) ** 2

    for _ in range(10):
        optimizer.step(closure)
    np.testing.assert_allclose(w.detach().numpy(), [1, 1], rtol=1e-3)


def test_lbfgs_needs_few_evaluations_of_a_quadratic():
    scales = np.array([1.0, 10.0, 100.0])
    w = ondol.nn.Parameter(ondol.from_numpy(np.ones(3)))
    optimizer = ondol.optim.LBFGS([w], line_search_fn="strong_wolfe")
    calls = 0

    def closure():
        nonlocal calls
        calls += 1
        w.grad = ondol.from_numpy(scales * w.detach().numpy())
        return float((scales * w.detach().numpy() ** 2).sum() / 2)

    optimizer.step(closure)
    assert np.abs(w.detach().numpy()).max() < 1e-6
    assert calls <= 25


def test_sparse_adam_says_what_to_use_instead():
    with pytest.raises(NotImplementedError, match="Adam"):
        ondol.optim.SparseAdam([ondol.zeros(1)])
