"""Depthwise convolutions of odd sizes, forward and backward, against the sum over the taps in float64."""

import numpy as np
import pytest

import ondol
from ondol.nn import functional as F

LIMIT = {ondol.float32: 2e-6, ondol.float64: 1e-14}  # of the norm of the error by that of the result


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32).astype(np.float64)


def by_taps(x, w, stride, padding, dilation, g=None):
    """The result; with the gradient of the result also those of x and w."""
    channels, multiplier = x.shape[1], w.shape[0] // x.shape[1]
    size = w.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
    out = [(padded.shape[2 + a] - dilation * (size[a] - 1) - 1) // stride + 1 for a in range(2)]
    y = np.zeros((x.shape[0], w.shape[0], *out))
    gx, gw = np.zeros_like(padded), np.zeros_like(w)
    for o in range(w.shape[0]):
        for i in range(size[0]):
            for j in range(size[1]):
                window = (
                    slice(None),
                    o // multiplier,
                    slice(i * dilation, i * dilation + (out[0] - 1) * stride + 1, stride),
                    slice(j * dilation, j * dilation + (out[1] - 1) * stride + 1, stride),
                )
                y[:, o] += w[o, 0, i, j] * padded[window]
                if g is not None:
                    gx[window] += w[o, 0, i, j] * g[:, o]
                    gw[o, 0, i, j] = (padded[window] * g[:, o]).sum()
    assert y.shape[1] == channels * multiplier
    rows, columns = (slice(p, p + n) for p, n in zip(padding, x.shape[2:]))
    return y, gx[:, :, rows, columns], gw


def error(result, exact):
    return np.linalg.norm(result.detach().numpy() - exact) / max(np.linalg.norm(exact), 1e-30)


def check(x_shape, multiplier, size, stride, padding, dilation=1):
    x, b = numbers(*x_shape), numbers(x_shape[1] * multiplier, seed=2)
    w = numbers(x_shape[1] * multiplier, 1, *size, seed=1)
    g = numbers(*by_taps(x, w, stride, padding, dilation)[0].shape, seed=3)
    y_exact, *exact = by_taps(x, w, stride, padding, dilation, g)
    for dtype, limit in LIMIT.items():
        tensors = [ondol.tensor(one, dtype=dtype, requires_grad=True) for one in (x, w, b)]
        y = F.conv2d(*tensors, stride, padding, dilation, x_shape[1])
        assert error(y, y_exact + b[:, None, None]) < limit
        gx, gw, gb = ondol.autograd.grad(y, tensors, ondol.tensor(g, dtype=dtype))
        assert error(gx, exact[0]) < limit
        assert error(gw, exact[1]) < 4 * limit
        assert error(gb, g.sum((0, 2, 3))) < 4 * limit


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [(3, 3), (5, 5), (2, 2), (3, 5)])
@pytest.mark.parametrize("width", [1, 2, 3, 16, 17, 35, 64])
def test_widths(width, size, stride):
    check((2, 3, 7, width), 1, size, stride, (size[0] // 2, size[1] // 2 + 1))


@pytest.mark.parametrize("height", [1, 2, 3, 4, 5, 6, 9])
@pytest.mark.parametrize("stride", [1, 2])
def test_heights(height, stride):
    check((1, 2, height, 18), 1, (3, 3), stride, (1, 1))


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("width", [5, 8, 9, 14, 16, 17, 28, 31, 32])
@pytest.mark.parametrize("height", [1, 2, 3, 6])
def test_planes_that_keep_a_narrow_size(height, width, size):
    for multiplier in (1, 2):
        check((2, 3, height, width), multiplier, (size, size), 1, (size // 2, size // 2))


@pytest.mark.parametrize("padding", [(0, 0), (1, 2), (2, 1), (2, 2), (3, 3), (4, 7)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [3, 5])
def test_paddings_up_to_more_than_the_kernel(size, stride, padding):
    check((2, 2, 8, 19), 1, (size, size), stride, padding)


@pytest.mark.parametrize("multiplier", [2, 3])
@pytest.mark.parametrize("stride", [1, 2])
def test_several_outputs_of_a_channel(multiplier, stride):
    check((2, 3, 9, 20), multiplier, (3, 3), stride, (1, 1))


@pytest.mark.parametrize("stride", [1, 2])
def test_dilation(stride):
    check((2, 3, 11, 21), 1, (3, 3), stride, (2, 2), dilation=2)


@pytest.mark.parametrize("channels", [4, 8, 13, 16, 24, 40])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (7, 7), (14, 14), (9, 20)])
def test_small_images_of_many_channels(channels, stride, shape):
    check((2, channels, *shape), 1, (3, 3), stride, (1, 1))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 5), (7, 7)])
@pytest.mark.parametrize("stride", [1, 2])
def test_kernels_on_small_images(size, stride):
    for padding in ((0, 0), (1, 2), (3, 0)):
        check((2, 16, 7, 10), 1, size, stride, padding)


def test_dilation_on_small_images():
    for stride in (1, 2):
        check((2, 32, 11, 10), 1, (3, 3), stride, (2, 2), dilation=2)


@pytest.mark.parametrize("stride", [1, 2, (1, 2, 2)])
def test_volumes_are_those_of_one_channel_each(stride):
    x, w, b = (ondol.tensor(numbers(*s, seed=i)) for i, s in enumerate([(2, 16, 4, 5, 6), (16, 1, 3, 2, 3), (16,)]))
    for t in (x, w, b):
        t.requires_grad_()
    y = F.conv3d(x, w, b, stride, (1, 0, 2), groups=16)
    each = [F.conv3d(x[:, c : c + 1], w[c : c + 1], b[c : c + 1], stride, (1, 0, 2)) for c in range(16)]
    one_by_one = ondol.cat(each, 1)
    ondol.testing.assert_close(y, one_by_one)
    g = ondol.tensor(numbers(*y.shape, seed=7))
    for together, alone in zip(ondol.autograd.grad(y, (x, w, b), g), ondol.autograd.grad(one_by_one, (x, w, b), g)):
        ondol.testing.assert_close(together, alone)


def test_an_empty_batch():
    x, w = ondol.ones(0, 4, 5, 5, requires_grad=True), ondol.ones(4, 1, 3, 3, requires_grad=True)
    y = F.conv2d(x, w, None, 1, 1, 1, 4)
    assert y.shape == (0, 4, 5, 5)
    gx, gw = ondol.autograd.grad(y.sum(), (x, w))
    assert gx.shape == x.shape
    assert not gw.any()


@pytest.mark.parametrize(("channels", "width"), [(2, 40), (16, 19)])
def test_infinity_stays_within_reach_of_its_taps(channels, width):
    x = ondol.zeros(1, channels, 9, width)
    x[0, 0, 4, 16] = ondol.inf
    y = F.conv2d(x, ondol.ones(channels, 1, 3, 3), None, 1, 1, 1, channels)
    assert y.isinf().sum() == 9
    assert not y.isnan().any()


@pytest.mark.parametrize("output_padding", [0, 1])
def test_the_transposed_convolution(output_padding):
    x, w = numbers(2, 3, 6, 17), numbers(3, 1, 3, 3, seed=1)
    sides = [2 * (n - 1) - 2 + 3 + output_padding for n in x.shape[2:]]
    _, exact, _ = by_taps(numbers(2, 3, *sides), w, 2, (1, 1), 1, x)
    y = F.conv_transpose2d(ondol.tensor(x), ondol.tensor(w), None, 2, 1, output_padding, groups=3)
    assert error(y, exact) < LIMIT[ondol.float64]
