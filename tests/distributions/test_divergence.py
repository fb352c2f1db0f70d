"""KL(p || q): against means over samples of p, integrals and sums."""

from __future__ import annotations

import math

import pytest

import ondol
from ondol import distributions as d

PAIRS = {
    "Normal": lambda: (d.Normal(0.3, 1.1), d.Normal(0.5, 1.5)),
    "Laplace": lambda: (d.Laplace(0.3, 1.1), d.Laplace(0.5, 1.5)),
    "Exponential": lambda: (d.Exponential(0.3), d.Exponential(0.6)),
    "HalfNormal": lambda: (d.HalfNormal(0.3), d.HalfNormal(0.6)),
    "Bernoulli": lambda: (d.Bernoulli(0.3), d.Bernoulli(0.6)),
    "Geometric": lambda: (d.Geometric(0.3), d.Geometric(0.6)),
    "Poisson": lambda: (d.Poisson(2.5), d.Poisson(1.9)),
    "LogNormal": lambda: (d.LogNormal(0.3, 1.1), d.LogNormal(0.5, 1.5)),
    "Binomial": lambda: (d.Binomial(5, 0.3), d.Binomial(5, 0.5)),
    "Gumbel": lambda: (d.Gumbel(0.3, 1.1), d.Gumbel(0.5, 1.5)),
    "Gamma": lambda: (d.Gamma(2.5, 1.3), d.Gamma(1.5, 1.0)),
    "Chi2": lambda: (d.Chi2(3.0), d.Chi2(4.0)),
    "Beta": lambda: (d.Beta(2.5, 1.3), d.Beta(1.5, 2.0)),
    "Pareto": lambda: (d.Pareto(1.5, 4.0), d.Pareto(1.2, 3.0)),
    "ContinuousBernoulli": lambda: (d.ContinuousBernoulli(0.2), d.ContinuousBernoulli(0.5)),
    "Normal Laplace": lambda: (d.Normal(0.3, 1.1), d.Laplace(0.5, 1.5)),
    "Normal Gumbel": lambda: (d.Normal(0.3, 1.1), d.Gumbel(0.5, 1.5)),
    "Laplace Normal": lambda: (d.Laplace(0.3, 1.1), d.Normal(0.5, 1.5)),
    "Gumbel Normal": lambda: (d.Gumbel(0.3, 1.1), d.Normal(0.5, 1.5)),
    "Exponential Gamma": lambda: (d.Exponential(1.3), d.Gamma(1.5, 1.0)),
    "Exponential Gumbel": lambda: (d.Exponential(1.3), d.Gumbel(0.5, 1.5)),
    "Exponential Normal": lambda: (d.Exponential(1.3), d.Normal(0.5, 1.5)),
    "Gamma Exponential": lambda: (d.Gamma(2.5, 1.3), d.Exponential(0.6)),
    "Gamma Gumbel": lambda: (d.Gamma(2.5, 1.3), d.Gumbel(0.5, 1.5)),
    "Gamma Normal": lambda: (d.Gamma(2.5, 1.3), d.Normal(0.5, 1.5)),
    "Chi2 Gamma": lambda: (d.Chi2(3.0), d.Gamma(1.5, 1.0)),
    "Exponential Chi2": lambda: (d.Exponential(1.3), d.Chi2(4.0)),
    "Pareto Exponential": lambda: (d.Pareto(0.5, 6.0), d.Exponential(0.6)),
    "Pareto Gamma": lambda: (d.Pareto(0.5, 6.0), d.Gamma(1.5, 1.0)),
    "Pareto Normal": lambda: (d.Pareto(0.5, 6.0), d.Normal(0.5, 1.5)),
    "Beta ContinuousBernoulli": lambda: (d.Beta(2.5, 1.3), d.ContinuousBernoulli(0.3)),
    "Beta Exponential": lambda: (d.Beta(2.5, 1.3), d.Exponential(0.6)),
    "Beta Gamma": lambda: (d.Beta(2.5, 1.3), d.Gamma(1.5, 1.0)),
    "Beta Normal": lambda: (d.Beta(2.5, 1.3), d.Normal(0.5, 1.5)),
    "Beta Uniform": lambda: (d.Beta(2.5, 1.3), d.Uniform(0.0, 1.5)),
    "ContinuousBernoulli Exponential": lambda: (d.ContinuousBernoulli(0.2), d.Exponential(0.6)),
    "ContinuousBernoulli Normal": lambda: (d.ContinuousBernoulli(0.2), d.Normal(0.5, 1.5)),
    "ContinuousBernoulli Uniform": lambda: (d.ContinuousBernoulli(0.2), d.Uniform(0.0, 1.5)),
    "Uniform Beta": lambda: (d.Uniform(0.2, 0.9), d.Beta(1.5, 2.0)),
    "Uniform ContinuousBernoulli": lambda: (d.Uniform(0.0, 1.0), d.ContinuousBernoulli(0.3)),
    "Uniform Exponential": lambda: (d.Uniform(0.2, 0.9), d.Exponential(0.6)),
    "Uniform Gamma": lambda: (d.Uniform(0.2, 0.9), d.Gamma(1.5, 1.0)),
    "Uniform Gumbel": lambda: (d.Uniform(-0.2, 0.9), d.Gumbel(0.5, 1.5)),
    "Uniform Normal": lambda: (d.Uniform(-0.2, 0.9), d.Normal(0.5, 1.5)),
    "Uniform Pareto": lambda: (d.Uniform(0.6, 0.9), d.Pareto(0.5, 3.0)),
    "Uniform Uniform": lambda: (d.Uniform(0.2, 0.9), d.Uniform(0.0, 1.5)),
    "Bernoulli Poisson": lambda: (d.Bernoulli(0.3), d.Poisson(0.8)),
}
VECTORS = {
    "Dirichlet": lambda: (d.Dirichlet(ondol.tensor([1.5, 2.0, 3.0])), d.Dirichlet(ondol.tensor([2.5, 1.0, 2.0]))),
    "Wishart": lambda: (d.Wishart(4.0, ondol.eye(2)), d.Wishart(5.0, 2 * ondol.eye(2))),
    "Independent": lambda: (
        d.Independent(d.Normal(ondol.zeros(3), 1.0), 1),
        d.Independent(d.Normal(ondol.ones(3), 2.0), 1),
    ),
}


def mean_of_the_log_ratio(p, q, count=100000):
    drawn = p.sample((count,))
    ratio = p.log_prob(drawn) - q.log_prob(drawn)
    return ratio.mean(), ratio.std() / math.sqrt(count)


@pytest.mark.parametrize("name", PAIRS)
def test_divergence_is_the_mean_of_the_log_ratio(name):
    p, q = PAIRS[name]()
    mean, error = mean_of_the_log_ratio(p, q)
    assert abs(mean - d.kl_divergence(p, q)) < 5 * error + 1e-6


@pytest.mark.parametrize("name", VECTORS)
def test_divergence_of_vectors(name):
    p, q = VECTORS[name]()
    mean, error = mean_of_the_log_ratio(p, q)
    assert abs(mean - d.kl_divergence(p, q)) < 5 * error


def test_cauchy_divergence_is_an_integral():
    p, q, u = d.Cauchy(0.3, 0.8), d.Cauchy(-0.4, 1.5), ondol.linspace(0, 1, 400001)[1:-1]
    x = p.icdf(u)
    assert abs((p.log_prob(x) - q.log_prob(x)).mean() - d.kl_divergence(p, q)) < 1e-5


def test_normal_vectors_of_full_and_of_low_rank():
    low = [d.LowRankMultivariateNormal(ondol.randn(4), ondol.randn(4, 2), ondol.rand(4) + 0.5) for _ in range(2)]
    full = [d.MultivariateNormal(one.loc, one.covariance_matrix) for one in low]
    expected = d.kl_divergence(*full)
    spread = ondol.linalg.solve(full[1].covariance_matrix, full[0].covariance_matrix)
    distance = low[1].loc - low[0].loc
    squares = spread.trace() + distance @ ondol.linalg.solve(full[1].covariance_matrix, distance)
    assert ondol.allclose(expected, 0.5 * (squares - 4 - spread.logdet()))
    for p in (low[0], full[0]):
        for q in (low[1], full[1]):
            assert ondol.allclose(d.kl_divergence(p, q), expected)


@pytest.mark.parametrize("p, q", [
    (d.Normal(0.0, 1.0), d.Exponential(1.0)), (d.Normal(0.0, 1.0), d.Beta(1.0, 1.0)),
    (d.Laplace(0.0, 1.0), d.Uniform(-9.0, 9.0)), (d.Gumbel(0.0, 1.0), d.Pareto(1.0, 1.0)),
    (d.Gamma(1.0, 1.0), d.ContinuousBernoulli(0.3)), (d.Exponential(1.0), d.Pareto(1.0, 1.0)),
    (d.Pareto(1.0, 1.0), d.Uniform(0.0, 9.0)), (d.Beta(1.0, 2.0), d.Uniform(0.5, 1.0)),
    (d.Uniform(-1.0, 1.0), d.Gamma(1.0, 1.0)), (d.Uniform(0.0, 2.0), d.Beta(1.0, 1.0)),
    (d.Uniform(0.5, 2.0), d.Pareto(1.0, 1.0)), (d.Pareto(1.0, 1.0), d.Pareto(2.0, 1.0)),
    (d.Pareto(1.0, 0.9), d.Exponential(1.0)), (d.Pareto(1.0, 1.9), d.Normal(0.0, 1.0)),
    (d.Poisson(1.0), d.Bernoulli(0.5)), (d.Poisson(1.0), d.Binomial(5, 0.5)), (d.Binomial(5, 0.5), d.Binomial(4, 0.5)),
], ids=lambda one: type(one).__name__)  # fmt: skip
def test_divergence_is_infinite_where_q_excludes_values_of_p(p, q):
    assert d.kl_divergence(p, q) == math.inf


def test_divergence_of_batches_broadcasts():
    p, q = d.Gamma(ondol.rand(2, 1) + 1, 1.0), d.Normal(ondol.zeros(3), 1.0)
    assert d.kl_divergence(p, q).shape == (2, 3)
    assert d.kl_divergence(q, p).tolist() == [[math.inf] * 3] * 2


def test_pairs_without_a_formula_are_named():
    with pytest.raises(NotImplementedError, match="Normal and q type StudentT"):
        d.kl_divergence(d.Normal(0.0, 1.0), d.StudentT(3.0))
    with pytest.raises(NotImplementedError, match="Exponential and Poisson"):
        d.kl_divergence(d.Exponential(1.0), d.Poisson(1.0))
    with pytest.raises(NotImplementedError, match="total_count"):
        d.kl_divergence(d.Binomial(3, 0.5), d.Binomial(4, 0.5))
    with pytest.raises(ValueError, match="event shapes"):
        d.kl_divergence(
            d.MultivariateNormal(ondol.zeros(2), ondol.eye(2)), d.MultivariateNormal(ondol.zeros(3), ondol.eye(3))
        )


def test_a_user_may_register_a_formula():
    class Own(d.Normal):
        pass

    @d.register_kl(Own, d.Normal)
    def _own(p, q):
        return ondol.tensor(7.0)

    assert d.kl_divergence(Own(0.0, 1.0), d.Normal(0.0, 1.0)) == 7
    assert d.kl_divergence(d.Normal(0.0, 1.0), Own(0.0, 1.0)) == 0
    with pytest.raises(TypeError, match="Distribution subclass"):
        d.register_kl(int, d.Normal)
