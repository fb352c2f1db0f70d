"""Moving a module's tensors, and the arguments of `Module.to`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ondol

from ..parameter import is_lazy

if TYPE_CHECKING:
    from .module import Module


def apply_to_tensors(module: Module, fn: Callable[[ondol.Tensor], ondol.Tensor]) -> None:
    """One module's part of `Module._apply`. Parameters stay the same objects, so that optimizers keep them."""
    for parameter in module._parameters.values():
        if parameter is None:
            continue
        gradient = parameter.grad
        with ondol.no_grad():
            values = fn(parameter)
            if gradient is not None:
                new_gradient = fn(gradient).requires_grad_(gradient.requires_grad)
        if values is not parameter:
            parameter.grad = None  # a gradient of another dtype would be refused between the two assignments
            parameter.data = values
            if gradient is not None:
                parameter.grad = new_gradient
    for name, buffer in module._buffers.items():
        if is_lazy(buffer):
            buffer.data = fn(buffer.data)  # stays lazy
        elif buffer is not None:
            module._buffers[name] = fn(buffer)


def parse_to(
    *args: Any,
    device: Any = None,
    dtype: Any = None,
    non_blocking: bool = False,
    memory_format: Any = None,
    tensor: Any = None,
) -> tuple[Any, Any, bool, Any]:
    """`(device, dtype, non_blocking, memory_format)` of the forms that `Module.to` takes."""
    rest = list(args)
    if rest and isinstance(rest[0], ondol.Tensor):
        tensor = rest.pop(0)
    if tensor is not None:
        device, dtype = tensor.device, tensor.dtype
    elif rest and isinstance(rest[0], ondol.dtype):
        dtype = rest.pop(0)
    elif rest:
        device = rest.pop(0)
        if rest and (rest[0] is None or isinstance(rest[0], ondol.dtype)):
            dtype = rest.pop(0)
    if rest:
        non_blocking = rest.pop(0)
    if rest:
        raise TypeError(f"to() received {len(args)} positional arguments; it takes device, dtype and non_blocking")
    if device is not None and not isinstance(device, ondol.device):
        if not isinstance(device, (str, int)):
            raise TypeError(f"to() takes a device, a dtype or a tensor, got {type(device).__name__}")
        device = ondol.device(device)
    if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
        raise TypeError(f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}")
    return device, dtype, non_blocking, memory_format
