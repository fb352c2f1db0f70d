"""Automatic differentiation: `backward`, `grad`, grad modes, custom Functions."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ondol._native import Tensor, _overrides
from ondol._native import autograd as _native
from ondol.autograd.function import Function
from ondol.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled, set_multithreading_enabled

# Now, not on use: a later import of the module would put it in the place of the function of the same name.
from ondol.autograd.gradcheck import GradcheckError as GradcheckError
from ondol.autograd.gradcheck import gradcheck, gradgradcheck

if TYPE_CHECKING:
    from ondol.autograd import forward_ad as forward_ad
    from ondol.autograd import functional as functional
    from ondol.autograd import graph as graph
    from ondol.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
    from ondol.autograd.graph import GradientEdge

__all__ = [
    "Function",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
    "set_multithreading_enabled",
]

_ON_USE = {"detect_anomaly": "anomaly_mode", "set_detect_anomaly": "anomaly_mode"}
_MODULES = ("anomaly_mode", "forward_ad", "functional", "graph")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"ondol.autograd.{name}")
    if name in _ON_USE:
        value = getattr(importlib.import_module(f"ondol.autograd.{_ON_USE[name]}"), name)
        globals()[name] = value
        return value
    if name == "Variable":
        return Tensor
    raise AttributeError(f"module 'ondol.autograd' has no attribute {name!r}")


def _as_tuple(value: Any) -> tuple:
    is_one = isinstance(value, Tensor) or (isinstance(value, tuple) and hasattr(value, "ownership_token"))
    return (value,) if is_one else tuple(value)


def _gradients(outputs: tuple, gradients: Any, name: str) -> tuple:
    if gradients is None:
        return (None,) * len(outputs)
    gradients = _as_tuple(gradients)
    if len(gradients) != len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(gradients)} {name}")
    return gradients


def backward(
    tensors: Tensor | GradientEdge | Sequence[Tensor | GradientEdge],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Tensor | GradientEdge | Sequence[Tensor | GradientEdge] | None = None,
) -> None:
    """Adds the gradients of `tensors` to the `.grad` of the leaves they were made from.

    Args:
        tensors: what to differentiate, as tensors or as edges (`graph.get_gradient_edge`); each a scalar, unless it has
            an entry in `grad_tensors`.
        grad_tensors: for each of them the gradient that arrives there, of the same shape.
        retain_graph: keep what the graph saved, for another call; by default as `create_graph`.
        create_graph: record the backward pass too, so that the gradients can be differentiated.
        inputs: accumulate into these leaves only; also edges.

    Raises:
        RuntimeError: a tensor is not a scalar and has no gradient, requires no grad, or its graph was freed already.

    >>> w = ondol.tensor(2.0, requires_grad=True)
    >>> ondol.autograd.backward(10 * w**2 + 50)
    >>> w.grad
    tensor(40.)
    """
    if inputs is not None and len(_as_tuple(inputs)) == 0:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    roots = _as_tuple(tensors)
    gradients = _gradients(roots, grad_tensors if grad_variables is None else grad_variables, "gradients")
    keep = create_graph if retain_graph is None else retain_graph
    targets = None if inputs is None else _as_tuple(inputs)
    _native.run_backward(roots, gradients, keep, create_graph, targets, True, True)


def grad(
    outputs: Tensor | GradientEdge | Sequence[Tensor | GradientEdge],
    inputs: Tensor | GradientEdge | Sequence[Tensor | GradientEdge],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor, ...]:
    """The gradients of `outputs` with respect to `inputs`, returned instead of accumulated.

    Args:
        outputs, grad_outputs: as `tensors` and `grad_tensors` of `backward`.
        inputs: the tensors, or edges, to differentiate by; leaves or not.
        only_inputs: deprecated; gradients of other leaves are never accumulated.
        allow_unused: an input that was not used gets None instead of an error.
        is_grads_batched: each of `grad_outputs` is a batch of gradients along its first dimension; so are the results.
        materialize_grads: zeros instead of None for inputs that were not used.

    >>> x = ondol.tensor(3.0, requires_grad=True)
    >>> ondol.autograd.grad(x**2, x)
    (tensor(6.),)
    """
    if materialize_grads and allow_unused is False:
        raise ValueError("Expected allow_unused to be True or not passed when materialize_grads=True, but got: False.")
    roots, targets = _as_tuple(outputs), _as_tuple(inputs)
    gradients = _gradients(roots, grad_outputs, "gradients")
    keep = create_graph if retain_graph is None else retain_graph
    unused = materialize_grads if allow_unused is None else allow_unused
    if _overrides.has_override((roots, targets, gradients)):
        from ondol._vmap.gradient import grad_of_examples

        examples = grad_of_examples(roots, targets, gradients, keep, create_graph, unused, materialize_grads)
        if examples is not NotImplemented:
            return examples
    if is_grads_batched:
        return _batched_grad(roots, targets, gradients, keep, create_graph, unused)
    results = _native.run_backward(roots, gradients, keep, create_graph, targets, unused, False)
    if materialize_grads:
        if any(result is None and not isinstance(target, Tensor) for result, target in zip(results, targets)):
            raise RuntimeError("materialize_grads cannot be used when the given input is a GradientEdge")
        results = tuple(
            target.new_zeros(target.shape) if result is None else result for result, target in zip(results, targets)
        )
    return results


def _batched_grad(
    roots: tuple, targets: tuple, gradients: tuple, keep: bool, create_graph: bool, unused: bool
) -> tuple[Tensor, ...]:
    """One backward pass for each gradient of the batch."""
    import ondol

    count = len(next(gradient for gradient in gradients if gradient is not None))
    rows = []
    for i in range(count):
        picked = tuple(None if gradient is None else gradient[i] for gradient in gradients)
        last = i == count - 1
        rows.append(_native.run_backward(roots, picked, keep or not last, create_graph, targets, unused, False))
    return tuple(None if column[0] is None else ondol.stack(column) for column in zip(*rows))
