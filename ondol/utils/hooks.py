"""Handles that take a hook away again, and the wrapping of a module's inputs and outputs for backward hooks."""

from __future__ import annotations

import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import ondol
from ondol.autograd import Function

__all__ = ["BackwardHook", "RemovableHandle", "unserializable_hook", "warn_if_has_hooks"]


class RemovableHandle:
    """What a `register_…_hook` method returns: `remove()` takes the hook out again, and so does leaving a `with`.

    It holds the dictionary of hooks weakly, so that a handle never keeps a module alive.

    Args:
        hooks_dict: an `OrderedDict` of hooks, in which the owner stores the hook under `handle.id`.
        extra_dict: a dictionary, or a list of them, with side notes under the same id.

    >>> module = ondol.nn.Identity()
    >>> with module.register_forward_hook(lambda module, args, output: output + 1):
    ...     module(ondol.zeros(2))
    tensor([1., 1.])
    >>> module(ondol.zeros(2))
    tensor([0., 0.])
    """

    id: int
    next_id: int = 0

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None) -> None:
        self.hooks_dict_ref = weakref.ref(hooks_dict)
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        self.extra_dict_ref: tuple = ()
        if isinstance(extra_dict, dict):
            self.extra_dict_ref = (weakref.ref(extra_dict),)
        elif isinstance(extra_dict, list):
            self.extra_dict_ref = tuple(map(weakref.ref, extra_dict))

    def remove(self) -> None:
        """Take the hook out; a second call does nothing."""
        for reference in (self.hooks_dict_ref, *self.extra_dict_ref):
            hooks = reference()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __getstate__(self) -> tuple:
        extra = tuple(reference() for reference in self.extra_dict_ref)
        return self.hooks_dict_ref(), self.id, extra

    def __setstate__(self, state: tuple) -> None:
        hooks, self.id = state[0], state[1]
        self.hooks_dict_ref = weakref.ref(OrderedDict() if hooks is None else hooks)
        extra = state[2] if len(state) > 2 else ()
        self.extra_dict_ref = tuple(weakref.ref(OrderedDict() if one is None else one) for one in extra)
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, type: Any, value: Any, traceback: Any) -> None:
        self.remove()


def unserializable_hook(f: Callable) -> Callable:
    """Mark a tensor's hook as one that is lost when the tensor is saved; saving then warns."""
    f.__torch_unserializable__ = True  # type: ignore[attr-defined]
    return f


def warn_if_has_hooks(tensor: ondol.Tensor) -> None:
    """Warn that the hooks of a tensor are not saved with it."""
    for hook in (getattr(tensor, "_backward_hooks", None) or {}).values():
        if not hasattr(hook, "__torch_unserializable__"):
            warnings.warn(f"backward hook {hook!r} on tensor will not be serialized.")


class BackwardHookFunction(Function):
    """The identity, which shows all gradients to a callback on their way back."""

    @staticmethod
    def forward(ctx: Any, on_gradients: Callable, *tensors: ondol.Tensor) -> tuple:
        ctx.on_gradients = on_gradients
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*[tensor for tensor in tensors if not tensor.requires_grad])
        return tensors

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple:
        return (None, *ctx.on_gradients(gradients))


class BackwardHook:
    """One call of a module, as its full backward hooks see it.

    The module's inputs and outputs pass through `BackwardHookFunction`. In backward the outputs' gradients arrive
    first: the pre-hooks see them and may replace them. When the gradients of the inputs are complete, the hooks see
    both and may replace the inputs' gradients. A module none of whose inputs needs a gradient gets `None` for them.
    """

    def __init__(self, module: Any, user_hooks: Iterable[Callable], user_pre_hooks: Iterable[Callable]) -> None:
        self.module = module
        self.user_hooks = list(user_hooks)
        self.user_pre_hooks = list(user_pre_hooks)
        self.inputs = _Slots()
        self.outputs = _Slots()
        self.grad_outputs: tuple | None = None

    def setup_input_hook(self, args: tuple) -> tuple:
        """The positional arguments of the call, with the tensors among them replaced by watched ones."""
        return self.inputs.watch(args, self._on_input_gradients)

    def setup_output_hook(self, output: Any) -> Any:
        """The result of the call with its tensors watched; a result that is no tensor or tuple stays as it is."""
        if isinstance(output, ondol.Tensor):
            return self.outputs.watch((output,), self._on_output_gradients)[0]
        if isinstance(output, tuple):
            watched = self.outputs.watch(output, self._on_output_gradients)
            return type(output)(*watched) if hasattr(output, "_fields") else type(output)(watched)
        if isinstance(output, (list, dict)):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors "
                f"but received {type(output)}"
            )
        return output

    def _on_output_gradients(self, gradients: tuple) -> tuple:
        grad_outputs = self.outputs.spread(gradients)
        for hook in self.user_pre_hooks:
            replaced = hook(self.module, grad_outputs)
            if replaced is not None:
                grad_outputs = _as_gradients(replaced, len(grad_outputs), "Backward pre hook")
        self.grad_outputs = grad_outputs
        if not self.inputs.watched:
            self._run_hooks((None,) * self.inputs.count, "grad_input of a module without differentiable inputs")
        return self.outputs.gather(grad_outputs)

    def _on_input_gradients(self, gradients: tuple) -> tuple:
        if self.grad_outputs is None:
            raise RuntimeError(
                "Module backward hook for grad_input is called before the grad_output one. This happens because the "
                "gradient in your nn.Module flows to the Module's input without passing through the Module's output. "
                "Make sure that the output depends on the input and that the loss is computed based on the output."
            )
        return self.inputs.gather(self._run_hooks(self.inputs.spread(gradients), "grad_input"))

    def _run_hooks(self, grad_inputs: tuple, what: str) -> tuple:
        for hook in self.user_hooks:
            replaced = hook(self.module, grad_inputs, self.grad_outputs)
            if replaced is not None:
                if not self.inputs.watched:
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should always return None or "
                        "None for all gradients."
                    )
                grad_inputs = _as_gradients(replaced, len(grad_inputs), "Backward hook")
        self.grad_outputs = None
        return grad_inputs


class _Slots:
    """Which of a call's values are watched tensors, and the way between their gradients and all values' gradients."""

    def __init__(self) -> None:
        self.count = 0
        self.positions: list[int] = []
        self.watched = False

    def watch(self, values: tuple, on_gradients: Callable) -> tuple:
        self.count = len(values)
        self.positions = [i for i, value in enumerate(values) if isinstance(value, ondol.Tensor)]
        self.watched = ondol.is_grad_enabled() and any(values[i].requires_grad for i in self.positions)
        if not self.watched:
            return values
        new_tensors = BackwardHookFunction.apply(on_gradients, *[values[i] for i in self.positions])
        result = list(values)
        for position, tensor in zip(self.positions, new_tensors):
            result[position] = tensor
        return tuple(result)

    def spread(self, gradients: tuple) -> tuple:
        """The gradients of all values, `None` for those that are no tensors."""
        result: list = [None] * self.count
        for position, gradient in zip(self.positions, gradients):
            result[position] = gradient
        return tuple(result)

    def gather(self, gradients: tuple) -> tuple:
        return tuple(gradients[position] for position in self.positions)


def _as_gradients(value: Any, count: int, who: str) -> tuple:
    gradients = value if isinstance(value, tuple) else (value,)
    if len(gradients) != count:
        raise RuntimeError(f"{who} returned an invalid number of grad: got {len(gradients)}, but expected {count}")
    return gradients
