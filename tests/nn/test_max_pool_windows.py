"""Maxima of windows whose places are given or drawn: which element each takes."""

from __future__ import annotations

import math

import pytest

import ondol
import ondol.nn.functional as F


def of_windows(x: ondol.Tensor, starts: list[list[int]], kernel: list[int]) -> tuple[list[float], list[int]]:
    """The maxima of one volume and their flat indices; of equals the first, and of several NaN the last."""
    _, height, width = x.shape
    values, indices = [], []
    for d in starts[0]:
        for h in starts[1]:
            for w in starts[2]:
                best, index = x[d, h, w].item(), (d * height + h) * width + w
                for i in range(d, d + kernel[0]):
                    for j in range(h, h + kernel[1]):
                        for k in range(w, w + kernel[2]):
                            value = x[i, j, k].item()
                            if value > best or math.isnan(value):
                                best, index = value, (i * height + j) * width + k
                values.append(best)
                indices.append(index)
    return values, indices


def drawn_starts(u: float, size: int, outputs: int, kernel: int) -> list[int]:
    alpha = (size - kernel) / (outputs - 1)
    return [int((i + u) * alpha) - int(u * alpha) for i in range(outputs - 1)] + [size - kernel]


def volume(*sizes: int, dtype: ondol.dtype = ondol.float64) -> ondol.Tensor:
    """Small whole numbers, so that many are equal, and some that are none."""
    generator = ondol.Generator().manual_seed(7)
    x = ondol.randint(-3, 4, sizes, generator=generator).to(dtype)
    return x.masked_fill(ondol.rand(sizes, generator=generator) < 0.02, math.nan)


@pytest.mark.parametrize("dtype", [ondol.float32, ondol.float64])
def test_fractional_pool_of_a_volume(dtype):
    x = volume(1, 2, 6, 7, 21, dtype=dtype)
    kernel, outputs, samples = [2, 3, 2], [3, 4, 9], ondol.tensor([[[0.1, 0.5, 0.9], [0.3, 0.0, 0.4]]], dtype=dtype)
    values, indices = F.fractional_max_pool3d(
        x, kernel, output_size=outputs, return_indices=True, _random_samples=samples
    )
    for channel in range(2):
        starts = [drawn_starts(samples[0, channel, i].item(), x.size(2 + i), outputs[i], kernel[i]) for i in range(3)]
        expected, places = of_windows(x[0, channel], starts, kernel)
        assert indices[0, channel].flatten().tolist() == places
        ondol.testing.assert_close(values[0, channel].flatten().tolist(), expected, equal_nan=True)


def test_fractional_pool_of_an_image_draws_the_width_first():
    x = volume(1, 9, 11)
    samples = ondol.tensor([[[0.2, 0.7]]], dtype=ondol.float64)
    _, indices = F.fractional_max_pool2d(x, 2, output_size=(4, 5), return_indices=True, _random_samples=samples)
    starts = [[0], drawn_starts(0.7, 9, 4, 2), drawn_starts(0.2, 11, 5, 2)]
    assert indices.flatten().tolist() == of_windows(x, starts, [1, 2, 2])[1]


@pytest.mark.parametrize(
    ("sizes", "outputs"),
    [((8, 12, 20), (4, 3, 4)), ((6, 6, 6), (3, 1, 2)), ((4, 4, 96), (2, 2, 2)), ((2, 3, 37), (1, 1, 1))],
)
def test_adaptive_pool_with_windows_of_one_size(sizes, outputs):
    x = volume(*sizes)
    kernel = [size // output for size, output in zip(sizes, outputs)]
    starts = [list(range(0, size, window)) for size, window in zip(sizes, kernel)]
    _, indices = F.adaptive_max_pool3d(x.unsqueeze(0), outputs, return_indices=True)
    assert indices.flatten().tolist() == of_windows(x, starts, kernel)[1]


@pytest.mark.parametrize("dtype", [ondol.float32, ondol.float64])
@pytest.mark.parametrize("width", [2, 3, 15, 16, 24, 31, 32, 33, 64, 65, 71])
def test_pool_by_squares(width, dtype):
    x = volume(3, 5, width, dtype=dtype)
    x[1, :2] = -math.inf
    starts = [[0, 1, 2], [0, 2], list(range(0, width - 1, 2))]
    expected, places = of_windows(x, starts, [1, 2, 2])
    values, indices = F.max_pool3d(x[None], (1, 2, 2), return_indices=True)
    assert indices.flatten().tolist() == places
    ondol.testing.assert_close(values.flatten().tolist(), expected, equal_nan=True)
    ondol.testing.assert_close(F.max_pool3d(x[None], (1, 2, 2)), values, equal_nan=True)


@pytest.mark.parametrize("dtype", [ondol.float32, ondol.float64, ondol.bfloat16])
@pytest.mark.parametrize("height", [4, 5])
@pytest.mark.parametrize("width", [2, 3, 15, 16, 24, 31, 32, 33, 64, 65, 71])
def test_gradient_by_squares_is_that_of_the_indices(width, height, dtype):
    x = volume(2, 3, height, width).to(dtype).requires_grad_()
    g = ondol.randn(2, 3, height // 2, width // 2, generator=ondol.Generator().manual_seed(1)).to(dtype)
    g[0, 0, 0, 0] = -0.0
    of_places, of_indices = F.max_pool2d(x, 2), F.max_pool2d(x, 2, return_indices=True)[0]
    (first,), (expected,) = (ondol.autograd.grad(y, x, g, retain_graph=True) for y in (of_places, of_indices))
    assert ondol.equal(first, expected) and ondol.equal(first.signbit(), expected.signbit())
    g.requires_grad_()
    for y in (of_places, of_indices):
        (slope,) = ondol.autograd.grad(y, x, g, create_graph=True)
        assert ondol.equal(slope, expected)
        (second,) = ondol.autograd.grad((slope * slope).sum(), g)
        assert ondol.equal(second, 2 * g)


@pytest.mark.parametrize(
    ("size", "options", "message"),
    [
        ((1, 5, 5), {"output_size": 5}, "do not fit"),
        ((1, 5, 5), {"output_size": 0}, "do not fit"),
        ((5, 5), {"output_size": 2}, "expected a 3D or 4D input"),
        ((2, 5, 5), {"output_size": 2, "_random_samples": ondol.zeros(1, 1, 2)}, "_random_samples of shape"),
        ((1, 5, 5), {"output_size": 3, "_random_samples": ondol.full((1, 1, 2), math.nan)}, r"must lie in \[0, 1\)"),
    ],
)
def test_fractional_pool_refuses_what_does_not_fit(size, options, message):
    with pytest.raises(RuntimeError, match=message):
        F.fractional_max_pool2d(ondol.zeros(size), 2, **options)
