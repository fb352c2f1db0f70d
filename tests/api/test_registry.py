"""Walks over all native operations: each is what its schemas say."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import pytest

import ondol
from ondol import _native
from ondol._ops import exports

TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))
import composed  # noqa: E402
import schema  # noqa: E402
import stub  # noqa: E402

FUNCTIONS = stub.operations(_native, _native)
METHODS = stub.operations(_native.Tensor, _native)
OPERATIONS = {
    **FUNCTIONS,
    **{f"Tensor.{name}": operator for name, operator in METHODS.items()},
    **{f"nn.{name}": operator for name, operator in stub.operations(_native.nn, _native).items()},
    **{f"optim.{name}": operator for name, operator in stub.operations(_native.optim, _native).items()},
    **{f"linalg.{name}": operator for name, operator in stub.operations(_native.linalg, _native).items()},
}
every_operation = pytest.mark.parametrize("path", OPERATIONS)


@every_operation
def test_schemas_can_be_read(path):
    schemas = [schema.parse(text) for text in OPERATIONS[path].schemas]
    assert schemas, f"{path} has no signature"
    overloads = [one.overload for one in schemas]
    assert len(set(overloads)) == len(overloads), f"two overloads of {path} have the same name: {overloads}"


@every_operation
def test_signature_names_the_parameters_of_the_schemas(path):
    operator = OPERATIONS[path]
    shown = inspect.signature(operator).parameters
    longest = max((schema.parse(text) for text in operator.schemas), key=lambda one: len(one.parameters))
    names = [parameter.name for parameter in longest.parameters]
    if names[:1] == ["self"]:
        names[0] = "input"
    assert [name.rstrip("_") for name in shown if name != "out"] == [name.rstrip("_") for name in names]


@every_operation
def test_documentation_has_a_line_for_each_signature(path):
    operator = OPERATIONS[path]
    lines = [line for line in operator.__doc__.splitlines() if line.startswith(f"{operator.__name__}(")]
    assert len(lines) == len(operator.schemas)


@every_operation
def test_each_documented_keyword_is_known(path):
    """What is passed by a keyword of the signature is refused for its type, not for its name."""
    operator = OPERATIONS[path]
    texts = [schema.parse(text) for text in operator.schemas]
    for parsed in texts if len(texts) == 1 else []:  # the message about several overloads does not say what failed
        wrong = {parameter.name: _Nothing() for parameter in parsed.parameters}
        if wrong:
            with pytest.raises(TypeError, match=r"argument '\w+' must be"):
                operator(**wrong)


class _Nothing:
    """Of no type that any parameter takes."""


@every_operation
def test_unknown_keyword_is_refused(path):
    with pytest.raises(TypeError):
        OPERATIONS[path](surely_not_a_parameter=1)


@pytest.mark.parametrize("name", [name for name in METHODS if name.endswith("_") and not name.endswith("__")])
def test_in_place_method_has_its_function(name):
    """`Tensor.add_` comes with `ondol.add`; a name of its own (`copy_`) says so in its schema."""
    says_so = all(schema.parse(text).name == name for text in METHODS[name].schemas)
    assert says_so or name.removesuffix("_") in {**METHODS, **FUNCTIONS}


def test_function_and_method_of_one_name_are_one_operation():
    for name in METHODS.keys() & FUNCTIONS.keys():
        if not name.endswith("_"):
            assert METHODS[name] is FUNCTIONS[name], name


def test_methods_written_in_python_hide_no_operation():
    hidden = composed.tensor_methods(TOOLS.parent / "ondol").keys() & METHODS.keys()
    assert not hidden, f"ondol/_tensor.py replaces native operations: {sorted(hidden)}"


def test_every_composed_method_can_be_called():
    for name in [*exports.METHODS, *(f"{name}_" for name in exports.INPLACE)]:
        assert callable(getattr(ondol.Tensor, name)), name
