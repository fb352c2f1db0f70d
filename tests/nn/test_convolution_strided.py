"""Gradients of strided convolutions by the definition: a convolution of what was received, with zeros between."""

from __future__ import annotations

import pytest

import ondol
from ondol.nn import functional as F


def random(*sizes: int, dtype: ondol.dtype = ondol.float32) -> ondol.Tensor:
    return ondol.randn(*sizes, dtype=dtype, generator=ondol.Generator().manual_seed(sum(sizes)))


def with_zeros_between(x: ondol.Tensor, stride: tuple[int, int]) -> ondol.Tensor:
    height, width = x.shape[2:]
    wide = ondol.zeros(*x.shape[:2], (height - 1) * stride[0] + 1, (width - 1) * stride[1] + 1, dtype=x.dtype)
    wide[:, :, :: stride[0], :: stride[1]] = x
    return wide


def by_definition(
    x: ondol.Tensor,
    weight: ondol.Tensor,
    bias: ondol.Tensor,
    stride: tuple[int, int],
    padding: int,
    out: tuple[int, int],
    groups: int,
) -> ondol.Tensor:
    """conv_transpose2d by a loop over the kernel."""
    (batch, channels_in, _, _), (_, each, *kernel) = x.shape, weight.shape
    wide = with_zeros_between(x, stride)
    height, width = (wide.shape[2 + i] + kernel[i] - 1 for i in (0, 1))
    result = ondol.zeros(batch, groups * each, height + out[0], width + out[1], dtype=x.dtype)
    per_group = channels_in // groups
    for group in range(groups):
        images = wide[:, group * per_group : (group + 1) * per_group]
        maps = weight[group * per_group : (group + 1) * per_group]
        for i in range(kernel[0]):
            for j in range(kernel[1]):
                added = ondol.einsum("bchw,co->bohw", images, maps[:, :, i, j])
                rows, columns = slice(i, i + wide.shape[2]), slice(j, j + wide.shape[3])
                result[:, group * each : (group + 1) * each, rows, columns] += added
    bottom, right = result.shape[2] - padding, result.shape[3] - padding
    return result[:, :, padding:bottom, padding:right] + bias[:, None, None]


@pytest.mark.parametrize("stride", [(2, 2), (1, 2), (2, 3)], ids=str)
@pytest.mark.parametrize(
    ("kernel", "padding", "most_out"), [(3, 1, 1), (3, 1, 0), (2, 0, 0), (4, 1, 0), (5, 2, 1), (1, 0, 0)]
)
@pytest.mark.parametrize("size", [(7, 7), (5, 14), (3, 17), (1, 40)], ids=str)
@pytest.mark.parametrize(("channels", "groups"), [((24, 20), 1), ((6, 9), 3), ((40, 8), 2), ((3, 70), 1)])
def test_transposed(
    channels: tuple, groups: int, size: tuple, kernel: int, padding: int, most_out: int, stride: tuple
) -> None:
    out = tuple(min(most_out, step - 1) for step in stride)  # less than the stride, as it has to be
    x, bias = random(3, channels[0], *size), random(channels[1])
    weight = random(channels[0], channels[1] // groups, kernel, kernel)
    y = F.conv_transpose2d(x, weight, bias, stride, padding, out, groups)
    expected = by_definition(x.double(), weight.double(), bias.double(), stride, padding, out, groups)
    assert y.shape == expected.shape
    ondol.testing.assert_close(y.double(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("length", [6, 70, 71, 300])
def test_signals(length: int, padding: int) -> None:
    """The even elements of a padded signal are a beginning of what was received."""
    x = random(2, 1, length, dtype=ondol.float64).requires_grad_()
    weight = random(2, 1, 2, dtype=ondol.float64).requires_grad_()
    assert ondol.autograd.gradcheck(lambda a, b: F.conv1d(a, b, None, 2, padding), (x, weight))


@pytest.mark.parametrize("size", [(1, 6), (6, 1), (1, 1), (2, 2)], ids=str)
def test_images_narrower_than_the_stride(size: tuple) -> None:
    x = random(2, 5, *size, dtype=ondol.float64).requires_grad_()
    weight = random(4, 5, 3, 3, dtype=ondol.float64).requires_grad_()
    assert ondol.autograd.gradcheck(lambda a, b: F.conv2d(a, b, None, 4, 2), (x, weight))


def test_same_bits_for_any_number_of_threads() -> None:
    x, weight = random(3, 40, 28, 28).requires_grad_(), random(36, 40, 3, 3)
    before, results = ondol.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            ondol.set_num_threads(threads)
            results.append(ondol.autograd.grad(F.conv2d(x, weight, None, 2, 1).square().sum(), x)[0])
    finally:
        ondol.set_num_threads(before)
    assert all(ondol.equal(results[0], other) for other in results[1:])
