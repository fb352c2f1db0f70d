"""`*_copy` forms of views, `unsafe_*` forms of splits, and a few rare ways to create a tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ondol
from ondol import Tensor
from ondol._ops.registry import operation

_VIEWS = (
    "as_strided", "detach", "diagonal", "expand", "narrow", "permute", "select", "squeeze", "t", "transpose", "unfold",
    "unsqueeze", "view", "view_as_complex", "view_as_real",
)  # fmt: skip
_TUPLES = ("split", "split_with_sizes", "unbind")


def _copy_of(name: str) -> Callable:
    def copy(input: Tensor, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        view = getattr(ondol, name) if name.startswith("view_as") else getattr(Tensor, name)
        result = view(input, *args, **kwargs)
        if name in _TUPLES:
            return tuple(part.clone(memory_format=ondol.contiguous_format) for part in result)
        return result.clone(memory_format=ondol.contiguous_format)

    copy.__name__ = copy.__qualname__ = f"{name}_copy"
    copy.__doc__ = f"A copy of what `Tensor.{name}` shows."
    return operation(copy, method=name == "narrow")


for _name in (*_VIEWS, *_TUPLES):
    globals()[f"{_name}_copy"] = _copy_of(_name)


@operation
def alias_copy(input: Tensor, *, out: Any = None) -> Tensor:
    """A copy."""
    return input.clone()


@operation(method=True)
def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`chunk`; the pieces may be written to in place without autograd knowing that they are one tensor's."""
    return input.chunk(chunks, dim)


@operation(method=True)
def unsafe_split(input: Tensor, split_size: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`split` into pieces of one size; see `unsafe_chunk`."""
    return input.split(split_size, dim)


@operation(method=True)
def unsafe_split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """`split_with_sizes`; see `unsafe_chunk`."""
    return input.split_with_sizes(split_sizes, dim)


@operation
def empty_permuted(
    size: Sequence[int], physical_layout: Sequence[int], *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Uninitialised memory whose dimensions lie in the order `physical_layout`, outermost first."""
    if sorted(physical_layout) != list(range(len(size))):
        raise RuntimeError(f"empty_permuted: physical_layout {tuple(physical_layout)} is not a permutation of the "
                           f"{len(size)} dimensions of size {tuple(size)}")  # fmt: skip
    memory = ondol.empty([size[dim] for dim in physical_layout], dtype=dtype, device=device)
    order = [list(physical_layout).index(dim) for dim in range(len(size))]
    return memory.permute(order).requires_grad_(requires_grad)
