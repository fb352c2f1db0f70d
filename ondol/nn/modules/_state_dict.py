"""Collecting a tree of modules into a state_dict, and loading one: plan, check, then commit."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import ondol

from ..parameter import Parameter, is_lazy
from ._load_hints import load_hints

if TYPE_CHECKING:
    from .module import Module

EXTRA_STATE_KEY = "_extra_state"


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What `load_state_dict` returns: the keys that the module lacks in the dictionary, and those it has no use for."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


def overrides(module: Module, method: str) -> bool:
    """Whether a module has its own form of one of `Module`'s methods, in its class or as an attribute."""
    from .module import Module

    return getattr(type(module), method) is not getattr(Module, method) or method in module.__dict__


# --------------------------------------------------------------------------------------------------------- collecting


def collect(root: Module, destination: Any, prefix: str, keep_vars: bool) -> Any:
    """`root.state_dict(...)`: parents before children, post-hooks after the children; no recursion."""
    result = destination
    stack: list[tuple] = [(root, prefix, None)]
    while stack:
        module, prefix, metadata = stack.pop()
        if metadata is not None:
            result = _run_post_hooks(module, destination, prefix, metadata)
            continue
        if module is not root and overrides(module, "state_dict"):
            module.state_dict(destination=destination, prefix=prefix, keep_vars=keep_vars)
            continue
        metadata = {"version": module._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        for hook in module._state_dict_pre_hooks.values():
            hook(module, prefix, keep_vars)
        module._save_to_state_dict(destination, prefix, keep_vars)
        stack.append((module, prefix, metadata))
        for name, child in reversed(module._modules.items()):
            if child is not None:
                stack.append((child, f"{prefix}{name}.", None))
    return result


def _run_post_hooks(module: Module, destination: Any, prefix: str, metadata: dict) -> Any:
    for hook in module._state_dict_hooks.values():
        result = hook(module, destination, prefix, metadata)
        if getattr(hook, "_from_public_api", False):
            if result is not None:
                raise RuntimeError("state_dict post-hook must return None")
        elif result is not None:
            destination = result
    return destination


# ------------------------------------------------------------------------------------------------------------ loading


class LocalMetadata(dict):
    """One module's entry of `state_dict._metadata`; carries the plan through overridden `_load_from_state_dict`s."""

    plan: Plan | None = None
    immediate: bool = False


class Plan:
    """What a `load_state_dict` is going to do, and everything that speaks against it."""

    def __init__(self, root: Module, state_dict: dict, strict: bool, assign: bool):
        self.root, self.state_dict, self.strict, self.assign = root, state_dict, strict, assign
        self.actions: list[Callable[[], None]] = []
        self.undo: list[Callable[[], None]] = []
        self.destinations: list[ondol.Tensor] = []
        self.missing: list[str] = []
        self.unexpected: list[str] = []
        self.errors: list[str] = []
        self.claimed: set[str] = set()  # keys that a module has taken or refused
        self.checked: dict[str, int] = {}  # prefix of a module that leaves its unexpected keys to us → order of visit
        self.post_hooks: list[tuple[Module, Callable]] = []

    def visit_all(self) -> None:
        metadata = getattr(self.state_dict, "_metadata", None) or {}
        stack = [(self.root, "")]
        while stack:
            module, prefix = stack.pop()
            local_metadata = LocalMetadata(metadata.get(prefix[:-1], {}))
            if self.assign:
                local_metadata["assign_to_params_buffers"] = True
            local_metadata.plan = self
            local_metadata.immediate = not plans_only(type(module)._load_from_state_dict)
            if local_metadata.immediate:
                self._remember(module)
            module._load_from_state_dict(
                self.state_dict, prefix, local_metadata, True, self.missing, self.unexpected, self.errors
            )
            self.post_hooks += [(module, hook) for hook in module._load_state_dict_post_hooks.values()]
            for name, child in reversed(module._modules.items()):
                if child is not None:
                    stack.append((child, f"{prefix}{name}."))
        self._find_unexpected()
        self.post_hooks.reverse()  # children before their parents

    def _remember(self, module: Module) -> None:
        """Keep the values of a module that loads by its own method, so that a failure can put them back."""
        for tensor in [*module._parameters.values(), *module._buffers.values()]:
            if tensor is not None and not is_lazy(tensor):
                self.undo.append(_restore(tensor))

    def _find_unexpected(self) -> None:
        """A key is unexpected if nobody claimed it and the module where its path breaks is one that was checked."""
        found: list[tuple[int, str]] = []
        for key in self.state_dict:
            if key not in self.claimed:
                where = self._where_it_breaks(key)
                if where in self.checked:
                    found.append((self.checked[where], key))
        self.unexpected.extend(key for _, key in sorted(found, key=lambda pair: pair[0]))

    def _where_it_breaks(self, key: str) -> str | None:
        """The prefix of the deepest module on the way of a key; `None` if the way ends in an absent child."""
        module, prefix = self.root, ""
        *path, _ = key.split(".")
        for name in path:
            if name not in module._modules:
                return prefix
            child = module._modules[name]
            if child is None:
                return None
            module, prefix = child, f"{prefix}{name}."
        return prefix

    def commit(self, revocable: bool = False) -> None:
        if revocable:
            self.undo.extend(map(_restore, self.destinations))
        for action in self.actions:
            action()

    def roll_back(self) -> None:
        for action in reversed(self.undo):
            action()


def _restore(tensor: ondol.Tensor) -> Callable[[], None]:
    kept = tensor.detach().clone()

    def restore() -> None:
        with ondol.no_grad():
            tensor.copy_(kept)

    return restore


def load(module: Module, state_dict: Mapping[str, Any], strict: bool, assign: bool) -> _IncompatibleKeys:
    """`module.load_state_dict(...)`."""
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
    copied = OrderedDict(state_dict)
    if hasattr(state_dict, "_metadata"):
        copied._metadata = state_dict._metadata  # type: ignore[attr-defined]
    plan = Plan(module, copied, strict, assign)
    try:
        plan.visit_all()
        problems = bool(plan.errors or (strict and (plan.missing or plan.unexpected)))
        incompatible = _IncompatibleKeys(plan.missing, plan.unexpected)
        if problems and (plan.errors or not plan.post_hooks):
            raise RuntimeError(_failure_message(plan))
        plan.commit(revocable=problems)
        for owner, hook in plan.post_hooks:
            if hook(owner, incompatible) is not None:
                raise RuntimeError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new "
                    "values, if incompatible_keys need to be modified, it should be done inplace."
                )
        if strict and (plan.missing or plan.unexpected):
            raise RuntimeError(_failure_message(plan))
    except Exception:
        plan.roll_back()
        raise
    return incompatible


def plans_only(method: Callable) -> bool:
    """Whether a form of `_load_from_state_dict` changes nothing itself when there is a plan."""
    return getattr(method, "_plans_only", False)


def plan_module(
    module: Module,
    state_dict: dict,
    prefix: str,
    local_metadata: dict,
    strict: bool,
    missing_keys: list[str],
    unexpected_keys: list[str],
    error_msgs: list[str],
) -> None:
    """`Module._load_from_state_dict`: check one module's own entries, and copy them or put the copying on the plan."""
    for hook in module._load_state_dict_pre_hooks.values():
        hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
    plan = getattr(local_metadata, "plan", None)
    now = plan is None or local_metadata.immediate  # type: ignore[attr-defined]
    assign = local_metadata.get("assign_to_params_buffers", False)

    persistent = {name: b for name, b in module._buffers.items() if name not in module._non_persistent_buffers_set}
    own = {name: value for name, value in [*module._parameters.items(), *persistent.items()] if value is not None}
    for name, destination in own.items():
        key = prefix + name
        if key not in state_dict:
            if strict:
                missing_keys.append(key)
            continue
        problem = _what_speaks_against(module, key, destination, state_dict[key])
        if problem:
            error_msgs.append(problem)
        else:
            _do(_Transfer(module, name, destination, state_dict[key], assign), now, plan, error_msgs)

    extra_key = prefix + EXTRA_STATE_KEY
    takes_extra = overrides(module, "set_extra_state")
    if takes_extra and extra_key in state_dict:
        _do(_ExtraState(module, state_dict[extra_key]), now, plan, error_msgs)
    elif takes_extra and strict:
        missing_keys.append(extra_key)

    if plan is not None and not now and state_dict is plan.state_dict:
        plan.claimed.update(prefix + name for name in own)
        plan.claimed.add(extra_key if takes_extra else prefix)
        plan.checked[prefix] = len(plan.checked)
    elif strict:
        _find_unexpected_here(module, state_dict, prefix, own, takes_extra, unexpected_keys)


plan_module._plans_only = True  # type: ignore[attr-defined]


def _do(action: Any, now: bool, plan: Plan | None, error_msgs: list[str]) -> None:
    if now:
        try:
            action()
        except Exception as error:
            error_msgs.append(f"While copying {action}, an exception occurred : {error.args}.")
    else:
        plan.actions.append(action)  # type: ignore[union-attr]
        if isinstance(action, _Transfer) and not is_lazy(action.destination) and not action.assign:
            plan.destinations.append(action.destination)  # type: ignore[union-attr]


class _Transfer:
    """One entry on its way into a parameter or buffer."""

    def __init__(self, module: Module, name: str, destination: Any, source: ondol.Tensor, assign: bool):
        self.module, self.name, self.destination, self.source, self.assign = module, name, destination, source, assign

    def __str__(self) -> str:
        return (
            f'the parameter named "{self.name}", whose dimensions in the model are {self.destination.size()} and '
            f"whose dimensions in the checkpoint are {self.source.size()}"
        )

    def __call__(self) -> None:
        source, destination = self.source, self.destination
        if is_lazy(destination):
            if not is_lazy(source) and not self.assign:
                destination.materialize(source.shape)
        elif destination.dim() == 0 and source.dim() == 1:
            source = source[0]  # scalars were saved with one dimension before PyTorch 0.4
        if self.assign:
            if isinstance(destination, Parameter) and not isinstance(source, Parameter):
                source = Parameter(source, requires_grad=destination.requires_grad)
            elif isinstance(source, Parameter):
                source.requires_grad_(destination.requires_grad)
            setattr(self.module, self.name, source)
        elif not is_lazy(source):
            with ondol.no_grad():
                destination.copy_(source)


class _ExtraState:
    def __init__(self, module: Module, state: Any):
        self.module, self.state = module, state

    def __str__(self) -> str:
        return f"the extra state of {self.module._get_name()}"

    def __call__(self) -> None:
        self.module.set_extra_state(self.state)


def _what_speaks_against(module: Module, key: str, destination: Any, source: Any) -> str | None:
    if not isinstance(source, ondol.Tensor):
        return (
            f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like object from checkpoint '
            f"but received {type(source)}"
        )
    if is_lazy(destination):
        return None
    if is_lazy(source):
        return f'While copying the parameter named "{key}": the checkpoint holds an uninitialized parameter there.'
    old_scalar = destination.dim() == 0 and source.dim() == 1 and source.numel() == 1
    if source.shape != destination.shape and not old_scalar:
        return (
            f"size mismatch for {key}: copying a param with shape {source.shape} from checkpoint, "
            f"the shape in current model is {destination.shape}."
        )
    return None


def _find_unexpected_here(
    module: Module, state_dict: dict, prefix: str, own: dict, takes_extra: bool, unexpected_keys: list[str]
) -> None:
    for key in state_dict:
        if key.startswith(prefix) and not (takes_extra and key == prefix + EXTRA_STATE_KEY):
            first, *rest = key[len(prefix) :].split(".", 1)
            if first not in (module._modules if rest else own):
                unexpected_keys.append(key)


# ----------------------------------------------------------------------------------------------------------- messages


def _failure_message(plan: Plan) -> str:
    problems = list(plan.errors)
    if plan.strict and plan.unexpected:
        problems.insert(0, f"Unexpected key(s) in state_dict: {_quoted(plan.unexpected)}. ")
    if plan.strict and plan.missing:
        problems.insert(0, f"Missing key(s) in state_dict: {_quoted(plan.missing)}. ")
    hints = load_hints(plan.root, plan.state_dict, plan.missing, plan.unexpected)
    problems += [f"hint: {hint}" for hint in hints]
    problems.append("Nothing was loaded: the model is as it was.")
    return "Error(s) in loading state_dict for {}:\n\t{}".format(plan.root._get_name(), "\n\t".join(problems))


def _quoted(keys: list[str]) -> str:
    return ", ".join(f'"{key}"' for key in keys)
