"""The `native_*` forms of normalisation, which return their statistics as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ondol
from ondol import Tensor
from ondol._ops.checks import element_count
from ondol._ops.registry import operation

Statistics = tuple[Tensor, Tensor, Tensor]


def _normalised(input: Tensor, dims: list[int], eps: float) -> Statistics:
    """The input less its mean over its standard deviation, both over `dims`, and the two (the latter inverted)."""
    mean = input.mean(dims, keepdim=True)
    centred = input - mean
    inverse_deviation = ((centred * centred).mean(dims, keepdim=True) + eps).rsqrt()
    return centred * inverse_deviation, mean, inverse_deviation


def _affine(input: Tensor, weight: Tensor | None, bias: Tensor | None, shape: Sequence[int]) -> Tensor:
    if weight is not None:
        input = input * weight.reshape(shape)
    return input if bias is None else input + bias.reshape(shape)


def _wide(input: Tensor) -> Tensor:
    return input.to(ondol.float32) if input.dtype in (ondol.float16, ondol.bfloat16) else input


@operation
def native_layer_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> Statistics:
    """(result, mean, 1/deviation) of `ondol.nn.functional.layer_norm`; the statistics keep dimensions of size 1."""
    count = len(normalized_shape)
    if count == 0 or list(input.shape[-count:]) != list(normalized_shape):
        raise RuntimeError(f"Given normalized_shape={list(normalized_shape)}, expected input with shape "
                           f"[*, {', '.join(map(str, normalized_shape))}], but got input of size "
                           f"{list(input.shape)}")  # fmt: skip
    dims = list(range(input.dim() - count, input.dim()))
    result, mean, inverse_deviation = _normalised(_wide(input), dims, eps)
    result = _affine(result, weight, bias, normalized_shape).to(input.dtype)
    return result, mean.to(input.dtype), inverse_deviation.to(input.dtype)


@operation
def native_group_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, N: int, C: int, HxW: int, group: int, eps: float
) -> Statistics:
    """(result, mean, 1/deviation) of `ondol.nn.functional.group_norm`; the statistics are (N, group)."""
    if group <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {group}")
    if C % group:
        raise RuntimeError(
            f"Expected number of channels in input to be divisible by num_groups, but got C={C}, {group} groups"
        )
    result, mean, inverse_deviation = _normalised(_wide(input).reshape(N, group, C // group * HxW), [2], eps)
    channels = [1, C] + [1] * (input.dim() - 2)
    result = _affine(result.reshape(input.shape), weight, bias, channels).to(input.dtype)
    return result, mean.squeeze(2).to(input.dtype), inverse_deviation.squeeze(2).to(input.dtype)


@operation
def native_batch_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None, running_var: Tensor | None,
    training: bool, momentum: float, eps: float, *, out: Any = None,
) -> Statistics:  # fmt: skip
    """(result, mean, 1/deviation) of `ondol.nn.functional.batch_norm`; outside training the statistics are empty.

    In training, running statistics move towards those of the batch by `momentum`, in place.
    """
    channels = [1, input.shape[1]] + [1] * (input.dim() - 2)
    for name, values in (("running_mean", running_mean), ("running_var", running_var)):
        if values is not None and (values.shape != (input.shape[1],) or not values.is_floating_point()):
            raise RuntimeError(
                f"{name} should contain {input.shape[1]} elements not {values.numel()}: it has dtype {values.dtype} "
                f"and shape {list(values.shape)}, for an input of shape {list(input.shape)}"
            )
    wide = _wide(input)
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError(
                "native_batch_norm: Expected running_mean and running_var to be defined when training=False"
            )
        scale = (_wide(running_var).reshape(channels) + eps).rsqrt()
        result = _affine((wide - _wide(running_mean).reshape(channels)) * scale, weight, bias, channels)
        empty = input.new_empty(0)
        return result.to(input.dtype), empty, empty
    dims = [dim for dim in range(input.dim()) if dim != 1]
    result, mean, inverse_deviation = _normalised(wide, dims, eps)
    mean, inverse_deviation = mean.reshape(-1), inverse_deviation.reshape(-1)
    kept = input.dtype if weight is None else weight.dtype
    result = _affine(result, weight, bias, channels).to(input.dtype)
    with ondol.no_grad():
        if running_mean is not None:
            running_mean.copy_((1 - momentum) * running_mean + momentum * mean.to(kept))
        if running_var is not None:
            count = element_count(input.shape[dim] for dim in dims)
            unbiased = ((inverse_deviation**-2 - eps) * count).to(kept) / max(count - 1, 1)
            running_var.copy_((1 - momentum) * running_var + momentum * unbiased)
    return result, mean.to(kept), inverse_deviation.to(kept)
