"""Which family module holds which composed function: the names alone, so that nothing is imported to know them.

`tests/ops_composed/test_registry.py` compares these tables with what the decorators say.
"""


def _by_name(table: dict[str, str]) -> dict[str, str]:
    return {name: module for module, names in table.items() for name in names.split()}


_FUNCTIONS = {
    "einsum": "einsum",
    "product": "addbmm addr bilinear chain_matmul cross ger inner kron tensordot vdot",
}
_METHODS = {
    "product": "addbmm addr cross ger inner kron vdot",
}
_INPLACE = {
    "product": "addbmm addr",
}

FUNCTIONS = _by_name(_FUNCTIONS)
"""Name in `ondol` → module in `ondol._ops`."""

METHODS = _by_name(_METHODS)
"""Name of a Tensor method → module."""

INPLACE = _by_name(_INPLACE)
"""Name of a Tensor method that also exists as `name_` → module."""
