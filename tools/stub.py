"""Writes the stub package of the native extension: `python tools/stub.py EXTENSION PACKAGE OUTPUT`.

EXTENSION is the built `_native` library, PACKAGE the folder of the Python sources, OUTPUT the folder for
`__init__.pyi`, `nn.pyi`, `optim.pyi`, `linalg.pyi`, `autograd.pyi`, `return_types.pyi` and `composed.pyi`. CMake runs
it after each build. Operations come from their schemas, Python-composed functions and methods from their sources, the
rest from the templates here.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import composed  # noqa: E402
import schema  # noqa: E402

_NOTICE = "# Written by tools/stub.py from the schemas of the native operations. Changes here are lost.\n\n"
_DEFINITION = re.compile(r"(?P<indent> *)(?:(?P<kind>def|class) (?P<name>\w+)\b.*|(?P<attribute>\w+): .*)")
_SCOPES = ("nn", "optim", "linalg", "autograd", "return_types")
_SHARED = (
    "Generator, Tensor, _Device, _Dtype, _Number, _Sequence, _bool, _dtype, _float, _int, _layout, _memory_format, _str"
)


def load(extension: Path) -> ModuleType:
    """The extension alone, without the package around it (which needs NumPy and a matrix library)."""
    spec = importlib.util.spec_from_file_location("ondol._native", extension)
    if spec is None or spec.loader is None:
        raise ImportError(f"{extension} is not an extension of this Python")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def operations(scope: Any, native: ModuleType) -> dict[str, Any]:
    """The operations among the attributes of a module or class, by name."""
    operator_type = type(native.add)
    return {name: value for name, value in sorted(vars(scope).items()) if type(value) is operator_type}


def operation_stub(name: str, operator: Any, *, method: bool = False, out: bool = False) -> list[str]:
    """One `def` for each overload of an operation."""
    forms: list[str] = []
    parsed_schemas = [schema.parse(text) for text in operator.schemas]
    for parsed in [one for one in parsed_schemas if not method or one.takes_self]:
        changes_self = name.endswith("_") and not name.endswith("__")
        result = f"return_types.{parsed.name}" if parsed.result_names else None
        if changes_self:
            result = "Self" if method else "Tensor"
        place = "" if not out or changes_self else _out_type(parsed)
        forms += schema.signatures(parsed, method=method, result=result, out=place)
    forms = list(dict.fromkeys(forms))
    decorator = ["@overload"] if len(forms) > 1 else []
    return [line for form in forms for line in (*decorator, f"def {name}{form}: ...")]


def _out_type(parsed: schema.Schema) -> str:
    if parsed.result == "Tensor":
        return "Tensor"
    return "_Sequence[Tensor]" if "Tensor" in parsed.result else ""


def indented(lines: Iterable[str]) -> list[str]:
    return [f"    {part}" if part else "" for line in lines for part in line.split("\n")]


def document(template: str, module: Any) -> str:
    """The template with the docstrings that the running objects have."""
    result: list[str] = []
    owner: Any = module
    waiting: tuple[str, str] | None = None  # indent and text for a signature that goes on over several lines
    for line in template.splitlines():
        match = _DEFINITION.fullmatch(line)
        if match:
            indent, kind, name = match["indent"], match["kind"], match["name"] or match["attribute"]
            owner = owner if indent else module
            text = _documentation(getattr(owner, name, None))
            owner = getattr(module, name) if kind == "class" else owner
            waiting = (indent + "    " * bool(kind), text) if text else None
        result.append(line)
        if waiting and line.endswith((": ...", ":")):
            result[-1] = line.removesuffix(" ...")
            result += [composed.docstring(waiting[1], waiting[0])]
            waiting = None
        elif waiting and match and not match["kind"]:  # an attribute
            result.append(composed.docstring(waiting[1], waiting[0]))
            waiting = None
    return "\n".join(result) + "\n"


def _documentation(value: Any) -> str | None:
    """Without the line of the signature that functions bound by nanobind start with."""
    if isinstance(value, str | int | float) or value is None:
        return None
    text = getattr(value, "__doc__", None)
    if text == getattr(type(value), "__doc__", None):  # inherited: says nothing about this value
        return None
    if hasattr(value, "__nb_signature__"):
        text = value.__nb_signature__[0][1]
    if text and text.startswith("(self)"):  # a property of nanobind's, which has no words
        return None
    if text and re.match(r"\w+\(.*?\)( -> [\w |]+)?[:.] *", text):
        text = re.sub(r"^\w+\(.*?\)( -> [\w |]+)?[:.] *", "", text, count=1)
        text = text[:1].upper() + text[1:]
    return text or None


def tensor_stub(native: ModuleType, package: Path, exports: composed.Exports) -> list[str]:
    """The members of Tensor that the template does not write out."""
    native_methods = operations(native.Tensor, native)
    lines = ["", "# Operations."]
    for name, operator in native_methods.items():
        lines += operation_stub(name, operator, method=True)

    methods = {**composed.tensor_methods(package), **_exported_methods(native, exports)}
    lines += ["", "# Composed in Python.", "__array_priority__: _int"]
    lines += [stub for name, stub in sorted(methods.items())]
    return indented(lines)


def _exported_methods(native: ModuleType, exports: composed.Exports) -> dict[str, str]:
    """A native operation of the same name comes first (`ondol._ops.registry.attach_methods`)."""
    methods = {name: composed.method_stub(function.definition, name) for name, function in exports.methods.items()}
    for name, function in exports.inplace.items():
        methods[f"{name}_"] = composed.method_stub(function.definition, f"{name}_", result="Self")
    return {name: stub for name, stub in methods.items() if not hasattr(native.Tensor, name)}


def main_stub(native: ModuleType, package: Path, exports: composed.Exports) -> str:
    template = document((HERE / "native_template.pyi").read_text("utf-8"), native)
    template = template.partition("\n\n")[2]  # the first lines are about the template
    head, tensor, tail = re.split(r"(?<=\n)(?=class Tensor:|# Making tensors)", template)
    dtypes = [f"{name}: dtype" for name, value in sorted(vars(native).items()) if isinstance(value, native.dtype)]
    functions = [
        line
        for name, operator in operations(native, native).items()
        for line in operation_stub(name, operator, out=True)
    ]
    body = [tensor.rstrip(), *tensor_stub(native, package, exports), "", tail]
    body += ["# Dtypes.", "", *dtypes, "", "# Operations.", "", *functions]
    public = sorted(name for name in vars(native) if name[0] != "_" and name not in _SCOPES)
    names = "# Names with an underscore: further down, `int`, `float`, `dtype` are dtypes, properties and methods.\n"
    names += "\nfrom collections.abc import Iterable, Iterator\n"  # in signatures of composed methods
    return "\n".join([_NOTICE + names, head.rstrip(), f"__all__ = {public!r}", "", *body]) + "\n"


def scope_stub(scope: Any, native: ModuleType) -> str:
    lines = [line for name, operator in operations(scope, native).items() for line in operation_stub(name, operator)]
    imports = f"from typing import overload\n\nfrom . import {_SHARED}, return_types\n"
    return "\n".join([_NOTICE + imports, *lines]) + "\n"


def return_types_stub(native: ModuleType) -> str:
    """The named tuples of operations with several results."""
    lines = [_NOTICE.rstrip("\n") + "\n\nfrom typing import Any\n\nfrom . import Tensor\n"]
    for name, kind in sorted(vars(native.return_types).items()):
        if not isinstance(kind, type):
            continue
        fields = kind.__match_args__
        lines.append(f"class {name}(tuple[{', '.join(['Tensor'] * len(fields))}]):")
        lines.append("    def __new__(cls, sequence: Any, /) -> Any: ...")
        for field in fields:
            lines += ["    @property", f"    def {field}(self) -> Tensor: ..."]
    return "\n".join(lines) + "\n"


def composed_stub(native: ModuleType, exports: composed.Exports) -> str:
    """Imports of the functions that `ondol.__getattr__` finds in `ondol._ops`."""
    lines = [_NOTICE + "# Only for type checkers: there is no such module.\n", "from typing import Any\n"]
    for name, function in sorted(exports.functions.items()):
        if hasattr(native, name):
            continue
        if function.definition is None:
            lines.append(f"def {name}(*args: Any, **kwargs: Any) -> Any: ...")
        else:
            lines.append(f"from ondol._ops.{function.module} import {function.name} as {name}")
    return "\n".join(lines) + "\n"


def write(extension: Path, package: Path, output: Path) -> None:
    native = load(extension)
    exports = composed.read_exports(package)
    autograd = document((HERE / "native_autograd_template.pyi").read_text("utf-8"), native.autograd)
    files = {
        "__init__": main_stub(native, package, exports),
        "nn": scope_stub(native.nn, native),
        "optim": scope_stub(native.optim, native),
        "linalg": scope_stub(native.linalg, native),
        "autograd": _NOTICE + autograd,
        "return_types": return_types_stub(native),
        "composed": composed_stub(native, exports),
    }
    output.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        compile(text, f"{name}.pyi", "exec")  # a stub that Python cannot read must fail here, not in an editor
        (output / f"{name}.pyi").write_text(text, "utf-8")


def main(arguments: list[str]) -> int:
    if len(arguments) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    extension, package, output = map(Path, arguments)
    try:
        write(extension, package, output)
    except ImportError as error:
        print(f"no stub of the extension: it cannot be imported here ({error})", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
