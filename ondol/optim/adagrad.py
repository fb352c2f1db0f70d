"""Adagrad."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import ondol
from ondol.optim._checks import check_fused, check_learning_rate, check_not_negative
from ondol.optim._formula import add_quotient_, next_step, with_weight_decay
from ondol.optim._state import scalar
from ondol.optim.optimizer import Group, Optimizer, ParamsT, State

if TYPE_CHECKING:
    from ondol import Tensor

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan & Singer 2011): p ← p − lr / (1 + (t−1)·η) · g / (√s + ε), with s the sum of all g².

    Args:
        params: parameters, `(name, parameter)` pairs, or dicts of parameter groups.
        lr: learning rate; a number or a tensor of one element.
        lr_decay: η.
        weight_decay: λ; λ·p is added to the gradient.
        initial_accumulator_value: what s starts from.
        eps: ε, outside of the root.
        foreach: accepted for compatibility; it chooses between implementations in PyTorch, and here there is one.
        maximize: climb instead of descend.
        differentiable: record the step, so that one can differentiate through it.
        fused: accepted for compatibility, as `foreach`.

    Raises:
        ValueError: an option out of its range.

    >>> import ondol
    >>> w = ondol.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = Adagrad([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9000, 1.9000], requires_grad=True)
    """

    options_added_later: ClassVar[dict[str, Any]] = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "fused": None,
    }
    elementwise_state = ("sum",)

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_learning_rate(lr)
        check_not_negative("lr_decay", lr_decay)
        check_not_negative("weight_decay", weight_decay)
        check_not_negative("initial_accumulator_value", initial_accumulator_value)
        check_not_negative("epsilon", eps)
        check_fused(fused, foreach, differentiable)
        defaults: dict[str, Any] = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:  # PyTorch's has its state from the start, and checkpoints show it
            for p in group["params"]:
                self.state[p].update(self.state_for(p, p, group))

    def state_for(self, p: Tensor, g: Tensor, group: Group) -> State:
        start = group["initial_accumulator_value"]
        return {"step": scalar(0), "sum": ondol.full_like(p, complex(start, start) if p.is_complex() else start)}

    def update(self, p: Tensor, g: Tensor, state: State, group: Group) -> None:
        s, step = state["sum"], next_step(state)
        g = with_weight_decay(g, p, group["weight_decay"])
        s.addcmul_(g, g)
        add_quotient_(p, g, s.sqrt() + group["eps"], -group["lr"] / (1 + (step - 1) * group["lr_decay"]))
