"""Calling a module with other parameters than its own."""

from __future__ import annotations

import contextlib
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

    Args:
        parameters_and_buffers: path → tensor.
        args: one argument, or a tuple of them.
        tie_weights: a tensor also replaces what shares its parameter under other paths.
        strict: paths must be complete, and all known.

    Raises:
        ValueError: if two tied paths get different tensors.
        RuntimeError: for missing or unexpected paths with `strict`.
        KeyError, AttributeError: for a path that is unknown.

    >>> layer = ondol.nn.Linear(1, 1)
    >>> new = {"weight": ondol.tensor([[2.0]]), "bias": ondol.tensor([1.0])}
    >>> ondol.nn.utils.stateless.functional_call(layer, new, ondol.tensor([3.0]))
    tensor([7.])
    """
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with _reparametrize_module(module, parameters_and_buffers, tie_weights=tie_weights, strict=strict):
        return module(*args, **(kwargs or {}))


_functional_call = functional_call


@contextlib.contextmanager
def _reparametrize_module(
    module: Any, parameters_and_buffers: dict[str, ondol.Tensor], tie_weights: bool = False, strict: bool = False
) -> Iterator[None]:
    tensors = _with_tied(module, parameters_and_buffers) if tie_weights else dict(parameters_and_buffers)
    if strict:
        _check_complete(module, tensors)
    places = {path: _place(module, path) for path in tensors}
    originals = {path: store[name] for path, (store, name) in places.items()}
    try:
        for path, (store, name) in places.items():
            store[name] = tensors[path]
        yield
    finally:
        for path, (store, name) in places.items():
            if tensors[path] is not store[name]:  # a buffer that the call replaced
                parameters_and_buffers[path] = store[name]
            store[name] = originals[path]


def _place(module: Any, path: str) -> tuple[dict, str]:
    *parents, name = path.split(".")
    owner = module.get_submodule(".".join(parents))
    for store in (owner._parameters, owner._buffers):
        if name in store:
            return store, name
    raise AttributeError(f"{owner._get_name()} has no attribute `{name}` that is a parameter or buffer (path '{path}')")


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
