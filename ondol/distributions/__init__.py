"""Probability distributions: sampling, densities and divergences, differentiable in their parameters.

Those of PyTorch's list that rest on samples of the gamma distribution (Gamma, Beta, Dirichlet, StudentT, ...) are
missing.
"""

from ondol.distributions import constraints as constraints
from ondol.distributions import transforms as transforms
from ondol.distributions.bernoulli import Bernoulli
from ondol.distributions.binomial import Binomial
from ondol.distributions.categorical import Categorical
from ondol.distributions.cauchy import Cauchy
from ondol.distributions.constraint_registry import biject_to, transform_to
from ondol.distributions.distribution import Distribution, ExponentialFamily
from ondol.distributions.exponential import Exponential
from ondol.distributions.geometric import Geometric
from ondol.distributions.gumbel import Gumbel
from ondol.distributions.half_cauchy import HalfCauchy
from ondol.distributions.half_normal import HalfNormal
from ondol.distributions.independent import Independent
from ondol.distributions.kl import kl_divergence, register_kl
from ondol.distributions.laplace import Laplace
from ondol.distributions.log_normal import LogNormal
from ondol.distributions.multinomial import Multinomial
from ondol.distributions.multivariate_normal import MultivariateNormal
from ondol.distributions.normal import Normal
from ondol.distributions.one_hot_categorical import OneHotCategorical, OneHotCategoricalStraightThrough
from ondol.distributions.pareto import Pareto
from ondol.distributions.poisson import Poisson
from ondol.distributions.transformed_distribution import TransformedDistribution
from ondol.distributions.transforms import *  # noqa: F403
from ondol.distributions.uniform import Uniform
from ondol.distributions.weibull import Weibull

__all__ = [
    "Bernoulli", "Binomial", "Categorical", "Cauchy", "Distribution", "Exponential", "ExponentialFamily", "Geometric",
    "Gumbel", "HalfCauchy", "HalfNormal", "Independent", "Laplace", "LogNormal", "Multinomial", "MultivariateNormal",
    "Normal", "OneHotCategorical", "OneHotCategoricalStraightThrough", "Pareto", "Poisson", "TransformedDistribution",
    "Uniform", "Weibull", "biject_to", "kl_divergence", "register_kl", "transform_to", *transforms.__all__,
]  # fmt: skip
