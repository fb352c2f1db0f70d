"""Mixtures of one family."""

from __future__ import annotations

import pytest

import ondol
from ondol import distributions as d


def test_density_cdf_and_moments_are_weighted_sums():
    weights, loc, scale = ondol.tensor([0.3, 0.7]), ondol.tensor([-1.0, 2.0]), ondol.tensor([0.5, 1.5])
    one = d.MixtureSameFamily(d.Categorical(weights), d.Normal(loc, scale))
    x = ondol.linspace(-12, 14, 40001)
    parts = d.Normal(loc, scale)
    assert ondol.allclose(one.log_prob(x).exp(), (parts.log_prob(x[:, None]).exp() * weights).sum(-1))
    assert ondol.allclose(one.cdf(x), (parts.cdf(x[:, None]) * weights).sum(-1))
    density = one.log_prob(x).exp()
    assert abs(ondol.trapezoid(x * density, x) - one.mean) < 1e-8
    assert abs(ondol.trapezoid((x - one.mean) ** 2 * density, x) - one.variance) < 1e-7
    drawn = one.sample((40000,))
    assert abs(drawn.mean() - one.mean) < 0.05 and abs(drawn.var() - one.variance) < 0.15


def test_mixture_of_vectors():
    parts = d.Independent(d.Normal(ondol.randn(3, 2, 4), 1.0), 1)
    one = d.MixtureSameFamily(d.Categorical(logits=ondol.randn(3, 2)), parts)
    assert one.batch_shape == (3,) and one.event_shape == (4,)
    drawn = one.sample((5,))
    assert drawn.shape == (5, 3, 4) and one.log_prob(drawn).shape == (5, 3)
    assert one.mean.shape == one.variance.shape == (3, 4)
    wide = one.expand((6, 3))
    assert wide.sample().shape == (6, 3, 4)
    assert ondol.allclose(wide.log_prob(drawn[0]), one.log_prob(drawn[0]).expand(6, 3))


def test_weights_and_components_must_fit():
    weights = d.Categorical(ondol.ones(2))
    with pytest.raises(ValueError, match="instance of torch.distributions.Categorical"):
        d.MixtureSameFamily(d.Normal(0.0, 1.0), d.Normal(ondol.zeros(2), 1.0))
    with pytest.raises(ValueError, match="instance of torch.distributions.Distribution"):
        d.MixtureSameFamily(weights, 3)
    with pytest.raises(ValueError, match="does not equal"):
        d.MixtureSameFamily(weights, d.Normal(ondol.zeros(3), 1.0))
    with pytest.raises(ValueError, match="not compatible"):
        d.MixtureSameFamily(d.Categorical(ondol.ones(4, 2)), d.Normal(ondol.zeros(3, 2), 1.0))
    positive = d.MixtureSameFamily(weights, d.Exponential(ondol.ones(2)))
    with pytest.raises(ValueError, match="support"):
        positive.log_prob(ondol.tensor(-1.0))
