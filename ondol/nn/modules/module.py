"""`Module`: parameters, buffers and child modules behind one `forward`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import ondol
from ondol.utils.hooks import RemovableHandle

from ..parameter import Buffer, Parameter, is_lazy
from . import _hooks, _state_dict
from ._convert import apply_to_tensors, parse_to
from ._hooks import *  # noqa: F403  (register_module_…: public names of this file)
from ._hooks import __all__ as _global_hook_names
from ._hooks import add_hook, call_with_hooks, note_whereabouts, replaced_by_hooks
from ._messages import absent, broken_path, not_a_module, type_name, without_forward
from ._printing import repr_tree
from ._state_dict import EXTRA_STATE_KEY, _IncompatibleKeys
from ._traversal import children_first, named_members, parents_first, walk

__all__ = ["Module", *_global_hook_names]

T_destination = TypeVar("T_destination", bound=dict)

_HOOK_STORES = (
    "_backward_pre_hooks",
    "_backward_hooks",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


class _WrappedHook:
    """A load_state_dict pre-hook; gets its module as first argument if it was registered with it."""

    def __init__(self, hook: Callable, module: Module | None = None):
        self.hook = hook
        self.module = module
        self.with_module = module is not None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.hook(self.module, *args, **kwargs) if self.with_module else self.hook(*args, **kwargs)


class Module:
    """Base class of every layer and model.

    A subclass calls `super().__init__()`, assigns parameters and other modules as attributes, and defines `forward`.
    What is assigned is found again by `parameters()`, `state_dict()`, `to()`, `train()` and all that walk the tree.
    Calling the object runs `forward` between the hooks; an error that leaves it carries the module's path.

    >>> class Twice(ondol.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.scale = ondol.nn.Parameter(ondol.tensor(2.0))
    ...
    ...     def forward(self, x):
    ...         return self.scale * x
    >>> Twice()(ondol.ones(2))
    tensor([2., 2.], grad_fn=<MulBackward0>)
    """

    dump_patches: bool = False
    _version: int = 1
    call_super_init: bool = False
    _prints_repeats_once = False
    _hooked = False
    """Whether a call has to look for hooks: set on an instance by its first hook, on the class by a global one."""

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, ondol.Tensor | None]
    _non_persistent_buffers_set: set[str]
    _modules: dict[str, Module | None]
    _is_full_backward_hook: bool | None
    _backward_pre_hooks: OrderedDict[int, Callable]
    _backward_hooks: OrderedDict[int, Callable]
    _forward_hooks: OrderedDict[int, Callable]
    _forward_hooks_with_kwargs: OrderedDict[int, bool]
    _forward_hooks_always_called: OrderedDict[int, bool]
    _forward_pre_hooks: OrderedDict[int, Callable]
    _forward_pre_hooks_with_kwargs: OrderedDict[int, bool]
    _state_dict_hooks: OrderedDict[int, Callable]
    _state_dict_pre_hooks: OrderedDict[int, Callable]
    _load_state_dict_pre_hooks: OrderedDict[int, Callable]
    _load_state_dict_post_hooks: OrderedDict[int, Callable]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init and (args or kwargs):
            given = f"keyword argument '{next(iter(kwargs))}'" if kwargs else f"{len(args)} positional arguments"
            raise TypeError(f"{type(self).__name__}.__init__() got an unexpected {given}; Module.__init__() takes none")
        stores = self.__dict__  # written directly: no store has to go through __setattr__
        stores["training"] = True
        stores["_parameters"] = {}
        stores["_buffers"] = {}
        stores["_non_persistent_buffers_set"] = set()
        stores["_backward_pre_hooks"] = OrderedDict()
        stores["_backward_hooks"] = OrderedDict()
        stores["_is_full_backward_hook"] = None
        stores["_forward_hooks"] = OrderedDict()
        stores["_forward_hooks_with_kwargs"] = OrderedDict()
        stores["_forward_hooks_always_called"] = OrderedDict()
        stores["_forward_pre_hooks"] = OrderedDict()
        stores["_forward_pre_hooks_with_kwargs"] = OrderedDict()
        stores["_state_dict_hooks"] = OrderedDict()
        stores["_state_dict_pre_hooks"] = OrderedDict()
        stores["_load_state_dict_pre_hooks"] = OrderedDict()
        stores["_load_state_dict_post_hooks"] = OrderedDict()
        stores["_modules"] = {}
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    # ----------------------------------------------------------------------------------------------------- the call

    def forward(self, *args: Any, **kwargs: Any) -> Any:  # to type checkers: any signature
        """What the module computes; every subclass defines it. Call the module, not `forward`: hooks run then."""
        raise NotImplementedError(without_forward(self))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            # `_forward_hooks` is looked at besides the flag, since some code writes into it without registering.
            if self._forward_hooks or self._hooked:
                return call_with_hooks(self, args, kwargs)
            return self.forward(*args, **kwargs)
        except RecursionError:
            raise
        except Exception as error:
            note_whereabouts(self, args, kwargs, error)
            raise

    _call_impl = __call__
    _wrapped_call_impl = __call__

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Changes nothing, as `ondol.compile` does: everything runs eagerly.

        Raises:
            RuntimeError: both `mode` and `options`.
        """
        ondol.compile(self, *args, **kwargs)

    # --------------------------------------------------------------------------------------------------- attributes

    def __getattr__(self, name: str) -> Any:
        stores = self.__dict__
        for store in ("_parameters", "_buffers", "_modules"):
            if store in stores and name in stores[store]:
                return stores[store][name]
        if "_parameters" not in stores and (name in _HOOK_STORES or name in Module.__annotations__):
            raise AttributeError(
                f"'{type(self).__name__}' object has no attribute '{name}': {type(self).__name__}.__init__() did not "
                f"call super().__init__(); make that its first line"
            )
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        stores = self.__dict__
        if isinstance(value, ondol.Tensor) or value is None:
            self._set_tensor(name, value)
        elif isinstance(value, Module):
            self._require_init("module")
            self._forget(name, ("__dict__", "_parameters", "_buffers"))
            stores["_modules"][name] = replaced_by_hooks(_hooks._global_module_registration_hooks, self, name, value)
        elif "_parameters" in stores and self._is_registered(name):
            self._refuse(name, value)
        else:
            object.__setattr__(self, name, value)

    def _set_tensor(self, name: str, value: ondol.Tensor | None) -> None:
        stores = self.__dict__
        if isinstance(value, Parameter):
            self._require_init("parameters")
            self._forget(name, ("__dict__", "_buffers", "_modules"))
            self.register_parameter(name, value)
        elif isinstance(value, Buffer):
            self._require_init("buffer")
            self._forget(name, ("__dict__", "_parameters", "_modules"))
            self.register_buffer(name, value, value.persistent)
        elif name in stores.get("_parameters", ()):
            if value is not None:
                self._refuse(name, value)
            self.register_parameter(name, None)
        elif name in stores.get("_modules", ()):
            if value is not None:
                self._refuse(name, value)
            stores["_modules"][name] = None
        elif name in stores.get("_buffers", ()):
            stores["_buffers"][name] = replaced_by_hooks(_hooks._global_buffer_registration_hooks, self, name, value)
        else:
            object.__setattr__(self, name, value)

    def _require_init(self, what: str) -> None:
        if "_parameters" not in self.__dict__:
            raise AttributeError(
                f"cannot assign {what} before Module.__init__() call: "
                f"make super().__init__() the first line of {type(self).__name__}.__init__()"
            )

    def _is_registered(self, name: str) -> bool:
        return name in self._parameters or name in self._modules or name in self._buffers

    def _refuse(self, name: str, value: Any) -> None:
        """A parameter, child or buffer is only replaced by one of its kind or by `None`."""
        kind = value.type() if isinstance(value, ondol.Tensor) else type_name(value)
        if name in self._parameters:
            hint = (
                f"wrap it in nn.Parameter(...), or set its values with `.{name}.data = ...`"
                if isinstance(value, ondol.Tensor)
                else f"delete the parameter first (`del module.{name}`) to use the name for something else"
            )
            raise TypeError(
                f"cannot assign '{kind}' as parameter '{name}' (torch.nn.Parameter or None expected): {hint}"
            )
        if name in self._modules:
            raise TypeError(
                f"cannot assign '{kind}' as child module '{name}' (torch.nn.Module or None expected): "
                f"delete the child first (`del module.{name}`) to use the name for something else"
            )
        raise TypeError(
            f"cannot assign '{kind}' as buffer '{name}' (torch.nn.Buffer, torch.Tensor or None expected): "
            f"delete the buffer first (`del module.{name}`) to use the name for something else"
        )

    def _forget(self, name: str, stores: tuple[str, ...]) -> None:
        """Remove a name from the other stores before it enters its own."""
        for store in stores:
            (self.__dict__ if store == "__dict__" else self.__dict__[store]).pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def __delattr__(self, name: str) -> None:
        for store in (self._parameters, self._buffers, self._modules):
            if name in store:
                del store[name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = {*dir(type(self)), *self.__dict__, *self._parameters, *self._modules, *self._buffers}
        return sorted(name for name in names if not name[:1].isdigit())

    # ------------------------------------------------------------------------------------------------- registration

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under a name; `None` reserves the name for a parameter that is absent.

        Raises:
            TypeError: if it is neither a `Parameter` nor `None`.
            KeyError: if the name is taken, empty or has a dot.
            ValueError: if the parameter was computed from other tensors.
        """
        self._require_init("parameter")
        self._check_name("parameter", name, self._parameters)
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign '{type_name(param)}' object to parameter '{name}' "
                    f"(torch.nn.Parameter or None required): wrap it in nn.Parameter(...)"
                )
            if param.grad_fn is not None:
                raise ValueError(
                    f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created "
                    f"explicitly. To express '{name}' as a function of another Tensor, compute the value in the "
                    f"forward() method."
                )
            param = replaced_by_hooks(_hooks._global_parameter_registration_hooks, self, name, param)
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: ondol.Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that belongs to the module's state but is not learned, such as a running mean.

        Args:
            persistent: whether it is part of the `state_dict`.

        Raises:
            TypeError: if it is neither a tensor nor `None`.
            KeyError: if the name is taken, empty or has a dot.
        """
        self._require_init("buffer")
        self._check_name("buffer", name, self._buffers)
        if tensor is not None and not isinstance(tensor, ondol.Tensor):
            raise TypeError(
                f"cannot assign '{type_name(tensor)}' object to buffer '{name}' (torch Tensor or None required)"
            )
        tensor = replaced_by_hooks(_hooks._global_buffer_registration_hooks, self, name, tensor)
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child under a name; `None` reserves the name.

        Raises:
            TypeError: if it is neither a `Module` nor `None`.
            KeyError: if the name is taken, empty or has a dot.
        """
        if module is not None and not isinstance(module, Module):
            raise TypeError(not_a_module(module))
        self._require_init("module")
        self._check_name("module", name, self._modules)
        self._modules[name] = replaced_by_hooks(_hooks._global_module_registration_hooks, self, name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """The same as `add_module`."""
        self.add_module(name, module)

    def _check_name(self, kind: str, name: Any, store: dict) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {type_name(name)}")
        if "." in name:
            got = f", got: {name}" if kind == "module" else ""
            raise KeyError(f'{kind} name can\'t contain "."{got}')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if name not in store and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")

    # ------------------------------------------------------------------------------------------------ looking things up

    def get_submodule(self, target: str) -> Module:
        """The module at a path such as `"encoder.layers.0"`; the module itself for `""`.

        Raises:
            AttributeError: if the path breaks off; the message says where, and what is there instead.
        """
        module: Module = self
        walked: list[str] = []
        for name in target.split(".") if target else ():
            child = getattr(module, name, None)
            if not isinstance(child, Module):
                raise AttributeError(broken_path(module, walked, name, target))
            module = child
            walked.append(name)
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module at a path; with `strict`, only where there is one already.

        Raises:
            ValueError: if the path is empty, or what is given is no module.
            AttributeError: if the path breaks off.
        """
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        *path, name = target.split(".")
        parent = self.get_submodule(".".join(path))
        current = getattr(parent, name, None)
        if (current is None and strict) or (current is not None and not isinstance(current, Module)):
            raise AttributeError(broken_path(parent, path, name, target))
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path such as `"encoder.layers.0.weight"`.

        Raises:
            AttributeError: if the path breaks off or ends at something else.
        """
        owner, path, name = self._owner_of(target)
        if not hasattr(owner, name):
            raise AttributeError(absent(owner, path, name, "parameter", owner._parameters))
        parameter = getattr(owner, name)
        if not isinstance(parameter, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter: {target} is a {type_name(parameter)}")
        return parameter

    def get_buffer(self, target: str) -> ondol.Tensor:
        """The buffer at a path such as `"norm.running_mean"`.

        Raises:
            AttributeError: if the path breaks off or ends at something else.
        """
        owner, path, name = self._owner_of(target)
        if not hasattr(owner, name):
            raise AttributeError(absent(owner, path, name, "buffer", owner._buffers))
        if name not in owner._buffers:
            raise AttributeError(f"`{name}` is not a buffer: {target} is a {type_name(getattr(owner, name))}")
        return owner._buffers[name]  # type: ignore[return-value]

    def _owner_of(self, target: str) -> tuple[Module, list[str], str]:
        *path, name = target.split(".")
        return self.get_submodule(".".join(path)), path, name

    def get_extra_state(self) -> Any:
        """What else belongs to the module's `state_dict`; defined by classes that have such state."""
        raise RuntimeError(
            "Reached a code path in Module.get_extra_state() that should never be called: "
            "define get_extra_state() and set_extra_state() together."
        )

    def set_extra_state(self, state: Any) -> None:
        """Take back what `get_extra_state` gave; defined by classes that have such state."""
        raise RuntimeError(
            "Reached a code path in Module.set_extra_state() that should never be called: "
            "define get_extra_state() and set_extra_state() together."
        )

    # ---------------------------------------------------------------------------------------------- walking the tree

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """All modules of the tree with their paths, parents before children; shared ones once if `remove_duplicate`."""
        return walk(self, set() if memo is None else memo, prefix, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """All modules of the tree, parents before children, each once."""
        for _, module in self.named_modules():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct children with their names, each once."""
        seen: set[Module] = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The direct children, each once."""
        for _, module in self.named_children():
            yield module

    def _named_members(
        self, get_members_fn: Callable, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        return named_members(self, get_members_fn, prefix, recurse, remove_duplicate)

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters with their paths: of the whole tree, or of this module alone without `recurse`."""
        yield from self._named_members(lambda module: module._parameters.items(), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once: what an optimizer takes."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, ondol.Tensor]]:
        """The buffers with their paths: of the whole tree, or of this module alone without `recurse`."""
        yield from self._named_members(lambda module: module._buffers.items(), prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[ondol.Tensor]:
        """The buffers, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def apply(self, fn: Callable[[Module], None]) -> Module:
        """Call `fn` on every module of the tree, children before parents, and return the module itself."""
        for module, has_its_own in children_first(self, "apply"):
            if has_its_own:
                module.apply(fn)
            else:
                fn(module)
        return self

    def train(self, mode: bool = True) -> Module:
        """Set training mode (dropout drops, batch normalization measures) or evaluation mode in the whole tree."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        for module, has_its_own in parents_first(self, "train"):
            if has_its_own:
                module.train(mode)
            else:
                module.training = mode
        return self

    def eval(self) -> Module:
        """The same as `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        """Learn all parameters of the tree, or freeze them."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters; fill them with zeros instead if not `set_to_none`."""
        for parameter in self.parameters():
            if parameter.grad is None:
                continue
            if set_to_none:
                parameter.grad = None
            else:
                if parameter.grad.grad_fn is not None:
                    parameter.grad.detach_()
                else:
                    parameter.grad.requires_grad_(False)
                parameter.grad.zero_()

    # ------------------------------------------------------------------------------------------- moving and converting

    def _apply(self, fn: Callable[[ondol.Tensor], ondol.Tensor], recurse: bool = True) -> Module:
        """Replace every parameter's values, its gradient's, and every buffer by `fn` of them."""
        if not recurse:
            apply_to_tensors(self, fn)
            return self
        for module, has_its_own in children_first(self, "_apply"):
            if has_its_own:
                module._apply(fn)
            else:
                apply_to_tensors(module, fn)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Module:
        """Move and convert parameters and buffers in place: `to(device)`, `to(dtype)`, `to(device, dtype)`,
        `to(tensor)`, `to(memory_format=…)`. Integer tensors keep their dtype.

        Raises:
            TypeError: if the dtype is neither floating point nor complex.
        """
        device, dtype, non_blocking, memory_format = parse_to(*args, **kwargs)

        def convert(tensor: ondol.Tensor) -> ondol.Tensor:
            new_dtype = dtype if tensor.is_floating_point() or tensor.is_complex() else None
            if memory_format is not None and tensor.dim() in (4, 5):
                return tensor.to(device, new_dtype or tensor.dtype, non_blocking, memory_format=memory_format)
            return tensor.to(device or tensor.device, new_dtype or tensor.dtype, non_blocking)

        return self._apply(convert)

    def to_empty(self, *, device: Any, recurse: bool = True) -> Module:
        """Move parameters and buffers to a device without their values."""
        return self._apply(lambda tensor: ondol.empty_like(tensor, device=device), recurse=recurse)

    def type(self, dst_type: Any) -> Module:
        """Convert all parameters and buffers, integers too, to a dtype."""
        return self._apply(lambda tensor: tensor.type(dst_type))

    def float(self) -> Module:
        """Convert all floating-point parameters and buffers to `float32`."""
        return self._to_float(ondol.float32)

    def double(self) -> Module:
        """Convert all floating-point parameters and buffers to `float64`."""
        return self._to_float(ondol.float64)

    def half(self) -> Module:
        """Convert all floating-point parameters and buffers to `float16`."""
        return self._to_float(ondol.float16)

    def bfloat16(self) -> Module:
        """Convert all floating-point parameters and buffers to `bfloat16`."""
        return self._to_float(ondol.bfloat16)

    def _to_float(self, dtype: Any) -> Module:
        return self._apply(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)

    def cpu(self) -> Module:
        """Move all parameters and buffers to the CPU."""
        return self._apply(lambda tensor: tensor.cpu())

    def cuda(self, device: Any = None) -> Module:
        """Move all parameters and buffers to a GPU, where there is one."""
        return self._apply(lambda tensor: tensor.cuda(device))

    def xpu(self, device: Any = None) -> Module:
        """Move all parameters and buffers to an XPU, where there is one."""
        return self._apply(lambda tensor: tensor.to("xpu" if device is None else f"xpu:{device}"))

    def ipu(self, device: Any = None) -> Module:
        """Move all parameters and buffers to an IPU, where there is one."""
        return self._apply(lambda tensor: tensor.to("ipu" if device is None else f"ipu:{device}"))

    def mtia(self, device: Any = None) -> Module:
        """Move all parameters and buffers to an MTIA device, where there is one."""
        return self._apply(lambda tensor: tensor.to("mtia" if device is None else f"mtia:{device}"))

    def share_memory(self) -> Module:
        """Move all parameters and buffers into memory that other processes can see."""
        return self._apply(lambda tensor: tensor.share_memory_())

    # -------------------------------------------------------------------------------------------------------- hooks

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before `forward`; a result that is not `None` replaces the arguments.

        Args:
            prepend: call it before the hooks that are there already.
            with_kwargs: call `hook(module, args, kwargs)`; a result is a pair of new `args` and `kwargs`.
        """
        self._hooked = True
        handle = add_hook(self._forward_pre_hooks, hook, self._forward_pre_hooks_with_kwargs, prepend)
        if with_kwargs:
            self._forward_pre_hooks_with_kwargs[handle.id] = True
        return handle

    def register_forward_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after `forward`; a result that is not `None` replaces the output.

        Args:
            prepend: call it before the hooks that are there already.
            with_kwargs: call `hook(module, args, kwargs, output)`.
            always_call: call it also when `forward` raised, with `None` for the output.
        """
        sides = [self._forward_hooks_with_kwargs, self._forward_hooks_always_called]
        handle = add_hook(self._forward_hooks, hook, sides, prepend)
        if with_kwargs:
            self._forward_hooks_with_kwargs[handle.id] = True
        if always_call:
            self._forward_hooks_always_called[handle.id] = True
        return handle

    def register_full_backward_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_output)` when the outputs' gradients are there; a result replaces them."""
        self._hooked = True
        return add_hook(self._backward_pre_hooks, hook, prepend=prepend)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` when the inputs' gradients are there; a result replaces
        `grad_input`. Gradients of arguments that are no tensors, or need none, are `None`.

        Raises:
            RuntimeError: if the module has a hook of the deprecated kind.
        """
        self._choose_backward_kind(full=True)
        self._hooked = True
        return add_hook(self._backward_hooks, hook, prepend=prepend)

    def register_backward_hook(self, hook: Callable) -> RemovableHandle:
        """Deprecated: use `register_full_backward_hook`. This one sees the gradients of the last operation only."""
        self._choose_backward_kind(full=False)
        self._hooked = True
        return add_hook(self._backward_hooks, hook)

    def _choose_backward_kind(self, full: bool) -> None:
        if self._is_full_backward_hook not in (None, full):
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a single Module. "
                "Please use only one of them."
            )
        self.__dict__["_is_full_backward_hook"] = full

    def _get_backward_hooks(self) -> tuple[list[Callable], list[Callable]]:
        """The full and the deprecated backward hooks that apply to this module, global ones first."""
        own = list(self._backward_hooks.values())
        return (
            _hooks.global_backward_hooks(full=True) + (own if self._is_full_backward_hook else []),
            _hooks.global_backward_hooks(full=False) + (own if self._is_full_backward_hook is False else []),
        )

    def _get_backward_pre_hooks(self) -> list[Callable]:
        return [*_hooks._global_backward_pre_hooks.values(), *self._backward_pre_hooks.values()]

    def register_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before the module's `state_dict` is collected."""
        return add_hook(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)` after the module's `state_dict` is collected.

        The hook may change the dictionary in place and must return `None`.
        """
        try:
            hook._from_public_api = True  # type: ignore[attr-defined]
        except AttributeError:  # a bound method, for one, takes no attributes
            original = hook

            def hook(*args: Any) -> Any:
                return original(*args)

            hook._from_public_api = True  # type: ignore[attr-defined]
        return add_hook(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook: Callable) -> RemovableHandle:
        """The older kind of post-hook, whose result replaces the dictionary."""
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was previously registered via "
                "register_state_dict_post_hook"
            )
        return add_hook(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)`
        before the module loads its entries; the hook may rename keys of `state_dict` in place."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(self, hook: Callable, with_module: bool = False) -> RemovableHandle:
        return add_hook(self._load_state_dict_pre_hooks, _WrappedHook(hook, self if with_module else None))

    def register_load_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)` after everything is loaded; the hook may clear the lists of keys."""
        return add_hook(self._load_state_dict_post_hooks, hook)

    # -------------------------------------------------------------------------------------------------------- state

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """Put this module's own parameters, persistent buffers and extra state into `destination`."""
        persistent = (item for item in self._buffers.items() if item[0] not in self._non_persistent_buffers_set)
        for store in (self._parameters.items(), persistent):
            for name, tensor in store:
                if tensor is not None:
                    destination[prefix + name] = tensor if keep_vars or is_lazy(tensor) else tensor.detach()
        if _state_dict.overrides(self, "get_extra_state"):
            destination[prefix + EXTRA_STATE_KEY] = self.get_extra_state()

    def state_dict(self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> Any:
        """An `OrderedDict` from path to tensor of all parameters and persistent buffers.

        The tensors share memory with the module's.

        Args:
            prefix: put before every key.
            keep_vars: keep the tensors in the graph instead of detaching them.

        >>> list(ondol.nn.Linear(2, 3).state_dict())
        ['weight', 'bias']
        """
        if args:  # the older, positional form: (destination, prefix, keep_vars)
            destination = destination if destination is not None else args[0]
            prefix = args[1] if len(args) > 1 and prefix == "" else prefix
            keep_vars = args[2] if len(args) > 2 and keep_vars is False else keep_vars
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        return _state_dict.collect(self, destination, prefix, keep_vars)

    _load_from_state_dict = _state_dict.plan_module

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Copy the tensors of a `state_dict` into this module's parameters and buffers.

        Everything is checked first: when it fails, the module is as it was.

        Args:
            strict: whether keys that are missing or unexpected are an error.
            assign: put the dictionary's own tensors in place of the module's instead of copying values.

        Returns:
            The missing and the unexpected keys.

        Raises:
            RuntimeError: names every missing, unexpected and mis-shaped key at once.
            TypeError: if `state_dict` is no mapping.
        """
        return _state_dict.load(self, state_dict, strict, assign)

    def __getstate__(self) -> dict:
        state = self.__dict__.copy()
        state.pop("_hooked", None)
        return state

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        stores = self.__dict__
        for name in _HOOK_STORES:
            stores.setdefault(name, OrderedDict())
        stores.setdefault("_non_persistent_buffers_set", set())
        stores.setdefault("_is_full_backward_hook", None)
        if any(stores[name] for name in _HOOK_STORES):
            stores["_hooked"] = True

    # ----------------------------------------------------------------------------------------------------- printing

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What stands between the brackets when the module is printed: usually the constructor's arguments."""
        return ""

    def __repr__(self) -> str:
        return repr_tree(self)
