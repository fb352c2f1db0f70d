"""Walks over the tree of modules by loops, so that depth is no limit.

A class may have its own form of a method that walks (`apply`, `train`, `_apply`, `named_modules`). Such a child is
handed back to the caller, who calls that form, and is not descended into.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ._state_dict import overrides

if TYPE_CHECKING:
    from .module import Module


def walk(root: Module, memo: set[Module], prefix: str, remove_duplicate: bool) -> Iterator[tuple[str, Module]]:
    """`root.named_modules(...)`: parents before children."""
    stack = [(prefix, root)]
    while stack:
        name, module = stack.pop()
        if module in memo:
            continue
        if module is not root and overrides(module, "named_modules"):
            yield from module.named_modules(memo, name, remove_duplicate)
            continue
        if remove_duplicate:
            memo.add(module)
        yield name, module
        dotted = f"{name}." if name else ""
        stack.extend([(dotted + key, child) for key, child in module._modules.items() if child is not None][::-1])


def named_members(
    root: Module, members_of: Callable, prefix: str, recurse: bool, remove_duplicate: bool
) -> Iterator[tuple[str, Any]]:
    """The parameters or buffers of a tree with their paths."""
    seen = set()
    modules = root.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, root)]
    for path, module in modules:
        dotted = f"{path}." if path else ""
        for name, value in members_of(module):
            if value is None or value in seen:
                continue
            if remove_duplicate:
                seen.add(value)
            yield dotted + name, value


def children_first(root: Module, method: str) -> Iterator[tuple[Module, bool]]:
    """All modules below `root`, then `root`; with each, whether it has its own form of `method`."""
    stack = [(root, root.children())]
    while stack:
        module, children = stack[-1]
        for child in children:
            if overrides(child, method):
                yield child, True
            else:
                stack.append((child, child.children()))
                break
        else:
            stack.pop()
            yield module, False


def parents_first(root: Module, method: str) -> Iterator[tuple[Module, bool]]:
    """`root`, then all modules below it; with each, whether it has its own form of `method`."""
    stack = [root]
    while stack:
        module = stack.pop()
        has_its_own = module is not root and overrides(module, method)
        yield module, has_its_own
        if not has_its_own:
            stack.extend([*module.children()][::-1])
