"""Words of `Module`'s errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .module import Module


def type_name(value: Any) -> str:
    kind = type(value)
    module = kind.__module__
    if module in (None, "builtins"):
        return kind.__name__
    if module.split(".")[0] == "ondol":
        module = "torch" + module[len("ondol") :]
    return f"{module}.{kind.__qualname__}"


def broken_path(module: Module, walked: list[str], name: str, target: str) -> str:
    kind = module._get_name()
    where = f"{'.'.join(walked)} ({kind})" if walked else f"the {kind} itself"
    if hasattr(module, name):
        return f"`{name}` is not an nn.Module: in {target!r}, {where} has a {type_name(getattr(module, name))} there"
    children = ", ".join(module._modules) or "none"
    return f"{kind} has no attribute `{name}`: in {target!r}, {where} has no child '{name}'; it has {children}"


def absent(owner: Module, path: list[str], name: str, kind: str, store: dict) -> str:
    where = f"{'.'.join(path)} ({owner._get_name()})" if path else f"the {owner._get_name()} itself"
    present = ", ".join(store) or "none"
    return f"{owner._get_name()} has no attribute `{name}`: {where} has no {kind} '{name}'; it has {present}"
