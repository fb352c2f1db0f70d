"""Exponential families."""

from __future__ import annotations

import ondol
from ondol import Tensor
from ondol.distributions.distribution import Distribution

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """Distributions p(x; t) = m(x) exp(t·s(x) - F(t)) with natural parameters t and log normalizer F."""

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        raise NotImplementedError(f"{type(self).__name__}._natural_params")

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__}._log_normalizer")

    @property
    def _mean_carrier_measure(self) -> float:
        raise NotImplementedError(f"{type(self).__name__}._mean_carrier_measure")

    def entropy(self) -> Tensor:
        """F(t) - t·∇F(t) - E log m (Nielsen & Nock 2010), with the gradient by autograd."""
        parameters = [parameter.detach().requires_grad_() for parameter in self._natural_params]
        with ondol.enable_grad():
            normalizer = self._log_normalizer(*parameters)
            gradients = ondol.autograd.grad(normalizer.sum(), parameters, create_graph=True)
        result = normalizer - self._mean_carrier_measure
        for parameter, gradient in zip(parameters, gradients):
            result = result - (parameter * gradient).reshape((*self._batch_shape, -1)).sum(-1)
        return result
