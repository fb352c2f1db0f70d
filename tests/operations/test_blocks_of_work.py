"""Operations that take several values, rows or planes together, at sizes that leave some over."""

from __future__ import annotations

import numpy as np
import pytest

import ondol
import ondol.nn.functional as F

RANDOM = np.random.default_rng(11)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32"])
@pytest.mark.parametrize("bounds", [0, 1, 2, 7, 100])
@pytest.mark.parametrize("right", [False, True])
def test_buckets_of_a_number_of_values(dtype, bounds, right):
    boundaries = np.sort(RANDOM.integers(0, 40, bounds)).astype(dtype)
    for count in (1, 15, 16, 50):
        values = RANDOM.integers(-1, 42, count).astype(dtype)
        found = ondol.bucketize(ondol.from_numpy(values), ondol.from_numpy(boundaries), right=right)
        assert found.tolist() == np.searchsorted(boundaries, values, "right" if right else "left").tolist()


def test_what_is_no_number_comes_last():
    values = ondol.tensor([float("nan"), float("inf"), float("-inf")] * 6)
    assert ondol.bucketize(values, ondol.tensor([0.0, 1.0])).tolist() == [2, 2, 0] * 6


@pytest.mark.parametrize("rows", [1, 8, 19])
def test_rows_of_categories_are_drawn_one_after_the_other(rows):
    weights = ondol.from_numpy(RANDOM.random((rows, 37)))
    together = weights.multinomial(5, True, generator=ondol.Generator().manual_seed(1))
    generator = ondol.Generator().manual_seed(1)
    assert together.tolist() == [row.multinomial(5, True, generator=generator).tolist() for row in weights]


def test_categories_of_weight_zero_are_never_drawn():
    weights = ondol.tensor([0.0, 1.0, 0.0, 3.0, 0.0]).expand(9, 5)
    assert set(weights.multinomial(200, True).flatten().tolist()) == {1, 3}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("rows", "width"), [(1, 3), (2, 1), (17, 130), (70, 33)])
def test_distances_of_all_pairs_and_their_gradient(dtype, rows, width):
    x = ondol.from_numpy(RANDOM.standard_normal((rows, width)).astype(dtype)).requires_grad_()
    first, second = np.triu_indices(rows, 1)
    weights = ondol.from_numpy(RANDOM.standard_normal(len(first)).astype(dtype))
    ((F.pdist(x) * weights).sum()).backward()
    points = x.detach().double().numpy()
    differences = points[first] - points[second]
    distances = np.sqrt((differences**2).sum(1))
    moves = differences * (weights.double().numpy() / distances)[:, None]
    gradient = np.zeros_like(points)
    np.add.at(gradient, first, moves)
    np.add.at(gradient, second, -moves)
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(F.pdist(x).detach().numpy(), distances, rtol=tolerance)
    np.testing.assert_allclose(x.grad.numpy(), gradient, rtol=tolerance, atol=tolerance * 10)


@pytest.mark.parametrize("pad", [(2, 1), (-1, 3, 2, -1), (1, 0, -2, 4, 1, 1), (5, -6), (-6, 5), (0, 0, -2, -2)])
@pytest.mark.parametrize("dtype", ["float32", "complex128", "int8"])
def test_border_of_a_value_or_a_crop(pad, dtype):
    x = RANDOM.integers(0, 9, (3, 4, 5)).astype(dtype)
    expected = x
    for axis, (left, right) in zip((2, 1, 0), zip(pad[::2], pad[1::2])):
        size = x.shape[axis]
        kept = expected.take(range(max(-left, 0), max(size - max(-right, 0), max(-left, 0))), axis)
        widths = [(0, 0)] * 3
        widths[axis] = (max(left, 0), max(right, 0))
        expected = np.pad(kept, widths, constant_values=7)
        expected = expected.take(range(size + left + right), axis)
    for given in (x, np.asfortranarray(x)):
        assert np.array_equal(F.pad(ondol.from_numpy(given), pad, value=7).numpy(), expected)


@pytest.mark.parametrize("classes", [1, 7, 8, 50])
def test_margins_of_many_labels(classes):
    scores = RANDOM.standard_normal((3, classes)).astype("float32")
    labels = RANDOM.integers(0, classes, (3, classes))
    labels[:, classes // 2 :] = -1
    expected = []
    for row, own in zip(scores, labels):
        wanted = [label for label in own if label >= 0]
        others = [i for i in range(classes) if i not in wanted]
        expected.append(sum(max(0.0, 1 - row[j] + row[i]) for j in wanted for i in others) / classes)
    loss = F.multilabel_margin_loss(ondol.from_numpy(scores), ondol.from_numpy(labels), reduction="none")
    np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_samples_at_pixels_and_between_them(dtype):
    image = RANDOM.standard_normal((2, 3, 5, 6)).astype(dtype)
    places = RANDOM.uniform(-1.3, 1.3, (2, 3, 7, 2)).astype(dtype)
    found = F.grid_sample(ondol.from_numpy(image), ondol.from_numpy(places), align_corners=True)
    bordered = np.pad(image, ((0, 0), (0, 0), (2, 2), (2, 2)))
    x, y = (places[..., 0] + 1) / 2 * 5 + 2, (places[..., 1] + 1) / 2 * 4 + 2
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    dx, dy = (x - left)[:, None], (y - top)[:, None]
    batch, channel = np.arange(2)[:, None, None, None], np.arange(3)[None, :, None, None]
    corner = [[bordered[batch, channel, (top + i)[:, None], (left + j)[:, None]] for j in range(2)] for i in range(2)]
    expected = (corner[0][0] * (1 - dx) + corner[0][1] * dx) * (1 - dy) + (
        corner[1][0] * (1 - dx) + corner[1][1] * dx
    ) * dy
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5)
