"""What all optimizers share in a step: gradients that are absent, closures, tensor rates, hooks, `zero_grad`."""

import numpy as np
import pytest

import ondol
from ondol.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook


def parameter(*values):
    p = ondol.tensor(values, requires_grad=True)
    p.grad = ondol.ones_like(p)
    return p


def test_a_parameter_without_gradient_stays_as_it_is_and_gets_no_state():
    moved, frozen = parameter(1.0), ondol.tensor([2.0], requires_grad=True)
    optimizer = ondol.optim.Adam([moved, frozen], lr=0.1)
    optimizer.step()
    assert frozen.tolist() == [2.0] and moved.tolist() != [1.0]
    assert frozen not in optimizer.state


def test_a_step_neither_records_nor_changes_the_gradient():
    p = parameter(1.0, 2.0)
    ondol.optim.SGD([p], lr=0.5, momentum=0.9, weight_decay=0.1).step()
    assert p.is_leaf and p.requires_grad and p.grad_fn is None
    assert p.grad.tolist() == [1.0, 1.0]


def test_the_closure_runs_with_gradients_and_its_loss_is_returned():
    p = ondol.tensor([3.0], requires_grad=True)
    optimizer = ondol.optim.SGD([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with ondol.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == 9.0
    np.testing.assert_allclose(p.tolist(), [2.4], rtol=1e-6)


def test_the_first_momentum_is_the_gradient_and_not_the_gradient_tensor():
    p = parameter(1.0)
    optimizer = ondol.optim.SGD([p], lr=0.1, momentum=0.9)
    optimizer.step()
    p.grad.fill_(100.0)
    assert optimizer.state[p]["momentum_buffer"].tolist() == [1.0]


def test_sgd_without_momentum_keeps_no_state():
    p = parameter(1.0)
    optimizer = ondol.optim.SGD([p], lr=0.1)
    optimizer.step()
    assert len(optimizer.state) == 0


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Rprop", "Adafactor"])
def test_a_rate_that_is_a_tensor_counts_as_its_number(name):
    by_number, by_tensor = parameter(1.0, 2.0), parameter(1.0, 2.0)
    kind = getattr(ondol.optim, name)
    for p, lr in ((by_number, 0.125), (by_tensor, ondol.tensor([0.125]))):
        optimizer = kind([p], lr=lr)
        optimizer.step()
        optimizer.step()
    np.testing.assert_allclose(by_tensor.tolist(), by_number.tolist(), rtol=1e-6)


def test_zero_grad_forgets_gradients_or_fills_them_with_zeros():
    p = parameter(1.0)
    optimizer = ondol.optim.SGD([p])
    kept = p.grad
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is kept and kept.tolist() == [0.0]
    optimizer.zero_grad()
    assert p.grad is None


def test_hooks_see_the_optimizer_before_and_after_the_step_and_end_when_removed():
    p, seen = parameter(1.0), []
    optimizer = ondol.optim.SGD([p], lr=1.0)
    handles = [
        optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append(("before", o, p.item()))),
        optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append(("after", o, p.item()))),
    ]
    optimizer.step()
    assert seen == [("before", optimizer, 1.0), ("after", optimizer, 0.0)]
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert len(seen) == 2


def test_global_hooks_run_around_every_optimizer_outside_of_its_own():
    order = []
    optimizer = ondol.optim.SGD([parameter(1.0)])
    optimizer.register_step_pre_hook(lambda *_: order.append("own before"))
    optimizer.register_step_post_hook(lambda *_: order.append("own after"))
    handles = [
        register_optimizer_step_pre_hook(lambda *_: order.append("global before")),
        register_optimizer_step_post_hook(lambda *_: order.append("global after")),
    ]
    try:
        optimizer.step()
    finally:
        for handle in handles:
            handle.remove()
    assert order == ["global before", "own before", "own after", "global after"]


def test_a_pre_hook_may_change_the_arguments():
    optimizer = ondol.optim.SGD([parameter(1.0)])
    optimizer.register_step_pre_hook(lambda o, args, kwargs: (args, {"closure": lambda: 42}))
    assert optimizer.step() == 42


def test_a_pre_hook_that_returns_something_else_is_refused():
    optimizer = ondol.optim.SGD([parameter(1.0)])
    optimizer.register_step_pre_hook(lambda o, args, kwargs: 5)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        optimizer.step()


def test_hooks_run_once_where_a_subclass_calls_the_step_of_its_base():
    class Logged(ondol.optim.SGD):
        def step(self, closure=None):
            return super().step(closure)

    calls = []
    optimizer = Logged([parameter(1.0)])
    optimizer.register_step_pre_hook(lambda *_: calls.append(1))
    optimizer.step()
    assert calls == [1]


def test_an_optimizer_of_ones_own_may_define_step_as_in_pytorch():
    class Descent(ondol.optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        @ondol.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    p.add_(p.grad, alpha=-group["lr"])
                    self.state[p]["steps"] = self.state[p].get("steps", 0) + 1

    p = parameter(1.0)
    optimizer = Descent([p], lr=0.25)
    optimizer.step()
    assert p.tolist() == [0.75]
    assert optimizer.state_dict()["state"] == {0: {"steps": 1}}


def test_fused_true_needs_floating_parameters():
    p = ondol.zeros(2, dtype=ondol.complex64, requires_grad=True)
    p.grad = ondol.ones_like(p)
    with pytest.raises(RuntimeError, match="floating point"):
        ondol.optim.SGD([p], fused=True).step()
