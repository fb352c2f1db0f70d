"""Sees what a call must not do to tensors: change one that is no output, write beside one, make one of no sense."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

import ondol

FENCE = 16  # elements on each side


class Corruption(Exception):
    """A tensor is not what it was, or not what a tensor may be."""


def fenced(tensor: Any) -> Any:
    """The same numbers in the middle of a larger storage."""
    flat = ondol.zeros(tensor.numel() + 2 * FENCE, dtype=tensor.dtype)
    inside = flat[FENCE : FENCE + tensor.numel()].reshape(tensor.shape)
    return inside.copy_(tensor.detach()).detach()


class Picture(NamedTuple):
    tensor: Any
    layout: tuple[tuple[int, ...], tuple[int, ...], int, Any]  # shape, strides, offset, dtype
    version: int
    storage: int
    content: bytes
    requires_grad: bool


def content(tensor: Any) -> bytes:
    storage = tensor.untyped_storage()
    return ctypes.string_at(storage.data_ptr(), storage.nbytes()) if storage.nbytes() else b""


def picture(tensor: Any) -> Picture:
    layout = tuple(tensor.shape), tuple(tensor.stride()), tensor.storage_offset(), tensor.dtype
    storage = tensor.untyped_storage().data_ptr()
    return Picture(tensor, layout, tensor._version, storage, content(tensor), tensor.requires_grad)


def check_untouched(before: list[Picture], outputs: list[Any], failed: bool) -> None:
    """Compares with how the arguments were. An output may change inside of itself, but not if the call failed."""
    written = {one.storage for one in before if any(one.tensor is output for output in outputs)}
    for one in before:
        now = picture(one.tensor)
        is_output = any(one.tensor is output for output in outputs)
        whose = f"an argument {'of a failed call ' * failed}of shape {one.layout[0]}, strides {one.layout[1]}"
        if is_output and not failed:
            if (now.layout, now.storage) == (one.layout, one.storage):
                _check_beside(one, now)
        elif now.layout != one.layout or (now.storage != one.storage and one.content and one.storage not in written):
            raise Corruption(f"{whose} got another shape, layout or dtype")
        elif now.content != one.content and (failed or one.storage not in written):
            raise Corruption(f"the numbers of {whose} have changed")
        elif now.version != one.version and one.storage not in written:
            raise Corruption(f"the version of {whose} has changed")
        elif now.requires_grad != one.requires_grad and not is_output:
            raise Corruption(f"requires_grad of {whose} has changed")


def _check_beside(one: Picture, now: Picture) -> None:
    """Bytes of the storage that are no element of the tensor."""
    shape, strides, offset, dtype = one.layout
    places = [] if 0 in shape else [offset]
    for length, stride in zip(shape, strides):
        places = [place + i * stride for place in places for i in range(length)]
    size, after = dtype.itemsize, bytearray(now.content)
    for place in set(places):
        after[place * size : (place + 1) * size] = one.content[place * size : (place + 1) * size]
    if after != one.content:
        raise Corruption(f"memory beside an output was written: shape {shape}, strides {strides}")


def check_sense(tensor: Any) -> None:
    """Every element of a result lies in its storage."""
    shape, strides, offset = tuple(tensor.shape), tuple(tensor.stride()), tensor.storage_offset()
    count = 1
    for size in shape:
        count *= size
    if count != tensor.numel() or len(strides) != len(shape) or min((*shape, *strides, offset)) < 0:
        raise Corruption(
            f"a result of shape {shape} with strides {strides}, offset {offset}, {tensor.numel()} elements"
        )
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides))
    if count and (last + 1) * tensor.dtype.itemsize > tensor.untyped_storage().nbytes():
        raise Corruption(f"a result of shape {shape}, strides {strides} reaches beyond its storage")


def computable(tensor: Any) -> Any:
    """In double precision, since some dtypes are stored but not computed with."""
    return tensor.detach().to(ondol.complex128 if tensor.is_complex() else ondol.float64)


def check_same(changed: Any, expected: Any, name: str) -> None:
    """The tensor changed in place has the numbers of the function's result, in its own dtype."""
    expected = expected.to(changed.dtype)
    if changed.shape != expected.shape or not ondol.allclose(
        computable(changed), computable(expected), 1e-2, 1e-3, equal_nan=True
    ):
        raise Corruption(f"{name} puts other numbers into its tensor than the function returns")
