"""A Linear or a convolution behind a GELU or SiLU keeps no copy of its input: it is made again for the derivative."""

import pytest

import ondol
from ondol import nn

ACTIVATIONS = [nn.functional.gelu, nn.functional.silu, lambda x: nn.functional.gelu(x, approximate="tanh")]


def leaves(*shapes):
    ondol.manual_seed(0)
    return [ondol.randn(*shape, dtype=ondol.float64, requires_grad=True) for shape in shapes]


def held(make):
    """Bytes that are held once `make()` has returned a loss."""
    before = ondol._native.memory_stats()["allocated_bytes"]
    loss = make()
    return ondol._native.memory_stats()["allocated_bytes"] - before, loss


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_are_those_of_a_kept_input(activation):
    x, w, b = leaves((5, 7), (3, 7), (3,))
    remade = ondol.autograd.grad(nn.functional.linear(activation(x), w, b).square().sum(), (x, w, b))
    kept = activation(x)
    kept.detach()  # whose memory is now known elsewhere, and is kept
    expected = ondol.autograd.grad(nn.functional.linear(kept, w, b).square().sum(), (x, w, b))
    assert all(map(ondol.equal, remade, expected))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_second_derivatives(activation):
    x, w = leaves((2, 3), (2, 3))
    assert ondol.autograd.gradgradcheck(lambda x, w: nn.functional.linear(activation(x), w), (x, w))
    image, kernel = leaves((1, 2, 4, 4), (2, 2, 3, 3))
    assert ondol.autograd.gradgradcheck(lambda x, w: nn.functional.conv2d(activation(x), w), (image, kernel))


def test_the_activation_is_not_held():
    x, w = leaves((1000, 500), (10, 500))
    activation = x.numel() * x.element_size()

    def of_a_kept_input():
        y = nn.functional.gelu(x)
        y.detach()
        return nn.functional.linear(y, w).sum()

    held_bytes, loss = held(of_a_kept_input)
    assert held_bytes >= activation
    held_bytes, loss = held(lambda: nn.functional.linear(nn.functional.gelu(x), w).sum())
    assert held_bytes < activation / 2
    loss.backward()


def test_a_change_meanwhile_does_not_reach_the_gradient():
    x, w = leaves((4, 6), (2, 6))
    expected = ondol.autograd.grad(nn.functional.linear(nn.functional.gelu(x), w).sum(), w)[0]
    y = nn.functional.gelu(x)
    loss = nn.functional.linear(y, w).sum()
    y.add_(1)
    assert ondol.equal(ondol.autograd.grad(loss, w)[0], expected)


@pytest.mark.parametrize(
    "change",
    [
        lambda y: y.data.mul_(2),
        lambda y: y.view(-1).data.mul_(2),
        lambda y: setattr(y, "data", y.detach() * 2),
        lambda y: y.detach().numpy().__imul__(2),
        lambda y: ondol.no_grad()(y.mul_)(2),
    ],
)
def test_a_change_before_is_part_of_the_input(change):
    x, w = leaves((4, 6), (2, 6))
    y = nn.functional.gelu(x)
    change(y)
    seen = y.detach().clone()
    gradient = ondol.autograd.grad(nn.functional.linear(y, w).sum(), w)[0]
    assert ondol.equal(seen, 2 * nn.functional.gelu(x))
    assert ondol.allclose(gradient[0], seen.sum(0))


def test_a_change_of_what_it_is_made_from_is_refused():
    x, w = leaves((4, 6), (2, 6))
    h = x * 1
    loss = nn.functional.linear(nn.functional.gelu(h), w).sum()
    h.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_graphs_that_share_an_activation():
    x, w1, w2 = leaves((4, 6), (2, 6), (3, 6))
    y = nn.functional.gelu(x)
    first, second = nn.functional.linear(y, w1).sum(), nn.functional.linear(y, w2).sum()
    first.backward()  # frees what the GELU kept
    gradient = ondol.autograd.grad(second, w2)[0]
    assert ondol.allclose(gradient[0], y.detach().sum(0))
    with pytest.raises(RuntimeError, match="second time"):
        nn.functional.linear(y, w1).sum().backward()


def test_hooks_see_the_input():
    x, w = leaves((4, 6), (2, 6))
    packed = []
    with ondol.autograd.graph.saved_tensors_hooks(lambda t: packed.append(t) or t, lambda t: t):
        y = nn.functional.gelu(x)
        nn.functional.linear(y, w)
    assert any(ondol.equal(one, y) for one in packed)
