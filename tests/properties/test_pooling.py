"""Pooling with any window, stride, padding and dilation, ceil_mode among them, against windows cut out one by one."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from array_strategies import examples
from hypothesis import given
from hypothesis import strategies as st

import ondol
from ondol.nn import functional as F

MAXIMUM = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVERAGE = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


class Windows(NamedTuple):
    size: int  # of the input
    kernel: int
    stride: int
    padding: int
    dilation: int
    ceil_mode: bool

    def count(self) -> int:
        room = self.size + 2 * self.padding - self.dilation * (self.kernel - 1) - 1
        count = (-(-room // self.stride) if self.ceil_mode else room // self.stride) + 1
        # PyTorch leaves out a window that would begin in the padding on the right.
        return count - (self.ceil_mode and (count - 1) * self.stride >= self.size + self.padding)

    def starts(self) -> list[int]:
        return [i * self.stride - self.padding for i in range(self.count())]

    def places(self, start: int) -> list[int]:
        each = range(start, start + self.dilation * (self.kernel - 1) + 1, self.dilation)
        return [place for place in each if 0 <= place < self.size]

    def padded_size(self, start: int) -> int:
        return min(start + self.kernel, self.size + self.padding) - start


@st.composite
def poolings(draw, dilated: bool):
    ndim = draw(st.integers(1, 3))
    ceil_mode = draw(st.booleans())
    axes = []
    for axis in range(ndim):
        size = draw(st.integers(1, 40 if axis == ndim - 1 else 9))
        kernel = draw(st.sampled_from([1, 2, 2, 3, 3, 4]))
        dilation = draw(st.integers(1, 2)) if dilated else 1
        padding = draw(st.integers(0, kernel // 2))
        stride = draw(st.one_of(st.just(kernel), st.integers(1, 4)))
        axes.append(Windows(size, kernel, stride, padding, dilation, ceil_mode))
    return axes


def fits(axes: list[Windows]) -> bool:
    """Whether there are windows, and each holds an element."""
    has_windows = all(a.size + 2 * a.padding > a.dilation * (a.kernel - 1) and a.count() > 0 for a in axes)
    return has_windows and all(a.places(start) for a in axes for start in a.starts())


def numbers(axes: list[Windows], seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.integers(-9, 10, (2, 3, *(a.size for a in axes))).astype(np.float32)


def each_window(axes: list[Windows]):
    """The index of each result, and which elements along each axis its window holds."""
    outputs = [list(enumerate(a.starts())) for a in axes]
    for chosen in itertools.product(*outputs):
        yield tuple(i for i, _ in chosen), [s for _, s in chosen]


@examples(150)
@given(poolings(dilated=True).filter(fits), st.integers(0, 99))
def test_maxima_and_their_places(axes, seed):
    array = numbers(axes, seed)
    expected = np.zeros((2, 3, *(a.count() for a in axes)), np.float32)
    places = np.zeros(expected.shape, np.int64)
    flat = np.arange(array[0, 0].size).reshape(array.shape[2:])
    for at, starts in each_window(axes):
        window = np.ix_(*(a.places(s) for a, s in zip(axes, starts)))
        part = array[(slice(None), slice(None), *window)].reshape(2, 3, -1)
        expected[(..., *at)] = part.max(-1)
        places[(..., *at)] = flat[window].reshape(-1)[part.argmax(-1)]
    pool, x = MAXIMUM[len(axes)], ondol.tensor(array, requires_grad=True)
    settings = [[getattr(a, name) for a in axes] for name in ("kernel", "stride", "padding", "dilation")]
    values, found = pool(x, *settings, axes[0].ceil_mode, True)
    alone = pool(x, *settings, axes[0].ceil_mode)
    assert np.array_equal(values.detach().numpy(), expected)
    assert np.array_equal(found.numpy(), places)
    assert np.array_equal(alone.detach().numpy(), expected)
    gradient = np.zeros_like(array).reshape(6, -1)
    for plane, of_plane in zip(gradient, places.reshape(6, -1)):
        np.add.at(plane, of_plane, 1)
    alone.sum().backward()
    assert np.array_equal(x.grad.numpy().reshape(6, -1), gradient)


@examples(150)
@given(poolings(dilated=False).filter(fits), st.booleans(), st.integers(0, 99))
def test_averages(axes, count_include_pad, seed):
    array = numbers(axes, seed)
    expected = np.zeros((2, 3, *(a.count() for a in axes)))
    gradient = np.zeros(array.shape)
    for at, starts in each_window(axes):
        window = (slice(None), slice(None), *np.ix_(*(a.places(s) for a, s in zip(axes, starts))))
        sizes = [a.padded_size(s) if count_include_pad else len(a.places(s)) for a, s in zip(axes, starts)]
        expected[(..., *at)] = array[window].reshape(2, 3, -1).sum(-1) / np.prod(sizes)
        gradient[window] += 1 / np.prod(sizes)
    x = ondol.tensor(array, requires_grad=True)
    settings = [[getattr(a, name) for a in axes] for name in ("kernel", "stride", "padding")]
    y = AVERAGE[len(axes)](x, *settings, axes[0].ceil_mode, count_include_pad)
    np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-5, atol=1e-5)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), gradient, rtol=1e-5, atol=1e-5)
