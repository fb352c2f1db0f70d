"""Adamax."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import ondol
from ondol.optim._checks import check_betas, check_learning_rate, check_not_negative
from ondol.optim._formula import add_quotient_, next_step, with_weight_decay
from ondol.optim._state import scalar
from ondol.optim.optimizer import Group, Optimizer, ParamsT, State

if TYPE_CHECKING:
    from ondol import Tensor

__all__ = ["Adamax"]


class Adamax(Optimizer):
    """Adamax (Kingma & Ba 2015, algorithm 2): p ← p − lr / (1 − β₁ᵗ) · m / u, with u ← max(β₂·u, |g| + ε).

    m is the average of g, and u the decaying largest absolute gradient, in the place of Adam's root.

    Args:
        params: parameters, `(name, parameter)` pairs, or dicts of parameter groups.
        lr: learning rate; a number or a tensor of one element.
        betas: β₁ and β₂.
        eps: ε, added to |g|.
        weight_decay: λ; λ·p is added to the gradient.
        foreach: accepted for compatibility; it chooses between implementations in PyTorch, and here there is one.
        maximize: climb instead of descend.
        differentiable: record the step, so that one can differentiate through it.
        capturable: accepted and ignored: it keeps the step counter on a GPU for CUDA graphs, and there is none here.

    Raises:
        ValueError: an option out of its range.

    >>> import ondol
    >>> w = ondol.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = Adamax([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9000, 1.9000], requires_grad=True)
    """

    options_added_later: ClassVar[dict[str, Any]] = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "capturable": False,
    }
    elementwise_state = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_learning_rate(lr)
        check_not_negative("epsilon", eps)
        check_betas(betas)
        check_not_negative("weight_decay", weight_decay)
        defaults: dict[str, Any] = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def state_for(self, p: Tensor, g: Tensor, group: Group) -> State:
        return {"step": scalar(0), "exp_avg": ondol.zeros_like(p), "exp_inf": ondol.zeros_like(p)}

    def update(self, p: Tensor, g: Tensor, state: State, group: Group) -> None:
        m, u, step = state["exp_avg"], state["exp_inf"], next_step(state)
        beta1, beta2 = group["betas"]
        g = with_weight_decay(g, p, group["weight_decay"])
        m.lerp_(g, 1 - beta1)
        u.copy_(ondol.maximum(u * beta2, g.abs() + group["eps"]))
        add_quotient_(p, m, u, -group["lr"] / (1 - beta1**step))
