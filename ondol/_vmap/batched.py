"""The tensor that functions see inside of vmap: one example in form, all of them in content.

A BatchedTensor is an object of a subclass of Tensor that looks at the first example, so that the native core answers
for shape, dtype and strides. What it stands for is `_value`, which holds the whole batch along its first dimension;
calls on it come here through `__torch_function__`. With nested vmaps `_value` may be batched itself, by an outer level.
"""

from __future__ import annotations

from typing import Any, NoReturn

import ondol
from ondol._native import Tensor, _transforms
from ondol._vmap.level import Level


class ValueAskedError(RuntimeError):
    """Python asked for the value of a batched tensor, or for a shape that depends on it."""


class BatchedTensor(Tensor):
    """One example of a batch, see above. Made by `wrap`."""

    _form_is_own = True
    _value: Tensor
    _level: Level

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        from ondol._vmap.dispatch import dispatch

        return dispatch(func, args, kwargs or {})

    def __repr__(self, *, tensor_contents: str | None = None) -> str:
        return f"BatchedTensor(lvl={self._level.depth}, bdim=0, value={self._value!r})"

    def __format__(self, specification: str) -> str:
        return repr(self)

    def __iter__(self) -> Any:
        if self.dim() == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __deepcopy__(self, memo: dict) -> Tensor:
        return memo.setdefault(id(self), wrap(self._value.clone(), self._level))

    def numpy(self, *, force: bool = False) -> NoReturn:
        _refuse("numpy()")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        _refuse("a conversion to NumPy")

    def __dlpack__(self, **options: Any) -> NoReturn:
        _refuse("__dlpack__()")

    def __reduce_ex__(self, protocol: int) -> NoReturn:
        raise RuntimeError("vmap: a tensor inside of vmap cannot be saved; return it and save the result")

    def backward(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError(
            "vmap: backward() cannot be called inside of vmap: it would add to the .grad of tensors outside. Use "
            "ondol.func.grad or ondol.func.vjp inside of vmap"
        )

    def register_hook(self, hook: Any) -> Any:
        return self._value.register_hook(lambda gradient: _unwrapped_hook(hook, gradient, self._level))

    def retain_grad(self) -> None:
        self._value.retain_grad()


def _unwrapped_hook(hook: Any, gradient: Tensor, level: Level) -> Any:
    result = hook(wrap(gradient, level))
    return result._value if isinstance(result, BatchedTensor) else result


def _refuse(what: str) -> NoReturn:
    raise ValueAskedError(
        f"vmap: {what} gives Python one value, but inside of vmap a tensor stands for a whole batch of them. Rewrite "
        "the function with tensor operations, or call it outside of vmap"
    )


def refuse_value(what: str) -> NoReturn:
    """Raise because Python asked for the value of a batched tensor."""
    remedy = "use ondol.where instead of a branch" if what == "bool()" else "keep computing with the tensor"
    raise ValueAskedError(
        f"vmap: it looks like you're calling {what} on a Tensor inside of vmap. There it stands for a whole batch of "
        f"values, so control flow and numbers of Python cannot depend on it: {remedy}, or call the function outside of "
        "vmap"
    )


def wrap(value: Tensor, level: Level) -> BatchedTensor:
    """The batch as one example of `level`."""
    example = _transforms.first_example(BatchedTensor, value)
    example._value, example._level = value, level
    return example


def refresh(example: BatchedTensor, value: Tensor) -> None:
    """Give a batched tensor another content, of another shape perhaps: after an in-place operation."""
    disabled = ondol._native._overrides.set_disabled(1)
    try:
        example.data = _transforms.first_example(Tensor, value)
    finally:
        ondol._native._overrides.set_disabled(disabled)
    example._value = value


def is_batched(value: Any, level: Level) -> bool:
    """Whether a tensor holds the examples of this level."""
    return type(value) is BatchedTensor and value._level is level


def innermost_level(values: Any, found: Level | None = None) -> Level | None:
    """The innermost level of the batched tensors among some values and in their lists."""
    for value in values:
        if type(value) is BatchedTensor:
            if not value._level.active:
                raise RuntimeError("vmap: a tensor was used after the vmap that it belongs to had returned")
            if found is None or value._level.depth > found.depth:
                found = value._level
        elif isinstance(value, (tuple, list)):
            found = innermost_level(value, found)
        elif isinstance(value, slice):
            found = innermost_level((value.start, value.stop, value.step), found)
    return found
