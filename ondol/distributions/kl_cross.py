"""Kullback-Leibler divergences between distributions of different families.

KL(p || q) = -H(p) - E log q(x) over x from p. Each density q needs a few expectations (of x, of its square, log x,
exp(-x / s) ...), and each p knows some; a pair has a formula where these meet. Where p yields values outside of the
support of q the divergence is infinite.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import ondol
from ondol import Tensor
from ondol.distributions.bernoulli import Bernoulli
from ondol.distributions.beta import Beta
from ondol.distributions.binomial import Binomial
from ondol.distributions.continuous_bernoulli import ContinuousBernoulli
from ondol.distributions.distribution import Distribution
from ondol.distributions.exponential import Exponential
from ondol.distributions.gamma import Gamma
from ondol.distributions.gumbel import _EULER, Gumbel
from ondol.distributions.kl import register_kl
from ondol.distributions.laplace import Laplace
from ondol.distributions.normal import Normal
from ondol.distributions.pareto import Pareto
from ondol.distributions.poisson import Poisson
from ondol.distributions.uniform import Uniform

__all__: list[str] = []


def _expected_log(p: Distribution) -> Tensor:
    """E log x."""
    if isinstance(p, Beta):
        return ondol.digamma(p.concentration1) - ondol.digamma(p.concentration1 + p.concentration0)
    if isinstance(p, Gamma):
        return ondol.digamma(p.concentration) - p.rate.log()
    if isinstance(p, Exponential):
        return -_EULER - p.rate.log()
    if isinstance(p, Pareto):
        return p.scale.log() + p.alpha.reciprocal()
    return _mean_log_between(p.low, p.high)


def _expected_log1m(p: Distribution) -> Tensor:
    """E log (1 - x)."""
    if isinstance(p, Beta):
        return ondol.digamma(p.concentration0) - ondol.digamma(p.concentration1 + p.concentration0)
    return _mean_log_between(1 - p.high, 1 - p.low)


def _mean_log_between(low: Tensor, high: Tensor) -> Tensor:
    """The mean of log x over [low, high]: the difference of x log x - x over that of x. What is below 0 counts as 0."""
    bottom, top = low.clamp(min=0), high.clamp(min=0)
    return (ondol.xlogy(top, top) - ondol.xlogy(bottom, bottom)) / (high - low) - 1


def _log_expected_exp(p: Distribution, t: Tensor) -> Tensor:
    """log E exp(-t x), the cumulant generating function."""
    if isinstance(p, Normal):
        return -p.loc * t + 0.5 * (p.scale * t) ** 2
    if isinstance(p, Gamma):
        return -p.concentration * ondol.log1p(t / p.rate)
    if isinstance(p, Exponential):
        return -ondol.log1p(t / p.rate)
    width = (p.high - p.low) * t
    return -p.low * t + (-ondol.expm1(-width) / width).log()


def _under_normal(p: Distribution, q: Normal) -> Tensor:
    squares = p.variance + (p.mean - q.loc) ** 2
    return -0.5 * squares / q.variance - q.scale.log() - 0.5 * math.log(2 * math.pi)


def _under_laplace(p: Normal, q: Laplace) -> Tensor:
    """E |x - loc| of a normal x is the mean of a folded normal distribution (Leone, Nelson & Nottingham 1961)."""
    z = (p.loc - q.loc) / p.scale
    folded = p.scale * (math.sqrt(2 / math.pi) * (-0.5 * z**2).exp() + z * ondol.erf(z * math.sqrt(0.5)))
    return -folded / q.scale - (2 * q.scale).log()


def _under_gumbel(p: Distribution, q: Gumbel) -> Tensor:
    place = (q.loc - p.mean) / q.scale
    return place - (q.loc / q.scale + _log_expected_exp(p, q.scale.reciprocal())).exp() - q.scale.log()


def _under_exponential(p: Distribution, q: Exponential) -> Tensor:
    return q.rate.log() - q.rate * p.mean


def _under_gamma(p: Distribution, q: Gamma) -> Tensor:
    a = q.concentration
    return a * q.rate.log() - ondol.lgamma(a) + (a - 1) * _expected_log(p) - q.rate * p.mean


def _under_pareto(p: Distribution, q: Pareto) -> Tensor:
    return q.alpha.log() + q.alpha * q.scale.log() - (q.alpha + 1) * _expected_log(p)


def _under_beta(p: Distribution, q: Beta) -> Tensor:
    a, b = q.concentration1, q.concentration0
    return (a - 1) * _expected_log(p) + (b - 1) * _expected_log1m(p) - q._log_normalizer(a, b)


def _under_continuous_bernoulli(p: Distribution, q: ContinuousBernoulli) -> Tensor:
    return p.mean * q.logits + ondol.log1p(-q.probs) + q._log_constant()


def _under_uniform(p: Distribution, q: Uniform) -> Tensor:
    return -(q.high - q.low).log()


_EXPECTED_LOG_DENSITY: dict[type, Callable] = {
    Normal: _under_normal,
    Laplace: _under_laplace,
    Gumbel: _under_gumbel,
    Exponential: _under_exponential,
    Gamma: _under_gamma,
    ContinuousBernoulli: _under_continuous_bernoulli,
}
# The pairs for which the density of the second is positive wherever the first yields values.
_INSIDE: dict[type, tuple[type, ...]] = {
    Normal: (Laplace, Gumbel),
    Laplace: (Normal,),
    Gumbel: (Normal,),
    Exponential: (Gamma, Gumbel, Normal),
    Gamma: (Exponential, Gumbel, Normal),
    Pareto: (Exponential, Gamma, Normal),
    Beta: (ContinuousBernoulli, Exponential, Gamma, Normal),
    ContinuousBernoulli: (Exponential, Normal),
    Uniform: (Gumbel, Normal),
}
# Those for which it never is.
_OUTSIDE: dict[tuple[type, ...], tuple[type, ...]] = {
    (Normal, Laplace, Gumbel): (Exponential, Gamma, Pareto, Beta, ContinuousBernoulli, Uniform),
    (Exponential, Gamma): (Pareto, Beta, ContinuousBernoulli, Uniform),
    (Pareto,): (Beta, ContinuousBernoulli, Uniform),
    (Beta, ContinuousBernoulli): (Pareto,),
    (Poisson,): (Bernoulli, Binomial),
}


def _finite(under: Callable) -> Callable:
    return lambda p, q: -p.entropy() - under(p, q)


def _infinite(p: Distribution, q: Distribution) -> Tensor:
    shape = ondol.broadcast_shapes(p.batch_shape, q.batch_shape)
    return ondol.full(shape, math.inf, dtype=p.mean.dtype)


for _kind_p, _kinds in _INSIDE.items():
    for _kind_q in _kinds:
        register_kl(_kind_p, _kind_q)(_finite(_EXPECTED_LOG_DENSITY[_kind_q]))
for _kinds_p, _kinds in _OUTSIDE.items():
    for _kind_p in _kinds_p:
        for _kind_q in _kinds:
            register_kl(_kind_p, _kind_q)(_infinite)


@register_kl(Beta, Uniform)
@register_kl(ContinuousBernoulli, Uniform)
def _unit_uniform(p: Beta | ContinuousBernoulli, q: Uniform) -> Tensor:
    result = _finite(_under_uniform)(p, q)
    return result.masked_fill((q.low > 0) | (q.high < 1), math.inf)


@register_kl(Uniform, Exponential)
@register_kl(Uniform, Gamma)
def _uniform_positive(p: Uniform, q: Exponential | Gamma) -> Tensor:
    under = _under_gamma if isinstance(q, Gamma) else _under_exponential
    return _finite(under)(p, q).masked_fill(p.low < 0, math.inf)


@register_kl(Uniform, Pareto)
def _uniform_pareto(p: Uniform, q: Pareto) -> Tensor:
    return _finite(_under_pareto)(p, q).masked_fill(p.low < q.scale, math.inf)


@register_kl(Uniform, Beta)
@register_kl(Uniform, ContinuousBernoulli)
def _uniform_unit(p: Uniform, q: Beta | ContinuousBernoulli) -> Tensor:
    under = _under_beta if isinstance(q, Beta) else _under_continuous_bernoulli
    return _finite(under)(p, q).masked_fill((p.low < 0) | (p.high > 1), math.inf)


@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(p: Bernoulli, q: Poisson) -> Tensor:
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)
