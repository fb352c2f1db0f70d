"""Gradients through samples: against derivatives of the quantile, of moments and of finite differences."""

from __future__ import annotations

import numpy as np
import pytest

import ondol
from ondol import distributions as d


def quantile_slope(log_density, x, a, low):
    """-(∂F/∂a) / (∂F/∂x) with F by Simpson's rule over log t, from where nothing is left of the density."""
    log_t = np.linspace(np.log(low), np.log(x), 20001)
    weights = np.ones_like(log_t)
    weights[1:-1:2], weights[2:-1:2] = 4, 2
    weights *= (log_t[1] - log_t[0]) / 3
    step = 1e-4 * a

    def cdf(a):
        return (np.exp(log_density(np.exp(log_t), a) + log_t) * weights).sum()

    slope = (8 * (cdf(a + step) - cdf(a - step)) - (cdf(a + 2 * step) - cdf(a - 2 * step))) / (12 * step)
    return -slope / np.exp(log_density(x, a))


@pytest.mark.parametrize("a, x", [
    (0.3, 0.02), (0.3, 0.9), (0.3, 4.0), (1.0, 0.5), (1.0, 5.0), (2.5, 0.2), (2.5, 2.4), (2.5, 14.0), (30.0, 18.0),
    (30.0, 31.0), (30.0, 55.0), (400.0, 350.0), (400.0, 400.0), (400.0, 460.0),
])  # fmt: skip
def test_gamma_sample_moves_as_its_quantile(a, x):
    def log_density(t, a):
        return (a - 1) * np.log(t) - t - float(ondol.lgamma(ondol.tensor(a)))

    expected = quantile_slope(log_density, x, a, 1e-40 if a < 3 else x / 20)
    got = ondol._standard_gamma_grad(ondol.tensor(a), ondol.tensor(x)).item()
    assert got == pytest.approx(expected, rel=2e-6)
    single = ondol._standard_gamma_grad(ondol.tensor(a).float(), ondol.tensor(x).float()).item()
    assert single == pytest.approx(got, rel=2e-6)


@pytest.mark.parametrize("a, b, x", [
    (0.5, 0.5, 0.01), (0.5, 0.5, 0.6), (0.5, 3.0, 0.7), (3.0, 0.5, 0.4), (3.0, 0.5, 0.97), (2.0, 5.0, 0.1),
    (2.0, 5.0, 0.3), (2.0, 5.0, 0.9), (40.0, 60.0, 0.3), (40.0, 60.0, 0.4), (40.0, 60.0, 0.62), (200.0, 3.0, 0.95),
])  # fmt: skip
def test_beta_sample_moves_as_its_quantile(a, b, x):
    def log_density(t, a):
        lgamma = lambda v: float(ondol.lgamma(ondol.tensor(v)))  # noqa: E731
        return (a - 1) * np.log(t) + (b - 1) * np.log1p(-t) - lgamma(a) - lgamma(b) + lgamma(a + b)

    expected = quantile_slope(log_density, x, a, 1e-30 if a < 4 else x / 20)
    got = ondol._dirichlet_grad(*map(ondol.tensor, (x, a, a + b))).item() * (1 - x)
    assert got == pytest.approx(expected, rel=2e-6)


def test_slopes_at_the_ends():
    assert ondol._standard_gamma_grad(ondol.tensor(2.0), ondol.tensor(0.0)) == 0
    ends = ondol._dirichlet_grad(ondol.tensor([0.0, 1.0]), ondol.ones(2), ondol.full((2,), 3.0))
    assert ends[0] == 0 and ends[1].isfinite()
    assert ondol._standard_gamma_grad(ondol.tensor(-1.0), ondol.tensor(1.0)).isnan()


MOMENTS = {  # E x as a function of the parameters, whose gradient is that of the mean of samples
    "Gamma": (d.Gamma, (2.5, 1.3)),
    "Chi2": (d.Chi2, (3.0,)),
    "Beta": (d.Beta, (1.5, 2.5)),
    "StudentT": (d.StudentT, (9.0, 0.4, 0.8)),
    "FisherSnedecor": (d.FisherSnedecor, (6.0, 24.0)),
    "InverseGamma": (d.InverseGamma, (9.0, 8.0)),
    "Kumaraswamy": (d.Kumaraswamy, (2.2, 1.7)),
    "ContinuousBernoulli": (d.ContinuousBernoulli, (0.2,)),
    "GeneralizedPareto": (d.GeneralizedPareto, (0.5, 1.2, 0.1)),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_gradient_of_the_mean_of_samples(name):
    family, numbers = MOMENTS[name]
    parameters = [ondol.tensor(number, requires_grad=True) for number in numbers]
    one = family(*parameters)
    assert one.has_rsample
    sampled = ondol.autograd.grad(one.rsample((40000,)).mean(), parameters, retain_graph=True, allow_unused=True)
    exact = ondol.autograd.grad(one.mean, parameters, allow_unused=True)
    for got, expected in zip(sampled, exact):
        want = 0 if expected is None else expected
        assert abs((0 if got is None else got) - want) < 0.03 + 0.03 * abs(want)


def test_gradient_of_dirichlet_samples():
    a = ondol.tensor([0.7, 1.5, 3.0], requires_grad=True)
    weights = ondol.tensor([1.0, -2.0, 0.5])
    one = d.Dirichlet(a)
    (sampled,) = ondol.autograd.grad((one.rsample((60000,)).mean(0) * weights).sum(), a)
    (exact,) = ondol.autograd.grad((one.mean * weights).sum(), a)
    assert ondol.allclose(sampled, exact, atol=0.01)


def test_gradient_of_wishart_samples():
    df, root = ondol.tensor(5.0, requires_grad=True), ondol.tensor([[1.2, 0.0], [0.4, 0.9]], requires_grad=True)
    one = d.Wishart(df, scale_tril=root)
    (by_df, by_root) = ondol.autograd.grad(one.rsample((20000,)).mean(0)[1, 0], [df, root])
    assert abs(by_df - 0.48) < 0.03
    # The mean of element (1, 0) is df · root[1, 0] · root[0, 0].
    assert ondol.allclose(by_root[:, 0], ondol.tensor([2.0, 6.0]), atol=0.15)


def test_second_derivatives_of_samples_are_refused():
    a = ondol.tensor(2.0, requires_grad=True)
    (gradient,) = ondol.autograd.grad(ondol._standard_gamma(a), a, create_graph=True)
    with pytest.raises(NotImplementedError, match="_standard_gamma_grad"):
        gradient.backward()


def test_gradients_flow_through_rsample_only():
    loc = ondol.tensor(1.0, requires_grad=True)
    assert not d.Normal(loc, 1.0).sample().requires_grad
    d.Normal(loc, 1.0).rsample((4,)).sum().backward()
    assert loc.grad == 4
    assert not d.Bernoulli(0.5).has_rsample
    with pytest.raises(NotImplementedError):
        d.Bernoulli(0.5).rsample()
