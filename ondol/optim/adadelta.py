"""Adadelta."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import ondol
from ondol.optim._checks import check_learning_rate, check_not_negative
from ondol.optim._formula import add_, average_square_, next_step, with_weight_decay
from ondol.optim._state import scalar
from ondol.optim.optimizer import Group, Optimizer, ParamsT, State

if TYPE_CHECKING:
    from ondol import Tensor

__all__ = ["Adadelta"]


class Adadelta(Optimizer):
    """Adadelta (Zeiler 2012, algorithm 1): p ← p − lr·Δ, Δ = √(d + ε) / √(s + ε) · g.

    s is the average of g² and d the average of Δ², so that a step has the unit of a parameter.

    Args:
        params: parameters, `(name, parameter)` pairs, or dicts of parameter groups.
        lr: factor of the step, 1 in the paper; a number or a tensor of one element.
        rho: decay of the averages.
        eps: ε, inside of the roots.
        weight_decay: λ; λ·p is added to the gradient.
        foreach: accepted for compatibility; it chooses between implementations in PyTorch, and here there is one.
        capturable: accepted and ignored: it keeps the step counter on a GPU for CUDA graphs, and there is none here.
        maximize: climb instead of descend.
        differentiable: record the step, so that one can differentiate through it.

    Raises:
        ValueError: an option out of its range.

    >>> import ondol
    >>> w = ondol.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = Adadelta([w], lr=10.0)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9684, 1.9684], requires_grad=True)
    """

    options_added_later: ClassVar[dict[str, Any]] = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "capturable": False,
    }
    elementwise_state = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_learning_rate(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_not_negative("epsilon", eps)
        check_not_negative("weight_decay", weight_decay)
        defaults: dict[str, Any] = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def state_for(self, p: Tensor, g: Tensor, group: Group) -> State:
        return {"step": scalar(0), "square_avg": ondol.zeros_like(p), "acc_delta": ondol.zeros_like(p)}

    def update(self, p: Tensor, g: Tensor, state: State, group: Group) -> None:
        next_step(state)
        s, d, rho, eps = state["square_avg"], state["acc_delta"], group["rho"], group["eps"]
        g = with_weight_decay(g, p, group["weight_decay"])
        average_square_(s, g, rho)
        delta = (d + eps).sqrt() / (s + eps).sqrt() * g
        average_square_(d, delta, rho)
        add_(p, delta, -group["lr"])
