"""Distributions of whole numbers and categories: probabilities against sums, samples against frequencies."""

from __future__ import annotations

import pytest

import ondol
from ondol import distributions as d

DISCRETE = {
    "Bernoulli": lambda: d.Bernoulli(0.3),
    "Binomial": lambda: d.Binomial(7, 0.4),
    "Categorical": lambda: d.Categorical(ondol.tensor([0.2, 0.5, 0.3])),
    "Geometric": lambda: d.Geometric(0.4),
    "Poisson": lambda: d.Poisson(2.5),
    "NegativeBinomial": lambda: d.NegativeBinomial(2.5, 0.4),
}


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
        assert probability[one.mode.long()] == probability.max()
    frequency = ondol.stack([(one.sample((40000,)) == value).double().mean() for value in top[:3]])
    assert ondol.allclose(frequency, probability[:3], atol=0.015)


def test_multinomial_counts():
    one = d.Multinomial(5, ondol.tensor([0.2, 0.8]))
    assert (one.sample((10,)).sum(-1) == 5).all()
    pairs = ondol.stack([ondol.arange(6.0), 5 - ondol.arange(6.0)], -1)
    log_prob = one.log_prob(pairs)
    assert abs(log_prob.exp().sum() - 1) < 1e-9
    assert abs(one.entropy() + (log_prob.exp() * log_prob).sum()) < 1e-9


def test_no_failures_to_wait_for_is_no_success():
    one = d.NegativeBinomial(ondol.tensor(0.0), 0.3)
    assert one.log_prob(ondol.tensor(0.0)) == 0
    assert (one.sample((5,)) == 0).all()
