"""Activation functions, softmax and its relatives."""

from __future__ import annotations

import warnings
from typing import Any

import ondol
from ondol._native import nn as _nn

__all__ = [
    "celu", "celu_", "elu", "elu_", "gelu", "glu", "gumbel_softmax", "hardshrink", "hardsigmoid", "hardswish",
    "hardtanh", "hardtanh_", "leaky_relu", "leaky_relu_", "log_softmax", "logsigmoid", "mish", "prelu", "relu", "relu6",
    "relu_", "rrelu", "rrelu_", "selu", "selu_", "sigmoid", "silu", "softmax", "softmin", "softplus", "softshrink",
    "softsign", "tanh", "tanhshrink", "threshold", "threshold_",
]  # fmt: skip

celu_ = _nn.celu_
elu_ = _nn.elu_
gelu = _nn.gelu
glu = _nn.glu
hardshrink = _nn.hardshrink
hardtanh_ = _nn.hardtanh_
leaky_relu_ = _nn.leaky_relu_
logsigmoid = _nn.logsigmoid
prelu = _nn.prelu
relu_ = _nn.relu_
rrelu_ = _nn.rrelu_
selu_ = _nn.selu_
softplus = _nn.softplus
softshrink = _nn.softshrink
threshold_ = _nn.threshold_


def relu(input: ondol.Tensor, inplace: bool = False) -> ondol.Tensor:
    """max(0, x), elementwise."""
    return _nn.relu_(input) if inplace else _nn.relu(input)


def relu6(input: ondol.Tensor, inplace: bool = False) -> ondol.Tensor:
    """min(max(0, x), 6), elementwise."""
    return hardtanh(input, 0.0, 6.0, inplace)


def threshold(input: ondol.Tensor, threshold: float, value: float, inplace: bool = False) -> ondol.Tensor:
    """x where x > threshold, else `value`."""
    return _nn.threshold_(input, threshold, value) if inplace else _nn.threshold(input, threshold, value)


def hardtanh(input: ondol.Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> ondol.Tensor:
    """x limited to [min_val, max_val].

    Raises:
        ValueError: if `min_val` is above `max_val`.
    """
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return _nn.hardtanh_(input, min_val, max_val) if inplace else _nn.hardtanh(input, min_val, max_val)


def elu(input: ondol.Tensor, alpha: float = 1.0, inplace: bool = False) -> ondol.Tensor:
    """x for x > 0, else alpha · (exp(x) − 1) (Clevert et al. 2016)."""
    return _nn.elu_(input, alpha) if inplace else _nn.elu(input, alpha)


def celu(input: ondol.Tensor, alpha: float = 1.0, inplace: bool = False) -> ondol.Tensor:
    """max(0, x) + min(0, alpha · (exp(x / alpha) − 1)) (Barron 2017)."""
    return _nn.celu_(input, alpha) if inplace else _nn.celu(input, alpha)


def selu(input: ondol.Tensor, inplace: bool = False) -> ondol.Tensor:
    """The scaled ELU that keeps mean 0 and variance 1 (Klambauer et al. 2017)."""
    return _nn.selu_(input) if inplace else _nn.selu(input)


def leaky_relu(input: ondol.Tensor, negative_slope: float = 0.01, inplace: bool = False) -> ondol.Tensor:
    """x for x > 0, else negative_slope · x."""
    return _nn.leaky_relu_(input, negative_slope) if inplace else _nn.leaky_relu(input, negative_slope)


def rrelu(
    input: ondol.Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> ondol.Tensor:
    """Leaky ReLU with a random slope from [lower, upper] in training, their mean otherwise (Xu et al. 2015)."""
    return _nn.rrelu_(input, lower, upper, training) if inplace else _nn.rrelu(input, lower, upper, training)


def hardsigmoid(input: ondol.Tensor, inplace: bool = False) -> ondol.Tensor:
    """min(max(x / 6 + 1/2, 0), 1)."""
    return _nn.hardsigmoid_(input) if inplace else _nn.hardsigmoid(input)


def hardswish(input: ondol.Tensor, inplace: bool = False) -> ondol.Tensor:
    """x · hardsigmoid(x) (Howard et al. 2019)."""
    return _nn.hardswish_(input) if inplace else _nn.hardswish(input)


def silu(input: ondol.Tensor, inplace: bool = False) -> ondol.Tensor:
    """x · sigmoid(x) (Elfwing et al. 2017)."""
    return _nn.silu_(input) if inplace else _nn.silu(input)


def mish(input: ondol.Tensor, inplace: bool = False) -> ondol.Tensor:
    """x · tanh(softplus(x)) (Misra 2019)."""
    return _nn.mish_(input) if inplace else _nn.mish(input)


def sigmoid(input: ondol.Tensor) -> ondol.Tensor:
    """1 / (1 + exp(−x))."""
    return input.sigmoid()


def tanh(input: ondol.Tensor) -> ondol.Tensor:
    """The hyperbolic tangent."""
    return input.tanh()


def tanhshrink(input: ondol.Tensor) -> ondol.Tensor:
    """x − tanh(x)."""
    return input - input.tanh()


def softsign(input: ondol.Tensor) -> ondol.Tensor:
    """x / (1 + |x|)."""
    return input / (input.abs() + 1)


def softmax(input: ondol.Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> ondol.Tensor:
    """exp(x) / Σ exp(x) along `dim`; the input is converted to `dtype` first."""
    return ondol.softmax(input, _chosen("softmax", dim, input), dtype=dtype)


def softmin(input: ondol.Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> ondol.Tensor:
    """softmax(−x) along `dim`."""
    return ondol.softmax(-input, _chosen("softmin", dim, input), dtype=dtype)


def log_softmax(input: ondol.Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> ondol.Tensor:
    """log(softmax(x)) along `dim`, without the loss of digits of the two steps."""
    return ondol.log_softmax(input, _chosen("log_softmax", dim, input), dtype=dtype)


def _chosen(name: str, dim: int | None, input: ondol.Tensor) -> int:
    if dim is not None:
        return dim
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=3,
    )
    return 0 if input.dim() in (0, 1, 3) else 1


def gumbel_softmax(
    logits: ondol.Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> ondol.Tensor:
    """A sample from the Gumbel-softmax distribution (Jang et al. 2017, Maddison et al. 2017).

    Args:
        logits: unnormalized log probabilities.
        tau: temperature; near 0 the sample is near a one-hot vector.
        hard: return the one-hot vector, with the gradient of the soft sample.
        eps: unused.
        dim: the dimension of the categories.
    """
    gumbels = -ondol.empty_like(logits).exponential_().log()
    soft = ((logits + gumbels) / tau).softmax(dim)
    if not hard:
        return soft
    index = soft.max(dim, keepdim=True)[1]
    one_hot = ondol.zeros_like(logits).scatter_(dim, index, 1.0)
    return one_hot - soft.detach() + soft
