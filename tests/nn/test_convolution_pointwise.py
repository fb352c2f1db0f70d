"""1x1 convolutions, which are matrix products of each image, against such products in float64."""

import numpy as np
import pytest

import ondol
from ondol.nn import functional as F

# batch, channels in and out, height, width: planes of whole vectors and not, one pixel, more depth than one block
SHAPES = [
    (2, 16, 24, 16, 16),
    (3, 24, 40, 14, 14),
    (8, 33, 65, 7, 7),
    (1, 5, 3, 1, 1),
    (2, 600, 20, 5, 9),
    (2, 3, 4, 63, 61),
    (17, 8, 16, 15, 15),
    (1, 600, 8, 40, 40),
]
LIMIT = {ondol.float32: 2e-6, ondol.float64: 1e-14}  # of the norm of the error by that of the result


def check(results, exact, limit):
    for result, value in zip(results, exact, strict=True):
        assert result.shape == value.shape
        assert np.linalg.norm(result.detach().numpy() - value) < limit * np.linalg.norm(value)


@pytest.mark.parametrize("dtype", LIMIT)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("batch, channels, out, height, width", SHAPES)
def test_results_and_gradients_are_products(batch, channels, out, height, width, stride, dtype):
    generator = np.random.default_rng(0)
    x = generator.standard_normal((batch, channels, height, width))
    w, b = generator.standard_normal((out, channels, 1, 1)), generator.standard_normal(out)
    read = x[:, :, ::stride, ::stride]
    g = generator.standard_normal((batch, out, *read.shape[2:]))
    tensors = [ondol.tensor(one, dtype=dtype, requires_grad=True) for one in (x, w, b)]
    y = F.conv2d(*tensors, stride)
    results = [y, *ondol.autograd.grad(y, tensors, ondol.tensor(g, dtype=dtype))]
    gx = np.zeros_like(x)
    gx[:, :, ::stride, ::stride] = np.einsum("nkhw,kc->nchw", g, w[:, :, 0, 0], optimize=True)
    exact = [
        np.einsum("nchw,kc->nkhw", read, w[:, :, 0, 0], optimize=True) + b[:, None, None],
        gx,
        np.einsum("nkhw,nchw->kc", g, read, optimize=True)[:, :, None, None],
        g.sum((0, 2, 3)),
    ]
    check(results, exact, LIMIT[dtype])


@pytest.mark.parametrize("dtype", LIMIT)
@pytest.mark.parametrize("output_padding", [0, 1])
@pytest.mark.parametrize("width", [1, 7, 16, 33])
def test_a_transposed_convolution_has_its_bias_between_the_points(width, output_padding, dtype):
    generator = np.random.default_rng(width)
    x = generator.standard_normal((3, 8, 5, width))
    w, b = generator.standard_normal((8, 6, 1, 1)), generator.standard_normal(12)
    exact = np.broadcast_to(b[:, None, None], (3, 12, 9 + output_padding, 2 * width - 1 + output_padding)).copy()
    for group in range(2):
        half = np.einsum("nchw,ck->nkhw", x[:, 4 * group : 4 * group + 4], w[4 * group : 4 * group + 4, :, 0, 0])
        exact[:, 6 * group : 6 * group + 6, ::2, ::2] += half
    y = F.conv_transpose2d(*(ondol.tensor(one, dtype=dtype) for one in (x, w, b)), 2, 0, output_padding, groups=2)
    check([y], [exact], LIMIT[dtype])


def test_groups_of_channels_on_small_images():
    generator = np.random.default_rng(1)
    x, w = generator.standard_normal((3, 12, 14, 14)), generator.standard_normal((20, 3, 1, 1))
    y = F.conv2d(ondol.tensor(x), ondol.tensor(w), groups=4)
    exact = [np.einsum("nchw,kc->nkhw", x[:, 3 * i : 3 * i + 3], w[5 * i : 5 * i + 5, :, 0, 0]) for i in range(4)]
    check([y], [np.concatenate(exact, 1)], LIMIT[ondol.float64])
