"""Resizing, padding and sampling of images against plain loops, and their derivatives."""

import numpy as np
import pytest

import ondol
from ondol.nn import functional as F


def numbers(*shape):
    return ondol.from_numpy(np.random.default_rng(0).normal(size=shape)).requires_grad_()


def test_linear_interpolation_weighs_the_two_neighbours():
    found = F.interpolate(ondol.tensor([[[0.0, 10.0]]]), size=4, mode="linear")
    assert found.tolist() == [[[0.0, 2.5, 7.5, 10.0]]]


@pytest.mark.parametrize("mode, numpy_mode", [("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")])
def test_padding_continues_as_numpy_does(mode, numpy_mode):
    images = numbers(2, 3, 4, 5)
    found = F.pad(images, (2, 1, 3, 0), mode=mode)
    expected = np.pad(images.detach().numpy(), [(0, 0), (0, 0), (3, 0), (2, 1)], mode=numpy_mode)
    assert (found.detach().numpy() == expected).all()


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "nearest"])
def test_resizing_has_both_derivatives(mode):
    def resize(images):
        return F.interpolate(images, size=(5, 3), mode=mode) ** 2

    assert ondol.autograd.gradcheck(resize, (numbers(1, 2, 3, 4),))
    assert ondol.autograd.gradgradcheck(resize, (numbers(1, 2, 3, 4),))


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
def test_the_native_grid_sample_is_the_composed_one(padding_mode, align_corners):
    from ondol.nn.functional import grid as module

    images = numbers(2, 3, 5, 4)
    places = (numbers(2, 6, 7, 2).detach() * 0.8).requires_grad_()
    found = F.grid_sample(images, places, "bilinear", padding_mode, align_corners)
    expected = module._composed(images, places, "bilinear", padding_mode, align_corners)
    assert np.allclose(found.detach(), expected.detach())
    weights = numbers(*found.shape).detach()
    gradients = ondol.autograd.grad(found, (images, places), weights)
    wanted = ondol.autograd.grad(expected, (images, places), weights)
    assert all(np.allclose(one, other) for one, other in zip(gradients, wanted))


def test_grid_sample_can_be_differentiated_twice():
    images, places = numbers(1, 2, 4, 4), (numbers(1, 3, 3, 2).detach() * 0.3).requires_grad_()
    assert ondol.autograd.gradgradcheck(lambda x, g: F.grid_sample(x, g, align_corners=False), (images, places))


def test_a_place_that_is_no_number_samples_nothing():
    places = ondol.full((1, 1, 1, 2), float("nan"))
    assert F.grid_sample(ondol.ones(1, 1, 2, 2), places, align_corners=False).item() == 0


def test_fractional_pooling_takes_the_largest_of_each_window():
    images = numbers(2, 3, 8, 9)
    values, indices = F.fractional_max_pool2d(images, 2, output_size=(3, 4), return_indices=True)
    assert (images.flatten(2).gather(2, indices.flatten(2)).view_as(values) == values).all()
    values.sum().backward()
    assert images.grad.sum().item() == values.numel()


@pytest.mark.parametrize("output", [1, (3, 2), (4, 4), (7, 5)])
def test_adaptive_average_pooling_is_the_mean_of_each_window(output):
    images = numbers(2, 2, 8, 10)
    found = F.adaptive_avg_pool2d(images, output)
    rows, columns = found.shape[-2:]
    for i in range(rows):
        for j in range(columns):
            top, bottom = i * 8 // rows, -(-(i + 1) * 8 // rows)
            left, right = j * 10 // columns, -(-(j + 1) * 10 // columns)
            window = images[..., top:bottom, left:right].mean((-2, -1))
            assert np.allclose(found[..., i, j].detach(), window.detach())
    assert ondol.autograd.gradcheck(lambda x: F.adaptive_avg_pool2d(x, output), (images,))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_of_pixels_is_that_of_rows(reduction):
    scores, targets = numbers(2, 5, 3, 4), ondol.randint(5, (2, 3, 4))
    targets[0, 0, 0] = -100
    weight = ondol.rand(5, dtype=ondol.float64)
    found = F.cross_entropy(scores, targets, weight, reduction=reduction)
    rows = scores.permute(0, 2, 3, 1).reshape(-1, 5)
    expected = F.cross_entropy(rows, targets.flatten(), weight, reduction=reduction)
    assert np.allclose(found.detach().flatten(), expected.detach())
    (one,) = ondol.autograd.grad(found.sum(), scores, retain_graph=True)
    (other,) = ondol.autograd.grad(expected.sum(), scores)
    assert np.allclose(one, other)


@pytest.mark.parametrize("loss", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses_of_differences_have_both_derivatives(loss, reduction):
    def of(x, y):
        return getattr(F, loss)(x, y, reduction=reduction)

    assert ondol.autograd.gradcheck(of, (numbers(3, 4), numbers(3, 4) * 2 + 0.3))
    assert ondol.autograd.gradgradcheck(of, (numbers(3, 4), numbers(3, 4) * 2 + 0.3))
