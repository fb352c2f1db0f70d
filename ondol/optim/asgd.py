"""Averaged stochastic gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import ondol
from ondol.optim._checks import check_learning_rate, check_not_negative
from ondol.optim._formula import add_, next_step, scale_, with_weight_decay
from ondol.optim._state import scalar
from ondol.optim.optimizer import Group, Optimizer, ParamsT, State

if TYPE_CHECKING:
    from ondol import Tensor

__all__ = ["ASGD"]


class ASGD(Optimizer):
    """Averaged SGD (Polyak & Juditsky 1992): SGD with a decaying rate η; `state[p]["ax"]` averages its path.

    p ← (1 − λ·η)·p − η·g, then ax ← ax + μ·(p − ax), with η = lr / (1 + λ·lr·t)^α and μ = 1 / max(1, t − t₀).

    Args:
        params: parameters, `(name, parameter)` pairs, or dicts of parameter groups.
        lr: learning rate; a number or a tensor of one element.
        lambd: λ.
        alpha: α.
        t0: t₀, the step at which averaging starts.
        weight_decay: weight_decay·p is added to the gradient.
        foreach: accepted for compatibility; it chooses between implementations in PyTorch, and here there is one.
        maximize: climb instead of descend.
        differentiable: record the step, so that one can differentiate through it.
        capturable: accepted and ignored: it keeps the step counter on a GPU for CUDA graphs, and there is none here.

    Raises:
        ValueError: an option out of its range.

    >>> import ondol
    >>> w = ondol.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = ASGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8000, 1.6000], requires_grad=True)
    """

    options_added_later: ClassVar[dict[str, Any]] = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "capturable": False,
    }
    elementwise_state = ("ax",)
    scalar_state = ("step", "eta", "mu")

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_learning_rate(lr)
        check_not_negative("weight_decay", weight_decay)
        defaults: dict[str, Any] = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def state_for(self, p: Tensor, g: Tensor, group: Group) -> State:
        return {
            "step": scalar(0),
            "eta": scalar(float(group["lr"])),
            "mu": scalar(1),
            "ax": ondol.zeros_like(p),
        }

    def update(self, p: Tensor, g: Tensor, state: State, group: Group) -> None:
        ax, eta, mu, step = state["ax"], state["eta"].item(), state["mu"].item(), next_step(state)
        lr, lambd = group["lr"], group["lambd"]
        g = with_weight_decay(g, p, group["weight_decay"])
        scale_(p, 1 - lambd * eta)
        add_(p, g, -eta)
        if mu == 1:
            ax.copy_(p)
        else:
            ax.add_((p - ax) * mu)
        state["eta"].fill_(lr / (1 + lambd * lr * step) ** group["alpha"])
        state["mu"].fill_(1 / max(1, step - group["t0"]))
