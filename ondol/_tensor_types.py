"""PyTorch's old names of tensor types: `torch.FloatTensor` and its kin."""

from __future__ import annotations

import warnings
from typing import Any

import ondol
from ondol._native import Tensor

_DTYPES = {
    "FloatTensor": ondol.float32,
    "DoubleTensor": ondol.float64,
    "HalfTensor": ondol.float16,
    "BFloat16Tensor": ondol.bfloat16,
    "ByteTensor": ondol.uint8,
    "CharTensor": ondol.int8,
    "ShortTensor": ondol.int16,
    "IntTensor": ondol.int32,
    "LongTensor": ondol.int64,
    "BoolTensor": ondol.bool,
    "ComplexFloatTensor": ondol.complex64,
    "ComplexDoubleTensor": ondol.complex128,
}


class _OldType(type):
    """Such a type only constructs; an object is an instance if it is a tensor of the dtype."""

    dtype: Any

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, Tensor) and value.dtype == cls.dtype

    def __call__(cls, *args: Any) -> Tensor:
        if len(args) == 1 and not isinstance(args[0], (int, ondol.Size)):
            return ondol.tensor(args[0], dtype=cls.dtype)
        sizes = args[0] if len(args) == 1 and isinstance(args[0], ondol.Size) else args
        return ondol.empty(sizes or (0,), dtype=cls.dtype)

    def __repr__(cls) -> str:
        return f"torch.{cls.__name__}"


TYPES = {name: _OldType(name, (), {"dtype": dtype, "__module__": "ondol"}) for name, dtype in _DTYPES.items()}
_NAMES = {
    **{dtype: name for name, dtype in _DTYPES.items()},
    # Younger dtypes have such a name, but no type.
    ondol.uint16: "UInt16Tensor",
    ondol.uint32: "UInt32Tensor",
    ondol.uint64: "UInt64Tensor",
    ondol.float8_e5m2: "Float8_e5m2Tensor",
    ondol.float8_e4m3fn: "Float8_e4m3fnTensor",
    ondol.complex32: "ComplexHalfTensor",
}


def type_of(tensor: Tensor) -> str:
    """`torch.FloatTensor` for a float32 tensor, and so on."""
    return f"torch.{_NAMES[tensor.dtype]}"


def dtype_from(value: Any) -> Any:
    """The dtype that a dtype, an old type or its name stands for."""
    if isinstance(value, str):
        value = TYPES.get(value.rpartition(".")[2], value)
    if isinstance(value, _OldType):
        return value.dtype
    if isinstance(value, str):
        raise ValueError(f"invalid type: {value!r}")
    return value


def set_default_tensor_type(t: Any, /) -> None:
    """Sets the default dtype by an old type or its name; deprecated, use `set_default_dtype`.

    Raises:
        TypeError: anything but an old type of floating-point numbers.

    >>> ondol.set_default_tensor_type("torch.DoubleTensor")
    >>> ondol.zeros(1).dtype
    torch.float64
    """
    kind = TYPES.get(t.removeprefix("torch.")) if isinstance(t, str) else t
    if not isinstance(kind, _OldType) or not kind.dtype.is_floating_point:
        raise TypeError(f"the default type must be an old type of floating-point numbers on the CPU, got {t!r}")
    warnings.warn("set_default_tensor_type() is deprecated: use set_default_dtype()", UserWarning, stacklevel=2)
    ondol.set_default_dtype(kind.dtype)
