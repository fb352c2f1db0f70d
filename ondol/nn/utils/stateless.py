"""Calling a module with other parameters than its own."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import ondol

__all__ = ["functional_call"]


def functional_call(
    module: Any,
    parameters_and_buffers: dict[str, ondol.Tensor],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with tensors in place of some of its parameters and buffers, which come back afterwards.

    Deprecated: use `ondol.func.functional_call`, which does the same.

    Args:
        parameters_and_buffers: path → tensor.
        args: one argument, or a tuple of them.
        tie_weights: a tensor also replaces what shares its parameter under other paths.
        strict: paths must be complete, and all known.

    Raises:
        ValueError: if two tied paths get different tensors.
        RuntimeError: for missing or unexpected paths with `strict`.
        KeyError: for an empty name. AttributeError: for a path through a module that is unknown.
        TypeError: for the path of something that is no tensor.

    >>> layer = ondol.nn.Linear(1, 1)
    >>> new = {"weight": ondol.tensor([[2.0]]), "bias": ondol.tensor([1.0])}
    >>> ondol.nn.utils.stateless.functional_call(layer, new, ondol.tensor([3.0]))
    tensor([7.])
    """
    warnings.warn(
        "nn.utils.stateless.functional_call is deprecated: use func.functional_call, which does the same",
        FutureWarning,
        stacklevel=2,
    )
    return _functional_call(module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict)


def _functional_call(
    module: Any,
    parameters_and_buffers: dict[str, ondol.Tensor],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with _reparametrize_module(module, parameters_and_buffers, tie_weights=tie_weights, strict=strict):
        return module(*args, **(kwargs or {}))


@contextlib.contextmanager
def _reparametrize_module(
    module: Any, parameters_and_buffers: dict[str, ondol.Tensor], tie_weights: bool = False, strict: bool = False
) -> Iterator[None]:
    tensors = _with_tied(module, parameters_and_buffers) if tie_weights else dict(parameters_and_buffers)
    if strict:
        _check_complete(module, tensors)
    places = {path: _place(module, path) for path in tensors}
    originals = {path: store.get(name, _ABSENT) for path, (store, name) in places.items()}
    try:
        for path, (store, name) in places.items():
            store[name] = tensors[path]
        yield
    finally:
        for path, (store, name) in places.items():
            if tensors[path] is not store.get(name, tensors[path]):  # a buffer that the call replaced
                parameters_and_buffers[path] = store[name]
            if originals[path] is _ABSENT:
                store.pop(name, None)
            else:
                store[name] = originals[path]


_ABSENT = object()


def _place(module: Any, path: str) -> tuple[dict, str]:
    """The dict that holds what a path names; what is not there yet becomes a plain attribute, as in PyTorch."""
    *parents, name = path.split(".")
    if not name:
        raise KeyError(f"the path {path!r} has no name of a tensor: it cannot be empty")
    owner = module.get_submodule(".".join(parents))
    for store in (owner._parameters, owner._buffers):
        if name in store:
            return store, name
    held = getattr(owner, name, None)
    if held is not None and not isinstance(held, ondol.Tensor):
        raise TypeError(f"`{path}` of {owner._get_name()} is no tensor, but {type(held).__name__}")
    if hasattr(type(owner), name):  # computed, as a parametrized weight is: its originals can be replaced
        raise AttributeError(f"`{name}` of {owner._get_name()} is neither parameter nor buffer (path '{path}')")
    return vars(owner), name


def _all_named(module: Any) -> dict[str, ondol.Tensor]:
    return {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }


def _with_tied(module: Any, given: dict[str, ondol.Tensor]) -> dict[str, ondol.Tensor]:
    """The given tensors, also under the other paths of the parameters that they replace."""
    paths_of: dict[int, list[str]] = {}
    for path, tensor in _all_named(module).items():
        paths_of.setdefault(id(tensor), []).append(path)
    result = dict(given)
    for paths in paths_of.values():
        named = [path for path in paths if path in given]
        if len({id(given[path]) for path in named}) > 1:
            raise ValueError(f"functional_call got multiple values for keys {sorted(named)}, which are tied.")
        if named:
            result.update((path, given[named[0]]) for path in paths)
    return result


def _check_complete(module: Any, tensors: dict[str, ondol.Tensor]) -> None:
    names = _all_named(module).keys()
    missing, unexpected = sorted(names - tensors.keys()), sorted(tensors.keys() - names)
    if missing or unexpected:
        parts = []
        if unexpected:
            parts.append(f"Unexpected key(s): {', '.join(unexpected)}.")
        if missing:
            parts.append(f"Missing key(s): {', '.join(missing)}.")
        raise RuntimeError("Error(s) in reparametrizing:\n\t" + "\n\t".join(parts))
