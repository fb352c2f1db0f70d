"""A new head on a body that has already learned to see."""

from __future__ import annotations

from ondol import Tensor, nn
from ondol.demo.model import FEATURES, DigitsNet
from ondol.demo.proof import same_bits
from ondol.demo.training import Task

PARITY = ("even", "odd")


def parity_task(digits: Task) -> Task:
    """The same images with another question: is the digit even (0) or odd (1)?"""
    return digits._replace(train_labels=digits.train_labels % 2, test_labels=digits.test_labels % 2)


def replace_head(model: DigitsNet, classes: int) -> None:
    """Freeze everything the model has, then give it a head with fresh weights, which alone will learn."""
    model.requires_grad_(False)
    model.head = nn.Linear(FEATURES, classes)  # an assigned module is registered; its new parameters ask for gradients


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    """Copies of all that the module holds, buffers included; `state_dict` alone would share memory with it."""
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def unchanged(module: nn.Module, before: dict[str, Tensor]) -> bool:
    """Whether every parameter and buffer still has every bit of the snapshot."""
    now = module.state_dict()
    return now.keys() == before.keys() and all(same_bits(now[name], before[name]) for name in before)


def gradient_flags(model: nn.Module) -> dict[str, bool]:
    """The `requires_grad` flag of each parameter by name."""
    return {name: parameter.requires_grad for name, parameter in model.named_parameters()}
