"""The Kullback-Leibler divergence between pairs of distributions, by a table of formulas that users may extend.

Here are those of two distributions of one family; `kl_cross.py` has those of different ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import ondol
from ondol import Tensor
from ondol.distributions.bernoulli import Bernoulli
from ondol.distributions.beta import Beta
from ondol.distributions.binomial import Binomial
from ondol.distributions.categorical import Categorical
from ondol.distributions.cauchy import Cauchy
from ondol.distributions.continuous_bernoulli import ContinuousBernoulli
from ondol.distributions.dirichlet import Dirichlet
from ondol.distributions.distribution import Distribution
from ondol.distributions.exp_family import ExponentialFamily
from ondol.distributions.exponential import Exponential
from ondol.distributions.gamma import Gamma
from ondol.distributions.geometric import Geometric
from ondol.distributions.gumbel import _EULER, Gumbel
from ondol.distributions.half_normal import HalfNormal
from ondol.distributions.independent import Independent
from ondol.distributions.laplace import Laplace
from ondol.distributions.lowrank_multivariate_normal import LowRankMultivariateNormal
from ondol.distributions.multivariate_normal import MultivariateNormal
from ondol.distributions.normal import Normal
from ondol.distributions.one_hot_categorical import OneHotCategorical
from ondol.distributions.pareto import Pareto
from ondol.distributions.poisson import Poisson
from ondol.distributions.transformed_distribution import TransformedDistribution
from ondol.distributions.transforms import _sum_rightmost
from ondol.distributions.uniform import Uniform
from ondol.nn.functional import softplus

__all__ = ["kl_divergence", "register_kl"]

_KL_REGISTRY: dict[tuple[type, type], Callable] = {}


def register_kl(type_p: type, type_q: type) -> Callable:
    """Decorates a function `(p, q) -> Tensor` that `kl_divergence` calls for these classes and their subclasses."""
    for kind in (type_p, type_q):
        if not (isinstance(kind, type) and issubclass(kind, Distribution)):
            raise TypeError(f"Expected a Distribution subclass but got {kind}")

    def register(formula: Callable) -> Callable:
        _KL_REGISTRY[type_p, type_q] = formula
        return formula

    return register


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """E log(p(x) / q(x)) over x from p, of the batch shape; NotImplementedError if no formula is registered.

    Where several registered pairs fit, the one of the closest classes of p, then of q, is taken.

    >>> from ondol.distributions import Normal, kl_divergence
    >>> kl_divergence(Normal(0.0, 1.0), Normal(1.0, 1.0))
    tensor(0.5000)
    """
    for kind_p in type(p).__mro__:
        for kind_q in type(q).__mro__:
            if formula := _KL_REGISTRY.get((kind_p, kind_q)):
                return formula(p, q)
    raise NotImplementedError(
        f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}"
    )


@register_kl(Normal, Normal)
def _normal(p: Normal, q: Normal) -> Tensor:
    ratio = (p.scale / q.scale) ** 2
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale) ** 2 - 1 - ratio.log())


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p: HalfNormal, q: HalfNormal) -> Tensor:
    return _normal(p.base_dist, q.base_dist)


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    happens = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    fails = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    return happens.masked_fill(p.probs == 0, 0) + fails.masked_fill(p.probs == 1, 0)


@register_kl(Categorical, Categorical)
def _categorical(p: Categorical, q: Categorical) -> Tensor:
    terms = p.probs * (p.logits - q.logits)
    terms = terms.masked_fill((q.probs == 0).expand(terms.shape), math.inf)
    return terms.masked_fill((p.probs == 0).expand(terms.shape), 0).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot(p: OneHotCategorical, q: OneHotCategorical) -> Tensor:
    return _categorical(p._categorical, q._categorical)


@register_kl(Exponential, Exponential)
def _exponential(p: Exponential, q: Exponential) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@register_kl(Geometric, Geometric)
def _geometric(p: Geometric, q: Geometric) -> Tensor:
    return -p.entropy() - ondol.log1p(-q.probs) / p.probs - q.logits


@register_kl(Laplace, Laplace)
def _laplace(p: Laplace, q: Laplace) -> Tensor:
    ratio, distance = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + distance / q.scale + ratio * (-distance / p.scale).exp() - 1


@register_kl(Poisson, Poisson)
def _poisson(p: Poisson, q: Poisson) -> Tensor:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Uniform, Uniform)
def _uniform(p: Uniform, q: Uniform) -> Tensor:
    result = ((q.high - q.low) / (p.high - p.low)).log()
    return result.masked_fill((q.low > p.low) | (q.high < p.high), math.inf)


@register_kl(Binomial, Binomial)
def _binomial(p: Binomial, q: Binomial) -> Tensor:
    if (p.total_count < q.total_count).any():
        raise NotImplementedError("KL between Binomials where q.total_count > p.total_count is not implemented")
    odds = p.probs * (p.logits - q.logits)
    result = p.total_count * (odds + ondol.log1p(-p.probs) - ondol.log1p(-q.probs))
    return result.masked_fill(p.total_count > q.total_count, math.inf)


@register_kl(Cauchy, Cauchy)
def _cauchy(p: Cauchy, q: Cauchy) -> Tensor:
    """Chyzak & Nielsen 2019."""
    return ((p.scale + q.scale) ** 2 + (p.loc - q.loc) ** 2).log() - (4 * p.scale * q.scale).log()


@register_kl(Gamma, Gamma)
def _gamma(p: Gamma, q: Gamma) -> Tensor:
    a, b = p.concentration, q.concentration
    constants = ondol.lgamma(b) - ondol.lgamma(a) + b * (p.rate / q.rate).log()
    return constants + (a - b) * ondol.digamma(a) + (q.rate - p.rate) * a / p.rate


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Dirichlet, q: Dirichlet) -> Tensor:
    a, b = p.concentration, q.concentration
    expected_log = ondol.digamma(a) - ondol.digamma(a.sum(-1, keepdim=True))
    return q._log_normalizer(b) - p._log_normalizer(a) + ((a - b) * expected_log).sum(-1)


@register_kl(Beta, Beta)
def _beta(p: Beta, q: Beta) -> Tensor:
    return _dirichlet(p._dirichlet, q._dirichlet)


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_bernoulli(p: ContinuousBernoulli, q: ContinuousBernoulli) -> Tensor:
    constants = p._log_constant() - q._log_constant() + ondol.log1p(-p.probs) - ondol.log1p(-q.probs)
    return p.mean * (p.logits - q.logits) + constants


@register_kl(Gumbel, Gumbel)
def _gumbel(p: Gumbel, q: Gumbel) -> Tensor:
    """Of the density's two terms, E (x - loc) / scale is Euler's number for p, and E exp(-(x - loc) / scale) a gamma
    function for q."""
    ratio, shift = p.scale / q.scale, (q.loc - p.loc) / q.scale
    return -ratio.log() - shift + ratio * _EULER + (shift + ondol.lgamma(1 + ratio)).exp() - (1 + _EULER)


@register_kl(Pareto, Pareto)
def _pareto(p: Pareto, q: Pareto) -> Tensor:
    ratio = q.alpha / p.alpha
    result = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return result.masked_fill(p.scale < q.scale, math.inf)


def _require_same_events(p: Distribution, q: Distribution) -> None:
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two (Low Rank) Multivariate Normals with different event shapes cannot be computed: "
            f"{tuple(p.event_shape)} and {tuple(q.event_shape)}"
        )


@register_kl(MultivariateNormal, MultivariateNormal)
@register_kl(LowRankMultivariateNormal, MultivariateNormal)
def _multivariate_normal(p: MultivariateNormal | LowRankMultivariateNormal, q: MultivariateNormal) -> Tensor:
    _require_same_events(p, q)
    batch = ondol.broadcast_shapes(p.batch_shape, q.batch_shape)
    p, q = p.expand(batch), q.expand(batch)
    spread = ondol.linalg.solve_triangular(q.scale_tril, _root(p), upper=False)
    distance = ondol.linalg.solve_triangular(q.scale_tril, (q.loc - p.loc).unsqueeze(-1), upper=False)
    squares = (spread**2).sum((-2, -1)) + (distance**2).sum((-2, -1))
    return q._half_log_det() - p._half_log_det() + 0.5 * (squares - p.event_shape[0])


@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
@register_kl(MultivariateNormal, LowRankMultivariateNormal)
def _lowrank_normal(p: MultivariateNormal | LowRankMultivariateNormal, q: LowRankMultivariateNormal) -> Tensor:
    _require_same_events(p, q)
    root = _root(p)
    # The trace of q's precision times p's covariance, by the two terms of the precision.
    scaled = root / q.cov_diag.unsqueeze(-1)
    trace = (root * scaled).sum((-2, -1)) - (q._whitened(scaled) ** 2).sum((-2, -1))
    squares = trace + q._squared_distance(q.loc - p.loc)
    return q._half_log_det() - p._half_log_det() + 0.5 * (squares - p.event_shape[0])


def _root(p: MultivariateNormal | LowRankMultivariateNormal) -> Tensor:
    """Any R with R Rᵀ the covariance."""
    if isinstance(p, MultivariateNormal):
        return p.scale_tril
    return ondol.cat([p.cov_factor, p.cov_diag.sqrt().diag_embed()], -1)


@register_kl(Independent, Independent)
def _independent(p: Independent, q: Independent) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("KL of two Independent with different reinterpreted_batch_ndims")
    return _sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: TransformedDistribution, q: TransformedDistribution) -> Tensor:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError("KL of two TransformedDistribution with different transforms or event shapes")
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(ExponentialFamily, ExponentialFamily)
def _exponential_family(p: ExponentialFamily, q: ExponentialFamily) -> Tensor:
    """The Bregman divergence of the log normalizer F, F(q) - F(p) - (q - p) · ∇F(p) (Nielsen & Nock 2010)."""
    if type(p) is not type(q):
        raise NotImplementedError(
            "The cross KL-divergence between different exponential families cannot be computed using Bregman "
            f"divergences ({type(p).__name__} and {type(q).__name__})"
        )
    at_p = [parameter.detach().requires_grad_() for parameter in p._natural_params]
    at_q = q._natural_params
    with ondol.enable_grad():
        normalizer = p._log_normalizer(*at_p)
        gradients = ondol.autograd.grad(normalizer.sum(), at_p, create_graph=True)
    result = q._log_normalizer(*at_q) - normalizer
    for one, other, gradient in zip(at_p, at_q, gradients):
        # Parameters of one number an event as well as of the whole event's shape: what is not batch is summed.
        term = (other - one) * gradient
        result = result - _sum_rightmost(term, term.dim() - result.dim())
    return result
