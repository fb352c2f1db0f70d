"""Signatures of what ondol composes in Python, read from the sources without importing them.

`ondol/_tensor.py` holds methods of Tensor; `ondol/_ops/exports.py` names functions and methods of the family modules.
"""

from __future__ import annotations

import ast
import copy
import runpy
from pathlib import Path
from typing import NamedTuple

# What the names of the module and the members of Tensor hide in annotations of its stub.
_HIDDEN = {
    name: f"_{name}"
    for name in ("bool", "complex", "device", "dtype", "float", "int", "layout", "memory_format", "type")
}
_HIDDEN["Sequence"] = "_Sequence"


class Function(NamedTuple):
    module: str  # of ondol._ops
    name: str  # in it; an alias has another public name
    definition: ast.FunctionDef | None  # None: made by another function, such as a table of copies


class Exports(NamedTuple):
    functions: dict[str, Function]
    methods: dict[str, Function]
    inplace: dict[str, Function]


def read_exports(package: Path) -> Exports:
    """The three tables of `_ops/exports.py`, with the definition of each function."""
    tables = runpy.run_path(str(package / "_ops" / "exports.py"))
    families = {
        module: _read_family(package, module) for module in {*tables["FUNCTIONS"].values(), *tables["METHODS"].values()}
    }

    def resolve(table: dict[str, str]) -> dict[str, Function]:
        return {name: families[module].get(name, Function(module, name, None)) for name, module in table.items()}

    return Exports(resolve(tables["FUNCTIONS"]), resolve(tables["METHODS"]), resolve(tables["INPLACE"]))


def _read_family(package: Path, module: str) -> dict[str, Function]:
    functions = {}
    for definition in _definitions(package / "_ops" / f"{module}.py"):
        function = Function(module, definition.name, definition)
        functions.update(dict.fromkeys((definition.name, *_aliases(definition)), function))
    return functions


def _definitions(path: Path) -> list[ast.FunctionDef]:
    return [node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)]


def _aliases(definition: ast.FunctionDef) -> tuple[str, ...]:
    """Of the decorator `operation(..., aliases=(...))`."""
    for decorator in definition.decorator_list:
        if isinstance(decorator, ast.Call):
            for argument in decorator.keywords:
                if argument.arg == "aliases":
                    return ast.literal_eval(argument.value)
    return ()


def tensor_methods(package: Path) -> dict[str, str]:
    """Name → stub of each method in the class `_Methods` of `_tensor.py`."""
    source = ast.parse((package / "_tensor.py").read_text("utf-8"))
    methods = next(node for node in source.body if isinstance(node, ast.ClassDef) and node.name == "_Methods")
    return {node.name: method_stub(node, node.name) for node in methods.body if isinstance(node, ast.FunctionDef)}


def method_stub(definition: ast.FunctionDef | None, name: str, *, result: str | None = None) -> str:
    """A function as a method of Tensor: its first parameter becomes `self`, which needs no annotation.

    Args:
        result: in place of the annotation of the function.
    """
    if definition is None:
        return f"def {name}(self, *args: Any, **kwargs: Any) -> {result or 'Any'}: ..."
    arguments = _Shown().visit(copy.deepcopy(definition.args))
    _drop_out(arguments)
    first = (arguments.posonlyargs or arguments.args)[0]
    first.arg, first.annotation = "self", None
    if result is None:
        result = ast.unparse(_Shown().visit(copy.deepcopy(definition.returns))) if definition.returns else "Any"
    documentation = ast.get_docstring(definition)
    head = f"def {name}({ast.unparse(arguments)}) -> {result}:"
    return f"{head} ..." if not documentation else f"{head}\n{docstring(documentation, '    ')}\n    ..."


def _drop_out(arguments: ast.arguments) -> None:
    """Functions have the keyword `out`, methods do not."""
    kept = [pair for pair in zip(arguments.kwonlyargs, arguments.kw_defaults) if pair[0].arg != "out"]
    arguments.kwonlyargs = [name for name, _ in kept]
    arguments.kw_defaults = [default for _, default in kept]


def docstring(text: str, indent: str) -> str:
    """A docstring, indented, with the lines after the first at the same column."""
    escaped = text.strip().replace("\\", "\\\\").replace('"""', r"\"\"\"")
    lines = [line.strip() and f"{indent}{line.rstrip()}" for line in escaped.splitlines()]
    lines[0] = f'{indent}"""{lines[0].strip()}'
    return "\n".join(lines) + ('"""' if len(lines) == 1 else f'\n{indent}"""')


class _Shown(ast.NodeTransformer):
    """Rewrites annotations for the stub, and defaults that are more than a constant as `...`."""

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(_HIDDEN.get(node.id, node.id))

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.value.id == "ondol":  # ondol.Tensor
            return self.visit_Name(ast.Name(node.attr))
        return node

    def visit_arguments(self, node: ast.arguments) -> ast.AST:
        self.generic_visit(node)
        node.defaults = [_plain(default) for default in node.defaults]
        node.kw_defaults = [default and _plain(default) for default in node.kw_defaults]
        return node


def _plain(default: ast.expr) -> ast.expr:
    try:
        ast.literal_eval(default)
    except ValueError:
        return ast.Constant(...)
    return default
