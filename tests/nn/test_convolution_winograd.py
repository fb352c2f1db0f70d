"""3x3 convolutions of stride 1 at sizes for which Winograd's algorithm is chosen, against a sum over the taps."""

import numpy as np
import pytest

import ondol
from ondol.nn import functional as F

# batch, channels in and out, height, width, padding: whole tiles, cut tiles, each padding, uneven channels
SHAPES = [
    (8, 32, 32, 16, 16, 1),
    (3, 48, 80, 29, 37, 0),
    (2, 32, 48, 33, 30, 2),
    (7, 64, 32, 15, 17, 1),
    (1, 32, 64, 41, 70, 1),
    # fewer tiles than channels, where the kernel is transformed piece by piece; 80 channels fill no whole piece
    (1, 80, 256, 14, 14, 1),
    (2, 256, 80, 7, 7, 1),
    (2, 48, 96, 9, 13, 0),
]
LIMIT = 1e-5  # of the norm of the error by that of the result


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def convolved(x, w, padding):
    """In float64: the nine taps one by one."""
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    height, width = x.shape[2] - 2, x.shape[3] - 2
    taps = [(i, j) for i in range(3) for j in range(3)]
    return sum(np.einsum("nchw,kc->nkhw", x[:, :, i : i + height, j : j + width], w[:, :, i, j]) for i, j in taps)


def error(result, exact):
    return np.linalg.norm(result.detach().numpy() - exact) / np.linalg.norm(exact)


@pytest.mark.parametrize("batch, channels, out, height, width, padding", SHAPES)
def test_results_and_gradients_are_those_of_the_sum(batch, channels, out, height, width, padding):
    x, w, b = numbers(batch, channels, height, width), numbers(out, channels, 3, 3, seed=1), numbers(out, seed=2)
    exact = convolved(x, w, padding)
    g = numbers(*exact.shape, seed=3)
    tensors = [ondol.tensor(one, dtype=ondol.float32, requires_grad=True) for one in (x, w, b)]
    y = F.conv2d(*tensors, padding=padding)
    assert error(y, exact + b[:, None, None]) < LIMIT
    gx, gw, gb = ondol.autograd.grad(y, tensors, ondol.tensor(g, dtype=ondol.float32))
    assert error(gx, convolved(g, w[:, :, ::-1, ::-1].swapaxes(0, 1), 2 - padding)) < LIMIT
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, exact.shape[2:], axis=(2, 3))
    assert error(gw, np.einsum("ncijhw,nkhw->kcij", windows, g, optimize=True)) < LIMIT
    assert error(gb, g.sum((0, 2, 3))) < LIMIT


def test_an_image_does_not_depend_on_the_others():
    layer, x = ondol.nn.Conv2d(32, 32, 3, padding=1), ondol.randn(9, 32, 28, 28)
    with ondol.no_grad():
        assert ondol.equal(layer(x)[2:7], layer(x[2:7]))


def test_the_transposed_convolution_is_the_gradient():
    layer = ondol.nn.ConvTranspose2d(32, 48, 3, padding=1)
    x = ondol.randn(3, 32, 24, 24)
    weight = layer.weight.detach().double().numpy()
    exact = convolved(x.double().numpy(), weight[:, :, ::-1, ::-1].swapaxes(0, 1), 1)
    assert error(layer(x), exact + layer.bias.detach().numpy()[:, None, None]) < LIMIT
