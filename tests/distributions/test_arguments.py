"""What distributions refuse, and what they look like."""

from __future__ import annotations

import math

import pytest

import ondol
from ondol import distributions as d

BAD = {
    "Normal": lambda: d.Normal(0.0, -1.0),
    "Uniform": lambda: d.Uniform(2.0, 1.0),
    "Gamma": lambda: d.Gamma(0.0, 1.0),
    "Chi2": lambda: d.Chi2(-1.0),
    "Beta": lambda: d.Beta(-1.0, 1.0),
    "Dirichlet": lambda: d.Dirichlet(ondol.tensor([1.0, -1.0])),
    "StudentT": lambda: d.StudentT(1.0, 0.0, -1.0),
    "FisherSnedecor": lambda: d.FisherSnedecor(1.0, math.nan),
    "InverseGamma": lambda: d.InverseGamma(1.0, -1.0),
    "Kumaraswamy": lambda: d.Kumaraswamy(1.0, 0.0),
    "LKJCholesky": lambda: d.LKJCholesky(3, -1.0),
    "LogisticNormal": lambda: d.LogisticNormal(ondol.zeros(2), -ondol.ones(2)),
    "LowRankMultivariateNormal": lambda: d.LowRankMultivariateNormal(
        ondol.full((2,), math.nan), ondol.ones(2, 1), ondol.ones(2)
    ),
    "MultivariateNormal": lambda: d.MultivariateNormal(ondol.zeros(2), -ondol.eye(2)),
    "MultivariateNormal of a mean": lambda: d.MultivariateNormal(ondol.full((2,), math.nan), ondol.eye(2)),
    "NegativeBinomial": lambda: d.NegativeBinomial(3.0, 1.0),
    "RelaxedBernoulli": lambda: d.RelaxedBernoulli(ondol.tensor(1.0), probs=1.5),
    "RelaxedOneHotCategorical": lambda: d.RelaxedOneHotCategorical(
        ondol.tensor(1.0), logits=ondol.full((2,), math.nan)
    ),
    "VonMises": lambda: d.VonMises(0.0, -1.0),
    "Wishart": lambda: d.Wishart(3.0, -ondol.eye(2)),
    "ContinuousBernoulli": lambda: d.ContinuousBernoulli(1.5),
    "GeneralizedPareto": lambda: d.GeneralizedPareto(0.0, -1.0, 0.0),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_parameters_are_refused(name):
    with pytest.raises(ValueError, match="Expected parameter"):
        BAD[name]()


@pytest.mark.parametrize("make, message", [
    (lambda: d.Bernoulli(), "Either `probs` or `logits`"),
    (lambda: d.NegativeBinomial(1.0), "Either `probs` or `logits`"),
    (lambda: d.Dirichlet(ondol.tensor(1.0)), "at least one-dimensional"),
    (lambda: d.LKJCholesky(1), "dim=1"),
    (lambda: d.Wishart(0.5, ondol.eye(2)), "greater than ndim - 1"),
    (lambda: d.Wishart(3.0), "Exactly one of"),
    (lambda: d.Wishart(3.0, ondol.ones(2)), "at least two-dimensional"),
    (lambda: d.LowRankMultivariateNormal(ondol.zeros(2), ondol.ones(3, 1), ondol.ones(2)), "2 x m"),
    (lambda: d.LowRankMultivariateNormal(ondol.zeros(2), ondol.ones(2, 1), ondol.ones(3)), "cov_diag"),
    (lambda: d.LowRankMultivariateNormal(ondol.zeros(3, 2), ondol.ones(2, 2, 1), ondol.ones(2)), "Incompatible"),
])  # fmt: skip
def test_parameters_that_do_not_fit_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("one, value", [
    (d.Exponential(1.0), -1.0), (d.Gamma(1.0, 1.0), -1.0), (d.Beta(1.0, 1.0), 1.5), (d.InverseGamma(1.0, 1.0), 0.0),
    (d.NegativeBinomial(1.0, 0.5), 0.5), (d.ContinuousBernoulli(0.5), 1.5), (d.StudentT(1.0), math.nan),
    (d.GeneralizedPareto(1.0, 1.0, 0.0), 0.5), (d.FisherSnedecor(1.0, 1.0), -1.0), (d.VonMises(0.0, 1.0), math.nan),
    (d.RelaxedBernoulli(1.0, probs=0.5), 1.5),
], ids=lambda one: type(one).__name__)  # fmt: skip
def test_values_outside_of_the_support_are_refused(one, value):
    with pytest.raises(ValueError, match="to be within the support"):
        one.log_prob(ondol.tensor(value))


def test_vectors_outside_of_the_support_are_refused():
    with pytest.raises(ValueError, match="support"):
        d.Dirichlet(ondol.ones(2)).log_prob(ondol.tensor([0.5, 0.6]))
    with pytest.raises(ValueError, match="event_shape"):
        d.Dirichlet(ondol.ones(2)).log_prob(ondol.tensor([0.2, 0.3, 0.5]))
    with pytest.raises(ValueError, match="support"):
        d.LKJCholesky(2).log_prob(ondol.ones(2, 2))
    with pytest.raises(ValueError, match="support"):
        d.Wishart(3.0, ondol.eye(2)).log_prob(-ondol.eye(2))


def test_checks_can_be_switched_off():
    assert d.Normal(0.0, -1.0, validate_args=False).scale == -1
    assert d.Gamma(-1.0, 1.0, validate_args=False).concentration == -1


def test_shapes_of_batches():
    batch = d.Normal(ondol.zeros(3, 2), ondol.ones(2))
    assert batch.sample((5,)).shape == (5, 3, 2)
    assert batch.expand((4, 3, 2)).batch_shape == (4, 3, 2)
    joint = d.Independent(batch, 1)
    assert joint.log_prob(joint.sample((5,))).shape == (5, 3)
    assert d.LogNormal(ondol.zeros(2), ondol.ones(2)).expand((3, 2)).sample().shape == (3, 2)
    assert d.Categorical(logits=ondol.zeros(3, 4)).expand((2, 3)).sample().shape == (2, 3)


EXPANDED = {
    "Gamma": lambda: d.Gamma(ondol.ones(3), 1.0),
    "Chi2": lambda: d.Chi2(ondol.ones(3)),
    "Beta": lambda: d.Beta(ondol.ones(3), 1.0),
    "Dirichlet": lambda: d.Dirichlet(ondol.ones(3, 2)),
    "StudentT": lambda: d.StudentT(ondol.ones(3)),
    "FisherSnedecor": lambda: d.FisherSnedecor(ondol.ones(3), 1.0),
    "InverseGamma": lambda: d.InverseGamma(ondol.ones(3), 1.0),
    "Kumaraswamy": lambda: d.Kumaraswamy(ondol.ones(3), 1.0),
    "LKJCholesky": lambda: d.LKJCholesky(2, ondol.ones(3)),
    "LogisticNormal": lambda: d.LogisticNormal(ondol.zeros(3, 2), 1.0),
    "LowRankMultivariateNormal": lambda: d.LowRankMultivariateNormal(
        ondol.zeros(3, 2), ondol.ones(2, 1), ondol.ones(2)
    ),
    "MultivariateNormal": lambda: d.MultivariateNormal(ondol.zeros(3, 2), ondol.eye(2)),
    "NegativeBinomial": lambda: d.NegativeBinomial(ondol.ones(3), 0.5),
    "RelaxedBernoulli": lambda: d.RelaxedBernoulli(1.0, probs=ondol.full((3,), 0.5)),
    "RelaxedOneHotCategorical": lambda: d.RelaxedOneHotCategorical(1.0, ondol.ones(3, 2)),
    "VonMises": lambda: d.VonMises(ondol.zeros(3), 1.0),
    "Wishart": lambda: d.Wishart(ondol.full((3,), 4.0), ondol.eye(2)),
    "ContinuousBernoulli": lambda: d.ContinuousBernoulli(ondol.full((3,), 0.5)),
    "GeneralizedPareto": lambda: d.GeneralizedPareto(ondol.zeros(3), 1.0, 0.1),
}


@pytest.mark.parametrize("name", EXPANDED)
def test_expanding_changes_the_batch_alone(name):
    one = EXPANDED[name]()
    wide = one.expand((4, 3))
    assert type(wide) is type(one) and wide.batch_shape == (4, 3) and wide.event_shape == one.event_shape
    drawn = wide.sample((2,))
    assert drawn.shape == (2, 4, 3, *one.event_shape)
    assert ondol.allclose(wide.log_prob(drawn), one.log_prob(drawn))
    assert wide._validate_args == one._validate_args


def test_text_of_distributions():
    assert repr(d.Normal(0.0, 1.0)) == "Normal(loc: 0.0, scale: 1.0)"
    assert repr(d.Gamma(1.0, ondol.ones(2))) == "Gamma(concentration: torch.Size([2]), rate: torch.Size([2]))"
    assert repr(d.Chi2(1.0)) == "Chi2()"
    assert repr(d.Wishart(3.0, ondol.eye(2))) == "Wishart(covariance_matrix: torch.Size([2, 2]), df: 3.0)"
    mixture = d.MixtureSameFamily(d.Categorical(ondol.ones(2)), d.Normal(ondol.zeros(2), 1.0))
    assert repr(mixture).startswith("MixtureSameFamily(\n  Categorical(")
