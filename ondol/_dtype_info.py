"""`finfo` and `iinfo`: the limits of dtypes."""

from __future__ import annotations

from typing import Any

from ondol import _native

_FLOATS = {  # dtype: bits, eps, max, tiny, decimal digits
    "float16": (16, 2.0**-10, 65504.0, 2.0**-14, 3),
    "bfloat16": (16, 2.0**-7, 3.3895313892515355e38, 2.0**-126, 2),
    "float32": (32, 2.0**-23, 3.4028234663852886e38, 2.0**-126, 6),
    "float64": (64, 2.0**-52, 1.7976931348623157e308, 2.0**-1022, 15),
    "float8_e5m2": (8, 0.25, 57344.0, 2.0**-14, 0),
    "float8_e4m3fn": (8, 0.125, 448.0, 2.0**-6, 0),
}
_SMALLEST_SUBNORMAL = {
    "float16": 2.0**-24,
    "bfloat16": 2.0**-133,
    "float32": 2.0**-149,
    "float64": 5e-324,
    "float8_e5m2": 2.0**-16,
    "float8_e4m3fn": 2.0**-9,
}
_REAL_PART = {"complex32": "float16", "complex64": "float32", "complex128": "float64"}
_INTEGERS = {
    "uint8": (8, 0, 255),
    "int8": (8, -128, 127),
    "int16": (16, -(2**15), 2**15 - 1),
    "int32": (32, -(2**31), 2**31 - 1),
    "int64": (64, -(2**63), 2**63 - 1),
    "uint16": (16, 0, 2**16 - 1),
    "uint32": (32, 0, 2**32 - 1),
    "uint64": (64, 0, 2**64 - 1),
}


def _name(dtype: Any) -> str:
    return str(dtype).rpartition(".")[2]


class finfo:
    """The limits of a floating-point dtype: bits, eps, max, min, tiny, smallest_normal, resolution.

    >>> ondol.finfo(ondol.float32).eps
    1.1920928955078125e-07
    """

    def __init__(self, type: Any = None) -> None:
        name = _name(_native.get_default_dtype() if type is None else type)
        name = _REAL_PART.get(name, name)
        if name not in _FLOATS:
            raise TypeError(f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle '{name}'")
        self.dtype = name
        self.bits, self.eps, self.max, self.tiny, digits = _FLOATS[name]
        self.min, self.smallest_normal = -self.max, self.tiny
        self.smallest_subnormal = _SMALLEST_SUBNORMAL[name]
        self.resolution = float(f"1e-{digits}")

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)


class iinfo:
    """The limits of an integer dtype: bits, min, max.

    >>> ondol.iinfo(ondol.int8).max
    127
    """

    def __init__(self, type: Any) -> None:
        name = _name(type)
        if name not in _INTEGERS:
            raise TypeError(f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{name}'")
        self.dtype = name
        self.bits, self.min, self.max = _INTEGERS[name]

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, iinfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)
