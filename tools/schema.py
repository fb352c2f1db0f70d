"""Reads the schemas of native operations (native/ops/schema.h) and writes them as Python signatures."""

from __future__ import annotations

import keyword
import re
from typing import NamedTuple

# Names with an underscore: inside the stub, `int`, `float`, `dtype` ... are dtypes of the module and methods of Tensor.
_TYPES = {
    "Tensor": "Tensor",
    "Tensor|Scalar": "Tensor | _Number",
    "Scalar": "_Number",
    "int": "_int",
    "SymInt": "_int",
    "float": "_float",
    "bool": "_bool",
    "str": "_str",
    "ScalarType": "_Dtype",
    "Generator": "Generator",
    "MemoryFormat": "_memory_format",
    "Layout": "_layout",
    "Device": "_Device",
}
_FACTORY = (
    "ScalarType? dtype=None",
    "Layout? layout=None",
    "Device? device=None",
    "bool? pin_memory=False",
    "bool? requires_grad=False",
)


class Parameter(NamedTuple):
    name: str
    type: str
    default: str | None
    keyword_only: bool
    spreads: bool  # `int[]`, which as first argument may be given as f(2, 3)


class Schema(NamedTuple):
    text: str
    name: str
    overload: str
    parameters: tuple[Parameter, ...]
    result: str
    result_names: tuple[str, ...]

    @property
    def takes_self(self) -> bool:
        """Whether it can be a method: `pow.Scalar(Scalar self, Tensor exponent)` is none."""
        return self.parameters[:1] != () and self.parameters[0][:2] == ("self", "Tensor")


def parse(text: str) -> Schema:
    """Raises ValueError on a text that is not a schema."""
    match = re.fullmatch(r"([\w.]+)\((.*)\) -> (.+)", text)
    if not match:
        raise ValueError(f"not a schema: {text}")
    full_name, inside, result = match.groups()
    name, _, overload = re.sub(r"^(nn|optim|linalg)\.", "", full_name).partition(".")
    parameters: list[Parameter] = []
    keyword_only = False
    for part in _split(inside):
        if part == "*":
            keyword_only = True
        elif part == "FACTORY":
            parameters += [_parameter(common, True, text) for common in _FACTORY]
        else:
            parameters.append(_parameter(part, keyword_only, text))
    result_type, names = _result(result, text)
    return Schema(text, name, overload, tuple(parameters), result_type, names)


def _split(text: str) -> list[str]:
    """At commas outside of brackets and quotes."""
    parts = re.findall(r"(?:'[^']*'|\[[^\]]*\]|\([^)]*\)|[^,\[('])+", text)
    return [part.strip() for part in parts if part.strip()]


def _type(text: str, schema: str) -> str:
    text = re.sub(r"\(\w+!?( -> [^)]*)?\)", "", text)  # notes on aliases
    optional = text.endswith("?")
    text = text.removesuffix("?")
    match = re.fullmatch(r"(.+?)(\?)?\[(\d*)\]", text)
    base = match[1] if match else text
    if base not in _TYPES:
        raise ValueError(f"unknown type {base!r} in schema {schema}")
    written = _TYPES[base]
    if match:
        item = f"{written} | None" if match[2] else written
        written = f"_Sequence[{item}]"
        if match[3]:
            written = f"{item} | {written}"
    return f"{written} | None" if optional else written


def _parameter(text: str, keyword_only: bool, schema: str) -> Parameter:
    declaration, _, default = text.partition("=")
    type_text, _, name = declaration.strip().rpartition(" ")
    if not type_text:
        raise ValueError(f"parameter without a type: {text!r} in schema {schema}")
    return Parameter(
        name, _type(type_text, schema), _default(default.strip()), keyword_only, type_text in ("int[]", "SymInt[]")
    )


def _default(text: str) -> str | None:
    if not text:
        return None
    if text.startswith("["):
        items = _split(text[1:-1])
        return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
    return text if re.fullmatch(r"None|True|False|-?[\d.]+(e[-+]?\d+)?|'[^']*'", text) else "..."


def _result(text: str, schema: str) -> tuple[str, tuple[str, ...]]:
    if text == "()":
        return "None", ()
    if not text.startswith("("):
        return _result_type(text, schema), ()
    items = [part.rpartition(" ") for part in _split(text[1:-1])]
    names = tuple(name for type_text, _, name in items if type_text)
    types = [_result_type(type_text or name, schema) for type_text, _, name in items]
    return f"tuple[{', '.join(types)}]", names


def _result_type(text: str, schema: str) -> str:
    if text == "ScalarType":
        return "_dtype"
    if text.endswith("[]"):
        return f"tuple[{_type(text[:-2], schema)}, ...]"
    return _type(text, schema)


def signatures(schema: Schema, *, method: bool = False, result: str | None = None, out: str = "") -> list[str]:
    """Parameters and result, `(self, dim: _int) -> Tensor`; two forms where numbers may be spread, `f(2, 3)`.

    Args:
        method: the first parameter is `self`; else it is called `input`, as in PyTorch.
        result: in place of the schema's.
        out: the type of a further keyword `out`.
    """
    forms = [_signature(schema, None, method, result, out)]
    positional = [i for i, parameter in enumerate(schema.parameters) if not parameter.keyword_only]
    first = 1 if schema.parameters and schema.parameters[0].name == "self" else 0
    if positional and positional[-1] == first and schema.parameters[first].spreads:
        forms.append(_signature(schema, first, method, result, out))
    return forms


def _signature(schema: Schema, spread: int | None, method: bool, result: str | None, out: str) -> str:
    written: list[str] = []
    keyword_only = spread is not None  # after *sizes no star is needed
    seen_default = False
    for i, parameter in enumerate(schema.parameters):
        if i == 0 and method:
            written.append("self")
            continue
        if i == spread:
            written.append(f"*{parameter.name}: _int")
            continue
        if parameter.keyword_only and not keyword_only:
            written.append("*")
            keyword_only = True
        name = "input" if i == 0 and parameter.name == "self" else parameter.name
        name += "_" if keyword.iskeyword(name) else ""
        default = parameter.default
        if default is None and seen_default and not keyword_only:
            raise ValueError(f"{name} without a default after one with a default, in schema {schema.text}")
        seen_default = seen_default or default is not None
        written.append(f"{name}: {parameter.type}" + (f" = {default}" if default is not None else ""))
    if out:
        written += [] if keyword_only else ["*"]
        written.append(f"out: {out} | None = None")
    return f"({', '.join(written)}) -> {result or schema.result}"
