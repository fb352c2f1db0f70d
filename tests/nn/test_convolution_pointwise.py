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
]


@pytest.mark.parametrize("batch, channels, out, height, width", SHAPES)
def test_results_and_gradients_are_products(batch, channels, out, height, width):
    generator = np.random.default_rng(0)
    x = generator.standard_normal((batch, channels, height, width))
    w, b = generator.standard_normal((out, channels, 1, 1)), generator.standard_normal(out)
    g = generator.standard_normal((batch, out, height, width))
    tensors = [ondol.tensor(one, dtype=ondol.float32, requires_grad=True) for one in (x, w, b)]
    y = F.conv2d(*tensors)
    results = [y, *ondol.autograd.grad(y, tensors, ondol.tensor(g, dtype=ondol.float32))]
    exact = [
        np.einsum("nchw,kc->nkhw", x, w[:, :, 0, 0]) + b[:, None, None],
        np.einsum("nkhw,kc->nchw", g, w[:, :, 0, 0]),
        np.einsum("nkhw,nchw->kc", g, x, optimize=True)[:, :, None, None],
        g.sum((0, 2, 3)),
    ]
    for result, value in zip(results, exact):
        assert result.shape == value.shape
        assert np.linalg.norm(result.detach().numpy() - value) < 2e-6 * np.linalg.norm(value)
