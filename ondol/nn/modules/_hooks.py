"""Calling a module that has hooks, hooks for all modules at once, and the note that says where a call failed."""

from __future__ import annotations

import functools
import itertools
import sys
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ondol
from ondol.utils.hooks import BackwardHook, RemovableHandle

if TYPE_CHECKING:
    from .module import Module

__all__ = [
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

_global_parameter_registration_hooks: OrderedDict = OrderedDict()
_global_buffer_registration_hooks: OrderedDict = OrderedDict()
_global_module_registration_hooks: OrderedDict = OrderedDict()
_global_forward_pre_hooks: OrderedDict = OrderedDict()
_global_forward_hooks: OrderedDict = OrderedDict()
_global_forward_hooks_with_kwargs: OrderedDict = OrderedDict()
_global_forward_hooks_always_called: OrderedDict = OrderedDict()
_global_backward_pre_hooks: OrderedDict = OrderedDict()
_global_backward_hooks: OrderedDict = OrderedDict()
_global_is_full_backward_hook: bool | None = None

_GLOBAL_CALL_HOOKS = (
    _global_forward_pre_hooks,
    _global_forward_hooks,
    _global_backward_pre_hooks,
    _global_backward_hooks,
)
_CALL_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


def add_hook(hooks: OrderedDict, hook: Callable, extra: Any = None, prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(hooks, extra_dict=extra)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def _add_global_call_hook(hooks: OrderedDict, hook: Callable, extra: Any = None) -> RemovableHandle:
    _module_class()._hooked = True  # every module without a mark of its own sees this one
    return add_hook(hooks, hook, extra)


def _module_class() -> type[Module]:
    from .module import Module

    return Module


def register_module_parameter_registration_hook(hook: Callable[..., None]) -> RemovableHandle:
    """Call `hook(module, name, parameter)` when any module registers a parameter; its result replaces the parameter."""
    return add_hook(_global_parameter_registration_hooks, hook)


def register_module_buffer_registration_hook(hook: Callable[..., None]) -> RemovableHandle:
    """Call `hook(module, name, buffer)` when any module registers a buffer; its result replaces the buffer."""
    return add_hook(_global_buffer_registration_hooks, hook)


def register_module_module_registration_hook(hook: Callable[..., None]) -> RemovableHandle:
    """Call `hook(module, name, submodule)` when any module registers a child; its result replaces the child."""
    return add_hook(_global_module_registration_hooks, hook)


def register_module_forward_pre_hook(hook: Callable[..., None]) -> RemovableHandle:
    """Call `hook(module, args)` before the forward of every module; a result replaces the arguments."""
    return _add_global_call_hook(_global_forward_pre_hooks, hook)


def register_module_forward_hook(
    hook: Callable[..., None], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call `hook(module, args, output)` after the forward of every module; a result replaces the output.

    Args:
        with_kwargs: call `hook(module, args, kwargs, output)`.
        always_call: call the hook also when the forward raised.
    """
    sides = [_global_forward_hooks_with_kwargs, _global_forward_hooks_always_called]
    handle = _add_global_call_hook(_global_forward_hooks, hook, sides)
    if with_kwargs:
        _global_forward_hooks_with_kwargs[handle.id] = True
    if always_call:
        _global_forward_hooks_always_called[handle.id] = True
    return handle


def register_module_backward_hook(hook: Callable) -> RemovableHandle:
    """Deprecated: use `register_module_full_backward_hook`."""
    _choose_global_backward_kind(full=False)
    return _add_global_call_hook(_global_backward_hooks, hook)


def register_module_full_backward_pre_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, grad_output)` before the backward of every module; a result replaces the gradients."""
    return _add_global_call_hook(_global_backward_pre_hooks, hook)


def register_module_full_backward_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` after the backward of every module; a result replaces `grad_input`.

    Raises:
        RuntimeError: if hooks of the deprecated kind are registered for all modules.
    """
    _choose_global_backward_kind(full=True)
    return _add_global_call_hook(_global_backward_hooks, hook)


def _choose_global_backward_kind(full: bool) -> None:
    global _global_is_full_backward_hook
    if _global_is_full_backward_hook not in (None, full) and _global_backward_hooks:
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a global Module hook. "
            "Please use only one of them."
        )
    _global_is_full_backward_hook = full


def global_backward_hooks(full: bool) -> list[Callable]:
    return list(_global_backward_hooks.values()) if _global_is_full_backward_hook is full else []


def replaced_by_hooks(hooks: OrderedDict, module: Module, name: str, value: Any) -> Any:
    """The value that registration hooks put in place of `value`."""
    for hook in hooks.values():
        replacement = hook(module, name, value)
        if replacement is not None:
            value = replacement
    return value


def call_with_hooks(module: Module, args: tuple, kwargs: dict) -> Any:
    """Run `forward` between its hooks. Order: global before the module's own, backward hooks closest to `forward`."""
    if not has_hooks(module):  # the last hook was removed: the next call takes the short way again
        module.__dict__.pop("_hooked", None)
        if not any(_GLOBAL_CALL_HOOKS):
            _module_class()._hooked = False
        return module.forward(*args, **kwargs)
    called: set[int] = set()
    try:
        return _run_between_hooks(module, args, kwargs, called)
    except Exception:
        _call_remaining_always_called(module, args, kwargs, called)
        raise


def has_hooks(module: Module) -> bool:
    stores = module.__dict__
    return any(_GLOBAL_CALL_HOOKS) or any(stores.get(name) for name in _CALL_HOOKS)


def _run_between_hooks(module: Module, args: tuple, kwargs: dict, called: set[int]) -> Any:
    for hook in list(_global_forward_pre_hooks.values()):
        args = _new_args(hook(module, args), args)
    for id, hook in list(module._forward_pre_hooks.items()):
        if id in module._forward_pre_hooks_with_kwargs:
            args, kwargs = _new_args_and_kwargs(hook(module, args, kwargs), args, kwargs)
        else:
            args = _new_args(hook(module, args), args)

    full_hooks, regular_hooks = module._get_backward_hooks()
    pre_hooks = module._get_backward_pre_hooks()
    wrap = BackwardHook(module, full_hooks, pre_hooks) if full_hooks or pre_hooks else None
    if wrap:
        args = wrap.setup_input_hook(args)

    output = module.forward(*args, **kwargs)

    for id, hook, with_kwargs in _forward_hooks(module):
        called.add(id)
        replacement = hook(module, args, kwargs, output) if with_kwargs else hook(module, args, output)
        if replacement is not None:
            output = replacement
    if wrap:
        output = wrap.setup_output_hook(output)
    if regular_hooks:
        _attach_regular_backward_hooks(module, output, regular_hooks)
    return output


def _forward_hooks(module: Module) -> list[tuple[int, Callable, bool]]:
    return [
        *((id, hook, id in _global_forward_hooks_with_kwargs) for id, hook in _global_forward_hooks.items()),
        *((id, hook, id in module._forward_hooks_with_kwargs) for id, hook in module._forward_hooks.items()),
    ]


def _new_args(result: Any, args: tuple) -> tuple:
    if result is None:
        return args
    return result if isinstance(result, tuple) else (result,)


def _new_args_and_kwargs(result: Any, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    if result is None:
        return args, kwargs
    if isinstance(result, tuple) and len(result) == 2:
        return result
    raise RuntimeError(f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {result}.")


def _call_remaining_always_called(module: Module, args: tuple, kwargs: dict, called: set[int]) -> None:
    """After an error: run the `always_call` hooks that have not run, with `None` for the output."""
    for id, hook, with_kwargs in _forward_hooks(module):
        always = id in module._forward_hooks_always_called or id in _global_forward_hooks_always_called
        if not always or id in called:
            continue
        try:
            hook(module, args, kwargs, None) if with_kwargs else hook(module, args, None)
        except Exception as error:
            warnings.warn(
                "module forward hook with ``always_call=True`` raised an exception that was silenced as another "
                f"error was raised in forward: {error!s}"
            )


def _attach_regular_backward_hooks(module: Module, output: Any, hooks: list[Callable]) -> None:
    """The deprecated kind: hooks on the node that made the (first) output."""
    tensor = output
    while not isinstance(tensor, ondol.Tensor):
        tensor = (
            next(v for v in tensor.values() if isinstance(v, ondol.Tensor)) if isinstance(tensor, dict) else tensor[0]
        )
    if tensor.grad_fn is None:
        return
    for hook in hooks:
        tensor.grad_fn.register_hook(functools.wraps(hook)(functools.partial(hook, module)))


class Whereabouts:
    """Where a failed call came from: the path below the outermost module seen so far, and the module that failed."""

    def __init__(self, module: Module, args: tuple, kwargs: dict):
        self.outermost = module
        self.path = ""
        self.description = f"{describe(module)}, called with {_describe_arguments(args, kwargs)}"
        self.remark = ""
        self.message: str | None = None  # the first argument of the error before the note, where there are no notes
        self.note: str | None = None

    def __str__(self) -> str:
        where = f"  in {self.path}: {self.description}" if self.path else f"  in {self.description}"
        return f"{where}\n  {self.remark}" if self.remark else where

    def extend_to(self, module: Module) -> bool:
        """Prefix the path with the way from `module` down; false where there is none."""
        if module is self.outermost:
            return False
        children = module._modules.items()  # most often it is one of them
        below = itertools.chain(children, module.named_modules())
        name = next((name for name, child in below if child is self.outermost), None)
        name = name or _place_among_values(module, self.outermost)
        if name is None:
            return False
        self.path = f"{name}.{self.path}" if self.path else name
        self.outermost = module
        return True


def _place_among_values(module: Module, sought: Module) -> str | None:
    """Where a module keeps another in an ordinary list or dictionary, whose modules are called but are no children."""
    for name, value in module.__dict__.items():
        entries = enumerate(value) if isinstance(value, (list, tuple)) else value.items() if type(value) is dict else ()
        for key, item in entries:
            if item is sought:
                return f"{name}[{key!r}]"
    return None


def note_whereabouts(module: Module, args: tuple, kwargs: dict, error: Exception) -> None:
    """Write into an error which module's call it came out of; every enclosing module lengthens the path."""
    if "_modules" not in module.__dict__ or isinstance(error, (StopIteration, StopAsyncIteration)):
        return
    whereabouts = getattr(error, "_whereabouts", None)
    if whereabouts is None:
        whereabouts = error._whereabouts = Whereabouts(module, args, kwargs)  # type: ignore[attr-defined]
    elif not whereabouts.extend_to(module):
        return
    if sys.version_info >= (3, 11):
        notes = getattr(error, "__notes__", None)
        if notes and whereabouts.note in notes:
            notes.remove(whereabouts.note)
        whereabouts.note = str(whereabouts)
        error.add_note(whereabouts.note)
    elif error.args and isinstance(error.args[0], str) and not isinstance(error, KeyError):
        if whereabouts.message is None:
            whereabouts.message = error.args[0]
        error.args = (f"{whereabouts.message}\n{whereabouts}", *error.args[1:])


def remark_on_input(chain: Module, input: Any, error: Exception) -> None:
    """Add to the note which module of a chain made the input that the next one failed on, if it is no tensor."""
    whereabouts = getattr(error, "_whereabouts", None)
    if whereabouts is None or whereabouts.remark or isinstance(input, ondol.Tensor):
        return
    modules = list(chain._modules.items())
    at = next((i for i, (_, module) in enumerate(modules) if module is whereabouts.outermost), 0)
    if at == 0:
        return
    name, maker = modules[at - 1]
    what = f"its input is what {name} ({maker._get_name()}) returned"  # type: ignore[union-attr]
    if input is None:
        whereabouts.remark = f"{what}: None; is there a `return` in its forward()?"
    else:
        whereabouts.remark = f"{what}: a {type(input).__name__}, which {chain._get_name()} hands on as it is"


def describe(module: Module) -> str:
    """`Linear(in_features=31, out_features=8, bias=True)`, on one line and without children."""
    try:
        words = module.extra_repr()
    except Exception:  # a description must never hide the error that it is for
        words = ""
    return f"{module._get_name()}({words.strip()})" if words and "\n" not in words else module._get_name()


def _describe_arguments(args: tuple, kwargs: dict) -> str:
    named = [f"{name}={_describe_argument(value)}" for name, value in kwargs.items()]
    return ", ".join([*map(_describe_argument, args), *named]) or "no arguments"


def _describe_argument(value: Any) -> str:
    if isinstance(value, ondol.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    if isinstance(value, (tuple, list)) and any(isinstance(item, ondol.Tensor) for item in value):
        return f"({', '.join(map(_describe_argument, value))})"
    return type(value).__name__
