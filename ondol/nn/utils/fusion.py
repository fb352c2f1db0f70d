"""Merging batch normalization into the layer before it, for inference."""

from __future__ import annotations

import copy
from typing import Any

import ondol

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """A convolution that does what `bn(conv(x))` does in evaluation mode.

    Raises:
        AssertionError: if one of the two is in training mode, or `bn` has no running values.
    """
    _check_evaluation(conv, bn)
    fused = copy.deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, transpose
    )
    return fused


def _check_evaluation(layer: Any, bn: Any) -> None:
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn must have running_mean and running_var")


def _scale_and_shift(
    bias: ondol.Tensor | None, mean: ondol.Tensor, var: ondol.Tensor, eps: float, weight: Any, shift: Any
) -> tuple[ondol.Tensor, ondol.Tensor]:
    scale = (var + eps).rsqrt() * (1 if weight is None else weight)
    centred = -mean if bias is None else bias - mean
    return scale, centred * scale + (0 if shift is None else shift)


def fuse_conv_bn_weights(
    conv_w: ondol.Tensor,
    conv_b: ondol.Tensor | None,
    bn_rm: ondol.Tensor,
    bn_rv: ondol.Tensor,
    bn_eps: float,
    bn_w: ondol.Tensor | None,
    bn_b: ondol.Tensor | None,
    transpose: bool = False,
) -> tuple[Any, Any]:
    """Weight and bias of the fused convolution; `transpose` for transposed ones."""
    from ..parameter import Parameter

    scale, bias = _scale_and_shift(conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)
    shape = [1, -1] if transpose else [-1, 1]
    weight = conv_w * scale.reshape(shape + [1] * (conv_w.dim() - 2))
    learned = conv_w.requires_grad
    bias_learned = conv_b.requires_grad if conv_b is not None else learned
    return Parameter(weight.detach().to(conv_w.dtype), learned), Parameter(bias.detach().to(conv_w.dtype), bias_learned)


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """A linear layer that does what `bn(linear(x))` does in evaluation mode.

    Raises:
        AssertionError: if one is in training mode, or their numbers of features do not fit.
    """
    _check_evaluation(linear, bn)
    if linear.out_features != bn.num_features and bn.num_features != 1:
        raise AssertionError("To fuse, linear.out_features == bn.num_features or bn.num_features == 1")
    fused = copy.deepcopy(linear)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        linear.weight, linear.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
    return fused


def fuse_linear_bn_weights(
    linear_w: ondol.Tensor,
    linear_b: ondol.Tensor | None,
    bn_rm: ondol.Tensor,
    bn_rv: ondol.Tensor,
    bn_eps: float,
    bn_w: ondol.Tensor,
    bn_b: ondol.Tensor,
) -> tuple[Any, Any]:
    """Weight and bias of the fused linear layer."""
    from ..parameter import Parameter

    scale, bias = _scale_and_shift(linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)
    weight = linear_w * scale.unsqueeze(-1)
    learned = linear_w.requires_grad
    bias_learned = linear_b.requires_grad if linear_b is not None else learned
    return (
        Parameter(weight.detach().to(linear_w.dtype), learned),
        Parameter(bias.detach().to(linear_w.dtype), bias_learned),
    )
