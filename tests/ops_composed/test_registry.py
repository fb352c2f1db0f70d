"""The static tables of names, the decorator, and the generic `out=` and in-place forms."""

import ast
import importlib
import pathlib
import subprocess
import sys

import pytest

import ondol
from ondol._ops import exports, registry

FAMILIES = sorted(
    path.stem
    for path in pathlib.Path(registry.__file__).parent.glob("*.py")
    if path.stem not in ("__init__", "clear_errors", "exports", "registry")
)


@pytest.fixture(scope="module")
def operations():
    for family in FAMILIES:
        importlib.import_module(f"ondol._ops.{family}")
    return registry.OPERATIONS


def names(operations, wanted):
    return {name: op.module for op in operations if wanted(op) for name in (op.name, *op.aliases)}


def test_the_table_of_functions_names_exactly_the_decorated_ones(operations):
    assert names(operations, lambda op: op.namespace == "") == exports.FUNCTIONS


def test_the_table_of_methods_names_exactly_the_decorated_ones(operations):
    assert names(operations, lambda op: op.method) == exports.METHODS


def test_the_table_of_in_place_forms_names_exactly_the_decorated_ones(operations):
    assert names(operations, lambda op: op.inplace) == exports.INPLACE


def test_no_composed_function_has_a_native_twin():
    assert sorted(set(exports.FUNCTIONS).intersection(dir(ondol._native))) == []


def test_every_exported_name_is_found_in_its_module():
    for name, module in exports.FUNCTIONS.items():
        assert callable(registry.implementation(name, module)), name


@pytest.mark.parametrize("namespace", ["linalg", "fft", "special"])
def test_a_namespace_exports_every_operation_declared_for_it(operations, namespace):
    public = importlib.import_module(f"ondol.{namespace}")
    declared = {op.name for op in operations if op.namespace == namespace}
    assert declared <= set(public.__all__)
    assert all(hasattr(public, name) for name in public.__all__)


def test_every_operation_has_a_docstring(operations):
    undocumented = []
    for op in operations:
        module = importlib.import_module(f"ondol._ops.{op.module}")
        function = getattr(module, op.name, None) or getattr(module, f"{op.namespace}_{op.name}")
        if not function.__doc__:
            undocumented.append(f"{op.module}.{op.name}")
    assert undocumented == []


def test_the_tables_are_known_without_importing_a_family():
    code = "import sys, ondol._ops.exports; print([m for m in sys.modules if m.startswith('ondol._ops.')])"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert sorted(ast.literal_eval(output)) == [
        f"ondol._ops.{name}" for name in ("clear_errors", "exports", "registry")
    ]


def test_out_receives_the_result_and_is_returned():
    out = ondol.empty(0)
    result = ondol.kron(ondol.ones(2), ondol.ones(3), out=out)
    assert result is out
    assert out.tolist() == [1.0] * 6


def test_out_of_a_narrower_category_is_refused():
    out = ondol.empty(4, dtype=ondol.int64)
    with pytest.raises(RuntimeError, match="can't be cast"):
        ondol.kron(ondol.ones(2), ondol.ones(2), out=out)


def test_out_is_refused_where_a_gradient_would_be_lost():
    with pytest.raises(RuntimeError, match="automatic differentiation"):
        ondol.kron(ondol.ones(2, requires_grad=True), ondol.ones(2), out=ondol.empty(4))


def test_out_of_several_results_takes_a_tuple():
    q, r = ondol.empty(0), ondol.empty(0)
    ondol.linalg.qr(ondol.eye(2), out=(q, r))
    assert (q @ r).tolist() == [[1.0, 0.0], [0.0, 1.0]]


class FakeTensor(ondol.Tensor):
    """A subclass to attach methods to, so that the test leaves Tensor alone."""


def test_a_lazy_method_computes_like_its_function():
    method = registry._lazy_method(FakeTensor, "kron", "product")
    assert method(ondol.ones(2), ondol.ones(2)).tolist() == [1.0] * 4


def test_an_in_place_form_writes_to_its_tensor_and_keeps_the_gradient():
    renorm_ = registry._inplace_method("renorm", "distance")
    leaf = ondol.tensor([[3.0, 4.0]], requires_grad=True)
    moved = leaf * 1
    assert renorm_(moved, 2, 0, 1.0) is moved
    moved.sum().backward()
    assert moved[0, 0].item() == pytest.approx(0.6)
    assert leaf.grad is not None


def test_an_in_place_form_refuses_to_lose_a_category():
    i0_ = registry._inplace_method("i0", "special")
    with pytest.raises(RuntimeError, match="can't be cast"):
        i0_(ondol.ones(2, dtype=ondol.int64))
