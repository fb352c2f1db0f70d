"""Calls the native operations with random, wrong and extreme arguments, looking for calls that end the process.

An operation may refuse what it is given with an exception of Python's usual kinds; it must not crash, hang, raise a
SystemError or, in a build with sanitizers (`-DONDOL_SANITIZE=ON`), touch memory that is not its own:

    python tools/fuzz_operations.py --seconds 60 --seed 3
    python tools/fuzz_operations.py --seed 3 --first 1234 --calls 1     the one call at which it ended

Each call depends on the seed and its own number only, so the last line of the report of a crash (`--trace`, or the
message of faulthandler) is all that is needed to see it again.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import re
import resource
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import schema
import stub

import ondol
from ondol import _native

REFUSALS = (TypeError, ValueError, RuntimeError, IndexError, OverflowError, MemoryError, ZeroDivisionError, BufferError)
REFUSALS += (AssertionError,)  # as in PyTorch, for the device cuda
UNFORESEEN = re.compile(r"bad_|bad optional|std::|basic_string|vector::|_M_|^$")  # the C++ library's own texts
MEMORY = 2 << 30  # bytes beyond what the interpreter has at the start: extreme sizes must fail and not swap
PATIENCE = 60  # seconds for one call, then it counts as hanging

SHAPES = [(), (0,), (1,), (3,), (5,), (17,), (70,), (2, 3), (3, 2), (3, 3), (0, 3), (9, 8), (2, 0, 3), (2, 3, 4)]
SHAPES += [(1, 4, 1), (3, 2, 2), (2, 3, 4, 5), (1, 2, 5, 5), (2, 2, 3, 3, 3), (1, 1, 2, 1, 2, 1)]
DTYPES = [getattr(ondol, name) for name in ["float32", "float64", "float16", "bfloat16", "complex64", "complex128"]]
DTYPES += [getattr(ondol, name) for name in ["bool", "uint8", "int8", "int16", "int32", "int64"]]
SMALL = [0, 1, 2, 3, -1, -2, -3, 4, 5, 7]
EXTREME_INTEGERS = [2**31 - 1, -(2**31), 2**31, 2**32, 2**40, 2**62, 2**63 - 1, -(2**63), 2**63, 2**64, -(2**63) - 1]
EXTREME_FLOATS = [float("nan"), float("inf"), -float("inf"), 1e308, -1e308, 1e-310, 1e30, -0.0]
WORDS = ["none", "mean", "sum", "prod", "amin", "amax", "floor", "trunc", "min", "max", "fro", "nuc", "left", "right"]
WORDS += ["reflect", "replicate", "constant", "linear"]
WORDS += ["", "nonsense", "가나다"]
DEVICES = ["cpu", "cpu:0", "meta", "cuda", "cuda:99999999999", "", "nonsense"]
FORMATS = [ondol.contiguous_format, ondol.preserve_format, ondol.channels_last, ondol.channels_last_3d]


class Arguments:
    """Makes the arguments of one call; shape and dtype agree more often than not, so that many calls get far."""

    def __init__(self, random_state: random.Random) -> None:
        self.random = random_state
        self.shape = random_state.choice(SHAPES)
        self.dtype = random_state.choice(DTYPES[:2] * 4 + DTYPES)
        self.wildness = random_state.choice([0.0, 0.03, 0.15, 0.5])

    def wild(self) -> bool:
        return self.random.random() < self.wildness

    def of(self, type_text: str) -> Any:
        if self.wild() and self.random.random() < 0.1:
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
        shape = self.shape if choose() < 0.6 else self.random.choice(SHAPES)
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
        if dtype in (ondol.bool, ondol.uint8):
            numbers = [abs(value) for value in numbers]
        tensor = ondol.tensor(numbers, dtype=dtype).reshape(shape)
        if choose() < 0.3 and tensor.dim():
            tensor = self.rearranged(tensor)
        if choose() < 0.3 and (dtype.is_floating_point or dtype.is_complex):
            tensor.requires_grad_()
        return tensor

    def rearranged(self, tensor: Any) -> Any:
        dim = self.random.randrange(tensor.dim())
        way = self.random.randrange(4)
        if way == 0:
            return tensor.transpose(0, dim)
        if way == 1:
            return ondol.cat([tensor, tensor], dim).narrow(dim, tensor.size(dim) // 2, tensor.size(dim))
        if way == 2:
            return (
                tensor.mean(dim, keepdim=True, dtype=None).expand_as(tensor) if tensor.is_floating_point() else tensor
            )
        return ondol.stack([tensor, tensor], -1).select(-1, 1)

    def of_int(self) -> Any:
        if self.wild():
            return self.random.choice(EXTREME_INTEGERS)
        return (
            self.random.choice(self.shape) if self.shape and self.random.random() < 0.2 else self.random.choice(SMALL)
        )

    def of_float(self) -> Any:
        return (
            self.random.choice(EXTREME_FLOATS)
            if self.wild()
            else self.random.choice([0.0, 0.5, 1.0, 1e-5, -1.5, 2, 3.0])
        )

    def of_number(self) -> Any:
        return self.random.choice(
            [self.of_int, self.of_int, self.of_float, self.of_float, self.of_bool, self.complex]
        )()

    def complex(self) -> Any:
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

    def wrong(self) -> Any:
        return self.random.choice(
            [
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
        )

    def index(self) -> Any:
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


def get_item(tensor: Any, index: Any) -> Any:
    return tensor[index]


def set_item(tensor: Any, index: Any, value: Any) -> Any:
    tensor[index] = value
    return tensor


def callables() -> list[tuple[str, Callable[..., Any], tuple[schema.Schema, ...]]]:
    scopes = {
        "": _native,
        "Tensor.": _native.Tensor,
        "nn.": _native.nn,
        "optim.": _native.optim,
        "linalg.": _native.linalg,
    }
    found: list[tuple[str, Callable[..., Any], tuple[schema.Schema, ...]]] = []
    for prefix, scope in scopes.items():
        for name, operator in stub.operations(scope, _native).items():
            found.append((prefix + name, operator, tuple(schema.parse(text) for text in operator.schemas)))
    for _ in range(30):  # what Python programs do most, and a single name each
        found += [("get_item", get_item, ()), ("set_item", set_item, ())]
    return found


def arguments_of(make: Arguments, name: str, schemas: tuple[schema.Schema, ...]) -> tuple[list[Any], dict[str, Any]]:
    if not schemas:
        tensor, index = make.of_tensor(), make.index()
        return [tensor, index] + ([make.of("Tensor | _Number")] if name == "set_item" else []), {}
    positional: list[Any] = []
    named: dict[str, Any] = {}
    chosen = make.random.choice(schemas)
    by_name = False
    for parameter in chosen.parameters:
        omitted = parameter.default is not None and make.random.random() < (0.7 if parameter.keyword_only else 0.4)
        if omitted or (make.wild() and make.wild()):
            by_name = True
            continue
        value = make.of(parameter.type)
        if parameter.keyword_only or by_name:
            named[parameter.name] = value
        else:
            positional.append(value)
    if make.random.random() < 0.08:
        named["out"] = make.of_tensor() if chosen.result == "Tensor" else make.sequence("Tensor")
    return positional, named


def described(value: Any) -> str:
    if isinstance(value, ondol.Tensor):
        grad = ", requires_grad" if value.requires_grad else ""
        text = str(value.detach().clone().tolist()) if value.numel() <= 24 else "..."
        return f"<{value.dtype} {tuple(value.shape)} strides {value.stride()}{grad} {text}>"
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return ("({})" if isinstance(value, tuple) else "[{}]").format(", ".join(map(described, value)))
    return repr(value)


def tensors_in(value: Any) -> list[Any]:
    if isinstance(value, ondol.Tensor):
        return [value]
    if isinstance(value, dict):
        return [tensor for one in value.values() for tensor in tensors_in(one)]
    return [tensor for one in value for tensor in tensors_in(one)] if isinstance(value, (list, tuple)) else []


def use(result: Any, inputs: list[Any]) -> None:
    """Reads every element of what came out, and differentiates it twice where that is possible."""
    outputs = tensors_in(result)
    for tensor in outputs:
        if max(tensor.shape, default=0) <= 4096 and tensor.numel() <= 4096:
            tensor.detach().tolist()
    leaves = [tensor for tensor in inputs if tensor.requires_grad]
    roots = [tensor for tensor in outputs if tensor.requires_grad and tensor.numel() <= 4096]
    for level in range(2):
        if not roots or not leaves:
            return
        ones = [ondol.ones_like(root) for root in roots]
        gradients = ondol.autograd.grad(roots, leaves, ones, allow_unused=True, create_graph=level == 0)
        for gradient in gradients:
            if gradient is not None and gradient.numel() <= 4096:
                gradient.detach().tolist()
        roots = [gradient for gradient in gradients if gradient is not None and gradient.requires_grad]


def fuzz(seed: int, first: int, calls: int, seconds: float, trace: bool) -> Counter[str]:
    """Returns how often calls succeeded and how often they were refused, by the exception.

    Raises RuntimeError at the first call that raised what an operation must not raise.
    """
    targets = callables()
    outcomes: Counter[str] = Counter()
    ends = time.monotonic() + seconds
    for number in range(first, first + calls):
        if time.monotonic() > ends:
            break
        state = random.Random(f"{seed} {number}")
        ondol.manual_seed(number)
        name, target, schemas = state.choice(targets)
        make = Arguments(state)
        positional, named = arguments_of(make, name, schemas)
        if trace:
            written = [described(value) for value in positional]
            written += [f"{key}={described(value)}" for key, value in named.items()]
            print(f"{number}: {name}({', '.join(written)})", file=sys.stderr, flush=True)
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        try:
            use(target(*positional, **named), tensors_in(positional) + tensors_in(named))
            outcomes["succeeded"] += 1
        except REFUSALS as refusal:
            if UNFORESEEN.search(str(refusal)):
                raise RuntimeError(f"seed {seed}, call {number}: {name} raised {refusal!r}") from refusal
            outcomes[type(refusal).__name__] += 1
        except BaseException as failure:
            raise RuntimeError(f"seed {seed}, call {number}: {name} raised {failure!r}") from failure
        faulthandler.cancel_dump_traceback_later()
    return outcomes


def limit_memory() -> None:
    """More than this is refused by the system, so that no extreme size is really written."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first call")
    parser.add_argument("--calls", type=int, default=10**9)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--trace", action="store_true", help="write each call to stderr before it happens")
    options = parser.parse_args()
    limit_memory()
    warnings.simplefilter("ignore")
    outcomes = fuzz(options.seed, options.first, options.calls, options.seconds, options.trace)
    print(", ".join(f"{name} {count}" for name, count in outcomes.most_common()))


if __name__ == "__main__":
    main()
