"""Copies, conversions, and new tensors like a batched one."""

from __future__ import annotations

import ondol
from ondol._native import Tensor
from ondol._vmap.call import Call, NeedsLoop, rule
from ondol._vmap.rules_pointwise import aligned

_FACTORY = ("dtype", "layout", "device", "pin_memory", "requires_grad")


@rule("clone contiguous zeros_like ones_like empty_like full_like")
def like(call: Call) -> Tensor:
    """The same for a batch; a memory format, which counts the dimensions of the example, is left out."""
    if any(name not in ("self", "memory_format", "fill_value", *_FACTORY) for name in call.values):
        raise NeedsLoop
    if set(call.batched) != {"self"}:
        raise NeedsLoop
    return call.run(memory_format=None) if call.values.get("memory_format") is not None else call.run()


@rule("bfloat16 bool byte cdouble cfloat chalf char double float half int long short to type_as")
def converted(call: Call) -> Tensor:
    """Another dtype; of the tensor in `x.to(other)` the dtype alone counts."""
    changes = {"memory_format": None} if call.values.get("memory_format") is not None else {}
    if "other" in call.values:
        changes["other"] = ondol.empty(0, dtype=call.outer["other"].dtype)
    return call.run(self=call.batch("self"), **changes)


@rule("new_zeros new_ones new_empty new_full")
def new(call: Call) -> Tensor:
    """A batch of new tensors, so that batched values can be written into them."""
    if set(call.batched) != {"self"}:
        raise NeedsLoop
    return call.run(size=(call.level.size, *call.values["size"]))


@rule("copy")
def copy(call: Call) -> Tensor:
    """x.copy_(source)."""
    source = next(name for name in call.values if name != "self")
    if not isinstance(call.values[source], Tensor) or source not in call.batched:
        return call.run()
    if call.rank(source) > call.rank("self"):
        raise NeedsLoop
    return call.run(**{source: aligned(call.values[source], call.rank("self"))})
