"""Hooks that look inside a network while it works."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from ondol import Tensor, nn
from ondol.nn import functional as F


class Activation(NamedTuple):
    """What came out of a layer."""

    shape: tuple[int, ...]
    mean: float
    std: float
    zeros: float


class Gradient(NamedTuple):
    """What came back to a layer: the derivative of the loss by its output."""

    std: float
    largest: float


class Inspection(NamedTuple):
    """Statistics by the name of the layer, in the order in which the data passed."""

    activations: dict[str, Activation]
    gradients: dict[str, Gradient]


def inspect(model: nn.Module, images: Tensor, labels: Tensor) -> Inspection:
    """Send images through the model and the loss back, and return what each layer saw.

    The hooks are gone afterwards; parameters and their gradients are left as they were found.
    """
    found = Inspection({}, {})
    handles = []
    for name, layer in model.named_modules():
        if not list(layer.children()):  # a leaf of the tree: a layer that does something itself
            # A hook gets the module, not its name: partial() binds the name in front.
            handles.append(layer.register_forward_hook(functools.partial(_record_activation, found, name)))
            handles.append(layer.register_full_backward_hook(functools.partial(_record_gradient, found, name)))
    gradients_before = {parameter: parameter.grad for parameter in model.parameters()}
    try:
        model.zero_grad(set_to_none=True)
        # An input that asks for a gradient carries the backward pass to the first layer even if that is frozen.
        scores = model(images.clone().requires_grad_())
        F.cross_entropy(scores, labels).backward()
    finally:
        for handle in handles:
            handle.remove()
        for parameter, gradient in gradients_before.items():
            parameter.grad = gradient
    return found


def _record_activation(found: Inspection, name: str, layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
    values = output.detach()
    zeros = (values == 0).float().mean().item()
    found.activations[name] = Activation(tuple(values.shape), values.mean().item(), values.std().item(), zeros)


def _record_gradient(
    found: Inspection, name: str, layer: nn.Module, input_gradients: tuple[Any, ...], output_gradients: tuple[Any, ...]
) -> None:
    (gradient,) = output_gradients
    found.gradients[name] = Gradient(gradient.std().item(), gradient.abs().max().item())
