"""Probability distributions: sampling, densities and divergences, differentiable in their parameters."""

from ondol.distributions import constraints as constraints
from ondol.distributions import kl_cross as kl_cross  # registers its formulas
from ondol.distributions import transforms as transforms
from ondol.distributions.bernoulli import Bernoulli
from ondol.distributions.beta import Beta
from ondol.distributions.binomial import Binomial
from ondol.distributions.categorical import Categorical
from ondol.distributions.cauchy import Cauchy
from ondol.distributions.chi2 import Chi2
from ondol.distributions.constraint_registry import biject_to, transform_to
from ondol.distributions.continuous_bernoulli import ContinuousBernoulli
from ondol.distributions.dirichlet import Dirichlet
from ondol.distributions.distribution import Distribution
from ondol.distributions.exp_family import ExponentialFamily
from ondol.distributions.exponential import Exponential
from ondol.distributions.fishersnedecor import FisherSnedecor
from ondol.distributions.gamma import Gamma
from ondol.distributions.generalized_pareto import GeneralizedPareto
from ondol.distributions.geometric import Geometric
from ondol.distributions.gumbel import Gumbel
from ondol.distributions.half_cauchy import HalfCauchy
from ondol.distributions.half_normal import HalfNormal
from ondol.distributions.independent import Independent
from ondol.distributions.inverse_gamma import InverseGamma
from ondol.distributions.kl import kl_divergence, register_kl
from ondol.distributions.kumaraswamy import Kumaraswamy
from ondol.distributions.laplace import Laplace
from ondol.distributions.lkj_cholesky import LKJCholesky
from ondol.distributions.log_normal import LogNormal
from ondol.distributions.logistic_normal import LogisticNormal
from ondol.distributions.lowrank_multivariate_normal import LowRankMultivariateNormal
from ondol.distributions.mixture_same_family import MixtureSameFamily
from ondol.distributions.multinomial import Multinomial
from ondol.distributions.multivariate_normal import MultivariateNormal
from ondol.distributions.negative_binomial import NegativeBinomial
from ondol.distributions.normal import Normal
from ondol.distributions.one_hot_categorical import OneHotCategorical, OneHotCategoricalStraightThrough
from ondol.distributions.pareto import Pareto
from ondol.distributions.poisson import Poisson
from ondol.distributions.relaxed_bernoulli import RelaxedBernoulli
from ondol.distributions.relaxed_categorical import RelaxedOneHotCategorical
from ondol.distributions.studentT import StudentT
from ondol.distributions.transformed_distribution import TransformedDistribution
from ondol.distributions.transforms import *  # noqa: F403
from ondol.distributions.uniform import Uniform
from ondol.distributions.von_mises import VonMises
from ondol.distributions.weibull import Weibull
from ondol.distributions.wishart import Wishart

__all__ = [
    "Bernoulli", "Beta", "Binomial", "Categorical", "Cauchy", "Chi2", "ContinuousBernoulli", "Dirichlet",
    "Distribution", "Exponential", "ExponentialFamily", "FisherSnedecor", "Gamma", "GeneralizedPareto", "Geometric",
    "Gumbel", "HalfCauchy", "HalfNormal", "Independent", "InverseGamma", "Kumaraswamy", "LKJCholesky", "Laplace",
    "LogNormal", "LogisticNormal", "LowRankMultivariateNormal", "MixtureSameFamily", "Multinomial",
    "MultivariateNormal", "NegativeBinomial", "Normal", "OneHotCategorical", "OneHotCategoricalStraightThrough",
    "Pareto", "Poisson", "RelaxedBernoulli", "RelaxedOneHotCategorical", "StudentT", "TransformedDistribution",
    "Uniform", "VonMises", "Weibull", "Wishart", "biject_to", "kl_divergence", "register_kl", "transform_to",
    *transforms.__all__,
]  # fmt: skip
