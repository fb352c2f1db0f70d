"""The stub of the extension against the running module, and its public names against a golden copy.

After a wanted change of the names: `python tests/api/test_stub.py` writes the golden copy anew.
"""

from __future__ import annotations

import ast
import builtins
import difflib
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from ondol import _native

REPOSITORY = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).with_name("public_names.txt")
STUB = REPOSITORY / "tools" / "stub.py"

SCOPES = ("nn", "optim", "linalg", "autograd", "return_types")
MODULES = {name: getattr(_native, name) for name in SCOPES} | {"": _native}
FOR_EDITORS = {"__buffer__", "__getattr__"}  # protocols in C that have no attribute of that name
FROM_PYTHON = {"__rdiv__", "__div__", "__idiv__", "__dict__", "__weakref__", "__doc__", "__module__"}


def write_stub(folder: Path) -> Path:
    """In a process of its own: as in the build, the extension is loaded without the package."""
    command = [sys.executable, "-B", str(STUB), _native.__file__, str(REPOSITORY / "ondol"), str(folder)]
    subprocess.run(command, check=True)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A stub made now, from the extension that the tests run with."""
    return write_stub(tmp_path_factory.mktemp("stub"))


def tree(folder: Path, module: str) -> ast.Module:
    return ast.parse((folder / f"{module or '__init__'}.pyi").read_text("utf-8"))


def names_in(body: list[ast.stmt]) -> set[str]:
    """What classes, functions and annotated names a stub defines."""
    names = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return names | {
        node.target.id for node in body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def classes_in(body: list[ast.stmt]) -> dict[str, set[str]]:
    return {node.name: names_in(node.body) for node in body if isinstance(node, ast.ClassDef)}


def public(names) -> set[str]:
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module or "_native")
def test_stub_and_module_have_the_same_names(folder, module):
    running = public(vars(MODULES[module])) - set(SCOPES)
    assert public(names_in(tree(folder, module).body)) == running


@pytest.mark.parametrize("module", ["", "autograd"], ids=["_native", "autograd"])
def test_stub_and_classes_have_the_same_members(folder, module):
    for name, members in classes_in(tree(folder, module).body).items():
        kind = getattr(MODULES[module], name)
        missing = [member for member in members if not hasattr(kind, member) and member not in FOR_EDITORS]
        assert not missing, f"{name} of the stub has {missing}, the running class does not"
        own = public(vars(kind)) - FROM_PYTHON
        assert own <= members, f"the stub of {name} lacks {sorted(own - members)}"


def test_tensor_has_its_protocols_in_the_stub(folder):
    members = classes_in(tree(folder, "").body)["Tensor"]
    running = {name for name in vars(_native.Tensor) if name.startswith("__")} - FROM_PYTHON
    assert running <= members, f"the stub lacks {sorted(running - members)}"


def test_functions_bound_by_hand_have_the_parameters_of_the_stub(folder):
    """The template of the stub against the signatures that nanobind knows."""
    for module in ("", "autograd"):
        for node in tree(folder, module).body:
            running = getattr(MODULES[module], getattr(node, "name", ""), None)
            if not isinstance(node, ast.FunctionDef) or not hasattr(running, "__nb_signature__"):
                continue
            bound = running.__nb_signature__[0][0]
            parsed = ast.parse(f"{bound.splitlines()[0].replace(chr(92), 'None')}: ...").body[0]
            shown = [argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)]
            real = [argument.arg for argument in (*parsed.args.args, *parsed.args.kwonlyargs)]
            assert shown == real, f"{node.name}: the stub says {shown}, the module {real}"


def public_names(folder: Path) -> list[str]:
    found = []
    for module in MODULES:
        body = tree(folder, module).body
        found += [f"{module}.{name}".strip(".") for name in public(names_in(body))]
        for kind, members in classes_in(body).items():
            found += [f"{module}.{kind}.{name}".strip(".") for name in public(members)]
    return sorted(found)


def test_public_names_are_the_known_ones(folder):
    known, found = GOLDEN.read_text("utf-8").splitlines(), public_names(folder)
    changes = [line for line in difflib.ndiff(known, found) if line[0] in "+-"]
    assert not changes, (
        "the public names of the core changed; if that is wanted, run `python tests/api/test_stub.py`:\n"
        + "\n".join(changes)
    )


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module or "_native")
def test_every_name_in_the_stub_is_defined(folder, module):
    """A signature copied from the Python sources may use a name that the stub does not import."""
    nodes = list(ast.walk(tree(folder, module)))
    imported = {
        alias.asname or alias.name
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    used = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    defined = imported | names_in(tree(folder, module).body) | set(dir(builtins))
    assert used <= defined, f"not defined in the stub: {sorted(used - defined)}"


def test_every_signature_of_the_stub_has_types(folder):
    for module in ("", "nn", "optim", "linalg", "autograd"):
        for node in ast.walk(tree(folder, module)):
            if isinstance(node, ast.FunctionDef):
                untyped = [a.arg for a in (*node.args.args, *node.args.kwonlyargs) if a.annotation is None]
                assert set(untyped) <= {"self", "cls"} and node.returns is not None, f"{node.name}: {untyped}"


def test_without_an_extension_that_loads_there_is_no_stub(tmp_path):
    broken = tmp_path / "_native.so"
    broken.write_bytes(b"not a library")
    command = [sys.executable, "-B", str(STUB), str(broken), str(REPOSITORY / "ondol"), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, "the build must go on"
    assert "cannot be imported here" in done.stderr
    assert not (tmp_path / "out").exists()


def test_documentation_of_members_is_in_the_stub(folder):
    assert _native.Tensor.shape.__doc__ in (folder / "__init__.pyi").read_text("utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        GOLDEN.write_text("\n".join(public_names(write_stub(Path(made)))) + "\n", "utf-8")
