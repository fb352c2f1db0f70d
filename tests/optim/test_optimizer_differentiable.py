"""`differentiable=True`: derivatives of what training leads to, against finite differences."""

import pytest

import ondol

CONFIGURATIONS = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    ("Adam", {"lr": 0.05}),
    ("Adam", {"lr": 0.05, "amsgrad": True, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.3}),
    ("Adamax", {"lr": 0.05}),
    ("NAdam", {"lr": 0.05}),
    ("RAdam", {"lr": 0.05}),
    ("Adadelta", {"lr": 1.0}),
    ("Adagrad", {"lr": 0.05}),
    ("ASGD", {"lr": 0.05, "t0": 1}),
    ("RMSprop", {"lr": 0.05, "momentum": 0.5, "centered": True}),
]


def outcome(w, name, options):
    """The value of the parameter after four steps from `w`."""
    p = w.clone()
    optimizer = getattr(ondol.optim, name)([p], differentiable=True, **options)
    for step in range(4):
        loss = ((p * (1 + 0.3 * step) - 1) ** 4).sum() / 10
        p.grad = ondol.autograd.grad(loss, p, create_graph=True)[0]
        optimizer.step()
    return (p * p).sum()


def slope_by_differences(function, x, h=1e-6):
    """The derivative along (1, 1, ...)."""
    with ondol.no_grad():
        points = [x + h, x - h]
    ahead, behind = (function(point.requires_grad_()).item() for point in points)
    return (ahead - behind) / (2 * h)


@pytest.mark.parametrize(("name", "options"), CONFIGURATIONS)
def test_the_outcome_of_training_has_a_derivative_by_its_start(name, options):
    w = ondol.tensor([0.2, -0.7, 1.9], dtype=ondol.float64, requires_grad=True)
    (slope,) = ondol.autograd.grad(outcome(w, name, options), w)
    wanted = slope_by_differences(lambda x: outcome(x, name, options), w.detach())
    assert slope.sum().item() == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "Adagrad", "RMSprop"])
def test_the_outcome_of_training_has_a_derivative_by_the_rate(name):
    w = ondol.tensor([0.2, -0.7, 1.9], dtype=ondol.float64, requires_grad=True)
    lr = ondol.tensor(0.05, dtype=ondol.float64, requires_grad=True)
    (slope,) = ondol.autograd.grad(outcome(w, name, {"lr": lr}), lr)
    wanted = slope_by_differences(lambda x: outcome(w, name, {"lr": x}), lr.detach())
    assert slope.item() == pytest.approx(wanted, rel=1e-4)


def test_the_outcome_of_adam_has_a_derivative_by_its_betas():
    w = ondol.tensor([0.2, -0.7, 1.9], dtype=ondol.float64, requires_grad=True)
    betas = ondol.tensor([0.8, 0.9], dtype=ondol.float64, requires_grad=True)

    def by(values):
        return outcome(w, "Adam", {"lr": 0.05, "betas": (values[0], values[1])})

    (slope,) = ondol.autograd.grad(by(betas), betas)
    assert slope.sum().item() == pytest.approx(slope_by_differences(by, betas.detach()), rel=1e-4)
