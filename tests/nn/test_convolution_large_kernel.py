"""The gradients of large kernels by the definition: for each tap, the images it reads times what was received."""

from __future__ import annotations

import itertools

import pytest

import ondol
from ondol.nn import functional as F

CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def random(*sizes: int) -> ondol.Tensor:
    return ondol.randn(*sizes, generator=ondol.Generator().manual_seed(sum(sizes)))


def by_definition(
    x: ondol.Tensor,
    received: ondol.Tensor,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: int,
    dilation: int,
    groups: int,
) -> ondol.Tensor:
    axes = len(kernel)
    x, received = F.pad(x.double(), (padding, padding) * axes), received.double()
    out, each = received.shape[1] // groups, x.shape[1] // groups
    result = ondol.zeros(groups * out, each, *kernel, dtype=ondol.float64)
    for tap in itertools.product(*(range(size) for size in kernel)):
        read = x
        for axis in range(axes):
            first = tap[axis] * dilation
            last = first + (received.shape[2 + axis] - 1) * stride[axis] + 1
            read = read[(slice(None),) * (2 + axis) + (slice(first, last, stride[axis]),)]
        for group in range(groups):
            ours, theirs = slice(group * out, (group + 1) * out), slice(group * each, (group + 1) * each)
            sums = ondol.einsum("bop,bcp->oc", received[:, ours].flatten(2), read[:, theirs].flatten(2))
            result[(ours, slice(None), *tap)] = sums
    return result


@pytest.mark.parametrize(
    ("shape", "out", "kernel", "stride", "padding", "dilation", "groups"),
    [
        ((2, 3, 64, 61), 64, (7, 7), (2, 2), 3, 1, 1),
        ((1, 3, 50, 50), 48, (7, 7), (2, 2), 3, 1, 1),  # one image, whose points are cut
        ((3, 4, 30, 30), 36, (5, 5), (1, 1), 2, 1, 1),
        ((2, 6, 40, 43), 20, (4, 5), (1, 2), 0, 1, 1),
        ((9, 3, 75, 75), 37, (11, 11), (4, 4), 2, 1, 1),
        ((2, 5, 33, 30), 33, (5, 4), (1, 1), 3, 2, 1),
        ((2, 16, 28, 28), 80, (5, 5), (1, 1), 2, 1, 2),
        ((2, 10, 26, 25), 130, (5, 5), (1, 1), 0, 1, 1),
        ((3, 5, 700), 70, (31,), (2,), 4, 1, 1),
        ((2, 4, 9, 11, 12), 40, (3, 3, 3), (1, 1, 1), 1, 1, 1),
        ((2, 3, 12, 20, 22), 33, (3, 5, 5), (2, 2, 2), 2, 1, 1),
    ],
    ids=str,
)
def test_gradient(
    shape: tuple, out: int, kernel: tuple, stride: tuple, padding: int, dilation: int, groups: int
) -> None:
    x, weight = random(*shape), random(out, shape[1] // groups, *kernel).requires_grad_()
    y = CONVOLUTIONS[len(kernel)](x, weight, None, stride, padding, dilation, groups)
    received = random(*y.shape)
    (gradient,) = ondol.autograd.grad(y, weight, received)
    expected = by_definition(x, received, kernel, stride, padding, dilation, groups)
    worst = (gradient.double() - expected).abs().max() / expected.abs().max()
    assert worst < 2e-6, worst.item()


def test_what_padding_holds_is_not_read() -> None:
    """The taps outside of an image have no part in the gradient even if its elements are infinite."""
    x, weight = random(1, 3, 24, 24), random(64, 3, 5, 5).requires_grad_()
    x[..., 0] = ondol.inf
    y = F.conv2d(x, weight, None, 1, 2)
    (gradient,) = ondol.autograd.grad(y, weight, ondol.ones(*y.shape))
    assert gradient[..., 3:].isfinite().all()
    assert not gradient[..., :3].isfinite().any()
