"""`ExponentialFamily` under the name of PyTorch's module."""

from ondol.distributions.distribution import ExponentialFamily as ExponentialFamily

__all__ = ["ExponentialFamily"]
