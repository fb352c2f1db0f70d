"""What is called: every public operator in each of its spellings, with the types of its parameters."""

from __future__ import annotations

import inspect
import operator
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import schema
import stub

import ondol
from ondol import _native


class Parameter(NamedTuple):
    name: str
    type: str  # as in the stub: "Tensor | None", "_Sequence[_int]"
    optional: bool
    keyword_only: bool = False


OTHER_FUNCTIONS = frozenset({"bernoulli_"})  # x.bernoulli_(p) draws with p, x.bernoulli() with x


class Target(NamedTuple):
    name: str
    function: Callable[..., Any]
    signatures: tuple[tuple[Parameter, ...], ...]
    out: str = ""  # "one" or "several" where the function takes `out=`
    changes_first: bool = False  # in place
    twin: Callable[..., Any] | None = None  # the function whose result an in-place form puts into its tensor


def names(text: str) -> list[str]:
    return text.split()


# What would change the process, the disk or the console rather than compute.
LEFT_OUT = names("""
    autocast_decrement_nesting autocast_increment_nesting clear_autocast_cache set_autocast_cache_enabled
    set_autocast_cpu_dtype set_autocast_cpu_enabled set_autocast_dtype set_autocast_enabled set_autocast_gpu_dtype
    compile from_file load save seed manual_seed set_default_device set_default_dtype set_deterministic_debug_mode
    set_float32_matmul_precision set_flush_denormal set_num_interop_threads set_num_threads set_printoptions
    set_rng_state use_deterministic_algorithms fork_rng load_blas set_memory_cache_limit reset_peak_memory_stats
    empty_cache memory_stats blas_description cpu_level storage_from_buffer storage_over_buffer tensor_from_storage
    module_load register_hook register_post_accumulate_grad_hook share_memory_ as_subclass get_rng_state
""")

ANNOTATIONS = {
    "Tensor": "Tensor",
    "int": "_int",
    "float": "_float",
    "bool": "_bool",
    "Flag": "_bool",
    "str": "_str",
    "Sizes": "_int | _Sequence[_int]",
    "Generator": "Generator",
    "None": "None",
    "Sequence[int]": "_Sequence[_int]",
    "tuple[int, ...]": "_Sequence[_int]",
    "Sequence[float]": "_Sequence[_float]",
    "Iterable[float]": "_Sequence[_float]",
    "Sequence[Tensor]": "_Sequence[Tensor]",
    "Sequence[Sequence[int]]": "_Sequence[_int]",
}
ANYTHING = "Tensor | _Number | _str | _Sequence[_int] | _Sequence[Tensor] | None"
BY_NAME = {
    "dtype": "_dtype | None",
    "device": "_device | None",
    "layout": "_layout",
    "memory_format": "_memory_format",
    "generator": "Generator | None",
    "pin_memory": "_bool",
    "requires_grad": "_bool",
    "tensors": "Tensor",
    "obj": "_Nested",
    "data": "_Nested",
    "dx": "_Number | Tensor",
    "p": "_Number | _str",
    "ord": "_Number | _str | None",
    "input": "Tensor",
    "other": "Tensor | _Number",
    "n": "Tensor | _int",
    "elements": "Tensor | _Number",
    "test_elements": "Tensor | _Number",
    "self": "Tensor",
    "bins": "_Sequence[_int] | _Sequence[Tensor] | _int",
    "equation": "_str",
}
for _size in ("dim", "dims", "s", "kernel_size", "stride", "padding", "dilation", "output_size", "size", "shape"):
    BY_NAME[_size] = "_int | _Sequence[_int] | None"
for _ratio in ("tol", "atol", "rtol", "rcond"):
    BY_NAME[_ratio] = "_float | Tensor | None"


def get_item(tensor: Any, index: Any) -> Any:
    return require_tensor(tensor)[index]


def set_item(tensor: Any, index: Any, value: Any) -> None:
    require_tensor(tensor)[index] = value


def require_tensor(value: Any) -> Any:
    """Python's own objects raise errors of their own for an index."""
    if not isinstance(value, ondol.Tensor):
        raise TypeError(f"the fuzzer indexes tensors, not {type(value).__name__}")
    return value


def targets() -> list[Target]:
    found = native_operators() + composed_functions() + python_operators() + constructors()
    item = (Parameter("self", "Tensor", False), Parameter("index", "_Index", False))
    value = Parameter("value", "Tensor | _Number", False)
    for _ in range(30):  # what Python programs do most, and a single name each
        found.append(Target("get_item", get_item, (item,)))
        found.append(Target("set_item", set_item, ((*item, value),), changes_first=True))
    return found


def native_operators() -> list[Target]:
    scopes = {"": _native, "Tensor.": _native.Tensor, "nn.": _native.nn, "optim.": _native.optim}
    found = []
    for prefix, scope in scopes.items():
        for name, function in stub.operations(scope, _native).items():
            parsed = [schema.parse(text) for text in function.schemas]
            if prefix == "Tensor.":
                parsed = [one for one in parsed if one.takes_self]
            signatures = tuple(tuple(map(_native_parameter, form.parameters)) for form in parsed)
            if not signatures:
                continue
            changes = name.endswith("_") and not name.endswith("__")
            out = "" if changes or prefix else ("one" if parsed[0].result == "Tensor" else "several")
            twin = getattr(scope, name[:-1], None) if changes and name not in OTHER_FUNCTIONS else None
            found.append(Target(prefix + name, function, signatures, out, changes or prefix == "optim.", twin))
    return found


def _native_parameter(one: schema.Parameter) -> Parameter:
    return Parameter(one.name, one.type, one.default is not None, one.keyword_only)


def composed_functions() -> list[Target]:
    """Functions and methods written in Python."""
    scopes = {
        "": ondol,
        "linalg.": ondol.linalg,
        "fft.": ondol.fft,
        "special.": ondol.special,
        "nn.functional.": ondol.nn.functional,
        "nn.init.": ondol.nn.init,
        "signal.windows.": ondol.signal.windows,
        "Tensor.": ondol.Tensor,
    }
    found = []
    for prefix, scope in scopes.items():
        for name in dir(scope):
            if name.startswith("_") or name in LEFT_OUT or name not in getattr(scope, "__all__", [name]):
                continue
            function = _public(scope, name)
            if isinstance(function, FunctionType):
                found.append(_composed(prefix + name, function))
    return found


def _public(scope: Any, name: str) -> Any:
    try:
        return getattr(scope, name)
    except ImportError:  # a module named in __dir__ that this version does not have
        return None


def _composed(name: str, function: FunctionType) -> Target:
    parameters, out = [], ""
    for one in inspect.signature(function).parameters.values():
        if one.name == "out":
            out = "one" if name.split(".")[-1] not in _SEVERAL else "several"
        elif one.kind is one.VAR_POSITIONAL:
            parameters += [Parameter("", BY_NAME.get(one.name, ANYTHING), False)] * 3
        elif one.kind is not one.VAR_KEYWORD:
            optional = one.default is not one.empty
            parameters.append(Parameter(one.name, _type(one), optional, one.kind is one.KEYWORD_ONLY))
    if name.startswith("Tensor."):
        parameters[0] = Parameter("", "Self", False)
    changes = name.endswith("_") and not name.endswith("__")
    return Target(name, function, (tuple(parameters),), out, changes or name == "Tensor.backward")


_SEVERAL = names("frexp svd qr eig eigh slogdet lu lu_factor lu_factor_ex inv_ex cholesky_ex ldl_factor lstsq")


def _type(parameter: inspect.Parameter) -> str:
    annotation = str(parameter.annotation).replace("ondol.", "").replace("builtins.", "")
    parts = [ANNOTATIONS.get(part) for part in re.split(r" \| (?![^\[]*\])", annotation)]
    if all(parts):
        return " | ".join(part for part in parts if part)
    if "Callable" in annotation:
        return "_Callable"
    if parameter.name in BY_NAME:
        return BY_NAME[parameter.name]
    for kind, text in ((bool, "_bool"), (int, "_int"), (float, "_float"), (str, "_str")):
        if isinstance(parameter.default, kind):
            return text
    return ANYTHING


def of_tensors(name: str) -> Callable[..., Any]:
    """Python's operator; of numbers alone it is not ours (and 5 ** 2**70 is computed for hours)."""
    function = getattr(operator, name)

    def apply(*values: Any) -> Any:
        if not any(isinstance(value, ondol.Tensor) for value in values):
            raise TypeError("none of the operands is a tensor")
        return function(*values)

    return apply


def python_operators() -> list[Target]:
    plain = names("add sub mul truediv floordiv mod pow matmul and_ or_ xor lshift rshift eq ne lt le gt ge contains")
    changing = names("iadd isub imul itruediv ifloordiv imod ipow imatmul iand ior ixor ilshift irshift")
    single = names("neg pos invert abs index truth")
    tensor, either = Parameter("", "Tensor", False), Parameter("", "Tensor | _Number", False)
    found = [Target(f"operator.{one}", of_tensors(one), ((tensor, either), (either, tensor))) for one in plain]
    found += [Target(f"operator.{one}", of_tensors(one), ((tensor, either),), "", True) for one in changing]
    found += [Target(f"operator.{one}", of_tensors(one), ((tensor,),)) for one in single]
    kinds = [int, float, bool, complex, len, list, str, repr, hash, reversed]
    found += [Target(kind.__name__, kind, ((tensor,),)) for kind in kinds]
    return found


def constructors() -> list[Target]:
    nested, dtype = Parameter("data", "_Nested", False), Parameter("dtype", "_dtype | None", True, True)
    grad = Parameter("requires_grad", "_bool", True, True)
    dtypes = (Parameter("a", "_dtype", False), Parameter("b", "_dtype", False))
    return [
        Target("tensor", ondol.tensor, ((nested, dtype, grad),)),
        Target("as_tensor", ondol.as_tensor, ((nested, dtype),)),
        Target("Tensor", ondol.Tensor, ((nested,), (Parameter("", "_int", False),) * 2)),
        Target("can_cast", ondol.can_cast, (dtypes,)),
        Target("promote_types", ondol.promote_types, (dtypes,)),
        Target("Size", ondol.Size, ((Parameter("sizes", "_Sequence[_int] | Tensor", False),),)),
    ]
