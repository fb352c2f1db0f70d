"""What batched tensors answer to methods and attributes that are no operations of the registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ondol
from ondol._native import Tensor
from ondol._vmap.batched import BatchedTensor, is_batched, refuse_value, wrap
from ondol._vmap.level import Level
from ondol._vmap.rules_indexing import get_item, set_item


def _value(attribute: str) -> Callable:
    """The attribute of the batch: what autograd says of it holds for its examples."""
    return lambda level, x: getattr(x._value, attribute)


def _tensor(function: Callable[[Tensor], Any]) -> Callable:
    """A tensor made from the batch."""

    def method(level: Level, x: BatchedTensor) -> Any:
        result = function(x._value)
        return wrap(result, level) if isinstance(result, Tensor) else result

    return method


def _reflected(name: str) -> Callable:
    """number - x and the like; the left side may be a tensor that all examples share."""

    def method(level: Level, x: Tensor, other: Any) -> Any:
        if isinstance(other, Tensor):
            return getattr(ondol, name)(other, x)
        result = getattr(x._value, f"__r{_OPERATORS[name]}__")(other)
        return result if result is NotImplemented else wrap(result, level)

    return method


_OPERATORS = {
    "add": "add", "sub": "sub", "mul": "mul", "div": "truediv", "floor_divide": "floordiv", "remainder": "mod",
    "pow": "pow", "matmul": "matmul", "bitwise_and": "and", "bitwise_or": "or", "bitwise_xor": "xor",
    "bitwise_left_shift": "lshift", "bitwise_right_shift": "rshift",
}  # fmt: skip


def _forward(name: str) -> Callable:
    return lambda level, x, other: getattr(ondol, name)(x, other)


def _in_place(name: str) -> Callable:
    return lambda level, x, other: getattr(x, f"{name}_")(other)


def _refused(what: str) -> Callable:
    def method(level: Level, *args: Any, **kwargs: Any) -> Any:
        refuse_value(what)

    return method


def _set_requires_grad(level: Level, x: Tensor, on: Any = True) -> Any:
    if not on:
        x._value.requires_grad_(False)
        return x
    raise RuntimeError(
        "vmap: requires_grad_() on a batched tensor is not supported inside of a transformed function. Use "
        "ondol.func.grad or ondol.func.vjp there to differentiate by it"
    )


def _set_attribute(name: str) -> Callable:
    def method(level: Level, x: Tensor, value: Any) -> None:
        raise RuntimeError(f"vmap: .{name} of a batched tensor cannot be set inside of vmap")

    return method


def _reversed_dims(x: Tensor) -> Tensor:
    return x.permute(0, *range(x.dim() - 1, 0, -1))


def _adjoint(x: Tensor) -> Tensor:
    if x.dim() - 1 not in (0, 2):
        raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {x.dim() - 1}-D tensor.")
    return x.conj() if x.dim() == 1 else x.mT.conj()


def _matrix(function: Callable[[Tensor], Tensor], name: str) -> Callable[[Tensor], Tensor]:
    def checked(x: Tensor) -> Tensor:
        if x.dim() < 3:
            raise RuntimeError(
                f"tensor.{name} is only supported on matrices or batches of matrices. Got {x.dim() - 1}-D tensor."
            )
        return function(x)

    return checked


def _new_from_data(level: Level, data: Any, **options: Any) -> Tensor:
    """ondol.tensor of a batched tensor, or of a list with batched numbers in it."""
    options = {name: value for name, value in options.items() if name != "requires_grad" and value is not None}
    if isinstance(data, Tensor):
        return data.detach().clone().to(options.get("dtype") or data.dtype)
    items = [item if isinstance(item, Tensor) else _from_item(level, item, options) for item in data]
    made = ondol.stack(items)
    return made.to(options["dtype"]) if "dtype" in options else made


def _from_item(level: Level, item: Any, options: dict) -> Tensor:
    nested = isinstance(item, (list, tuple))
    return _new_from_data(level, item, **options) if nested else ondol.tensor(item, **options)


def _as_tensor(level: Level, data: Any, **options: Any) -> Tensor:
    if isinstance(data, Tensor):
        dtype = options.get("dtype")
        return data if dtype is None else data.to(dtype)
    return _new_from_data(level, data, **options)


def _is_set_to(level: Level, x: Tensor, other: Tensor) -> bool:
    return is_batched(x, level) and is_batched(other, level) and x._value.is_set_to(other._value)


METHODS: dict[str, Callable] = {
    "__getitem__": get_item,
    "__setitem__": set_item,
    "__bool__": _refused("bool()"),
    "__float__": _refused("float()"),
    "__int__": _refused("int()"),
    "__index__": _refused("__index__()"),
    "item": _refused(".item()"),
    "tolist": _refused(".tolist()"),
    "data_ptr": _refused(".data_ptr()"),
    "untyped_storage": _refused(".untyped_storage()"),
    "detach": _tensor(lambda x: x.detach()),
    "detach_": lambda level, x: (x._value.detach_(), x)[1],
    "requires_grad_": _set_requires_grad,
    "requires_grad.__set__": _set_requires_grad,
    "is_set_to": _is_set_to,
    "tensor": _new_from_data,
    "as_tensor": _as_tensor,
    "T.__get__": _tensor(_reversed_dims),
    "H.__get__": _tensor(_adjoint),
    "mT.__get__": _tensor(_matrix(lambda x: x.mT, "mT")),
    "mH.__get__": _tensor(_matrix(lambda x: x.mH, "mH")),
    "real.__get__": _tensor(lambda x: x.real),
    "imag.__get__": _tensor(lambda x: x.imag),
    "data.__get__": _tensor(lambda x: x.data),
    "grad.__get__": _tensor(lambda x: x.grad),
    "_base.__get__": _tensor(lambda x: x._base),
    "grad.__set__": _set_attribute("grad"),
    "data.__set__": _set_attribute("data"),
    **{f"{name}.__get__": _value(name) for name in (
        "requires_grad", "is_leaf", "grad_fn", "_version", "output_nr", "retains_grad")},
    **{f"__r{python}__": _reflected(name) for name, python in _OPERATORS.items()},
    **{f"__{python}__": _forward(name) for name, python in _OPERATORS.items()},
    **{f"__i{python}__": _in_place(name) for name, python in _OPERATORS.items()},
}  # fmt: skip
"""Name of a method, or `name.__get__` of an attribute → what to do: method(level, self, ...)."""
