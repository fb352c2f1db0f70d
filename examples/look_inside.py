"""Watch what passes through each layer, forwards and backwards: `python examples/look_inside.py`."""

from __future__ import annotations

import functools
from typing import Any

import ondol
from ondol import Tensor, datasets, nn
from ondol.nn import functional as F


def print_activation(name: str, layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
    print(f"forward   {name:2} {type(layer).__name__:9} mean {output.mean().item():+.3f} std {output.std().item():.3f}")


def print_gradient(name: str, layer: nn.Module, inputs: tuple[Any, ...], outputs: tuple[Any, ...]) -> None:
    print(f"backward  {name:2} {type(layer).__name__:9} largest gradient {outputs[0].abs().max().item():.1e}")


def main() -> None:
    ondol.manual_seed(0)
    images, labels = datasets.digits()
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 4 * 4, 10)
    )
    handles = []
    for name, layer in model.named_children():
        # A hook is given the layer but not its name, so partial() binds the name in front.
        handles.append(layer.register_forward_hook(functools.partial(print_activation, name)))
        handles.append(layer.register_full_backward_hook(functools.partial(print_gradient, name)))

    batch = images[:32].requires_grad_()  # so that the backward pass goes all the way to the first layer
    F.cross_entropy(model(batch), labels[:32]).backward()
    for handle in handles:
        handle.remove()

    assert batch.grad is not None
    strongest = int(batch.grad[0].abs().argmax())
    print(f"the loss depends most on pixel {divmod(strongest, 8)} of the first image")


if __name__ == "__main__":
    main()
