"""Lines that several formulas share. A factor is a number, or a 0-d tensor where the step is differentiated by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import ondol

if TYPE_CHECKING:
    from ondol import Tensor

Factor: TypeAlias = "float | Tensor"


def next_step(state: dict[str, Any]) -> float:
    """Count a step, and return its number."""
    step = state["step"]
    step += 1
    return step.item()


def with_weight_decay(g: Tensor, p: Tensor, weight_decay: Factor) -> Tensor:
    """The gradient of the objective plus ½·weight_decay·|p|²."""
    if isinstance(weight_decay, ondol.Tensor):
        return g + p.clone() * weight_decay
    return g.add(p, alpha=weight_decay) if weight_decay != 0 else g


def scale_(p: Tensor, factor: Factor) -> None:
    """p ← factor · p"""
    if isinstance(factor, ondol.Tensor):
        p.copy_(p.clone() * factor)
    else:
        p.mul_(factor)


def add_(p: Tensor, change: Tensor, factor: Factor) -> None:
    """p ← p + factor · change"""
    if isinstance(factor, ondol.Tensor):
        p.add_(change * factor)
    else:
        p.add_(change, alpha=factor)


def add_quotient_(p: Tensor, numerator: Tensor, denominator: Tensor, factor: Factor) -> None:
    """p ← p + factor · numerator / denominator"""
    if isinstance(factor, ondol.Tensor):
        p.add_(numerator / denominator * factor)
    else:
        p.addcdiv_(numerator, denominator, value=factor)


def average_square_(average: Tensor, g: Tensor, beta: Factor) -> None:
    """average ← beta · average + (1 − beta) · g²"""
    if isinstance(beta, ondol.Tensor):
        average.lerp_(g * g, 1 - beta)
    else:
        average.mul_(beta).addcmul_(g, g, value=1 - beta)
