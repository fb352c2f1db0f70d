"""Complex tensors made of real ones."""

from __future__ import annotations

from typing import Any

import ondol
from ondol import Tensor
from ondol._ops.checks import require_tensors
from ondol._ops.registry import operation


@operation(exact_out=True)
def complex(real: Tensor, imag: Tensor, *, out: Any = None) -> Tensor:
    """Complex numbers of two real tensors of one dtype.

    >>> ondol.complex(ondol.ones(1), ondol.zeros(1))
    tensor([1.+0.j])
    """
    require_tensors("complex", real=real, imag=imag)
    if real.dtype not in (ondol.float32, ondol.float64):
        raise RuntimeError(f"Expected both inputs to be Float or Double tensors but got {real.dtype} and {imag.dtype}")
    if real.dtype != imag.dtype:
        raise RuntimeError(
            f"Expected object of scalar type {real.dtype} but got scalar type {imag.dtype} for second argument"
        )
    real, imag = ondol.broadcast_tensors(real, imag)
    return ondol.view_as_complex(ondol.stack([real, imag], -1))


@operation(exact_out=True)
def polar(abs: Tensor, angle: Tensor, *, out: Any = None) -> Tensor:
    """Complex numbers of given size and angle.

    >>> ondol.polar(ondol.ones(1), ondol.zeros(1))
    tensor([1.+0.j])
    """
    require_tensors("polar", abs=abs, angle=angle)
    if abs.dtype not in (ondol.float32, ondol.float64):
        raise RuntimeError(f"Expected both inputs to be Float or Double tensors but got {abs.dtype} and {angle.dtype}")
    if abs.dtype != angle.dtype:
        raise RuntimeError(
            f"Expected object of scalar type {abs.dtype} but got scalar type {angle.dtype} for second argument"
        )
    return complex(abs * ondol.cos(angle), abs * ondol.sin(angle))
