"""NaN-aware reductions, quantiles, covariance, histograms, distances and comparisons."""

import math

import numpy as np
import pytest

import ondol
from ondol.autograd import gradcheck, gradgradcheck

rng = np.random.default_rng(0)


def with_nan(*shape):
    values = rng.standard_normal(shape)
    values.flat[::5] = np.nan
    return values


@pytest.mark.parametrize("name", ["nansum", "nanmean"])
@pytest.mark.parametrize("dim", [None, 0, 1])
def test_reductions_leave_nan_out(name, dim):
    x = with_nan(3, 4)
    np.testing.assert_allclose(getattr(ondol, name)(ondol.from_numpy(x), dim).numpy(), getattr(np, name)(x, axis=dim))


def test_nanmedian_is_the_lower_one_and_knows_its_place():
    values, indices = ondol.nanmedian(ondol.tensor([[4.0, math.nan, 1.0, 3.0, 2.0]]), 1)
    assert (values.item(), indices.item()) == (2.0, 4)


@pytest.mark.parametrize("interpolation", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_quantile_agrees_with_numpy(interpolation):
    x, q = rng.standard_normal((3, 7)), np.array([0.0, 0.3, 1.0])
    ours = ondol.quantile(ondol.from_numpy(x), ondol.from_numpy(q), 1, interpolation=interpolation)
    np.testing.assert_allclose(ours.numpy(), np.quantile(x, q, axis=1, method=interpolation))


def test_nanquantile_leaves_nan_out_and_quantile_does_not():
    x = with_nan(3, 7)
    ours = ondol.nanquantile(ondol.from_numpy(x), 0.4, 1)
    np.testing.assert_allclose(ours.numpy(), np.nanquantile(x, 0.4, axis=1))
    assert ondol.isnan(ondol.quantile(ondol.from_numpy(x), 0.4, 1)).tolist() == np.isnan(x).any(1).tolist()


def test_quantile_is_differentiable():
    assert gradcheck(lambda x: ondol.quantile(x, 0.3), (ondol.from_numpy(rng.standard_normal(6)).requires_grad_(),))


@pytest.mark.parametrize("bad", [-0.1, 1.1])
def test_a_quantile_outside_zero_to_one_is_refused(bad):
    with pytest.raises(RuntimeError, match=r"range \[0, 1\]"):
        ondol.quantile(ondol.ones(3), bad)


def test_covariance_agrees_with_numpy_with_both_kinds_of_weights():
    x, f, a = rng.standard_normal((3, 6)), rng.integers(1, 4, 6), rng.random(6)
    ours = ondol.cov(ondol.from_numpy(x), correction=1, fweights=ondol.from_numpy(f), aweights=ondol.from_numpy(a))
    np.testing.assert_allclose(ours.numpy(), np.cov(x, fweights=f, aweights=a))
    np.testing.assert_allclose(ondol.corrcoef(ondol.from_numpy(x)).numpy(), np.corrcoef(x))


def test_logcumsumexp_does_not_overflow_and_is_differentiable_twice():
    assert ondol.logcumsumexp(ondol.tensor([1000.0, 1000.0]), 0)[1].item() == pytest.approx(1000 + math.log(2))
    x = ondol.from_numpy(rng.standard_normal((2, 5))).requires_grad_()
    assert gradcheck(lambda x: ondol.logcumsumexp(x, 1), (x,))
    assert gradgradcheck(lambda x: ondol.logcumsumexp(x, 1), (x,))


def test_histogram_agrees_with_numpy_with_weights_and_density():
    x, w, edges = rng.standard_normal(50), rng.random(50), np.array([-2.0, -0.5, 0.0, 3.0])
    ours = ondol.histogram(ondol.from_numpy(x), ondol.from_numpy(edges), weight=ondol.from_numpy(w), density=True)
    np.testing.assert_allclose(ours.hist.numpy(), np.histogram(x, edges, weights=w, density=True)[0])


def test_histogramdd_agrees_with_numpy():
    x = rng.random((40, 2))
    ours = ondol.histogramdd(ondol.from_numpy(x), [3, 4], range=(0.0, 1.0, 0.0, 1.0))
    theirs = np.histogramdd(x, [3, 4], range=((0, 1), (0, 1)))
    np.testing.assert_array_equal(ours.hist.numpy(), theirs[0])


@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, 3.0, math.inf])
def test_distances_of_all_pairs(p):
    x, y = rng.standard_normal((4, 3)), rng.standard_normal((2, 3))
    expected = [[np.linalg.norm(a - b, p) for b in y] for a in x]
    x, y = (ondol.from_numpy(value).requires_grad_() for value in (x, y))
    np.testing.assert_allclose(ondol.cdist(x, y, p).detach().numpy(), expected)
    assert gradcheck(lambda x, y: ondol.cdist(x, y, p), (x, y))
    np.testing.assert_allclose(ondol.pdist(x.detach(), p)[1].item(), np.linalg.norm(x[0].detach() - x[2].detach(), p))


def test_euclidean_distances_of_many_rows_by_one_product_agree_with_direct_ones():
    x, y = (ondol.from_numpy(rng.standard_normal((30, 3))) for _ in range(2))
    direct = ondol.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
    np.testing.assert_allclose(ondol.cdist(x, y).numpy(), direct.numpy(), atol=1e-7)


def test_equal_rows_have_a_distance_whose_derivative_is_zero():
    x = ondol.ones(2, 3, dtype=ondol.float64, requires_grad=True)
    ondol.cdist(x, x).sum().backward()
    assert x.grad.abs().sum().item() == 0.0


def test_renorm_scales_only_what_is_too_long():
    result = ondol.renorm(ondol.tensor([[3.0, 4.0], [0.1, 0.2]]), 2, 0, 1.0)
    np.testing.assert_allclose(result.numpy(), [[0.6, 0.8], [0.1, 0.2]], rtol=1e-5)


def test_isclose_treats_infinities_and_nan_as_numpy_does():
    a, b = np.array([math.inf, math.inf, math.nan, 1.0]), np.array([math.inf, -math.inf, math.nan, 1.0 + 1e-7])
    for equal_nan in (False, True):
        ours = ondol.isclose(ondol.from_numpy(a), ondol.from_numpy(b), equal_nan=equal_nan)
        assert ours.tolist() == np.isclose(a, b, equal_nan=equal_nan).tolist()


@pytest.mark.parametrize("invert", [False, True])
def test_isin_agrees_with_numpy(invert):
    a, b = rng.integers(0, 9, (3, 4)), rng.integers(0, 9, 3)
    assert (
        ondol.isin(ondol.from_numpy(a), ondol.from_numpy(b), invert=invert).tolist()
        == np.isin(a, b, invert=invert).tolist()
    )


def test_logaddexp_of_equal_infinities_is_that_infinity():
    result = ondol.logaddexp(ondol.tensor([math.inf, -math.inf]), ondol.tensor([math.inf, -math.inf]))
    assert result.tolist() == [math.inf, -math.inf]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nextafter_agrees_with_numpy_bit_for_bit(dtype):
    x = np.array([0.0, 0.0, 1.0, 1.0, -1.0, -1.0, 3.0, -0.0], dtype)
    y = np.array([1.0, -1.0, 2.0, 0.0, 0.0, -2.0, 3.0, 0.0], dtype)
    ours = ondol.nextafter(ondol.from_numpy(x), ondol.from_numpy(y)).numpy()
    np.testing.assert_array_equal(ours, np.nextafter(x, y))


def test_frexp_takes_numbers_apart_exactly():
    x = ondol.tensor([6.0, -0.75, 0.0, 1e-40, 3e38])
    mantissa, exponent = ondol.frexp(x)
    assert np.array_equal(np.ldexp(mantissa.numpy(), exponent.numpy()), x.numpy())
    assert exponent.dtype == ondol.int32


def test_hypot_does_not_overflow():
    assert ondol.hypot(ondol.tensor(3e30), ondol.tensor(4e30)).item() == pytest.approx(5e30)


def test_named_results_print_as_pytorch_prints_them():
    text = repr(ondol.return_types.aminmax((1, 2)))
    assert text == "torch.return_types.aminmax(\nmin=1,\nmax=2)"
    with pytest.raises(TypeError, match="2-sequence"):
        ondol.return_types.aminmax((1,))
