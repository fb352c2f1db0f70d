"""Distributions of vectors and matrices."""

from __future__ import annotations

import math
import warnings

import pytest

import ondol
from ondol import distributions as d
from ondol.distributions.relaxed_categorical import ExpRelaxedCategorical


def normal_log_density(value, loc, covariance):
    centred = value - loc
    constant = loc.shape[-1] * math.log(2 * math.pi)
    return -0.5 * (centred @ covariance.inverse() @ centred + covariance.logdet() + constant)


def test_multivariate_normal_from_each_matrix():
    covariance = ondol.tensor([[2.0, 0.6], [0.6, 1.0]])
    loc, value = ondol.tensor([1.0, -1.0]), ondol.tensor([0.2, 0.4])
    forms = {
        "covariance_matrix": covariance,
        "precision_matrix": covariance.inverse(),
        "scale_tril": ondol.linalg.cholesky(covariance),
    }
    for name, matrix in forms.items():
        one = d.MultivariateNormal(loc, **{name: matrix})
        assert ondol.allclose(one.log_prob(value), normal_log_density(value, loc, covariance))
        assert ondol.allclose(one.covariance_matrix, covariance)
        assert ondol.allclose(one.precision_matrix, covariance.inverse())
    assert ondol.allclose(one.sample((40000,)).T.cov(), covariance, atol=0.06)


def test_lowrank_normal_is_the_normal_of_its_covariance():
    loc, factor, diagonal = ondol.randn(2, 4), ondol.randn(2, 4, 2), ondol.rand(2, 4) + 0.5
    one = d.LowRankMultivariateNormal(loc, factor, diagonal)
    covariance = factor @ factor.mT + diagonal.diag_embed()
    whole, value = d.MultivariateNormal(loc, covariance), ondol.randn(3, 2, 4)
    assert ondol.allclose(one.log_prob(value), whole.log_prob(value))
    assert ondol.allclose(one.entropy(), whole.entropy())
    assert ondol.allclose(one.covariance_matrix, covariance)
    assert ondol.allclose(one.precision_matrix, covariance.inverse())
    assert ondol.allclose(one.scale_tril, whole.scale_tril)
    assert ondol.allclose(one.variance, whole.variance)
    assert ondol.allclose(one.sample((40000,))[:, 0].T.cov(), covariance[0], atol=0.35)
    assert ondol.allclose(one.expand((3, 2)).log_prob(value), one.log_prob(value))


def test_dirichlet_density_and_moments():
    one = d.Dirichlet(ondol.tensor([2.5, 1.5, 3.0]))
    step = 1 / 400
    grid = ondol.arange(step / 2, 1, step)
    x, y = ondol.meshgrid(grid, grid, indexing="ij")
    inside = x + y < 1 - 1e-9
    points = ondol.stack([x[inside], y[inside], 1 - x[inside] - y[inside]], -1)
    density = one.log_prob(points).exp()
    assert abs(density.sum() * step**2 - 1) < 1e-3
    assert abs(-(density * density.log()).sum() * step**2 - one.entropy()) < 2e-3
    assert ondol.allclose(points[density.argmax()], one.mode, atol=2 * step)
    drawn = one.sample((40000,))
    assert ondol.allclose(drawn.sum(-1), ondol.ones(40000))
    assert ondol.allclose(drawn.mean(0), one.mean, atol=0.01)
    assert ondol.allclose(drawn.var(0), one.variance, rtol=0.05)


def test_dirichlet_with_an_infinite_density_has_a_corner_as_mode():
    assert d.Dirichlet(ondol.tensor([0.5, 0.4, 0.9])).mode.tolist() == [1, 0, 0]
    assert d.Beta(0.5, 0.4).mode == 1


def test_two_numbers_of_a_dirichlet_are_a_beta():
    value = ondol.tensor([0.1, 0.7])
    pair = d.Dirichlet(ondol.tensor([2.0, 3.0])).log_prob(ondol.stack([value, 1 - value], -1))
    assert ondol.allclose(d.Beta(2.0, 3.0).log_prob(value), pair)


def test_logistic_normal_is_normal_before_the_map():
    one = d.LogisticNormal(ondol.tensor([0.3, -0.2]), ondol.tensor([0.5, 0.8]))
    drawn = one.sample((20000,))
    assert ondol.allclose(drawn.sum(-1), ondol.ones(20000))
    before = d.StickBreakingTransform().inv(drawn)
    assert ondol.allclose(before.mean(0), one.loc, atol=0.03) and ondol.allclose(before.std(0), one.scale, atol=0.03)
    assert one.expand((3,)).log_prob(drawn[:3]).shape == (3,)


@pytest.mark.parametrize("concentration", [0.7, 1.0, 3.0])
def test_lkj_density_of_a_correlation(concentration):
    """Of two rows: the density of r is ∝ (1 - r²)^(concentration - 1), that of the factor is the same with r."""
    one = d.LKJCholesky(2, concentration)
    r = ondol.linspace(-1, 1, 40001)[1:-1]
    zero = ondol.zeros_like(r)
    factor = ondol.stack([ondol.stack([zero + 1, zero], -1), ondol.stack([r, (1 - r**2).sqrt()], -1)], -2)
    density = one.log_prob(factor).exp()
    # log_prob holds what it takes from the factor's diagonal to the correlation: with one correlation nothing.
    assert abs(ondol.trapezoid(density, r) - 1) < (0.02 if concentration < 1 else 1e-4)


@pytest.mark.parametrize("size", [2, 3, 5])
def test_lkj_samples_are_factors_of_correlation_matrices(size):
    """A correlation r of `size` variables has (1 + r) / 2 of the beta distribution with a = b = η + size / 2 - 1
    (Lewandowski, Kurowicka & Joe 2009)."""
    one = d.LKJCholesky(size, 1.5)
    drawn = one.sample((20000,))
    assert d.constraints.corr_cholesky.check(drawn).all()
    correlations = d.utils.tril_matrix_to_vec(drawn @ drawn.mT, diag=-1)
    expected = d.Beta(1.5 + size / 2 - 1, 1.5 + size / 2 - 1)
    assert ondol.allclose(correlations.mean(0), ondol.zeros(correlations.shape[1]), atol=0.02)
    assert ondol.allclose(correlations.var(0), (4 * expected.variance).expand(correlations.shape[1]), rtol=0.06)


@pytest.mark.parametrize("size", [3, 4])
def test_lkj_samples_have_the_density(size):
    """The mean of q / p over samples of p is 1."""
    p, q = d.LKJCholesky(size, 1.2), d.LKJCholesky(size, 2.0)
    drawn = p.sample((40000,))
    assert abs((q.log_prob(drawn) - p.log_prob(drawn)).exp().mean() - 1) < 0.02


def test_wishart_from_each_matrix():
    covariance = ondol.tensor([[2.0, 0.6], [0.6, 1.0]])
    forms = {
        "covariance_matrix": covariance,
        "precision_matrix": covariance.inverse(),
        "scale_tril": ondol.linalg.cholesky(covariance),
    }
    value = ondol.tensor([[3.0, 0.2], [0.2, 2.5]])
    df = 4.5
    expected = (
        0.5 * (df - 3) * value.logdet() - 0.5 * (covariance.inverse() @ value).trace()
        - df * math.log(2) - 0.5 * df * covariance.logdet() - ondol.mvlgamma(ondol.tensor(df / 2), 2)
    )  # fmt: skip
    for name, matrix in forms.items():
        one = d.Wishart(df, **{name: matrix})
        assert ondol.allclose(one.log_prob(value), expected), name
        assert ondol.allclose(one.mean, df * covariance)
        assert ondol.allclose(one.mode, (df - 3) * covariance)
    drawn = one.sample((40000,))
    assert ondol.allclose(drawn.mean(0), one.mean, atol=0.15)
    assert ondol.allclose(drawn.var(0), one.variance, rtol=0.06)
    assert abs(-one.log_prob(drawn).mean() - one.entropy()) < 0.05
    assert one.expand((2, 3)).sample((5,)).shape == (5, 2, 3, 2, 2)


def test_wishart_of_one_row_is_a_gamma():
    x = ondol.tensor([0.5, 2.0])
    one = d.Wishart(3.0, covariance_matrix=ondol.tensor([[2.0]]))
    assert ondol.allclose(one.log_prob(x[:, None, None]), d.Gamma(1.5, 0.25).log_prob(x))


def test_wishart_warns_of_singular_samples():
    with pytest.warns(UserWarning, match="Low df"):
        d.Wishart(1.5, covariance_matrix=ondol.eye(2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        d.Wishart(4.0, covariance_matrix=ondol.eye(2)).sample((100,))


def test_relaxed_categories_lie_on_the_simplex():
    probs = ondol.tensor([0.2, 0.3, 0.5])
    one = d.RelaxedOneHotCategorical(ondol.tensor(0.4), probs)
    drawn = one.sample((40000,))
    assert ondol.allclose(drawn.sum(-1), ondol.ones(40000))
    chances = d.constraints.one_hot.check((drawn == drawn.max(-1, keepdim=True).values).double()).all()
    assert chances
    frequency = (drawn == drawn.max(-1, keepdim=True).values).double().mean(0)
    assert ondol.allclose(frequency, probs, atol=0.015)
    assert one.expand((2,)).rsample().shape == (2, 3)


def test_relaxed_categorical_density_by_its_formula():
    """Maddison, Mnih & Teh 2017, definition 1."""
    probs, x, temperature = ondol.tensor([0.2, 0.3, 0.5]), ondol.tensor([0.1, 0.3, 0.6]), 0.6
    one = d.RelaxedOneHotCategorical(ondol.tensor(temperature), probs)
    terms = probs * x ** -(temperature + 1) / (probs * x**-temperature).sum()
    assert ondol.allclose(one.log_prob(x).exp(), 2 * temperature**2 * terms.prod())
    inner = ExpRelaxedCategorical(ondol.tensor(temperature), probs)
    assert ondol.allclose(inner.log_prob(x.log()), one.log_prob(x) + x.log().sum())
