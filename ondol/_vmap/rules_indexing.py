"""Reading and writing at positions: indexing, gather and scatter and their relatives."""

from __future__ import annotations

from typing import Any

import ondol
from ondol._native import Tensor
from ondol._vmap.call import Call, NeedsLoop, rule
from ondol._vmap.rules_pointwise import aligned
from ondol._vmap.rules_reduction import check_dims, shift


def _all_batched(call: Call, *names: str) -> dict[str, Any]:
    """The tensors as batches, the dimension shifted."""
    rank = call.rank("self")
    if rank == 0 or any(call.rank(name) != rank for name in names if name in call.outer):
        raise NeedsLoop
    check_dims(call, call.values["dim"], rank)
    batches = {name: call.batch(name) for name in names if isinstance(call.values.get(name), Tensor)}
    return {**batches, "dim": shift(call.values["dim"])}


@rule("gather")
def gather(call: Call) -> Tensor:
    """Elements at positions along a dimension."""
    return call.run(**_all_batched(call, "self", "index"))


@rule("scatter scatter_add scatter_reduce")
def scatter(call: Call) -> Tensor:
    """Elements to positions along a dimension."""
    return call.run(**_all_batched(call, "self", "index", *(("src",) if "src" in call.values else ())))


@rule("take_along_dim")
def take_along_dim(call: Call) -> Tensor:
    """As gather, with broadcasting; without a dimension in the flat tensor."""
    x, indices = call.batch("self"), call.batch("indices")
    if call.values.get("dim") is None:
        return call.func(x.flatten(1), indices.flatten(1), dim=1)
    if call.rank("self") != call.rank("indices") or call.rank("self") == 0:
        raise NeedsLoop
    check_dims(call, call.values["dim"], call.rank("self"))
    return call.func(x, indices, dim=shift(call.values["dim"]))


@rule("index_select")
def index_select(call: Call) -> Tensor:
    """Slices at positions along a dimension."""
    rank = call.rank("self")
    if rank == 0 or call.rank("index") > 1:
        raise NeedsLoop
    dim = call.values["dim"]
    check_dims(call, dim, rank)
    if "index" not in call.batched:
        return call.run(dim=shift(dim))
    index = call.values["index"]
    index = index.unsqueeze(1) if index.dim() == 1 else index
    x = call.batch("self").movedim(shift(dim) % (rank + 1), 1)
    every = ondol.arange(call.level.size).unsqueeze(1)
    return x[every, index].movedim(1, shift(dim) % (rank + 1))


@rule("index_add index_copy index_fill index_reduce")
def index_write(call: Call) -> Tensor:
    """Slices to the same positions in all examples."""
    if "index" in call.batched or call.rank("self") == 0 or "value" in call.batched:
        raise NeedsLoop
    check_dims(call, call.values["dim"], call.rank("self"))
    changes: dict[str, Any] = {"self": call.batch("self"), "dim": shift(call.values["dim"])}
    if "source" in call.values:
        if call.rank("source") != call.rank("self"):
            raise NeedsLoop
        changes["source"] = call.batch("source")
    return call.run(**changes)


@rule("searchsorted bucketize")
def searchsorted(call: Call) -> Tensor:
    """Positions in sorted boundaries; a one-dimensional sequence that all share serves any batch."""
    if call.name == "bucketize":
        if "boundaries" in call.batched:
            raise NeedsLoop
        return call.run()
    if "sorted_sequence" not in call.batched and call.rank("sorted_sequence") == 1:
        return call.run()
    if not isinstance(call.values["input"], Tensor) or call.rank("input") != call.rank("sorted_sequence"):
        raise NeedsLoop
    return call.run(**{name: call.batch(name) for name in call.tensor_names()})


def get_item(level: Any, x: Tensor, index: Any) -> Any:
    """x[index]."""
    from ondol._vmap.batched import is_batched, wrap
    from ondol._vmap.fallback import loop

    items = index if isinstance(index, tuple) else (index,)
    if not is_batched(x, level) or not _is_shared(items, level):
        batched = _gathered(level, x, items)
        return loop(Tensor.__getitem__, (x, index), {}, level) if batched is None else wrap(batched, level)
    return wrap(x._value[(slice(None), *items)], level)


def _is_shared(items: tuple, level: Any) -> bool:
    """Whether the index is the same for all examples, and acts on the batch as on the examples behind a `:`."""
    advanced = [at for at, item in enumerate(items) if not _is_basic(item)]
    consecutive = not advanced or advanced[-1] - advanced[0] == len(advanced) - 1
    return consecutive and not _holds_batched(items, level)


def _is_basic(item: Any) -> bool:
    whole_number = isinstance(item, int) and not isinstance(item, bool)
    return item is None or item is Ellipsis or whole_number or isinstance(item, slice)


def _holds_batched(items: Any, level: Any) -> bool:
    from ondol._vmap.batched import innermost_level

    return innermost_level(items) is level


def _gathered(level: Any, x: Tensor, items: tuple) -> Tensor | None:
    """x[i, j, ...] for index tensors in the first dimensions, some batched: the batch is one more index. None for other
    forms."""
    from ondol._vmap.batched import is_batched

    tensors = [item for item in items if isinstance(item, Tensor)]
    if len(tensors) != len(items) or any(item.dtype in (ondol.bool, ondol.uint8) for item in tensors):
        return None
    if len(items) > x.dim():
        return None
    rank = max(item.dim() for item in tensors)
    positions = [aligned(item._value, rank) if is_batched(item, level) else item for item in tensors]
    if not is_batched(x, level):
        return x[tuple(positions)]
    every = ondol.arange(level.size).reshape(-1, *(1,) * rank)
    return x._value[(every, *positions)]


def set_item(level: Any, x: Tensor, index: Any, value: Any) -> None:
    """x[index] = value."""
    from ondol._vmap.batched import is_batched
    from ondol._vmap.fallback import loop_in_place

    if not is_batched(x, level):
        raise RuntimeError(
            "vmap: x[...] = value is not possible because x is one tensor for all examples of the batch, and batched "
            "values are to be written into it. Make x from a batched tensor (with new_zeros, zeros_like or clone)"
        )
    items = index if isinstance(index, tuple) else (index,)
    if not _is_shared(items, level) or not all(_is_basic(item) for item in items):
        loop_in_place(Tensor.__setitem__, x, (index, value), {}, level)
        return
    place = x._value[(slice(None), *items)]
    if not is_batched(value, level):
        x._value[(slice(None), *items)] = value
        return
    batch, rank = value._value, place.dim() - 1
    while batch.dim() - 1 > rank and batch.shape[1] == 1:  # leading ones do not count
        batch = batch.squeeze(1)
    x._value[(slice(None), *items)] = aligned(batch, rank)
