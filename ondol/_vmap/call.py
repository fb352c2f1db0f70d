"""A call of a native operation, taken apart by its schema: what each argument is, and whether it is batched."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import ondol
from ondol._native import Tensor
from ondol._vmap.batched import is_batched
from ondol._vmap.level import Level

Operator = type(ondol._native.add)
"""The type of native operations."""

_FACTORY = ("dtype", "layout", "device", "pin_memory", "requires_grad")
_OTHER_NAMES = {"axis": "dim", "keepdims": "keepdim"}  # NumPy's, which the native core takes as well


class Parameter(NamedTuple):
    """One parameter of a schema."""

    name: str
    type: str  # without "?": Tensor, Tensor|Scalar, Tensor[], Scalar, int, int[], int[n] (one stands for n), ...
    default: str | None
    keyword_only: bool


class Schema(NamedTuple):
    """One signature of an operation."""

    name: str  # without scope and overload
    parameters: tuple[Parameter, ...]

    def position_of(self, name: str) -> int | None:
        """Where the parameter of this name stands."""
        return next((i for i, parameter in enumerate(self.parameters) if parameter.name == name), None)


def parse_schema(text: str) -> Schema:
    """Read PyTorch's schema language as far as the native core uses it.

    >>> parse_schema("nn.glu(Tensor self, int dim=-1) -> Tensor").name
    'glu'
    """
    head, _, rest = text.partition("(")
    inside = rest[: rest.rindex(") ->")]
    parameters, keyword_only = [], False
    for part in re.findall(r"(?:'[^']*'|\[[^\]]*\]|[^,'\[])+", inside):
        part = part.strip()
        if part == "*":
            keyword_only = True
        elif part == "FACTORY":
            parameters += [Parameter(name, "factory", "None", True) for name in _FACTORY]
        else:
            declaration, _, default = part.partition("=")
            kind, name = declaration.rsplit(" ", 1)
            kind = re.sub(r"\[\d+\]", "[n]", kind).replace("?", "")
            parameters.append(Parameter(name, kind, default or None, keyword_only))
    return Schema(re.sub(r"^nn\.|^optim\.", "", head).split(".")[0], tuple(parameters))


class OperatorInfo(NamedTuple):
    """What the rules ask of an operation."""

    name: str  # canonical: aliases have the name of what they stand for, in-place forms that without the underscore
    in_place: bool
    schemas: tuple[Schema, ...]


@functools.cache
def info(func: Any) -> OperatorInfo:
    """The facts of a native operation."""
    schemas = tuple(parse_schema(text) for text in func.schemas)
    name = schemas[0].name
    in_place = func.__name__.endswith("_") and not func.__name__.endswith("__")
    return OperatorInfo(name.rstrip("_") if in_place else name, in_place, schemas)


def _fits(kind: str, value: Any) -> bool:
    """Whether a value can stand for a parameter of this type, as far as overloads need to be told apart."""
    if value is None:
        return True
    if kind == "Tensor":
        return isinstance(value, Tensor)
    if kind == "Tensor[]":
        return isinstance(value, (list, tuple))
    if kind in ("int[]", "int[n]"):
        return isinstance(value, (list, tuple, int)) and not isinstance(value, bool)
    if kind == "int":
        return not isinstance(value, (list, tuple, float, str)) and not _is_no_integer(value)
    if kind == "Scalar":
        return isinstance(value, (int, float, complex)) or not isinstance(value, (Tensor, str, list, tuple))
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "str":
        return isinstance(value, str)
    if kind == "Device":
        return isinstance(value, (str, int, ondol.device)) and not isinstance(value, bool)
    if kind == "ScalarType":
        return isinstance(value, (ondol.dtype, type))
    return True


def bind(schema: Schema, args: tuple, kwargs: dict) -> dict[str, Any] | None:
    """Parameter name → argument, for the arguments that were given; None if they do not fit the schema."""
    bound: dict[str, Any] = {}
    positional = [parameter for parameter in schema.parameters if not parameter.keyword_only]
    for i, parameter in enumerate(positional):
        if i >= len(args):
            break
        value = args[i]
        several = parameter.type == "int[]" and i <= 1 and len(args) > i + 1
        if several and all(isinstance(other, int) for other in args[i:]):  # x.view(2, 3) is x.view((2, 3))
            bound[parameter.name] = tuple(args[i:])
            args = args[: i + 1]
            break
        bound[parameter.name] = value
    if len(args) > len(positional):
        return None
    names = {parameter.name for parameter in schema.parameters}
    for name, value in kwargs.items():
        name = name if name in names else _OTHER_NAMES.get(name, name)
        name = "self" if name == "input" and name not in names else name
        if name not in names or name in bound:
            return None
        bound[name] = value
    for parameter in schema.parameters:
        if parameter.name not in bound:
            if parameter.default is None:
                return None
        elif not _fits(parameter.type, bound[parameter.name]):
            return None
        elif parameter.type == "int[]" and isinstance(bound[parameter.name], int):
            bound[parameter.name] = (bound[parameter.name],)
    return bound


def _is_no_integer(value: Any) -> bool:
    """Whether a tensor cannot stand for an integer."""
    return isinstance(value, Tensor) and (value.dim() > 0 or value.is_floating_point() or value.is_complex())


class Call:
    """A call on batched tensors of one level, with the batches in their place.

    Attributes:
        func: what was called.
        name: its canonical name, without the underscore of an in-place form.
        values: parameter name → argument; where an example of the level stood, the whole batch.
        batched: the names of the parameters whose argument is batched; of a list of tensors, if any of them is.
        outer: the arguments as they came.
    """

    __slots__ = ("batched", "func", "in_place", "level", "name", "outer", "schema", "values")

    def __init__(self, func: Any, facts: OperatorInfo, schema: Schema, bound: dict[str, Any], level: Level) -> None:
        self.func, self.name, self.in_place = func, facts.name, facts.in_place
        self.schema, self.level, self.outer = schema, level, bound
        self.values: dict[str, Any] = {}
        self.batched: set[str] = set()
        for name, value in bound.items():
            if is_batched(value, level):
                self.batched.add(name)
                value = value._value
            elif isinstance(value, (list, tuple)) and any(is_batched(item, level) for item in value):
                self.batched.add(name)
                value = [item._value if is_batched(item, level) else item for item in value]
            self.values[name] = value

    def get(self, name: str) -> Any:
        """An argument, or the default of its parameter."""
        if name in self.values:
            return self.values[name]
        default = self.schema.parameters[self.schema.position_of(name)].default
        return _read_default(default)

    def rank(self, name: str) -> int:
        """How many dimensions an example has."""
        return self.outer[name].dim()

    def tensor_names(self) -> list[str]:
        """The parameters that got a tensor."""
        return [name for name, value in self.values.items() if isinstance(value, Tensor)]

    def batch(self, name: str) -> Tensor:
        """The argument as a batch, expanded if it is the same for all examples."""
        value = self.values[name]
        return value if name in self.batched else self.level.expand(value)

    def run(self, /, **changes: Any) -> Any:
        """The operation on the batches, some arguments replaced."""
        return self.func(**{**self.values, **changes})

    def batch_items(self, name: str) -> list:
        """The tensors of a list, all of them as batches."""
        return [
            value if is_batched(outer, self.level) or value is None else self.level.expand(value)
            for outer, value in zip(self.outer[name], self.values[name])
        ]


@functools.cache
def _read_default(text: str) -> Any:
    words = {"None": None, "True": True, "False": False, "contiguous_format": ondol.contiguous_format, "[]": ()}
    if text in words:
        return words[text]
    if text[0] in "'\"":
        return text[1:-1]
    if text[0] == "[":
        return tuple(int(item) for item in text[1:-1].split(","))
    return float(text) if re.search(r"[.e]|inf|nan", text) else int(text)


class NeedsLoop(Exception):
    """A rule does not know this form of its operation: it is computed example by example."""


Rule = Callable[[Call], Any]
"""Computes on the batches; returns batches."""

RULES: dict[str, Rule] = {}
"""Canonical name of a native operation → its rule."""


def rule(names: str) -> Callable[[Rule], Rule]:
    """Make a function the rule of some operations, whose names stand in a text."""

    def register(function: Rule) -> Rule:
        for name in names.split():
            if name in RULES:
                raise RuntimeError(f"there are two rules for {name}")
            RULES[name] = function
        return function

    return register
