"""Pointwise functions with several results."""

from __future__ import annotations

from typing import Any

import numpy as np

import ondol
from ondol import Tensor
from ondol._ops.host import to_numpy, to_tensor
from ondol._ops.registry import operation


@operation(method=True)
def frexp(input: Tensor, *, out: Any = None) -> Any:
    """(mantissa, exponent): x = mantissa × 2^exponent with |mantissa| in [1/2, 1), exponents in int32.

    >>> ondol.frexp(ondol.tensor([6.0])).mantissa
    tensor([0.7500])
    """
    if not input.is_floating_point():
        raise RuntimeError(f"torch.frexp() only supports floating-point dtypes, got {input.dtype}")
    exponent = to_tensor(np.frexp(to_numpy(input))[1].astype(np.int32), input)
    first = exponent.div(2, rounding_mode="floor")  # in two steps: 2^-exponent alone may overflow
    scales = (ondol.pow(2.0, -part.to(ondol.float32)).to(input.dtype) for part in (first, exponent - first))
    mantissa = input
    for scale in scales:
        mantissa = mantissa * scale
    return ondol.return_types.frexp((mantissa, exponent))
