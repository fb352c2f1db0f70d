"""Convolutions with few output channels, which read a padded copy of their source instead of packing it, and the
gradients of those with a stride, whose results are spread."""

from __future__ import annotations

import numpy as np
import pytest

import ondol
import ondol.nn.functional as F

RANDOM = np.random.default_rng(13)
CASES = [  # channels in and out, groups, kernel, stride, padding, dilation, sizes
    (3, 16, 1, (3, 3, 3), 1, 1, 1, (4, 5, 16)),
    (5, 7, 1, (1, 3, 3), 1, (0, 1, 1), 1, (1, 6, 14)),
    (4, 12, 2, (1, 3, 4), (1, 2, 2), (0, 2, 1), (1, 1, 2), (1, 9, 33)),
    (2, 31, 1, (2, 2, 2), 1, 0, 1, (3, 4, 17)),
    (1, 4, 1, (1, 1, 9), 1, (0, 0, 4), 1, (1, 1, 48)),
]


def numbers(*sizes: int, dtype: str = "float64") -> ondol.Tensor:
    return ondol.from_numpy(RANDOM.standard_normal(sizes).astype(dtype))


def by_definition(x, weight, groups, stride, padding, dilation):
    stride, padding, dilation = ((v,) * 3 if isinstance(v, int) else v for v in (stride, padding, dilation))
    padded = np.pad(x, [(0, 0), (0, 0), *[(p, p) for p in padding]])
    reach = [(k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilation)]
    windows = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=(2, 3, 4))
    windows = windows[:, :, :: stride[0], :: stride[1], :: stride[2], :: dilation[0], :: dilation[1], :: dilation[2]]
    inputs, outputs = x.shape[1] // groups, weight.shape[0] // groups
    return np.concatenate(
        [
            np.einsum(
                "ncdhwijk,ocijk->nodhw",
                windows[:, g * inputs : (g + 1) * inputs],
                weight[g * outputs : (g + 1) * outputs],
            )
            for g in range(groups)
        ],
        axis=1,
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients(case, dtype):
    inputs, outputs, groups, kernel, stride, padding, dilation, sizes = case
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    x, weight = numbers(2, inputs, *sizes, dtype=dtype), numbers(outputs, inputs // groups, *kernel, dtype=dtype)
    x.requires_grad_()
    weight.requires_grad_()
    y = F.conv3d(x, weight, **options)
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if dtype == "float32" else {"rtol": 1e-11, "atol": 1e-11}
    expected = by_definition(x.detach().numpy(), weight.detach().numpy(), groups, stride, padding, dilation)
    np.testing.assert_allclose(y.detach().numpy(), expected, **tolerance)

    cotangent = numbers(*y.shape, dtype=dtype)
    y.backward(cotangent)
    # A convolution is linear in each argument, so its gradient is its transpose.
    for argument, other in ((x, weight), (weight, x)):
        step = numbers(*argument.shape, dtype=dtype)
        moved = F.conv3d(step, other, **options) if argument is x else F.conv3d(other, step, **options)
        actual, wanted = (argument.grad * step).double().sum(), (cotangent * moved).double().sum()
        loose = {"rtol": 1e-3, "atol": 1e-2} if dtype == "float32" else {"rtol": 1e-10, "atol": 1e-9}
        np.testing.assert_allclose(actual.item(), wanted.item(), **loose)


@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("width", [1, 2, 7, 15, 31, 32, 33, 63, 64, 65])
def test_strided_input_gradients_of_any_width(width, stride):
    weight, sizes = numbers(40, 36, 1, 3, 3, dtype="float32"), (2, 36, 1, 3, width)
    y = F.conv3d(ondol.zeros(sizes), weight, stride=stride, padding=(0, 1, 1))
    cotangent = numbers(*y.shape, dtype="float32")
    gradient = ondol.nn.grad.conv3d_input(sizes, weight, cotangent, stride=stride, padding=(0, 1, 1))
    exact = ondol.nn.grad.conv3d_input(sizes, weight.double(), cotangent.double(), stride=stride, padding=(0, 1, 1))
    np.testing.assert_allclose(gradient.numpy(), exact.numpy(), rtol=1e-4, atol=1e-4)
