"""Densities against numerical integrals, samples against moments, maps against numerical derivatives."""

from __future__ import annotations

import math

import pytest

import ondol
from ondol import distributions as d

CONTINUOUS = {
    "Normal": lambda: d.Normal(0.3, 1.2),
    "Uniform": lambda: d.Uniform(-1.0, 2.0),
    "Exponential": lambda: d.Exponential(1.5),
    "Laplace": lambda: d.Laplace(0.5, 0.7),
    "LogNormal": lambda: d.LogNormal(0.1, 0.4),
    "HalfNormal": lambda: d.HalfNormal(1.3),
    "Gumbel": lambda: d.Gumbel(0.2, 0.8),
    "Pareto": lambda: d.Pareto(1.0, 6.0),
    "Weibull": lambda: d.Weibull(1.2, 1.7),
}
DISCRETE = {
    "Bernoulli": lambda: d.Bernoulli(0.3),
    "Binomial": lambda: d.Binomial(7, 0.4),
    "Categorical": lambda: d.Categorical(ondol.tensor([0.2, 0.5, 0.3])),
    "Geometric": lambda: d.Geometric(0.4),
    "Poisson": lambda: d.Poisson(2.5),
}


@pytest.fixture(autouse=True)
def _double():
    before = ondol.get_default_dtype()
    ondol.set_default_dtype(ondol.float64)
    ondol.manual_seed(0)
    yield
    ondol.set_default_dtype(before)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_cdf_is_the_integral_of_the_density(name):
    one = CONTINUOUS[name]()
    quantiles = ondol.linspace(0.05, 0.95, 7)
    places = one.icdf(quantiles)
    assert ondol.allclose(one.cdf(places), quantiles, atol=1e-9)
    ends = ondol.linspace(places[0].item(), places[-1].item(), 20001)
    area = ondol.trapezoid(one.log_prob(ends).exp(), ends)
    assert abs(area.item() - 0.9) < 1e-4


@pytest.mark.parametrize("name", CONTINUOUS)
def test_samples_have_the_moments(name):
    one = CONTINUOUS[name]()
    drawn = one.sample((40000,))
    assert drawn.shape == (40000,)
    assert abs(drawn.mean() - one.mean) < 5 * one.stddev / 200
    assert abs(drawn.std() - one.stddev) < 0.1 * one.stddev


@pytest.mark.parametrize("name", CONTINUOUS)
def test_entropy_is_the_mean_of_minus_the_log_density(name):
    one = CONTINUOUS[name]()
    assert abs(-one.log_prob(one.sample((40000,))).mean() - one.entropy()) < 0.04


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete_probabilities(name):
    one = DISCRETE[name]()
    top = one.enumerate_support() if one.has_enumerate_support else ondol.arange(80.0)
    probability = one.log_prob(top).exp()
    assert abs(probability.sum() - 1) < 1e-9
    if name != "Categorical":
        assert abs((probability * top).sum() - one.mean) < 1e-9
        assert abs((probability * (top - one.mean) ** 2).sum() - one.variance) < 1e-8
        assert abs(one.sample((40000,)).mean() - one.mean) < 5 * one.stddev / 200
    frequency = ondol.stack([(one.sample((40000,)) == value).double().mean() for value in top[:3]])
    assert ondol.allclose(frequency, probability[:3], atol=0.015)


def test_multivariate_normal_from_each_matrix():
    covariance = ondol.tensor([[2.0, 0.6], [0.6, 1.0]])
    loc, value = ondol.tensor([1.0, -1.0]), ondol.tensor([0.2, 0.4])
    forms = {
        "covariance_matrix": covariance,
        "precision_matrix": covariance.inverse(),
        "scale_tril": ondol.linalg.cholesky(covariance),
    }
    centred = value - loc
    expected = -0.5 * (centred @ covariance.inverse() @ centred + covariance.logdet()) - math.log(2 * math.pi)
    for name, matrix in forms.items():
        one = d.MultivariateNormal(loc, **{name: matrix})
        assert ondol.allclose(one.log_prob(value), expected)
        assert ondol.allclose(one.covariance_matrix, covariance)
    assert ondol.allclose(one.sample((40000,)).T.cov(), covariance, atol=0.06)


def test_multinomial_counts():
    one = d.Multinomial(5, ondol.tensor([0.2, 0.8]))
    assert (one.sample((10,)).sum(-1) == 5).all()
    pairs = ondol.stack([ondol.arange(6.0), 5 - ondol.arange(6.0)], -1)
    log_prob = one.log_prob(pairs)
    assert abs(log_prob.exp().sum() - 1) < 1e-9
    assert abs(one.entropy() + (log_prob.exp() * log_prob).sum()) < 1e-9


MAPS = {
    "exp": d.ExpTransform(),
    "affine": d.AffineTransform(0.5, -2.0),
    "sigmoid": d.SigmoidTransform(),
    "tanh": d.TanhTransform(),
    "softplus": d.SoftplusTransform(),
    "composed": d.ComposeTransform([d.AffineTransform(1.0, 2.0), d.ExpTransform(), d.PowerTransform(0.7)]),
}


@pytest.mark.parametrize("name", MAPS)
def test_maps_invert_and_know_their_slope(name):
    one, x = MAPS[name], ondol.linspace(-1.5, 1.5, 7, requires_grad=True)
    y = one(x)
    assert ondol.allclose(one.inv(y), x)
    (slope,) = ondol.autograd.grad(y.sum(), x)
    assert ondol.allclose(one.log_abs_det_jacobian(x, y), slope.abs().log())
    assert ondol.allclose(one.inv.log_abs_det_jacobian(y, x), -slope.abs().log())


def test_stick_breaking_density():
    one, x = d.StickBreakingTransform(), ondol.tensor([0.3, -0.2])
    y = one(x)
    assert abs(y.sum() - 1) < 1e-12 and ondol.allclose(one.inv(y), x)
    jacobian = ondol.autograd.functional.jacobian(lambda x: one(x)[:-1], x)
    assert ondol.allclose(one.log_abs_det_jacobian(x, y), jacobian.det().abs().log())


def test_constraints_and_their_maps():
    c = d.constraints
    numbers = ondol.linspace(-2, 2, 6)
    for constraint in (c.real, c.positive, c.unit_interval, c.interval(-3.0, 1.0), c.less_than(2.0), c.real_vector):
        assert constraint.check(d.biject_to(constraint)(numbers)).all(), constraint
    for registry in (d.biject_to, d.transform_to):
        assert c.simplex.check(registry(c.simplex)(numbers)).all()
    assert c.positive_definite.check(d.transform_to(c.positive_definite)(ondol.randn(3, 3)))


@pytest.mark.parametrize("p, q", [
    (d.Normal, (0.5, 1.5)), (d.Laplace, (0.5, 1.5)), (d.Exponential, (0.6,)), (d.HalfNormal, (1.6,)),
    (d.Bernoulli, (0.6,)), (d.Geometric, (0.6,)), (d.Poisson, (1.9,)), (d.LogNormal, (0.5, 1.5)),
])  # fmt: skip
def test_divergence_is_the_mean_of_the_log_ratio(p, q):
    first, second = p(*[0.3 if p is not d.Poisson else 2.5] * 1, *([1.1] * (len(q) - 1))), p(*q)
    drawn = first.sample((200000,))
    assert abs((first.log_prob(drawn) - second.log_prob(drawn)).mean() - d.kl_divergence(first, second)) < 0.03


def test_gradients_flow_through_rsample_only():
    loc = ondol.tensor(1.0, requires_grad=True)
    assert not d.Normal(loc, 1.0).sample().requires_grad
    d.Normal(loc, 1.0).rsample((4,)).sum().backward()
    assert loc.grad == 4
    assert not d.Bernoulli(0.5).has_rsample
    with pytest.raises(NotImplementedError):
        d.Bernoulli(0.5).rsample()


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="Expected parameter scale"):
        d.Normal(0.0, -1.0)
    with pytest.raises(ValueError, match="to be within the support"):
        d.Exponential(1.0).log_prob(ondol.tensor(-1.0))
    with pytest.raises(ValueError, match="Either `probs` or `logits`"):
        d.Bernoulli()
    assert d.Normal(0.0, -1.0, validate_args=False).scale == -1


def test_shapes_and_text():
    batch = d.Normal(ondol.zeros(3, 2), ondol.ones(2))
    assert batch.sample((5,)).shape == (5, 3, 2)
    assert batch.expand((4, 3, 2)).batch_shape == (4, 3, 2)
    joint = d.Independent(batch, 1)
    assert joint.log_prob(joint.sample((5,))).shape == (5, 3)
    assert repr(d.Normal(0.0, 1.0)) == "Normal(loc: 0.0, scale: 1.0)"
    assert d.LogNormal(ondol.zeros(2), ondol.ones(2)).expand((3, 2)).sample().shape == (3, 2)
    assert d.Categorical(logits=ondol.zeros(3, 4)).expand((2, 3)).sample().shape == (2, 3)
