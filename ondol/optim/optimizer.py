"""The base of all optimizers: parameter groups, state, hooks, and the walk over the parameters that `step` is.

An optimizer states its formula for one parameter, `update(p, g, state, group)`, and what it remembers of a parameter,
`state_for(p, g, group)`. Everything that all of them share stands here once: the closure, gradients that are absent,
`maximize`, complex parameters, learning rates given as tensors, differentiable steps, and the native step over a group.
"""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import ondol
from ondol.optim import _state

if TYPE_CHECKING:
    from ondol import Tensor
    from ondol.utils.hooks import RemovableHandle

__all__ = ["Optimizer", "register_optimizer_step_post_hook", "register_optimizer_step_pre_hook"]

ParamsT: TypeAlias = "Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]"
Group: TypeAlias = "dict[str, Any]"
State: TypeAlias = "dict[str, Any]"

_global_pre_hooks: OrderedDict[int, Callable] = OrderedDict()
_global_post_hooks: OrderedDict[int, Callable] = OrderedDict()

_HOOK_TABLES = (
    "_optimizer_step_pre_hooks",
    "_optimizer_step_post_hooks",
    "_optimizer_state_dict_pre_hooks",
    "_optimizer_state_dict_post_hooks",
    "_optimizer_load_state_dict_pre_hooks",
    "_optimizer_load_state_dict_post_hooks",
)


class _RequiredParameter:
    def __repr__(self) -> str:
        return "<required parameter>"


required = _RequiredParameter()
"""A default that says: every parameter group has to give a value of its own."""


def register_optimizer_step_pre_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` before each step of every optimizer; it may return new `(args, kwargs)`."""
    return _register(_global_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` after each step of every optimizer."""
    return _register(_global_post_hooks, hook)


def _register(table: OrderedDict[int, Callable], hook: Callable, prepend: bool = False) -> RemovableHandle:
    from ondol.utils.hooks import RemovableHandle

    handle = RemovableHandle(table)
    table[handle.id] = hook
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


def _with_hooks(step: Callable) -> Callable:
    """Let a `step` method call the hooks around itself, once, even where it is called through `super().step()`."""

    @functools.wraps(step)
    def hooked(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        before, after = self._optimizer_step_pre_hooks, self._optimizer_step_post_hooks
        nobody_listens = not (before or after or _global_pre_hooks or _global_post_hooks)
        if nobody_listens or type(self).step is not hooked:
            return step(self, *args, **kwargs)
        args = (self, *args)  # PyTorch's hooks see the optimizer twice, as itself and as first argument of `step`
        for hook in (*_global_pre_hooks.values(), *before.values()):
            changed = hook(self, args, kwargs)
            if changed is not None:
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(
                        f"{hook} must return None or a tuple of (new_args, new_kwargs), but got {changed}."
                    )
                args, kwargs = changed
        result = step(*args, **kwargs)
        for hook in (*after.values(), *_global_post_hooks.values()):
            hook(self, args, kwargs)
        return result

    return hooked


class Optimizer:
    """Base class of all optimizers.

    Args:
        params: tensors, `(name, tensor)` pairs (then all of them), or dicts that describe parameter groups.
        defaults: the options of groups that do not give their own.

    Raises:
        TypeError: `params` is a single tensor, or holds something that is no tensor.
        ValueError: no parameters; a parameter twice; a tensor that is no leaf; some with and some without names.

    An optimizer of one's own overrides `step`, or defines `update` (and `state_for`):

    >>> import ondol
    >>> class SignDescent(ondol.optim.Optimizer):
    ...     def update(self, p, g, state, group):
    ...         p.add_(g.sign(), alpha=-group["lr"])
    >>> w = ondol.ones(2, requires_grad=True)
    >>> optimizer = SignDescent([w], {"lr": 0.5})
    >>> (w * ondol.tensor([3.0, -2.0])).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.5000, 1.5000], requires_grad=True)
    """

    options_added_later: ClassVar[dict[str, Any]] = {}
    """Options that states saved by older versions lack, with the values that they stood for."""
    scalar_state: ClassVar[tuple[str, ...]] = ("step",)
    """State that is one number for a parameter."""
    elementwise_state: ClassVar[tuple[str, ...]] = ()
    """State that has the shape of its parameter."""
    complex_as_real: ClassVar[bool] = True
    """Whether `update` sees a complex parameter as pairs of real numbers."""

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        if isinstance(params, ondol.Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, "
                f"but got {type(params).__name__}; put it into a list"
            )
        self.defaults = defaults
        self._make_hook_tables()
        self.state: defaultdict[Tensor, State] = defaultdict(dict)
        self.param_groups: list[Group] = []
        if not isinstance(params, Iterable):
            raise TypeError(
                f"'{type(params).__name__}' object is not iterable: {type(self).__name__} takes parameters, such as "
                "model.parameters(), or groups of them"
            )
        groups: list[Any] = list(params)
        if not groups:
            raise ValueError(
                f"optimizer got an empty parameter list: {type(self).__name__} has nothing to learn. Does the model "
                "have parameters, are its layers attributes or in an nn.ModuleList (an ordinary list hides them), and "
                "was an iterator such as model.parameters() used up before?"
            )
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _with_hooks(cls.__dict__["step"])  # type: ignore[method-assign]

    # ---- the step ------------------------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: computes the loss again, with its gradients; it is called first, and what it returns is returned.
        """
        loss = None
        if closure is not None:
            with ondol.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._update_group(group)
        return loss

    def state_for(self, p: Tensor, g: Tensor, group: Group) -> State:
        """What is remembered of a parameter before its first update."""
        return {}

    def update(self, p: Tensor, g: Tensor, state: State, group: Group) -> None:
        """Change the parameter `p` and its `state`, in place, for the gradient `g`, which is left as it is."""
        raise NotImplementedError(f"{type(self).__name__} must define `update` or `step`")

    def fused_step(self, params: list[Tensor], grads: list[Tensor], states: list[State], group: Group) -> bool:
        """Do what `update` does, for a group in one native call; False, with nothing changed, if that cannot be."""
        return False

    def keeps_state(self, group: Group) -> bool:
        """Whether parameters of this group have any state."""
        return True

    def _update_group(self, group: Group) -> None:
        params, grads, states = self._those_with_gradients(group)
        if not params:
            return
        differentiable = self.defaults.get("differentiable", False)
        fused = group.get("fused")
        if fused:
            _check_fused(params)
        if fused is not False and not differentiable and self.fused_step(params, grads, states, group):
            return
        sign = -1 if group.get("maximize") else 1
        with ondol.set_grad_enabled(differentiable):
            options = _state.with_plain_numbers(group)
            for p, g, state in zip(params, grads, states):
                if differentiable:
                    _state.renew(state)
                if self.complex_as_real and p.is_complex():
                    p, g, state = ondol.view_as_real(p), ondol.view_as_real(g), _state.as_real(state)
                self.update(p, g if sign == 1 else -g, state, options)

    def _those_with_gradients(self, group: Group) -> tuple[list[Tensor], list[Tensor], list[State]]:
        params, grads, states = [], [], []
        keeps_state, all_states = self.keeps_state(group), self.state
        for p in group["params"]:
            g = p.grad
            if g is not None:
                state = all_states[p] if keeps_state else {}
                if not state and keeps_state:
                    state.update(self.state_for(p, g, group))
                params.append(p)
                grads.append(g)
                states.append(state)
        return params, grads, states

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients; with `set_to_none=False`, fill those that exist with zeros instead."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None
                elif p.grad is not None:
                    if p.grad.grad_fn is not None:
                        p.grad.detach_()
                    else:
                        p.grad.requires_grad_(False)
                    p.grad.zero_()

    # ---- parameter groups ----------------------------------------------------------------------------------------

    def add_param_group(self, param_group: Group) -> None:
        """Let the optimizer care for more parameters, with options of their own; what is not given is the default.

        Args:
            param_group: `"params"`, as for the constructor, and options.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params, names = _split_names(param_group["params"])
        named = names is not None or "param_names" in param_group
        for p in params:
            if not isinstance(p, ondol.Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
            if not (self.defaults.get("differentiable") or p.is_leaf or p.retains_grad):
                raise ValueError(
                    f"can't optimize a non-leaf Tensor: one of shape {list(p.shape)} was computed by "
                    f"{p.grad_fn.name()}; pass what it was computed from, or a copy, p.detach().requires_grad_()"
                )
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
        identities = {id(p) for p in params}
        if len(identities) != len(params):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error",
                stacklevel=3,
            )
        for group in self.param_groups:
            if named != ("param_names" in group):
                raise ValueError(
                    "all optimizer param groups should be with/without names. cannot add param group "
                    f"{'with' if named else 'without'} names to the optimizer"
                )
        if any(id(p) in identities for group in self.param_groups for p in group["params"]):
            raise ValueError("some parameters appear in more than one parameter group")
        param_group["params"] = params
        if names is not None:
            param_group["param_names"] = names
        for name, default in self.defaults.items():
            param_group.setdefault(name, default)
        self.param_groups.append(param_group)

    # ---- saving and loading --------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """The state and the options, with parameters replaced by their position: what a checkpoint holds.

        Returns:
            `{"state": {0: {...}, 1: {...}}, "param_groups": [{"lr": ..., "params": [0, 1]}]}`. Tensors are not copied.
        """
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        state_dict = _state.pack(self.state, self.param_groups)
        for hook in self._optimizer_state_dict_post_hooks.values():
            state_dict = _or(hook(self, state_dict), state_dict)
        return state_dict

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned, from ondol or from PyTorch. Nothing changes if it does not fit.

        Raises:
            ValueError: the groups differ in number or size, or state has another shape than its parameter asks for;
                all such places are listed.
        """
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            state_dict = _or(hook(self, state_dict), state_dict)
        loaded = _state.unpack(state_dict, self.param_groups, self.state_shape)
        self.__setstate__(loaded)
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    def state_shape(self, name: str, p: Tensor) -> tuple[int, ...] | None:
        """The shape that the state `name` of the parameter `p` must have; None if that is not known."""
        if name in self.scalar_state:
            return ()
        return tuple(p.shape) if name in self.elementwise_state else None

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._make_hook_tables()
        self.defaults.setdefault("differentiable", False)
        for group in self.param_groups:
            for option, value in self.options_added_later.items():
                group.setdefault(option, value)
            for p in group["params"]:
                if p in self.state:  # a look-up alone would create an entry
                    _state.numbers_to_tensors(self.state[p], self.scalar_state)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for index, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {index}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])

    # ---- hooks ---------------------------------------------------------------------------------------------------

    def register_step_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before each step; it may return new `(args, kwargs)`."""
        return _register(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after each step."""
        return _register(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer)` before `state_dict`."""
        return _register(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` after `state_dict`; what it returns, if anything, takes its place."""
        return _register(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` before loading; what it returns, if anything, is loaded instead."""
        return _register(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer)` after loading."""
        return _register(self._optimizer_load_state_dict_post_hooks, hook, prepend)

    def _make_hook_tables(self) -> None:
        for name in _HOOK_TABLES:
            if name not in self.__dict__:
                setattr(self, name, OrderedDict())


# `__init_subclass__` sees subclasses only.
Optimizer.step = _with_hooks(Optimizer.step)  # type: ignore[method-assign]


def _or(value: Any, otherwise: Any) -> Any:
    return otherwise if value is None else value


def _split_names(params: Any) -> tuple[list[Any], list[str] | None]:
    """The tensors, and their names if they came as `(name, tensor)` pairs."""
    if isinstance(params, ondol.Tensor):
        return [params], None
    if isinstance(params, set):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets "
            "will change between runs. Please use a list instead."
        )
    entries = list(params)
    pairs = [entry for entry in entries if isinstance(entry, tuple)]
    if pairs and len(pairs) != len(entries):
        raise ValueError("all optimizer params should be with/without names. Some param names are missing")
    return ([p for _, p in pairs], [name for name, _ in pairs]) if pairs else (entries, None)


def _check_fused(params: list[Tensor]) -> None:
    for p in params:
        if not p.is_floating_point():
            raise RuntimeError(
                "`fused=True` requires all the params to be floating point Tensors of supported devices: ['cpu'] "
                f"but {p.dtype} and {p.device.type}"
            )
