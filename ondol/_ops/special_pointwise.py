"""How a NumPy kernel becomes a differentiable function of tensors, of one argument or two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import ondol
from ondol import Tensor
from ondol._ops.checks import floating
from ondol._ops.host import to_numpy

Kernel = Callable[..., np.ndarray]
Slope = Callable[..., Tensor]
"""The derivative, made of tensor operations on the arguments and the result, so that it can be differentiated again."""


def _run(kernel: Kernel, like: Tensor, *arguments: Tensor) -> Tensor:
    """The kernel in double precision, rounded once to the dtype of `like`."""
    arrays = [to_numpy(argument).astype(np.float64) for argument in arguments]
    with np.errstate(all="ignore"):
        result = np.asarray(kernel(*arrays), dtype=np.float64)
    return ondol.from_numpy(np.ascontiguousarray(result).reshape(result.shape)).to(like.device, like.dtype)


class _Unary(ondol.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Kernel, slope: Slope | None) -> Tensor:
        result = _run(kernel, x, x)
        ctx.save_for_backward(x, result)
        ctx.slope, ctx.name = slope, kernel.__name__
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        if ctx.slope is None:
            raise NotImplementedError(f"the derivative for '{ctx.name}' is not implemented.")
        return grad * ctx.slope(*ctx.saved_tensors), None, None


class _Binary(ondol.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, kernel: Kernel, slopes: tuple[Slope | None, Slope | None]) -> Tensor:
        result = _run(kernel, a, a, b)
        ctx.save_for_backward(a, b, result)
        ctx.slopes, ctx.name = slopes, kernel.__name__
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        grads: list[Any] = [None, None]
        for at, slope in enumerate(ctx.slopes):
            if not ctx.needs_input_grad[at]:
                continue
            if slope is None:
                which = ("first", "second")[at]
                raise NotImplementedError(f"the derivative of '{ctx.name}' in its {which} argument is not implemented.")
            grads[at] = grad * slope(*ctx.saved_tensors)
        return (*grads, None, None)


def _real(x: Any, name: str) -> Tensor:
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}(): argument 'input' must be Tensor, not {type(x).__name__}")
    if x.is_complex():
        raise RuntimeError(f'"{name}" not implemented for {x.dtype}')
    return floating(x)


def unary(x: Tensor, kernel: Kernel, slope: Slope | None, name: str) -> Tensor:
    """`kernel(x)`; integers give the default dtype."""
    return _Unary.apply(_real(x, name), kernel, slope)


def binary(a: Any, b: Any, kernel: Kernel, slopes: tuple[Slope | None, Slope | None], name: str) -> Tensor:
    """`kernel(a, b)` of tensors that broadcast; one of the two may be a number."""
    a, b = two_tensors(a, b, name)
    return _Binary.apply(a, b, kernel, slopes)


def two_tensors(a: Any, b: Any, name: str) -> tuple[Tensor, Tensor]:
    """Both as floating tensors of one dtype and shape."""
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        raise TypeError(f"{name}(): at least one argument must be Tensor")
    dtype = ondol.result_type(a, b)
    if dtype.is_complex:
        raise RuntimeError(f'"{name}" not implemented for {dtype}')
    if not dtype.is_floating_point:
        dtype = ondol.get_default_dtype()
    a, b = (value.to(dtype) if isinstance(value, Tensor) else ondol.tensor(value, dtype=dtype) for value in (a, b))
    shape = ondol.broadcast_shapes(a.shape, b.shape)
    return a.expand(shape), b.expand(shape)
