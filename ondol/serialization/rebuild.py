"""Tensors put together again from what a file holds of them.

The functions bear PyTorch's names, because these names stand in the files.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import ondol
from ondol import _native


class TypedStorage:
    """A block of bytes and the dtype of its elements: what a file says of the memory of a tensor.

    Where the bytes come only later, `deferred` collects what has to be computed from them then.
    """

    __slots__ = ("deferred", "dtype", "untyped")

    def __init__(self, untyped: Any, dtype: Any, deferred: list[Callable[[], Any]] | None = None):
        self.untyped, self.dtype, self.deferred = untyped, dtype, deferred

    def __len__(self) -> int:
        return self.untyped.nbytes() // self.dtype.itemsize

    def __reduce__(self) -> tuple:
        """For plain pickle, where the bytes go into the pickle itself."""
        return _typed_storage_from_bytes, (bytes(memoryview(self.untyped)), dtype_name(self.dtype))


def dtype_name(dtype: Any) -> str:
    return str(dtype).rpartition(".")[2]


def _typed_storage_from_bytes(content: bytes, name: str) -> TypedStorage:
    return TypedStorage(_native.storage_from_buffer(content), getattr(ondol, name))


def _dtype_from_name(name: str) -> Any:
    return getattr(ondol, name)


def _get_layout(name: str) -> Any:
    if name != "torch.strided":
        raise NotImplementedError(
            f"layout {name}: ondol has strided tensors only; convert with to_dense() before saving"
        )
    return ondol.strided


def _check_extent(nbytes: int, itemsize: int, offset: Any, size: Any, stride: Any) -> None:
    """Refuse a view that would reach beyond its storage. Python's integers do not overflow."""
    if type(offset) is not int or offset < 0:
        raise ValueError(f"the storage offset must be a non-negative integer, but the file says {offset!r}")
    for what, numbers in (("size", size), ("stride", stride)):
        if not isinstance(numbers, (tuple, list)) or any(type(n) is not int or not 0 <= n < 1 << 63 for n in numbers):
            raise ValueError(f"the {what} must be a tuple of non-negative integers, but the file says {numbers!r:.200}")
    if len(size) != len(stride):
        raise ValueError(f"size {tuple(size)} and stride {tuple(stride)} differ in length")
    elements = 1
    for length in size:
        elements *= length
    if elements >= 1 << 63:
        raise ValueError(f"a tensor of size {tuple(size)} has too many elements")
    reach = 0 if elements == 0 else offset + 1 + sum((n - 1) * step for n, step in zip(size, stride))
    if reach * itemsize > nbytes:
        raise ValueError(
            f"a tensor of size {tuple(size)}, stride {tuple(stride)} and offset {offset} reaches "
            f"{reach * itemsize} bytes into a storage of {nbytes} bytes"
        )


def _view(storage: Any, dtype: Any, offset: int, size: Any, stride: Any, metadata: Any) -> Any:
    untyped = storage.untyped if isinstance(storage, TypedStorage) else storage
    _check_extent(untyped.nbytes(), dtype.itemsize, offset, size, stride)
    tensor = _native.tensor_from_storage(untyped, dtype, offset, tuple(size), tuple(stride))
    if not metadata or not (metadata.get("conj") or metadata.get("neg")):
        return tensor
    deferred = storage.deferred if isinstance(storage, TypedStorage) else None
    if deferred is None:
        return _without_lazy_bits(tensor, metadata)
    result = ondol.empty_like(tensor)
    deferred.append(lambda: result.detach().copy_(_without_lazy_bits(tensor, metadata)))
    return result


def _without_lazy_bits(tensor: Any, metadata: dict) -> Any:
    """PyTorch conjugates and negates lazily and says so in the file; here both are carried out."""
    if metadata.get("conj"):
        tensor = ondol.conj_physical(tensor)
    return ondol.neg(tensor) if metadata.get("neg") else tensor


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"requires_grad must be True or False, but the file says {value!r:.100}")
    return value


def _rebuild_tensor(storage: TypedStorage, storage_offset: int, size: Any, stride: Any) -> Any:
    """The form of PyTorch 0.3 and before."""
    return _view(storage, storage.dtype, storage_offset, size, stride, None)


def _rebuild_tensor_v2(
    storage: TypedStorage,
    storage_offset: int,
    size: Any,
    stride: Any,
    requires_grad: bool,
    backward_hooks: OrderedDict,
    metadata: Any = None,
) -> Any:
    """A tensor over a storage that knows its dtype; hooks are never saved, so `backward_hooks` is empty."""
    tensor = _view(storage, storage.dtype, storage_offset, size, stride, metadata)
    if _flag(requires_grad):
        tensor.requires_grad_(True)
    return tensor


def _rebuild_tensor_v3(
    storage: TypedStorage,
    storage_offset: int,
    size: Any,
    stride: Any,
    requires_grad: bool,
    backward_hooks: OrderedDict,
    dtype: Any,
    metadata: Any = None,
) -> Any:
    """A tensor with a dtype of its own over bytes, as for a storage that is seen through two dtypes."""
    tensor = _view(storage, dtype, storage_offset, size, stride, metadata)
    if _flag(requires_grad):
        tensor.requires_grad_(True)
    return tensor


def _rebuild_parameter(data: Any, requires_grad: bool, backward_hooks: OrderedDict) -> Any:
    return ondol.nn.Parameter(data, requires_grad=_flag(requires_grad))


def _rebuild_parameter_with_state(data: Any, requires_grad: bool, backward_hooks: OrderedDict, state: Any) -> Any:
    parameter = _rebuild_parameter(data, requires_grad, backward_hooks)
    _set_attributes(parameter, state)
    return parameter


def _rebuild_from_type_v2(function: Any, subclass: type, args: tuple, state: Any) -> Any:
    """A tensor of a subclass or with attributes: rebuilt by `function`, then given its class and attributes."""
    tensor = function(*args)
    if type(tensor) is not subclass:
        tensor = tensor.as_subclass(subclass)
    _set_attributes(tensor, state)
    return tensor


def _set_attributes(tensor: Any, state: Any) -> None:
    """Restore what Python code had hung on a tensor. State with slots is a pair (attributes, slots)."""
    attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    for values in (attributes, slots):
        if not values:
            continue
        if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
            raise ValueError("the attributes of a tensor must be a dict with names as keys")
        if values is attributes:
            tensor.__dict__.update(values)
        else:
            for name, value in values.items():
                object.__setattr__(tensor, name, value)
