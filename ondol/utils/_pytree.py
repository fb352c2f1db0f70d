"""Trees of Python containers: taken apart into a list of leaves and put together again.

Nodes are dict, OrderedDict, defaultdict, list, tuple, named tuples, and what `register_pytree_node` adds; all else is a
leaf, None included.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

__all__ = [
    "LeafSpec", "TreeSpec", "broadcast_prefix", "register_pytree_node", "tree_flatten", "tree_leaves", "tree_map",
    "tree_map_only", "tree_structure", "tree_unflatten",
]  # fmt: skip


class TreeSpec(NamedTuple):
    """The form of a tree: the class of its node, what the class needs beside children, and the children's forms."""

    type: Any
    context: Any
    children: tuple[TreeSpec, ...]

    @property
    def num_leaves(self) -> int:
        """How many leaves such a tree has."""
        return 1 if self.type is None else sum(child.num_leaves for child in self.children)

    def is_leaf(self) -> bool:
        """Whether the tree is one leaf."""
        return self.type is None


_LEAF = TreeSpec(None, None, ())


def LeafSpec() -> TreeSpec:
    """The form of a single leaf."""
    return _LEAF


class _Container(NamedTuple):
    flatten: Callable[[Any], tuple[Iterable, Any]]
    unflatten: Callable[[list, Any], Any]


_CONTAINERS: dict[type, _Container] = {
    list: _Container(lambda node: (node, None), lambda children, _: children),
    tuple: _Container(lambda node: (node, None), lambda children, _: tuple(children)),
    dict: _Container(
        lambda node: (node.values(), tuple(node)), lambda children, keys: dict(zip(keys, children, strict=True))
    ),
    OrderedDict: _Container(
        lambda node: (node.values(), tuple(node)), lambda children, keys: OrderedDict(zip(keys, children, strict=True))
    ),
    defaultdict: _Container(
        lambda node: (node.values(), (node.default_factory, tuple(node))),
        lambda children, context: defaultdict(context[0], zip(context[1], children, strict=True)),
    ),
}


def register_pytree_node(cls: type, flatten_fn: Callable, unflatten_fn: Callable, **options: Any) -> None:
    """Make a class a container: `flatten_fn(node)` gives children and context, `unflatten_fn` of these the node."""
    if cls in _CONTAINERS:
        raise ValueError(f"{cls} is already registered as a pytree node")
    _CONTAINERS[cls] = _Container(flatten_fn, unflatten_fn)


def _children(node: Any) -> tuple[list, Any] | None:
    """The children of a node and its context; None for a leaf."""
    container = _CONTAINERS.get(type(node))
    if container is not None:
        children, context = container.flatten(node)
        return list(children), context
    if isinstance(node, tuple) and (hasattr(node, "_fields") or type(node).__module__.endswith(".return_types")):
        return list(node), type(node)
    return None


def tree_flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list, TreeSpec]:
    """The leaves from left to right, and the form to put them back into."""
    leaves: list = []
    return leaves, _flatten(tree, leaves, is_leaf)


def _flatten(tree: Any, leaves: list, is_leaf: Callable[[Any], bool] | None) -> TreeSpec:
    parts = None if is_leaf is not None and is_leaf(tree) else _children(tree)
    if parts is None:
        leaves.append(tree)
        return _LEAF
    children, context = parts
    return TreeSpec(type(tree), context, tuple(_flatten(child, leaves, is_leaf) for child in children))


def tree_unflatten(leaves: Iterable, treespec: TreeSpec) -> Any:
    """The tree of this form with these leaves. Raises ValueError if their number does not fit."""
    leaves = list(leaves)
    if len(leaves) != treespec.num_leaves:
        raise ValueError(f"tree_unflatten(): {len(leaves)} leaves do not fit a tree of {treespec.num_leaves}")
    return _unflatten(iter(leaves), treespec)


def _unflatten(leaves: Any, spec: TreeSpec) -> Any:
    if spec.type is None:
        return next(leaves)
    children = [_unflatten(leaves, child) for child in spec.children]
    container = _CONTAINERS.get(spec.type)
    if container is not None:
        return container.unflatten(children, spec.context)
    return spec.type(*children) if hasattr(spec.type, "_fields") else spec.type(children)


def tree_leaves(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list:
    """The leaves from left to right."""
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> TreeSpec:
    """The form of a tree."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func: Callable, tree: Any, *rests: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """The tree of func(leaf, ...) with the corresponding leaves of the other trees.

    >>> tree_map(lambda leaf: leaf + 1, {"a": 1, "b": [2, 3]})
    {'a': 2, 'b': [3, 4]}
    """
    leaves, spec = tree_flatten(tree, is_leaf)
    others = [tree_leaves(rest, is_leaf) for rest in rests]
    return tree_unflatten([func(*row) for row in zip(leaves, *others, strict=True)], spec)


def tree_map_only(kind: Any, func: Callable, tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """The tree with func applied to the leaves of a class alone."""
    return tree_map(lambda leaf: func(leaf) if isinstance(leaf, kind) else leaf, tree, is_leaf=is_leaf)


def broadcast_prefix(prefix: Any, spec: TreeSpec) -> list | None:
    """One leaf of `prefix` for each leaf of a tree: a leaf of it stands for a whole branch. None if it does not fit."""
    if spec.type is None:
        return [prefix] if _children(prefix) is None else None
    parts = _children(prefix)
    if parts is None:
        return [prefix] * spec.num_leaves
    children, context = parts
    alike = isinstance(prefix, (list, tuple)) and issubclass(spec.type, (list, tuple))
    if not alike and (type(prefix) is not spec.type or context != spec.context):
        return None
    if len(children) != len(spec.children):
        return None
    result: list = []
    for child, child_spec in zip(children, spec.children):
        part = broadcast_prefix(child, child_spec)
        if part is None:
            return None
        result += part
    return result
