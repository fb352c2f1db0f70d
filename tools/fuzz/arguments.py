"""Random arguments by the text of a type: sensible ones, wrong ones, extreme ones."""

from __future__ import annotations

import random
import re
from typing import Any

import guard

import ondol

SHAPES = [(), (0,), (1,), (3,), (5,), (17,), (70,), (2, 3), (3, 2), (3, 3), (0, 3), (9, 8), (2, 0, 3), (2, 3, 4)]
SHAPES += [(1, 4, 1), (3, 2, 2), (2, 3, 4, 5), (1, 2, 5, 5), (2, 2, 3, 3, 3), (1, 1, 2, 1, 2, 1)]
# Without elements, but with sizes that no kernel may multiply, add to or count through.
VAST = [(0, 2**62), (2**62, 0), (2**63 - 1, 0), (2**31, 0, 2**31), (3, 0, 2**60), (2**60, 2, 0), (0, 2**31, 2**30, 2)]
VAST += [(0, 2**62, 1), (1, 2**50, 0, 3), (2, 0, 2**30, 2**30), (0, 3, 2**61), (2, 3, 2**31, 0, 2**27)]
DTYPES = [getattr(ondol, name) for name in ["float32", "float64", "float16", "bfloat16", "complex64", "complex128"]]
DTYPES += [getattr(ondol, name) for name in ["bool", "uint8", "int8", "int16", "int32", "int64"]]
DTYPES += [getattr(ondol, name) for name in ["uint16", "uint64", "float8_e5m2", "float8_e4m3fn", "complex32"]]
SMALL = [0, 1, 2, 3, -1, -2, -3, 4, 5, 7]
EXTREME_INTEGERS = [2**31 - 1, -(2**31), 2**31, 2**32, 2**40, 2**62, 2**63 - 1, -(2**63), 2**63, 2**64, -(2**63) - 1]
EXTREME_FLOATS = [float("nan"), float("inf"), -float("inf"), 1e308, -1e308, 1e-310, 1e30, -0.0]
WORDS = ["none", "mean", "sum", "prod", "amin", "amax", "floor", "trunc", "min", "max", "fro", "nuc", "left", "right"]
WORDS += ["reflect", "replicate", "circular", "constant", "linear", "nearest", "bilinear", "valid", "same", "zeros"]
WORDS += ["ortho", "forward", "backward", "reduced", "complete", "L", "U", "ij", "xy", "lower", "higher", "midpoint"]
WORDS += ["", "nonsense", "가나다", "i,j->ij", "ij,jk", "...i->...", "tanh"]
DEVICES = ["cpu", "cpu:0", "meta", "cuda", "cuda:99999999999", "", "nonsense"]
FORMATS = [ondol.contiguous_format, ondol.preserve_format, ondol.channels_last, ondol.channels_last_3d]
WRONG = [
    None,
    "text",
    b"",
    object(),
    {},
    [],
    [[]],
    1j,
    2**70,
    -1,
    (1, "a"),
    range(3),
    DTYPES[0],
    ondol.Tensor,
    len,
    ...,
]


class Arguments:
    """Makes the arguments of one call; shape and dtype agree more often than not, so that many calls get far."""

    def __init__(self, random_state: random.Random, vast: float) -> None:
        self.random = random_state
        self.shapes = VAST * 3 + SHAPES if random_state.random() < vast else SHAPES
        self.shape = random_state.choice(self.shapes)
        self.dtype = random_state.choice(DTYPES[:2] * 4 + DTYPES)
        self.wildness = random_state.choice([0.0, 0.03, 0.15, 0.5])

    def wild(self) -> bool:
        return self.random.random() < self.wildness

    def of(self, type_text: str) -> Any:
        if type_text != "Self" and self.wild() and self.random.random() < 0.1:
            return self.wrong()
        kind = self.random.choice(re.split(r" \| (?![^\[]*\])", type_text))  # at the bars outside of brackets
        if kind.startswith("_Sequence["):
            return self.sequence(kind.removeprefix("_Sequence[").removesuffix("]"))
        return getattr(self, f"of_{kind.lower().strip('_')}")()

    def sequence(self, inner: str) -> Any:
        count = self.random.choice([0, 1, 1, 2, 2, 2, 3, 3, 4, 5, 70 if self.wild() else 2])
        kind = self.random.choice([tuple, list])
        if self.random.random() < 0.3:  # products of equal extremes wrap around to 0
            return kind([self.of(inner)] * count)
        return kind(self.of(inner) for _ in range(count))

    def of_tensor(self) -> Any:
        choose = self.random.random
        shape = self.shape if choose() < 0.6 else self.random.choice(self.shapes)
        dtype = self.dtype if choose() < 0.7 else self.random.choice(DTYPES)
        count = 1
        for size in shape:
            count *= size
        numbers = [self.random.choice(SMALL) for _ in range(count)]
        if dtype.is_floating_point or dtype.is_complex:
            numbers = [self.random.gauss(0, 2) if choose() < 0.8 else value for value in numbers]
            if self.wild():
                numbers = [self.random.choice(EXTREME_FLOATS) if choose() < 0.3 else value for value in numbers]
        elif self.wild() and dtype != ondol.bool:
            ends = ondol.iinfo(dtype)
            numbers = [self.random.choice([ends.min, ends.max]) if choose() < 0.3 else value for value in numbers]
        if not dtype.is_signed:
            numbers = [abs(value) for value in numbers]
        tensor = ondol.tensor(numbers, dtype=dtype).reshape(shape)
        if choose() < 0.3 and tensor.dim():
            tensor = self.rearranged(tensor)
        elif choose() < 0.2:
            tensor = guard.fenced(tensor)
        if choose() < 0.3 and (dtype.is_floating_point or dtype.is_complex):
            tensor.requires_grad_()
        return tensor

    of_self = of_tensor

    def rearranged(self, tensor: Any) -> Any:
        dim = self.random.randrange(tensor.dim())
        way = self.random.randrange(4)
        if way == 0 or max(tensor.shape) >= 2**20:
            return tensor.transpose(0, dim)
        if way == 1:
            return ondol.cat([tensor, tensor], dim).narrow(dim, tensor.size(dim) // 2, tensor.size(dim))
        if way == 2:
            first = tensor.narrow(dim, 0, min(1, tensor.size(dim))).clone()
            return first.expand_as(tensor) if tensor.size(dim) else tensor
        return ondol.stack([tensor, tensor], -1).select(-1, 1)

    def out(self, inputs: list[Any], several: bool) -> Any:
        """For the keyword `out`: apart, an input, a view of an input, or one whose elements share a place."""
        if several:
            return tuple(self.out(inputs, False) for _ in range(self.random.choice([1, 2, 2, 2, 3, 4])))
        way = self.random.randrange(6)
        if way < 3 or not inputs:
            return self.of_tensor().detach() if way else ondol.empty(0, dtype=self.dtype)
        tensor = self.random.choice(inputs).detach()
        if way == 3 or not tensor.dim():
            return tensor
        dim = self.random.randrange(tensor.dim())
        if way == 4:
            return tensor.narrow(dim, 0, max(0, tensor.size(dim) - 1))
        return tensor.narrow(dim, 0, 1).expand_as(tensor) if tensor.size(dim) else tensor.transpose(0, dim)

    def of_int(self) -> Any:
        if self.wild():
            return self.random.choice(EXTREME_INTEGERS)
        in_shape = self.shape and self.random.random() < 0.2
        return self.random.choice(self.shape) if in_shape else self.random.choice(SMALL)

    def of_float(self) -> Any:
        if self.wild():
            return self.random.choice(EXTREME_FLOATS)
        return self.random.choice([0.0, 0.5, 1.0, 1e-5, -1.5, 2, 3.0])

    def of_number(self) -> Any:
        kinds = [self.of_int, self.of_int, self.of_float, self.of_float, self.of_bool, self.of_complex]
        return self.random.choice(kinds)()

    def of_complex(self) -> Any:
        return complex(self.of_float(), self.of_float())

    def of_bool(self) -> Any:
        return self.random.random() < 0.5

    def of_none(self) -> Any:
        return None

    def of_str(self) -> Any:
        return self.random.choice(WORDS)

    def of_dtype(self) -> Any:
        return self.random.choice(DTYPES)

    def of_device(self) -> Any:
        return self.random.choice(DEVICES) if self.wild() else "cpu"

    def of_layout(self) -> Any:
        return ondol.strided

    def of_memory_format(self) -> Any:
        return self.random.choice(FORMATS)

    def of_generator(self) -> Any:
        return ondol.Generator().manual_seed(self.random.randrange(2**32))

    def of_callable(self) -> Any:
        return self.random.choice([lambda *values: values[0], abs, len])

    def of_nested(self, depth: int = 3) -> Any:
        """What `ondol.tensor` takes: numbers in lists of lists, now and then ragged."""
        if not depth or self.random.random() < 0.2:
            return self.of("_Number | Tensor") if self.random.random() < 0.2 else self.of_number()
        return [self.of_nested(depth - 1) for _ in range(self.random.choice([0, 1, 2, 2, 3]))]

    def wrong(self) -> Any:
        return self.random.choice(WRONG)

    def of_index(self) -> Any:
        return tuple(self.one_index() for _ in range(self.random.choice([0, 1, 1, 2, 2, 3, 7])))

    def one_index(self) -> Any:
        kind = self.random.randrange(8)
        if kind == 0:
            return slice(*(self.of("_int | None") for _ in range(3)))
        if kind == 1:
            return self.random.choice([None, ..., True, False])
        if kind in (2, 3):
            return self.of_tensor()
        if kind == 4:
            return self.sequence("_int | _bool")
        if kind == 5:
            return slice(None)
        return self.of_int() if not self.wild() else self.wrong()
