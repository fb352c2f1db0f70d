"""Operations whose forward and derivative are written in Python."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import ondol
from ondol._native import _overrides
from ondol._native import autograd as _native

__all__ = ["Function", "FunctionCtx", "once_differentiable"]

FunctionCtx = _native.FunctionContext


def _setup_context_is_separate(cls: type) -> bool:
    return cls.setup_context is not Function.setup_context


class Function:
    """Base class of operations with a derivative of their own.

    `forward(ctx, *args)` computes and keeps what `backward(ctx, *grad_outputs)` needs with `ctx.save_for_backward`;
    `backward` returns one gradient (or None) for each argument of `forward`. Alternatively `forward(*args)` has no ctx
    and `setup_context(ctx, inputs, output)` does the keeping. Use it by `apply`.

    >>> class Cube(ondol.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**3
    ...
    ...     @staticmethod
    ...     def backward(ctx, grad):
    ...         (x,) = ctx.saved_tensors
    ...         return 3 * x**2 * grad
    >>> x = ondol.tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor(12.)
    """

    generate_vmap_rule = False
    """Whether `ondol.vmap` may call `apply` for each example."""
    vmap: Any = None
    """A static method `vmap(info, in_dims, *args)` that computes on batches, or None."""
    _for_batch: Any = None  # see ondol/_vmap/function.py

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError(
            f"{type(self).__name__} is a Function: call it with .apply(...), do not make an object of it"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        raise NotImplementedError("ondol differentiates Functions in backward mode only; write backward()")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        if _overrides.has_override((*args, *kwargs.values())):
            from ondol._vmap.function import apply_batched

            result = apply_batched(cls, args, kwargs)
            if result is not NotImplemented:
                return result
        ctx = FunctionCtx()
        recording = ondol.is_grad_enabled()
        ctx.needs_input_grad = tuple(
            recording and isinstance(argument, ondol.Tensor) and argument.requires_grad for argument in args
        )
        _native.set_grad_enabled(False)
        try:
            if _setup_context_is_separate(cls):
                output = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, output)
            else:
                output = cls.forward(ctx, *args, **kwargs)
        finally:
            _native.set_grad_enabled(recording)
        return _native.finish_function(f"{cls.__name__}Backward", ctx, cls._run_backward, args, output)

    @classmethod
    def _run_backward(cls, ctx: Any, grad_outputs: tuple) -> Any:
        derivative = cls.backward if cls.backward is not Function.backward else cls.vjp
        return derivative(ctx, *grad_outputs)


def once_differentiable(backward: Callable) -> Callable:
    """Marks a `backward` that cannot be differentiated itself: a double derivative through it raises RuntimeError."""

    @functools.wraps(backward)
    def wrapped(ctx: Any, *grad_outputs: Any) -> Any:
        with ondol.no_grad():
            gradients = backward(ctx, *grad_outputs)
        recorded = ondol.is_grad_enabled() and any(
            isinstance(gradient, ondol.Tensor) and gradient.requires_grad for gradient in grad_outputs
        )
        if not recorded:
            return gradients
        single = not isinstance(gradients, tuple)
        marked = tuple(
            _NotDifferentiable.apply(gradient, *grad_outputs) if isinstance(gradient, ondol.Tensor) else gradient
            for gradient in ((gradients,) if single else gradients)
        )
        return marked[0] if single else marked

    return wrapped


class _NotDifferentiable(Function):
    @staticmethod
    def forward(ctx: Any, gradient: Any, *grad_outputs: Any) -> Any:
        return gradient.clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")
