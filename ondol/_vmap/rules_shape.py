"""Views and other changes of shape: the batch dimension stays in front."""

from __future__ import annotations

import math
from typing import Any

import ondol
from ondol._native import Tensor
from ondol._vmap.call import Call, NeedsLoop, rule
from ondol._vmap.rules_reduction import along, check_dims, shift


@rule("transpose narrow split split_with_sizes chunk unbind select unfold flatten unflatten diagonal")
def along_dimensions(call: Call) -> Any:
    """Views along given dimensions."""
    if any(name != "self" for name in call.batched) or call.rank("self") == 0:
        raise NeedsLoop
    return along(call)


@rule("tril triu adjoint diag_embed view_as_real view_as_complex constant_pad_nd")
def last_dimensions(call: Call) -> Tensor:
    """What concerns the last dimensions alone is the same for a batch."""
    if call.name == "diag_embed":
        rank = call.rank("self") + 1
        for name in ("dim1", "dim2"):
            check_dims(call, call.get(name), rank)
        return call.run(dim1=shift(call.get("dim1")), dim2=shift(call.get("dim2")))
    if call.rank("self") < {"tril": 2, "triu": 2, "adjoint": 2, "view_as_complex": 1}.get(call.name, 0):
        raise NeedsLoop
    if call.name == "constant_pad_nd" and len(call.get("pad")) > 2 * call.rank("self"):
        raise NeedsLoop
    return call.run()


@rule("t")
def matrix_transpose(call: Call) -> Tensor:
    """Swaps the dimensions of a matrix."""
    rank = call.rank("self")
    if rank > 2:
        raise NeedsLoop
    x = call.values["self"]
    if rank < 2:
        return x
    return x.transpose_(1, 2) if call.in_place else x.transpose(1, 2)


@rule("permute")
def permute(call: Call) -> Tensor:
    """The dimensions of the examples in another order."""
    rank, dims = call.rank("self"), call.values["dims"]
    check_dims(call, dims, rank)
    return call.values["self"].permute(0, *(dim % rank + 1 for dim in dims))


@rule("movedim")
def movedim(call: Call) -> Tensor:
    """Some dimensions to other places."""
    rank = call.rank("self")
    if rank == 0:
        raise NeedsLoop
    places = {}
    for name in ("source", "destination"):
        check_dims(call, call.values[name], rank)
        places[name] = shift(call.values[name])
    return call.run(**places)


@rule("unsqueeze")
def unsqueeze(call: Call) -> Tensor:
    """A new dimension of size 1; -1 is the one behind the last."""
    check_dims(call, call.values["dim"], call.rank("self") + 1)
    return call.run(dim=shift(call.values["dim"]))


@rule("squeeze")
def squeeze(call: Call) -> Tensor:
    """Dimensions of size 1 go, but never the batch."""
    rank = call.rank("self")
    if "dim" not in call.values:
        dims = [dim for dim, size in enumerate(call.outer["self"].shape, 1) if size == 1]
        return call.run(dim=dims)
    if rank == 0:
        return call.values["self"]
    check_dims(call, call.values["dim"], rank)
    return call.run(dim=shift(call.values["dim"]))


@rule("view reshape")
def reshape(call: Call) -> Tensor:
    """Another shape of the examples; view(dtype) changes their type."""
    name = next((name for name in ("size", "shape") if name in call.values), None)
    if name is None:
        return call.run()
    size = list(call.values[name])
    x, count = call.values["self"], call.outer["self"].numel()
    if -1 in size:  # an empty batch cannot tell what -1 stands for
        known = math.prod(item for item in size if item != -1)
        if size.count(-1) > 1 or known == 0 or count % known:
            raise NeedsLoop
        size[size.index(-1)] = count // known
    if math.prod(size) != count:
        raise NeedsLoop
    return call.run(**{name: [x.shape[0], *size]})


@rule("view_as reshape_as")
def reshape_as(call: Call) -> Tensor:
    """The shape of another tensor."""
    return call.batch("self").reshape(call.level.size, *call.outer["other"].shape)


@rule("ravel")
def ravel(call: Call) -> Tensor:
    """One dimension."""
    x = call.values["self"]
    return x.reshape(x.shape[0], call.outer["self"].numel())


def _with_room(x: Tensor, rank: int) -> Tensor:
    """Dimensions of size 1 in front of the examples' own, up to `rank`."""
    missing = rank - (x.dim() - 1)
    return x if missing <= 0 else x.reshape(x.shape[0], *(1,) * missing, *x.shape[1:])


@rule("expand broadcast_to")
def expand(call: Call) -> Tensor:
    """Dimensions of size 1 repeated without copying."""
    size = list(call.values["size"])
    if len(size) < call.rank("self"):
        raise NeedsLoop
    return _with_room(call.values["self"], len(size)).expand(-1, *size)


@rule("expand_as")
def expand_as(call: Call) -> Tensor:
    """The size of another tensor."""
    size = call.outer["other"].shape
    if len(size) < call.rank("self"):
        raise NeedsLoop
    return _with_room(call.batch("self"), len(size)).expand(-1, *size)


@rule("repeat tile")
def repeat(call: Call) -> Tensor:
    """Copies along each dimension."""
    repeats = list(call.values["repeats" if call.name == "repeat" else "dims"])
    rank = call.rank("self")
    if call.name == "tile":
        repeats = [1] * (rank - len(repeats)) + repeats
    if len(repeats) < rank:
        raise NeedsLoop
    return _with_room(call.values["self"], len(repeats)).repeat(1, *repeats)


@rule("resize resize_as")
def resize(call: Call) -> Tensor:
    """Refused: an example cannot grow inside of its batch."""
    raise RuntimeError(f"vmap: {call.name}_() is not supported inside of vmap: make a new tensor of the size wanted")


@rule("as_strided")
def as_strided(call: Call) -> Tensor:
    """A window on the memory of each example, which lies at the batch's stride from the one before."""
    if call.in_place:
        raise RuntimeError("vmap: as_strided_() is not supported inside of vmap: use as_strided()")
    x, offset = call.values["self"], call.values.get("storage_offset")
    x = x if x.is_contiguous() else x.contiguous()
    first = x.storage_offset() + (0 if offset is None else offset)
    size, stride = ([call.level.size, *call.values["size"]], [x.stride(0), *call.values["stride"]])
    return x.as_strided(size, stride, first)


@rule("repeat_interleave")
def repeat_interleave(call: Call) -> Tensor:
    """Each element several times."""
    if "self" not in call.batched or "repeats" in call.batched:
        raise NeedsLoop
    x, dim = call.values["self"], call.values.get("dim")
    if dim is None:
        return call.run(self=x.reshape(x.shape[0], -1), dim=1)
    if call.rank("self") == 0:
        raise NeedsLoop
    check_dims(call, dim, call.rank("self"))
    return call.run(dim=shift(dim))


@rule("diag")
def diag(call: Call) -> Tensor:
    """A matrix from a vector, or the diagonal of a matrix."""
    x, offset = call.values["self"], call.get("diagonal")
    if call.rank("self") == 1:
        return ondol.diag_embed(x, offset)
    if call.rank("self") == 2:
        return x.diagonal(offset, 1, 2).clone()
    raise NeedsLoop


@rule("cat")
def cat(call: Call) -> Tensor:
    """Tensors one after the other; empty vectors, which PyTorch ignores, are not expanded."""
    tensors = [item for item in call.outer["tensors"] if tuple(item.shape) != (0,)]
    if len(tensors) != len(call.outer["tensors"]) or not tensors or any(item.dim() == 0 for item in tensors):
        raise NeedsLoop
    check_dims(call, call.get("dim"), tensors[0].dim())
    return call.func(call.batch_items("tensors"), dim=shift(call.get("dim")))


@rule("stack")
def stack(call: Call) -> Tensor:
    """Tensors along a new dimension."""
    check_dims(call, call.get("dim"), call.outer["tensors"][0].dim() + 1)
    return call.func(call.batch_items("tensors"), dim=shift(call.get("dim")))
