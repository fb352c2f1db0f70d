"""Modules as functions of their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ondol
from ondol import nn
from ondol._native import Tensor
from ondol.nn.utils import stateless


def functional_call(
    module: nn.Module,
    parameter_and_buffer_dicts: dict[str, Tensor] | Sequence[dict[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with tensors in the place of its parameters and buffers, which come back afterwards.

    Args:
        parameter_and_buffer_dicts: path → tensor; or several such dicts, whose paths must differ.
        args: one argument, or a tuple of them.
        tie_weights: a tensor also replaces what shares its parameter under other paths.
        strict: paths must be complete, and all known.

    Raises:
        ValueError: for a path in two dicts, or two tied paths with different tensors.

    >>> layer = ondol.nn.Linear(1, 1)
    >>> new = {"weight": ondol.tensor([[2.0]]), "bias": ondol.tensor([1.0])}
    >>> ondol.func.functional_call(layer, new, ondol.tensor([3.0]))
    tensor([7.])
    """
    if isinstance(parameter_and_buffer_dicts, dict):
        tensors = parameter_and_buffer_dicts
    elif isinstance(parameter_and_buffer_dicts, Sequence):
        tensors = {}
        for part in parameter_and_buffer_dicts:
            if not isinstance(part, dict):
                raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
            repeated = sorted(tensors.keys() & part.keys())
            if repeated:
                raise ValueError(
                    f"{repeated} appeared in multiple dictionaries; behavior of functional call is ambiguous"
                )
            tensors.update(part)
    else:
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(parameter_and_buffer_dicts)}"
        )
    return stateless._functional_call(module, tensors, args, kwargs, tie_weights=tie_weights, strict=strict)


def stack_module_state(models: Sequence[nn.Module] | nn.ModuleList) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the buffers of modules of one class, stacked: an ensemble for vmap and `functional_call`.

    Raises RuntimeError for no modules, modules in different modes or of different classes.

    >>> models = [ondol.nn.Linear(2, 3) for _ in range(5)]
    >>> parameters, buffers = ondol.func.stack_module_state(models)
    >>> parameters["weight"].shape
    torch.Size([5, 3, 2])
    """
    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if len({model.training for model in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if len({type(model) for model in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    parameters = _stacked([dict(model.named_parameters()) for model in models], learned=True)
    return parameters, _stacked([dict(model.named_buffers()) for model in models], learned=False)


def _stacked(states: list[dict[str, Tensor]], *, learned: bool) -> dict[str, Tensor]:
    result = {}
    for name in states[0]:
        tensors = [state[name] for state in states]
        if len({tensor.requires_grad for tensor in tensors}) > 1:
            raise RuntimeError(f"stack_module_state: Expected `{name}` of all models to have the same requires_grad.")
        stacked = ondol.stack([tensor.detach() for tensor in tensors])
        result[name] = stacked.requires_grad_(tensors[0].requires_grad) if learned else stacked
    return result


def replace_all_batch_norm_modules_(root: nn.Module) -> nn.Module:
    """Let the batch norms of a module keep no running statistics, which vmap cannot write for each example; in place.

    >>> norm = ondol.func.replace_all_batch_norm_modules_(ondol.nn.BatchNorm1d(2))
    >>> norm.running_mean is None
    True
    """
    for module in root.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root
