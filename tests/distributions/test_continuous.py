"""Distributions of real numbers: densities against numerical integrals, samples against moments."""

from __future__ import annotations

import math

import pytest

import ondol
from ondol import distributions as d
from ondol.distributions.relaxed_bernoulli import LogitRelaxedBernoulli

WITH_QUANTILES = {
    "Normal": lambda: d.Normal(0.3, 1.2),
    "Uniform": lambda: d.Uniform(-1.0, 2.0),
    "Exponential": lambda: d.Exponential(1.5),
    "Laplace": lambda: d.Laplace(0.5, 0.7),
    "LogNormal": lambda: d.LogNormal(0.1, 0.4),
    "HalfNormal": lambda: d.HalfNormal(1.3),
    "Gumbel": lambda: d.Gumbel(0.2, 0.8),
    "Pareto": lambda: d.Pareto(1.0, 6.0),
    "Weibull": lambda: d.Weibull(1.2, 1.7),
    "Kumaraswamy": lambda: d.Kumaraswamy(2.2, 1.7),
    "ContinuousBernoulli": lambda: d.ContinuousBernoulli(0.2),
    "ContinuousBernoulli near 1/2": lambda: d.ContinuousBernoulli(0.5002),
    "GeneralizedPareto": lambda: d.GeneralizedPareto(0.5, 1.2, 0.1),
    "GeneralizedPareto with an end": lambda: d.GeneralizedPareto(0.5, 1.2, -0.4),
    "GeneralizedPareto without concentration": lambda: d.GeneralizedPareto(0.5, 1.2, 0.0),
}
# With the interval that holds all but 1e-9 of the values.
WITHOUT_QUANTILES = {
    "Gamma": (lambda: d.Gamma(2.5, 1.3), (0.0, 30.0)),
    "Chi2": (lambda: d.Chi2(4.0), (0.0, 60.0)),
    "Beta": (lambda: d.Beta(2.5, 1.8), (0.0, 1.0)),
    "StudentT": (lambda: d.StudentT(9.0, 0.4, 0.8), (-60.0, 60.0)),
    "FisherSnedecor": (lambda: d.FisherSnedecor(6.0, 24.0), (0.0, 60.0)),
    "InverseGamma": (lambda: d.InverseGamma(12.0, 9.0), (0.0, 20.0)),
    "VonMises": (lambda: d.VonMises(0.4, 2.5), (-math.pi, math.pi)),
}
SAMPLED = {
    name: make
    for name, make in (WITH_QUANTILES | {name: make for name, (make, _) in WITHOUT_QUANTILES.items()}).items()
    if name != "VonMises"  # its moments are those on the circle
}


@pytest.mark.parametrize("name", WITH_QUANTILES)
def test_cdf_is_the_integral_of_the_density(name):
    one = WITH_QUANTILES[name]()
    quantiles = ondol.linspace(0.05, 0.95, 7)
    places = one.icdf(quantiles)
    assert ondol.allclose(one.cdf(places), quantiles, atol=1e-9)
    ends = ondol.linspace(places[0].item(), places[-1].item(), 20001)
    area = ondol.trapezoid(one.log_prob(ends).exp(), ends)
    assert abs(area.item() - 0.9) < 1e-4


@pytest.mark.parametrize("name", WITHOUT_QUANTILES)
def test_moments_are_integrals_of_the_density(name):
    make, (low, high) = WITHOUT_QUANTILES[name]
    one = make()
    x = ondol.linspace(low, high, 400001)[1:-1]
    density = one.log_prob(x).exp()
    assert abs(ondol.trapezoid(density, x) - 1) < 1e-6
    if name != "VonMises":
        mean = ondol.trapezoid(density * x, x)
        assert abs(mean - one.mean) < 1e-5
        assert abs(ondol.trapezoid(density * (x - mean) ** 2, x) - one.variance) < 2e-5
    assert abs(x[density.argmax()] - one.mode) < 1e-3
    if name not in ("VonMises", "FisherSnedecor"):
        entropy = -ondol.trapezoid(ondol.xlogy(density, density), x)
        assert abs(entropy - one.entropy()) < 1e-5


def test_gamma_cdf_is_the_integral_of_the_density():
    one, x = d.Gamma(2.5, 1.3), ondol.linspace(0, 3, 20001)
    assert abs(ondol.trapezoid(one.log_prob(x).exp(), x) - one.cdf(ondol.tensor(3.0))) < 1e-6


@pytest.mark.parametrize("name", SAMPLED)
def test_samples_have_the_moments(name):
    one = SAMPLED[name]()
    drawn = one.sample((40000,))
    assert drawn.shape == (40000,)
    assert abs(drawn.mean() - one.mean) < 5 * one.stddev / 200
    assert abs(drawn.std() - one.stddev) < 0.1 * one.stddev


@pytest.mark.parametrize("name", [name for name in SAMPLED if name != "FisherSnedecor"])
def test_entropy_is_the_mean_of_minus_the_log_density(name):
    one = SAMPLED[name]()
    assert abs(-one.log_prob(one.sample((40000,))).mean() - one.entropy()) < 0.04


def test_von_mises_moments_on_the_circle():
    one = d.VonMises(3.0, 1.7)
    drawn = one.sample((40000,))
    assert drawn.min() >= -math.pi and drawn.max() <= math.pi
    resultant = ondol.stack([drawn.cos().mean(), drawn.sin().mean()])
    assert abs(ondol.atan2(resultant[1], resultant[0]) - 3.0) < 0.02
    assert abs(1 - resultant.norm() - one.variance) < 0.01


@pytest.mark.parametrize("concentration", [1e-6, 0.5, 300.0])
def test_von_mises_samples_at_extreme_concentrations(concentration):
    one = d.VonMises(0.0, concentration)
    assert abs((1 - one.sample((20000,)).cos()).mean() - one.variance) < 0.02 * max(one.variance.item(), 0.01) + 0.01


def test_von_mises_density_does_not_overflow():
    one = d.VonMises(ondol.tensor(0.0), ondol.tensor(1e5))
    normal = d.Normal(0.0, 1e-5**0.5)
    assert abs(one.log_prob(ondol.tensor(0.001)) - normal.log_prob(ondol.tensor(0.001))) < 1e-4


def test_continuous_bernoulli_is_smooth_where_the_series_begins():
    below, above = d.ContinuousBernoulli(0.4989999), d.ContinuousBernoulli(0.4990001)
    for name in ("mean", "variance"):
        assert abs(getattr(below, name) - getattr(above, name)) < 1e-6
    assert abs(below.entropy() - above.entropy()) < 1e-6
    assert abs(below.log_prob(ondol.tensor(0.3)) - above.log_prob(ondol.tensor(0.3))) < 1e-6


def test_infinite_and_undefined_moments():
    student = d.StudentT(ondol.tensor([0.5, 1.5, 3.0]))
    assert student.mean.isnan().tolist() == [True, False, False]
    assert student.variance.isnan().tolist() == [True, False, False] and student.variance[1] == math.inf
    assert d.FisherSnedecor(3.0, 2.0).mean.isnan() and d.FisherSnedecor(3.0, 4.0).variance.isnan()
    assert d.InverseGamma(1.0, 1.0).mean == math.inf and d.InverseGamma(2.0, 1.0).variance == math.inf
    assert d.GeneralizedPareto(0.0, 1.0, 1.0).mean.isnan() and d.GeneralizedPareto(0.0, 1.0, 0.5).variance.isnan()


def test_generalized_pareto_ends_where_its_concentration_says():
    one = d.GeneralizedPareto(1.0, 2.0, -0.5)
    assert one.support.upper_bound == 5
    assert one.sample((1000,)).max() < 5
    exponential = d.Exponential(0.5)
    x = ondol.tensor([1.5, 4.0])
    assert ondol.allclose(d.GeneralizedPareto(0.0, 2.0, 0.0).log_prob(x), exponential.log_prob(x))
    assert ondol.allclose(one.log_cdf(x[:1]).exp(), one.cdf(x[:1]))
    assert ondol.allclose(one.log_survival_function(x[:1]).exp(), 1 - one.cdf(x[:1]))


def test_relaxed_bernoulli_density_and_chances():
    one = d.RelaxedBernoulli(ondol.tensor(0.7), probs=ondol.tensor(0.3))
    x = ondol.linspace(0, 1, 200001)[1:-1]
    assert abs(ondol.trapezoid(one.log_prob(x).exp(), x) - 1) < 2e-3
    assert abs((one.sample((40000,)) > 0.5).double().mean() - 0.3) < 0.015
    logits, y = LogitRelaxedBernoulli(0.7, probs=0.3), ondol.linspace(-60, 60, 100001)
    assert abs(ondol.trapezoid(logits.log_prob(y).exp(), y) - 1) < 1e-6
    assert logits.expand((3,)).rsample().shape == (3,)
