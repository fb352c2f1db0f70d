"""Linear and bilinear maps."""

from __future__ import annotations

import ondol
from ondol._autocast import with_autocast
from ondol._native import nn as _nn

__all__ = ["bilinear", "linear"]

linear = _nn.linear


def bilinear(
    input1: ondol.Tensor, input2: ondol.Tensor, weight: ondol.Tensor, bias: ondol.Tensor | None = None
) -> ondol.Tensor:
    """y_k = x₁ᵀ A_k x₂ + b_k.

    Shapes: `input1` (*, in1), `input2` (*, in2), `weight` (out, in1, in2), `bias` (out) → (*, out).

    Raises:
        RuntimeError: if the leading dimensions of the inputs differ, or a feature dimension does not fit the weight.

    >>> ondol.nn.functional.bilinear(ondol.ones(1, 2), ondol.ones(1, 3), ondol.ones(1, 2, 3))
    tensor([[6.]])
    """
    if input1.dim() != input2.dim() or input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError(
            f"bilinear(): input batch dimensions do not match: got {list(input1.shape)} and {list(input2.shape)}"
        )
    if weight.dim() != 3 or input1.shape[-1] != weight.shape[1] or input2.shape[-1] != weight.shape[2]:
        raise RuntimeError(
            f"bilinear(): inputs of {input1.shape[-1]} and {input2.shape[-1]} features do not fit a weight of shape "
            f"{list(weight.shape)}, which takes (out, in1, in2)"
        )
    if bias is not None and bias.shape[0] != weight.shape[0]:
        raise RuntimeError(f"bilinear(): bias size does not match weight size: {bias.shape[0]} and {weight.shape[0]}")
    out, in1, in2 = weight.shape
    batch = input1.shape[:-1]
    rows = input1.reshape(-1, in1) @ weight.permute(1, 0, 2).reshape(in1, out * in2)  # (n, out · in2)
    result = (rows.reshape(-1, out, in2) @ input2.reshape(-1, in2, 1)).squeeze(-1)
    result = result.reshape(*batch, out)
    return result if bias is None else result + bias


bilinear = with_autocast(bilinear, "bilinear")
