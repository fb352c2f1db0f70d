"""Tensors that a module registers when they are assigned to it: parameters and buffers."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import ondol

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "is_lazy"]

_without_override = ondol._native._overrides._disabled_torch_function_impl


class _ParameterMeta(type(ondol.Tensor)):  # type: ignore[misc]
    """A tensor of another subclass may serve as a parameter too: `Parameter(data)` marks it with `_is_param`."""

    def __instancecheck__(self, instance: Any) -> bool:
        if self is Parameter and isinstance(instance, ondol.Tensor) and getattr(instance, "_is_param", False):
            return True
        return super().__instancecheck__(instance)


class Parameter(ondol.Tensor, metaclass=_ParameterMeta):
    """A tensor that is learned: a module that gets it as an attribute lists it among its `parameters()`.

    Args:
        data: the values; an empty tensor if absent. The parameter shares their memory.
        requires_grad: whether `backward()` fills its `.grad`.

    >>> parameter = ondol.nn.Parameter(ondol.zeros(2))
    >>> parameter
    Parameter containing:
    tensor([0., 0.], requires_grad=True)
    """

    __torch_function__ = _without_override  # results are plain tensors

    def __new__(cls, data: ondol.Tensor | None = None, requires_grad: bool = True) -> Parameter:
        if data is None:
            data = ondol.empty(0)
        if type(data) is ondol.Tensor or isinstance(data, cls):
            return ondol.Tensor._make_subclass(cls, data, requires_grad)
        if not isinstance(data, ondol.Tensor):
            raise TypeError(f"Parameter() takes a tensor, got {type(data).__name__}; make one with ondol.tensor(...)")
        return _mark(data, requires_grad, "_is_param")

    def __deepcopy__(self, memo: dict) -> Parameter:
        if id(self) not in memo:
            copied = self.data.clone(memory_format=ondol.preserve_format)
            memo[id(self)] = type(self)(copied, self.requires_grad)
        return memo[id(self)]

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __reduce_ex__(self, protocol: int) -> tuple:
        from ondol._utils import _rebuild_parameter

        return _rebuild_parameter, (self.data, self.requires_grad, OrderedDict())


def _mark(data: ondol.Tensor, requires_grad: bool, attribute: str) -> Any:
    """A tensor of a subclass keeps its class; a mark makes it a parameter or buffer."""
    tensor = data.detach().requires_grad_(requires_grad)
    if type(tensor) is not type(data):
        raise RuntimeError(
            f"Creating a Parameter from an instance of type {type(data).__name__} requires that detach() returns an "
            f"instance of the same type, but return type {type(tensor).__name__} was found instead."
        )
    setattr(tensor, attribute, True)
    return tensor


class _BufferMeta(type(ondol.Tensor)):  # type: ignore[misc]
    def __instancecheck__(self, instance: Any) -> bool:
        if self is Buffer and isinstance(instance, ondol.Tensor) and getattr(instance, "_is_buffer", False):
            return True
        return super().__instancecheck__(instance)


class Buffer(ondol.Tensor, metaclass=_BufferMeta):
    """A tensor that is part of a module's state, but not learned: saved and moved, without gradient.

    The result is a plain tensor with a mark; a module that gets it as an attribute registers it as a buffer.

    Args:
        data: the values; an empty tensor if absent.
        persistent: whether it is part of the `state_dict`.

    >>> module = ondol.nn.Module()
    >>> module.steps = ondol.nn.Buffer(ondol.zeros(()))
    >>> list(module.state_dict())
    ['steps']
    """

    def __new__(cls, data: ondol.Tensor | None = None, *, persistent: bool = True) -> Any:
        if data is None:
            data = ondol.empty(0)
        tensor = data.detach().requires_grad_(data.requires_grad)
        tensor.persistent = persistent
        tensor._is_buffer = True
        return tensor


_NOT_YET = (
    "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in `load_state_dict` "
    "when trying to load an uninitialized parameter into an initialized one. Call `forward` to initialize the "
    "parameters before accessing their attributes."
)
_TENSOR = ondol.Tensor
_MEANT_FOR_ALL = frozenset(  # what a whole model is asked for or put through, whether its shapes are known or not
    {
        _TENSOR.__hash__, _TENSOR.is_floating_point, _TENSOR.is_complex, _TENSOR.get_device, _TENSOR.to, _TENSOR.cpu,
        _TENSOR.double, _TENSOR.float, _TENSOR.half, _TENSOR.bfloat16, _TENSOR.requires_grad_,
    }
)  # fmt: skip


def _no_values_for(function: str) -> str:
    return (
        f"Attempted to use an uninitialized parameter in {function}(): it has no shape and no values yet. Call the "
        "lazy module with one batch of data first, or materialize(shape) it."
    )


class UninitializedTensorMixin:
    """What an uninitialized parameter or buffer can do: be moved, be materialized, and say that it has no values."""

    cls_to_become: type = ondol.Tensor

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if function in _MEANT_FOR_ALL or type(function).__name__ == "method-wrapper":  # the latter reads an attribute
            return _without_override(function, types, args, kwargs or {})
        raise ValueError(_no_values_for(getattr(function, "__name__", str(function))))

    def __len__(self) -> int:
        raise ValueError(_no_values_for("__len__"))

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become an ordinary parameter or buffer of a shape, with values not yet set."""
        data = super().__getattribute__("data")
        values = ondol.empty(shape, device=device or data.device, dtype=dtype or data.dtype)
        become = self.cls_to_become
        ondol.Tensor.data.__set__(self, values)
        ondol.Tensor._become(self, become)  # in place: modules keep the object

    @property
    def shape(self) -> Any:
        raise RuntimeError(_NOT_YET)

    def share_memory_(self) -> Any:
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to initialize it."
        )

    def size(self, dim: int | None = None) -> Any:
        raise RuntimeError(_NOT_YET)

    def copy_(self, source: Any, non_blocking: bool = False) -> Any:
        raise RuntimeError(_NOT_YET)


def is_lazy(param: Any) -> bool:
    """Whether a parameter or buffer still waits for its shape."""
    return isinstance(param, UninitializedTensorMixin)


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A parameter whose shape is not known yet: `materialize(shape)` makes it an ordinary one.

    >>> parameter = ondol.nn.UninitializedParameter()
    >>> parameter.materialize((2, 3))
    >>> type(parameter).__name__, parameter.shape
    ('Parameter', torch.Size([2, 3]))
    """

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> UninitializedParameter:
        data = ondol.empty(0, device=device, dtype=dtype)
        return ondol.Tensor._make_subclass(cls, data, requires_grad)

    def __deepcopy__(self, memo: dict) -> UninitializedParameter:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.requires_grad, self.data.device, self.data.dtype)
        return memo[id(self)]

    def __repr__(self) -> str:
        return "<UninitializedParameter>"

    def __reduce_ex__(self, protocol: int) -> tuple:
        return type(self), (self.requires_grad,)


class UninitializedBuffer(UninitializedTensorMixin, ondol.Tensor):
    """A buffer whose shape is not known yet: `materialize(shape)` makes it an ordinary tensor."""

    cls_to_become = ondol.Tensor
    persistent = True

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> UninitializedBuffer:
        data = ondol.empty(0, device=device, dtype=dtype)
        buffer = ondol.Tensor._make_subclass(cls, data, requires_grad)
        buffer.persistent = persistent
        buffer._is_buffer = True
        return buffer

    def __repr__(self) -> str:
        return "<UninitializedBuffer>"
