"""Convolution, batch norm, activation and max pooling of a `Sequential` in one native operation, where nobody can tell.

A batch norm in evaluation, a relu and a pool are passes over memory that only wait for it. The native operation does
their arithmetic on the results of the convolution while they are in the cache: the same bits. Gradients of it are
recorded for a relu with or without a pool, which need the result only. Whatever could make a difference is looked at in
each call, for nothing is kept between calls that could become untrue.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import ondol
from ondol._native import nn as _nn
from ondol._native._autocast import enabled as autocast_enabled
from ondol._native._overrides import modes as function_modes
from ondol._native.autograd import is_grad_enabled

from .. import functional as F
from ..parameter import Parameter
from .activation import ReLU, ReLU6
from .batchnorm import BatchNorm2d
from .conv import Conv2d
from .module import Module
from .pooling import MaxPool2d

__all__ = ["fused_steps", "may_fuse"]

Step = Callable[[Any], Any]

_END = object()
_ACTIVATIONS = (ReLU, ReLU6)
_PLAIN = frozenset({ondol.Tensor, Parameter, type(None)})
_OVERRIDING = {  # attributes of an instance that would be found before those of its class or its stores
    "forward", "_conv_forward", "_convolve", "_check_input_dim", "weight", "bias", "running_mean", "running_var",
}  # fmt: skip


def may_fuse(modules: Iterable[Any]) -> bool:
    """Whether `fused_steps` is worth its while."""
    return Conv2d in map(type, modules)


def fused_steps(modules: Iterable[Any]) -> Iterator[Step]:
    """The modules in order, but a convolution with batch norm, activation and pool right behind it as one step.

    A step is for the moment at which it is asked for: no code of others may run before its call.
    """
    following = iter(modules)
    module = next(following, _END)
    while module is not _END:
        first, norm, activation, pool = module, None, None, None
        module = next(following, _END)
        if type(first) is Conv2d:
            if type(module) is BatchNorm2d and not module.training:
                norm, module = module, next(following, _END)
            if type(module) in _ACTIVATIONS:
                activation, module = module, next(following, _END)
                if type(module) is MaxPool2d and _is_of_squares(module):
                    pool, module = module, next(following, _END)
        if norm is None and activation is None:
            yield first
        else:
            yield functools.partial(_run, first, norm, activation, pool)


def _is_of_squares(pool: MaxPool2d) -> bool:
    """Whether it takes the largest of 2 x 2 elements."""
    if pool.ceil_mode or pool.return_indices:
        return False
    settings = ((pool.kernel_size, 2), (pool.stride, 2), (pool.padding, 0), (pool.dilation, 1))
    return all(type(given) in (int, tuple) and given in (wanted, (wanted, wanted)) for given, wanted in settings)


def _run(conv: Any, norm: Any, activation: Any, pool: Any, input: Any) -> Any:
    """pool(activation(norm(conv(input)))), of which all but conv may be None."""
    if _is_ordinary(conv, norm, activation, pool, input):
        try:
            return _nn._conv2d_epilogue(*_arguments(conv, norm, activation, input), pool is not None)
        except Exception:  # what is wrong is raised once more below, by the module that it is about
            pass
    output = conv(input)
    for module in (norm, activation, pool):
        if module is not None:
            output = module(output)
    return output


def _separate_calls() -> tuple:
    """What the calls of the modules run; tools that watch a model put something else in its place."""
    return (
        Module.__call__, Conv2d.forward, Conv2d._conv_forward, BatchNorm2d.forward, ReLU.forward, ReLU6.forward,
        MaxPool2d.forward, F.conv2d, F.batch_norm, F.relu, F.hardtanh, F.max_pool2d,
    )  # fmt: skip


_OWN_CALLS = _separate_calls()


def _is_ordinary(conv: Any, norm: Any, activation: Any, pool: Any, input: Any) -> bool:
    """Whether the separate calls would be ondol's own and nothing more, on tensors that the operation takes."""
    if type(input) is not ondol.Tensor or input.dtype is not ondol.float32 or input.dim() != 4:
        return False
    if is_grad_enabled() and (norm is not None or type(activation) is not ReLU):
        return False
    if autocast_enabled() or function_modes() or _separate_calls() != _OWN_CALLS:
        return False
    for module in (conv, norm, activation, pool):
        if module is not None and (
            module._forward_hooks or module._hooked or not vars(module).keys().isdisjoint(_OVERRIDING)
        ):
            return False
    if conv.padding_mode != "zeros" or type(conv.padding) is not tuple:
        return False
    return norm is None or norm._buffers.get("running_mean") is not None


def _arguments(conv: Any, norm: Any, activation: Any, input: ondol.Tensor) -> tuple:
    """Those of the native operation. Raises whatever it meets where they cannot be found."""
    learned = conv._parameters
    filters, scaling, eps = (learned["weight"], learned["bias"]), (None, None, None, None), 0.0
    if norm is not None:
        learned, measured, eps = norm._parameters, norm._buffers, norm.eps
        scaling = (learned["weight"], learned["bias"], measured["running_mean"], measured["running_var"])
    if not _PLAIN.issuperset(map(type, filters + scaling)):
        raise TypeError("a parameter has a class of its own")
    low, high = -math.inf, math.inf
    if type(activation) is ReLU:
        low = 0.0
    elif activation is not None:
        low, high = activation.min_val, activation.max_val
        if not low <= high:
            raise ValueError("the limits are in the wrong order")
    return input, *filters, conv.stride, conv.padding, conv.dilation, conv.groups, *scaling, eps, low, high
