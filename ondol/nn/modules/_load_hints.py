"""Why a `state_dict` probably does not fit a module: a prefix, another name, a transposed weight, another size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import ondol

from ..parameter import is_lazy

if TYPE_CHECKING:
    from .module import Module

Shapes = Mapping[str, tuple[int, ...]]

_MOST = 10  # hints of one kind; a model of another kind altogether would give hundreds

_WRAPPERS = {
    "module.": "saved from a model wrapped in DataParallel",
    "_orig_mod.": "saved from a compiled model",
    "model.": "saved from a model that holds this one as `model`",
    "state_dict.": "saved inside another dictionary",
}


def load_hints(root: Module, state_dict: Mapping[str, Any], missing: list[str], unexpected: list[str]) -> list[str]:
    """One sentence for each likely cause, the one that explains most first."""
    model = _shapes([*root.named_parameters(remove_duplicate=False), *root.named_buffers(remove_duplicate=False)])
    saved = _shapes(state_dict.items())
    hints = []
    if {"state_dict", "model_state_dict", "model"} & set(unexpected):
        hints.append("the dictionary looks like a whole checkpoint; pass the entry that holds the model's state")
    prefix = _common_prefix(unexpected, missing, model)
    if prefix:
        why = _WRAPPERS.get(prefix, f"saved from a model that holds this one as `{prefix[:-1]}`")
        hints.append(f'every unexpected key starts with "{prefix}": {why}; strip the prefix')
        saved = {key.removeprefix(prefix): shape for key, shape in saved.items()}
        missing = [key for key in missing if key not in saved]
        unexpected = [key for key in (key.removeprefix(prefix) for key in unexpected) if key not in model]
    elif added := _common_prefix(missing, unexpected, saved):
        hints.append(
            f'every missing key starts with "{added}": the dictionary is of what the model wraps; add the prefix'
        )
        saved = {added + key: shape for key, shape in saved.items()}
        missing = [key for key in missing if key not in saved]
        unexpected = [key for key in (added + key for key in unexpected) if key not in model]
    hints += _first(_renamed(model, saved, missing, unexpected))
    hints += _first(_other_shapes(model, saved))
    return hints


def _shapes(tensors: Iterable[tuple[str, Any]]) -> Shapes:
    return {
        key: tuple(tensor.shape) for key, tensor in tensors if isinstance(tensor, ondol.Tensor) and not is_lazy(tensor)
    }


def _first(hints: Iterator[str]) -> list[str]:
    found = list(hints)
    return found[:_MOST] + ([f"and {len(found) - _MOST} more of this kind"] if len(found) > _MOST else [])


def _common_prefix(keys: list[str], others: list[str], known: Shapes) -> str:
    """What stands in front of all `keys`, if some of them without it are among `others` or `known`."""
    first = keys[0].partition(".")[0] + "." if keys and "." in keys[0] else ""
    for prefix in dict.fromkeys([*_WRAPPERS, first]):
        if prefix and keys and all(key.startswith(prefix) for key in keys):
            bare = {key.removeprefix(prefix) for key in keys}
            if bare & set(others) or bare & known.keys():
                return prefix
    return ""


# -------------------------------------------------------------------------------------------------------------- names


def _renamed(model: Shapes, saved: Shapes, missing: list[str], unexpected: list[str]) -> Iterator[str]:
    """Modules that have the same entries under another name; then single entries whose names are alike."""
    absent, surplus = _by_module(missing, model), _by_module(unexpected, saved)
    explained: set[str] = set()
    renamed: dict[tuple[str, str], None] = {}
    for module, entries in absent.items():
        same = [other for other, theirs in surplus.items() if theirs == entries and other != module]
        other = _most_alike(module, same) or (same[0] if len(same) == 1 else None)
        if other:
            del surplus[other]
            explained.update(_joined(module, entry) for entry in entries)
            renamed[_without_common_end(module, other)] = None
    for now, before in renamed:
        yield f'"{now}" may have been renamed: the dictionary has "{before}" with entries of the same shapes'
    left = [_joined(module, entry) for module, entries in surplus.items() for entry in entries]
    for key in missing:
        if key not in explained and (close := _most_alike(key, left)):
            yield f'"{key}" may have been renamed: the dictionary has "{close}"'


def _by_module(keys: list[str], shapes: Shapes) -> dict[str, dict[str, Any]]:
    modules: dict[str, dict[str, Any]] = defaultdict(dict)
    for key in keys:
        module, _, entry = key.rpartition(".")
        if entry != "num_batches_tracked":  # never missed: files from before PyTorch 0.4.1 have none
            modules[module][entry] = shapes.get(key)
    return modules


def _joined(module: str, entry: str) -> str:
    return f"{module}.{entry}" if module else entry


def _most_alike(name: str, others: list[str]) -> str | None:
    import difflib  # only a failure needs it

    close = difflib.get_close_matches(name, others, n=1, cutoff=0.75)
    return close[0] if close else None


def _without_common_end(a: str, b: str) -> tuple[str, str]:
    """encoder.layers.0 and backbone.layers.0 → encoder and backbone: the name that changed, not what is below it."""
    ours, theirs = a.split("."), b.split(".")
    while len(ours) > 1 and len(theirs) > 1 and ours[-1] == theirs[-1]:
        ours.pop()
        theirs.pop()
    return ".".join(ours), ".".join(theirs)


# ------------------------------------------------------------------------------------------------------------- shapes


def _other_shapes(model: Shapes, saved: Shapes) -> Iterator[str]:
    seen: set[tuple[str, int]] = set()
    for key, ours in model.items():
        theirs = saved.get(key, ours)
        if theirs == ours or len(theirs) != len(ours):
            continue
        if len(ours) == 2 and theirs == ours[::-1]:
            yield f'"{key}" has the transposed shape; pass `{key.rsplit(".", 1)[-1]}.t()`'
            continue
        differing = [dim for dim, sizes in enumerate(zip(theirs, ours)) if sizes[0] != sizes[1]]
        module, dim = key.rpartition(".")[0], differing[0]
        if len(differing) > 1 or dim > 1 or (module, dim) in seen:
            continue
        seen.add((module, dim))
        what = "outputs (rows)" if dim == 0 else "inputs (columns)"
        yield (
            f'"{module or key}" has {theirs[dim]} {what} in the dictionary and {ours[dim]} in the model: make the '
            "model with the former, or leave its entries out of the dictionary and load the others with strict=False"
        )
