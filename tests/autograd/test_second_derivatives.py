"""Derivatives of derivatives: of maps made of straight pieces they are zero, not an error."""

import pytest

import ondol
from ondol.autograd import gradcheck, gradgradcheck
from ondol.nn import functional as F


def image(*shape):
    generator = ondol.Generator().manual_seed(0)
    return ondol.randn(shape, dtype=ondol.float64, generator=generator, requires_grad=True)


STRAIGHT = {
    "avg_pool1d": lambda x: F.avg_pool1d(x, 2),
    "max_pool1d": lambda x: F.max_pool1d(x, 2),
    "adaptive_avg_pool1d": lambda x: F.adaptive_avg_pool1d(x, 3),
    "adaptive_max_pool1d": lambda x: F.adaptive_max_pool1d(x, 3),
    "pad reflect": lambda x: F.pad(x, (1, 2), "reflect"),
    "pad replicate": lambda x: F.pad(x, (1, -2), "replicate"),
    "interpolate area": lambda x: F.interpolate(x, 3, mode="area"),
    "prelu": lambda x: F.prelu(x, ondol.tensor(0.25, dtype=ondol.float64)),
    "rrelu": lambda x: F.rrelu(x, training=True),
    "stft": lambda x: ondol.stft(x[0], 4, return_complex=True, window=ondol.ones(4, dtype=ondol.float64)).real,
}


@pytest.mark.parametrize("name", STRAIGHT)
def test_the_second_derivative_of_a_straight_map_is_zero(name):
    x = image(2, 3, 8)
    (gradient,) = ondol.autograd.grad(STRAIGHT[name](x).sum(), x, create_graph=True)
    assert gradient.requires_grad
    (second,) = ondol.autograd.grad(gradient.sum(), x)
    assert second.shape == x.shape and not second.any()


@pytest.mark.parametrize("name", ["avg_pool1d", "max_pool1d", "adaptive_avg_pool1d", "pad reflect", "pad replicate"])
def test_the_derivative_by_the_incoming_gradient_is_the_map_itself(name):
    def squared(x):
        return STRAIGHT[name](x) ** 2

    assert gradcheck(squared, image(1, 2, 6)) and gradgradcheck(squared, image(1, 2, 6))


def test_without_create_graph_the_gradient_of_a_pool_has_no_history():
    x = image(1, 1, 4)
    F.avg_pool1d(x, 2).sum().backward()
    assert not x.grad.requires_grad


def test_the_pseudoinverse_of_a_matrix_without_elements_has_a_second_derivative():
    a = ondol.zeros(0, 2, dtype=ondol.float64, requires_grad=True)
    (gradient,) = ondol.autograd.grad(ondol.linalg.pinv(a).sum(), a, create_graph=True)
    assert ondol.autograd.grad(gradient.sum(), a)[0].shape == (0, 2)
