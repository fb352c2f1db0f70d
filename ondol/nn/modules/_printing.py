"""The printed tree of modules, without recursion."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .module import Module

# A node is (opening lines, children's nodes, closing line). Equal nodes get equal numbers, so that the children of a
# ModuleList can be compared without walking down their trees.


def repr_tree(root: Module) -> str:
    """What `repr(module)` gives: name, `extra_repr()`, and the children, each level two spaces further in."""
    numbers: dict[tuple, int] = {}
    nodes: list[tuple] = []
    finished: dict[int, int] = {}  # id of a module → number of its node, without its own name

    stack = [(root, False)]
    while stack:
        module, children_are_done = stack.pop()
        if id(module) in finished:
            continue
        plain = module is root or _prints_as_a_tree(module)
        if plain and not children_are_done:
            stack.append((module, True))
            stack.extend((child, False) for child in reversed(module._modules.values()) if child is not None)
            continue
        node = _node(module, finished) if plain else (tuple(repr(module).split("\n")), (), None)
        number = numbers.setdefault(node, len(nodes))
        if number == len(nodes):
            nodes.append(node)
        finished[id(module)] = number
    return _flatten(nodes, finished[id(root)])


def _prints_as_a_tree(module: Module) -> bool:
    from .module import Module

    return type(module).__repr__ is Module.__repr__


def _node(module: Module, finished: dict[int, int]) -> tuple:
    extra = module.extra_repr()
    extra_lines = extra.split("\n") if extra else []
    none = -1
    children = [(name, none if child is None else finished[id(child)]) for name, child in module._modules.items()]
    if module._prints_repeats_once:
        extra_lines, children = [], _grouped(children)
    name = module._get_name()
    if not children and len(extra_lines) <= 1:
        return (f"{name}({''.join(extra_lines)})",), (), None
    return (f"{name}(", *(_indented(extra_lines))), tuple(children), ")"


def _indented(lines: list[str]) -> list[str]:
    return ["  " + line for line in lines]


def _grouped(children: list[tuple]) -> list[tuple]:
    """Runs of equal children become one: `(0-2): 3 x Linear(...)`."""
    groups: list[list] = []  # first index, last index, number of the node
    for index, (_, number) in enumerate(children):
        if groups and groups[-1][2] == number:
            groups[-1][1] = index
        else:
            groups.append([index, index, number])
    return [
        (f"({first})", "", number) if first == last else (f"({first}-{last})", f"{last - first + 1} x ", number)
        for first, last, number in groups
    ]


def _flatten(nodes: list[tuple], root: int) -> str:
    """All lines of the tree, each with its indentation, joined once at the end."""
    lines: list[str] = []
    stack: list[tuple] = [("", 0, root)]  # what stands before the first line, depth, node or closing line
    while stack:
        label, depth, what = stack.pop()
        indent = "  " * depth
        if what == -1 or isinstance(what, str):
            lines.append(f"{indent}{label}{'None' if what == -1 else what}")
            continue
        opening, children, closing = nodes[what]
        lines.append(f"{indent}{label}{opening[0]}")
        lines.extend(f"{indent}{line}" for line in opening[1:])
        if closing is None:
            continue
        stack.append(("", depth, closing))
        for child in reversed(children):
            if len(child) == 3:
                stack.append((f"{child[0]}: {child[1]}", depth + 1, child[2]))
            else:
                stack.append((f"({child[0]}): ", depth + 1, child[1]))
    return "\n".join(lines)
