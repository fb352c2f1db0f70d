"""Gradients of convolutions as functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ondol

from . import functional as F

__all__ = ["conv1d_input", "conv1d_weight", "conv2d_input", "conv2d_weight", "conv3d_input", "conv3d_weight"]


def _input_gradient(convolve: Callable) -> Callable:
    def gradient(
        input_size: Any, weight: ondol.Tensor, grad_output: ondol.Tensor, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1,
    ) -> ondol.Tensor:  # fmt: skip
        with ondol.enable_grad():
            input = grad_output.new_zeros(tuple(input_size)).requires_grad_()
            output = convolve(input, weight, None, stride, padding, dilation, groups)
        return ondol.autograd.grad(output, input, grad_output)[0]

    return _named(gradient, f"{convolve.__name__}_input", "The gradient of a convolution with respect to its input.")


def _weight_gradient(convolve: Callable) -> Callable:
    def gradient(
        input: ondol.Tensor, weight_size: Any, grad_output: ondol.Tensor, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1,
    ) -> ondol.Tensor:  # fmt: skip
        with ondol.enable_grad():
            weight = grad_output.new_zeros(tuple(weight_size)).requires_grad_()
            output = convolve(input, weight, None, stride, padding, dilation, groups)
        return ondol.autograd.grad(output, weight, grad_output)[0]

    return _named(gradient, f"{convolve.__name__}_weight", "The gradient of a convolution with respect to its weight.")


def _named(function: Callable, name: str, words: str) -> Callable:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = words
    return function


conv1d_input, conv1d_weight = _input_gradient(F.conv1d), _weight_gradient(F.conv1d)
conv2d_input, conv2d_weight = _input_gradient(F.conv2d), _weight_gradient(F.conv2d)
conv3d_input, conv3d_weight = _input_gradient(F.conv3d), _weight_gradient(F.conv3d)
