"""How a tensor answers `pickle` and `copy.deepcopy`.

`Tensor.__reduce_ex__` is `tensor_reduce_ex`, `Tensor.__deepcopy__` is `tensor_deepcopy`; `register_value_types` teaches
`copyreg` the small value types of the extension.
"""

from __future__ import annotations

import copy
import copyreg
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import ondol
from ondol import _native

from . import rebuild
from .names import STORAGE_OF_DTYPE

_DEEPCOPIED_STORAGES = "ondol storages"


def storage_key(storage: Any) -> tuple[int, int]:
    """Two handles with the same key are the same memory."""
    return storage.data_ptr(), storage.nbytes()


def materialized(tensor: Any) -> Any:
    """The tensor without the lazy conjugate and negative bits, which a file does not carry."""
    tensor = tensor.detach()
    return tensor.resolve_conj().resolve_neg() if hasattr(tensor, "resolve_conj") else tensor


def attributes_of(tensor: Any) -> dict[str, Any]:
    """What Python code has hung on the tensor. An internal `_backward_hooks` is not an attribute of the user's."""
    return {name: value for name, value in getattr(tensor, "__dict__", {}).items() if name != "_backward_hooks"}


def tensor_reduce_ex(
    tensor: Any, protocol: int = 2, *, dtype_of_storage: Callable[[Any], Any] = lambda storage: None
) -> tuple:
    """The call that makes the tensor again, in the form that PyTorch's files have.

    A tensor that was computed is written as plain data with its `requires_grad` flag, without its graph.
    `dtype_of_storage` tells which dtype a storage has been written with already: a file knows but one for each.
    """
    attributes = attributes_of(tensor)
    if type(tensor) is ondol.nn.Parameter:
        arguments = (tensor.data, tensor.requires_grad, OrderedDict())
        if attributes:
            return rebuild._rebuild_parameter_with_state, (*arguments, attributes)
        return rebuild._rebuild_parameter, arguments
    plain = materialized(tensor)
    untyped = plain.untyped_storage()
    dtype = dtype_of_storage(untyped) or plain.dtype
    layout = (plain.storage_offset(), tuple(plain.size()), tuple(plain.stride()))
    arguments = (rebuild.TypedStorage(untyped, dtype), *layout, tensor.requires_grad, OrderedDict())
    function = rebuild._rebuild_tensor_v2
    if dtype != plain.dtype or rebuild.dtype_name(dtype) not in STORAGE_OF_DTYPE:
        function, arguments = rebuild._rebuild_tensor_v3, (*arguments, plain.dtype)
    if type(tensor) is ondol.Tensor and not attributes:
        return function, arguments
    return rebuild._rebuild_from_type_v2, (function, type(tensor), arguments, attributes)


def reduce_for_saving(tensor: Any, dtype_of_storage: Callable[[Any], Any]) -> tuple:
    """`tensor_reduce_ex`, unless the tensor's class has a form of its own (a lazy parameter, a user's class)."""
    owner = next(cls for cls in type(tensor).__mro__ if "__reduce_ex__" in vars(cls))
    if owner in (ondol.Tensor, ondol.nn.Parameter) or owner in ondol.Tensor.__mro__:
        return tensor_reduce_ex(tensor, dtype_of_storage=dtype_of_storage)
    return tensor.__reduce_ex__(2)


def tensor_deepcopy(tensor: Any, memo: dict) -> Any:
    """A leaf with its own memory, and the same strides, flags, gradient, class and attributes.

    Tensors that share memory still share it among their copies. Raises RuntimeError for a tensor that was computed.

    >>> import copy
    >>> a = ondol.ones(2, requires_grad=True)
    >>> copy.deepcopy(a)
    tensor([1., 1.], requires_grad=True)
    """
    if id(tensor) in memo:
        return memo[id(tensor)]
    if not tensor.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment. "
            f"This one was computed ({type(tensor.grad_fn).__name__}): copy tensor.detach() instead"
        )
    plain = materialized(tensor)
    storage = _deepcopied_storage(plain.untyped_storage(), memo)
    result = _native.tensor_from_storage(
        storage, plain.dtype, plain.storage_offset(), tuple(plain.size()), tuple(plain.stride())
    )
    if type(tensor) is not ondol.Tensor:
        result = result.as_subclass(type(tensor))
    memo[id(tensor)] = result
    result.requires_grad_(tensor.requires_grad)
    if tensor.grad is not None:
        result.grad = copy.deepcopy(tensor.grad, memo)
    attributes = attributes_of(tensor)
    if attributes:
        result.__dict__.update(copy.deepcopy(attributes, memo))
    return result


def _deepcopied_storage(storage: Any, memo: dict) -> Any:
    copied = memo.setdefault(_DEEPCOPIED_STORAGES, {})
    key = storage_key(storage)
    if key not in copied:
        # The original stays in the memo too, so that its address cannot be given to another while the copy goes on.
        copied[key] = (_native.storage_from_buffer(memoryview(storage)), storage)
    return copied[key][0]


def _reduce_dtype(dtype: Any) -> tuple:
    return rebuild._dtype_from_name, (rebuild.dtype_name(dtype),)


def _reduce_size(size: Any) -> tuple:
    return ondol.Size, (tuple(size),)


def _reduce_device(device: Any) -> tuple:
    return ondol.device, ((device.type,) if device.index is None else (device.type, device.index))


def register_value_types() -> None:
    """Let plain pickle and copy handle dtypes, sizes and devices."""
    copyreg.pickle(ondol.dtype, _reduce_dtype)
    copyreg.pickle(ondol.Size, _reduce_size)
    copyreg.pickle(ondol.device, _reduce_device)
