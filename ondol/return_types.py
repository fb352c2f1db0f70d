"""Named results, such as the `(values, indices)` of `ondol.max`: tuples whose items have names.

They print as PyTorch's do and are built, as there, from one iterable.

>>> import ondol
>>> ondol.return_types.qr([1, 2]).R
2
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any


class NamedResult(tuple):
    """A tuple with named items; `fields` holds the names."""

    __slots__ = ()
    fields: tuple[str, ...] = ()

    def __new__(cls, items: Iterable[Any]) -> NamedResult:
        result = super().__new__(cls, items)
        if len(result) != len(cls.fields):
            raise TypeError(f"{cls.__name__}() takes a {len(cls.fields)}-sequence ({len(result)}-sequence given)")
        return result

    def __repr__(self) -> str:
        lines = ",\n".join(f"{name}={item!r}" for name, item in zip(self.fields, self))
        return f"torch.return_types.{type(self).__name__}(\n{lines})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (tuple(self),)


_FIELDS = {
    "values indices": "cummax cummin kthvalue max median min mode nanmedian sort topk",
    "min max": "aminmax",
    "mantissa exponent": "frexp",
    "hist bin_edges": "histogram histogramdd",
    "a tau": "geqrf",
    "Q R": "qr linalg_qr",
    "U S V": "svd",
    "U S Vh": "linalg_svd",
    "eigenvalues eigenvectors": "linalg_eig linalg_eigh",
    "sign logabsdet": "slogdet linalg_slogdet",
    "L info": "linalg_cholesky_ex",
    "inverse info": "linalg_inv_ex",
    "result info": "linalg_solve_ex",
    "P L U": "lu_unpack linalg_lu",
    "LU pivots": "linalg_lu_factor",
    "LU pivots info": "linalg_lu_factor_ex",
    "LD pivots": "linalg_ldl_factor",
    "LD pivots info": "linalg_ldl_factor_ex",
    "solution residuals rank singular_values": "linalg_lstsq",
    "solution cloned_coefficient": "triangular_solve",
}


def _make(name: str, fields: tuple[str, ...]) -> type[NamedResult]:
    items = {field: property(operator.itemgetter(index)) for index, field in enumerate(fields)}
    return type(name, (NamedResult,), {"__slots__": (), "__module__": __name__, "fields": fields, **items})


for _fields, _names in _FIELDS.items():
    for _name in _names.split():
        globals()[_name] = _make(_name, tuple(_fields.split()))

__all__ = sorted(name for names in _FIELDS.values() for name in names.split())
