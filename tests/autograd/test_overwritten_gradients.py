"""A node may write its result over the gradient that it received, but only where nobody can see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ondol

ACTIVATIONS: list[Callable] = [
    ondol.relu, ondol.tanh, ondol.sigmoid, ondol.nn.functional.gelu, ondol.nn.functional.silu,
    ondol.nn.functional.leaky_relu, ondol.nn.functional.hardtanh, lambda x: x.clamp(-1, 1),
    lambda x: ondol.nn.functional.hardtanh_(x * 1.0),
]  # fmt: skip
IDS = ["relu", "tanh", "sigmoid", "gelu", "silu", "leaky_relu", "hardtanh", "clamp", "hardtanh_"]


def leaf(seed: int = 0) -> ondol.Tensor:
    return ondol.randn(4, 5, generator=ondol.Generator().manual_seed(seed)).requires_grad_()


@pytest.fixture(params=ACTIVATIONS, ids=IDS)
def f(request: pytest.FixtureRequest) -> Callable:
    return request.param


def slope(f: Callable, x: ondol.Tensor) -> ondol.Tensor:
    """df/dx by itself, with a gradient that the test holds."""
    x = x.detach().clone().requires_grad_()
    return ondol.autograd.grad(f(x), x, ondol.ones_like(x))[0]


def test_gradient_of_the_caller_and_its_views(f: Callable) -> None:
    x, gradient = leaf(), leaf(1).detach()
    before = gradient.clone()
    f(x).backward(gradient)
    f(x).view(20).backward(gradient.view(20))
    f(x).t().backward(gradient.t())
    assert ondol.equal(gradient, before)
    ondol.testing.assert_close(x.grad, 3 * before * slope(f, x))


def test_gradient_with_two_ways_on(f: Callable) -> None:
    x, y = leaf(), leaf(1)
    ((f(x) + f(y)) * 3).sum().backward()
    ondol.testing.assert_close(x.grad, 3 * slope(f, x))
    ondol.testing.assert_close(y.grad, 3 * slope(f, y))


def test_kept_and_captured_gradients(f: Callable) -> None:
    x = leaf()
    y = f(x)
    y.retain_grad()
    (y * 3).sum().backward()
    assert ondol.equal(y.grad, ondol.full((4, 5), 3.0))
    y = f(x)
    of_y, of_x = ondol.autograd.grad((y * 3).sum(), [y, x])
    assert ondol.equal(of_y, ondol.full((4, 5), 3.0))
    ondol.testing.assert_close(of_x, 3 * slope(f, x))


@pytest.mark.parametrize("keep", [lambda g: g, lambda g: g.detach(), lambda g: g.numpy(), lambda g: g[1:]])
def test_what_a_hook_keeps(f: Callable, keep: Callable) -> None:
    kept: list = []

    def hook(gradient: ondol.Tensor) -> None:
        kept.append(keep(gradient))

    y = f(leaf())
    y.register_hook(hook)
    (y * 3).sum().backward()
    assert np.all(np.asarray(kept[0]) == 3)


def test_what_hooks_of_a_node_see(f: Callable) -> None:
    seen: list = []
    y = f(leaf())
    y.grad_fn.register_hook(lambda inputs, outputs: seen.append(outputs[0].clone()))
    y.grad_fn.register_prehook(lambda outputs: seen.append(outputs[0].clone()))
    (y * 3).sum().backward()
    assert len(seen) == 2 and all(ondol.equal(gradient, ondol.full((4, 5), 3.0)) for gradient in seen)


def test_memory_of_somebody_else(f: Callable) -> None:
    memory = np.full((4, 5), 3, np.float32)

    class Borrowing(ondol.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: ondol.Tensor) -> ondol.Tensor:
            return x.sum()

        @staticmethod
        def backward(ctx: Any, gradient: ondol.Tensor) -> ondol.Tensor:
            return ondol.from_numpy(memory)

    x = leaf()
    Borrowing.apply(f(x)).backward()
    assert np.all(memory == 3)
    ondol.testing.assert_close(x.grad, 3 * slope(f, x))


def test_gradients_that_are_expanded(f: Callable) -> None:
    x = leaf()
    f(x).sum().backward()
    ondol.testing.assert_close(x.grad, slope(f, x))


def test_a_kept_graph_gives_the_same_again(f: Callable) -> None:
    x = leaf()
    loss = (f(x) ** 2).sum()
    first = ondol.autograd.grad(loss, x, retain_graph=True)[0].clone()
    ondol.testing.assert_close(ondol.autograd.grad(loss, x, create_graph=True)[0], first)
    assert ondol.equal(ondol.autograd.grad(loss, x)[0], first)


def test_passes_through_a_view_add_up() -> None:
    x, gradient = leaf(), ondol.ones(20)
    y = x.view(20)
    for _ in range(3):
        y.backward(gradient, retain_graph=True)
    assert ondol.equal(x.grad, ondol.full((4, 5), 3.0)) and ondol.equal(gradient, ondol.ones(20))


NORMS: dict[str, Callable] = {
    "layer_norm": lambda x: ondol.nn.functional.layer_norm(x, (6,), ondol.linspace(1, 2, 6), ondol.ones(6)),
    "rms_norm": lambda x: ondol.nn.functional.rms_norm(x, (6,), ondol.linspace(1, 2, 6)),
    "batch_norm": lambda x: ondol.nn.functional.batch_norm(x, None, None, ondol.linspace(1, 2, 5), training=True),
    "batch_norm of rows": lambda x: ondol.nn.functional.batch_norm(x.flatten(1), None, None, training=True),
    "batch_norm in evaluation": lambda x: ondol.nn.functional.batch_norm(x, ondol.ones(5), ondol.ones(5)),
    "group_norm": lambda x: ondol.nn.functional.group_norm(x, 5),
}


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS.keys())
def test_normalization_of_a_gradient_that_the_caller_holds(norm: Callable) -> None:
    x = ondol.randn(4, 5, 6, generator=ondol.Generator().manual_seed(2)).requires_grad_()
    y = norm(x)
    gradient = ondol.randn(y.shape, generator=ondol.Generator().manual_seed(3))
    before = gradient.clone()
    (expected,) = ondol.autograd.grad(y, x, gradient, retain_graph=True)
    assert ondol.equal(gradient, before)
    (y * gradient).sum().backward()  # here nobody else has the gradient of y
    assert ondol.equal(x.grad, expected) and ondol.equal(gradient, before)
