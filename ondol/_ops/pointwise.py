"""Pointwise functions that are rare enough to be made of others."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import ondol
from ondol import Tensor
from ondol._ops.checks import floating, require_tensors
from ondol._ops.host import to_numpy, to_tensor
from ondol._ops.registry import operation


def _pair(input: Any, other: Any) -> tuple[Any, Any]:
    """Both as tensors of their common floating or complex dtype."""
    dtype = ondol.result_type(input, other)
    if not (dtype.is_floating_point or dtype.is_complex):
        dtype = ondol.get_default_dtype()
    pair = (
        value.to(dtype) if isinstance(value, Tensor) else ondol.tensor(value, dtype=dtype) for value in (input, other)
    )
    return tuple(pair)


class _LogAddExp(ondol.autograd.Function):
    """log(eᵃ + eᵇ) in base 2 or e. The derivatives are the shares of the two terms, logistic functions of a - b."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, base: float) -> Tensor:
        ctx.save_for_backward(a, b)
        ctx.rate = math.log(base)
        return ondol.maximum(a, b) + ondol.log1p(ondol.exp(-_gap(a, b).abs() * ctx.rate)) / ctx.rate

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        a, b = ctx.saved_tensors
        gap = _gap(a, b) * ctx.rate
        return grad * ondol.sigmoid(gap), grad * ondol.sigmoid(-gap), None


def _gap(a: Tensor, b: Tensor) -> Tensor:
    """a - b, and 0 for two infinities of the same sign."""
    return ondol.where((a == b) & ondol.isinf(a), ondol.zeros_like(a), a - b)


def _log_add_exp(input: Tensor, other: Tensor, base: float, name: str) -> Tensor:
    dtype = ondol.promote_types(input.dtype, other.dtype)
    if dtype.is_complex:
        if base == 2:
            raise RuntimeError(f'"{name}" not implemented for {dtype}')
        larger = ondol.where(input.real >= other.real, input, other).detach()
        return larger + ondol.log(ondol.exp(input - larger) + ondol.exp(other - larger))
    if not dtype.is_floating_point:
        raise RuntimeError(f'"{name}" not implemented for {dtype}')
    shape = ondol.broadcast_shapes(input.shape, other.shape)
    low = dtype in (ondol.float16, ondol.bfloat16)
    wide = ondol.float32 if low else dtype
    result = _LogAddExp.apply(input.to(wide).expand(shape), other.to(wide).expand(shape), base)
    return result.to(dtype) if low else result


@operation(method=True)
def logaddexp(input: Tensor, other: Tensor, *, out: Any = None) -> Tensor:
    """log(exp(a) + exp(b)) without overflow.

    >>> ondol.logaddexp(ondol.tensor([-100.0]), ondol.tensor([-100.0]))
    tensor([-99.3069])
    """
    require_tensors("logaddexp", input=input, other=other)
    return _log_add_exp(input, other, math.e, "logaddexp")


@operation(method=True)
def logaddexp2(input: Tensor, other: Tensor, *, out: Any = None) -> Tensor:
    """log2(2^a + 2^b) without overflow."""
    require_tensors("logaddexp2", input=input, other=other)
    return _log_add_exp(input, other, 2.0, "logaddexp2")


@operation(method=True, inplace=True)
def float_power(input: Any, exponent: Any, *, out: Any = None) -> Tensor:
    """`input ** exponent` in double precision.

    >>> ondol.float_power(ondol.tensor([2]), 0.5)
    tensor([1.4142], dtype=torch.float64)
    """
    given = [value for value in (input, exponent) if isinstance(value, Tensor)]
    if not given:
        raise TypeError("float_power(): at least one argument must be Tensor")
    complex_ = any(
        value.is_complex() if isinstance(value, Tensor) else isinstance(value, complex) for value in (input, exponent)
    )
    dtype = ondol.complex128 if complex_ else ondol.float64
    base, power = (value.to(dtype) if isinstance(value, Tensor) else value for value in (input, exponent))
    if isinstance(base, Tensor):
        return ondol.pow(base, power)
    return ondol.pow(ondol.tensor(base, dtype=dtype), power)


@operation(method=True, inplace=True)
def ldexp(input: Tensor, other: Tensor, *, out: Any = None) -> Tensor:
    """input × 2^other."""
    require_tensors("ldexp", input=input)
    return input * ondol.pow(2.0, other)


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


def _integers(input: Tensor, other: Tensor, name: str) -> tuple[np.ndarray, np.ndarray]:
    require_tensors(name, input=input, other=other)
    dtype = ondol.promote_types(input.dtype, other.dtype)
    if dtype.is_floating_point or dtype.is_complex or dtype == ondol.bool:
        raise RuntimeError(f'"{name}_cpu" not implemented for {dtype}')
    return to_numpy(input.to(dtype)), to_numpy(other.to(dtype))


@operation(method=True, inplace=True)
def gcd(input: Tensor, other: Tensor, *, out: Any = None) -> Tensor:
    """The greatest common divisor of integers.

    >>> ondol.gcd(ondol.tensor([12]), ondol.tensor([18]))
    tensor([6])
    """
    return to_tensor(np.asarray(np.gcd(*_integers(input, other, "gcd"))), input)


@operation(method=True, inplace=True)
def lcm(input: Tensor, other: Tensor, *, out: Any = None) -> Tensor:
    """The least common multiple of integers, not negative."""
    return to_tensor(np.asarray(np.lcm(*_integers(input, other, "lcm"))), input)


_BITS = {2: "int16", 4: "int32", 8: "int64"}


class _NextAfter(ondol.autograd.Function):
    """The step is constant almost everywhere, so the derivative in the first argument is one, where there is a step."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(x == y)
        bits = x.contiguous().view(getattr(ondol, _BITS[x.element_size()]))
        # Numbers of one sign are ordered as their bits are.
        stepped = ondol.where((x < y) == (x > 0), bits + 1, bits - 1).view(x.dtype)
        smallest = ondol.ones_like(bits).view(x.dtype)
        result = ondol.where(x == 0, ondol.where(y > 0, smallest, -smallest), stepped)
        return ondol.where(ondol.isnan(x) | ondol.isnan(y), x + y, ondol.where(x == y, y, result))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        (equal,) = ctx.saved_tensors
        nothing = ondol.zeros_like(grad)
        return ondol.where(equal, nothing, grad), nothing


@operation(method=True, inplace=True)
def nextafter(input: Tensor, other: Tensor, *, out: Any = None) -> Tensor:
    """The next representable number after `input` on the way to `other`."""
    require_tensors("nextafter", input=input, other=other)
    dtype = ondol.promote_types(input.dtype, other.dtype)
    if not dtype.is_floating_point:
        raise RuntimeError(f'"nextafter" not implemented for {dtype}')
    return _NextAfter.apply(*ondol.broadcast_tensors(input.to(dtype), other.to(dtype)))


@operation(method=True, inplace=True)
def heaviside(input: Tensor, values: Tensor, *, out: Any = None) -> Tensor:
    """0 for negative, 1 for positive numbers, `values` at zero."""
    require_tensors("heaviside", input=input, values=values)
    if input.is_complex() or values.is_complex():
        raise RuntimeError("heaviside is not yet implemented for complex tensors.")
    if input.dtype != values.dtype:
        raise RuntimeError(
            f"heaviside is not yet implemented for tensors with different dtypes: {input.dtype} and {values.dtype}"
        )
    return ondol.where(input == 0, values, (input > 0).to(input.dtype))


@operation(method=True, inplace=True)
def hypot(input: Tensor, other: Tensor, *, out: Any = None) -> Tensor:
    """√(a² + b²) without overflow.

    >>> ondol.hypot(ondol.tensor([3.0]), ondol.tensor([4.0]))
    tensor([5.])
    """
    require_tensors("hypot", input=input, other=other)
    dtype = ondol.promote_types(input.dtype, other.dtype)
    if not dtype.is_floating_point:
        raise RuntimeError(f'"hypot_cpu" not implemented for {dtype}')
    a, b = ondol.broadcast_tensors(input.to(dtype), other.to(dtype))
    scale = ondol.maximum(a.detach().abs(), b.detach().abs())
    scale = ondol.where((scale == 0) | ondol.isinf(scale), ondol.ones_like(scale), scale)
    return scale * (a / scale * (a / scale) + b / scale * (b / scale)).sqrt()


@operation(method=True, inplace=True)
def copysign(input: Tensor, other: Any, *, out: Any = None) -> Tensor:
    """The size of `input` with the sign of `other`, signed zeros included."""
    require_tensors("copysign", input=input)
    a, b = _pair(input, other)
    if a.is_complex():
        raise RuntimeError("copysign is not implemented for complex tensors")
    return a * ondol.where(ondol.signbit(a) == ondol.signbit(b), 1.0, -1.0).to(a.dtype)


@operation(method=True, inplace=True)
def deg2rad(input: Tensor, *, out: Any = None) -> Tensor:
    """Degrees as radians."""
    _refuse_complex(input, "deg2rad")
    return floating(input) * (math.pi / 180)


@operation(method=True, inplace=True)
def rad2deg(input: Tensor, *, out: Any = None) -> Tensor:
    """Radians as degrees."""
    _refuse_complex(input, "rad2deg")
    return floating(input) * (180 / math.pi)


def _refuse_complex(input: Tensor, name: str) -> None:
    if input.is_complex():
        raise RuntimeError(f"{name} is not supported for complex tensors.")


@operation(method=True)
def isposinf(input: Tensor, *, out: Any = None) -> Tensor:
    """Where the elements are +inf."""
    _refuse_complex(input, "isposinf")
    return input == math.inf if input.is_floating_point() else ondol.zeros_like(input, dtype=ondol.bool)


@operation(method=True)
def isneginf(input: Tensor, *, out: Any = None) -> Tensor:
    """Where the elements are -inf."""
    _refuse_complex(input, "isneginf")
    return input == -math.inf if input.is_floating_point() else ondol.zeros_like(input, dtype=ondol.bool)


@operation(method=True)
def positive(input: Tensor) -> Tensor:
    """The input itself; an error for booleans."""
    if input.dtype == ondol.bool:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input
