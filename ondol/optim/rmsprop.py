"""RMSprop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import ondol
from ondol.optim import _fused
from ondol.optim._checks import check_learning_rate, check_not_negative
from ondol.optim._formula import add_, add_quotient_, average_square_, next_step, with_weight_decay
from ondol.optim._state import scalar
from ondol.optim.optimizer import Group, Optimizer, ParamsT, State

if TYPE_CHECKING:
    from ondol import Tensor

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """RMSprop (Hinton 2012, lecture 6e): p ← p − lr·g / (√s + ε), with s the average of g².

    `centered` subtracts the square of the average gradient from s, so that the root is a standard deviation (Graves
    2013, eq. 38-45); `momentum` collects the steps.

    Args:
        params: parameters, `(name, parameter)` pairs, or dicts of parameter groups.
        lr: learning rate; a number or a tensor of one element.
        alpha: decay of the averages.
        eps: ε, outside of the root.
        weight_decay: λ; λ·p is added to the gradient.
        momentum: of the steps.
        centered: divide by the standard deviation of the gradient.
        capturable: accepted and ignored: it keeps the step counter on a GPU for CUDA graphs, and there is none here.
        foreach: accepted for compatibility; one native call does a whole group where it can.
        maximize: climb instead of descend.
        differentiable: record the step, so that one can differentiate through it.

    Raises:
        ValueError: an option out of its range.

    >>> import ondol
    >>> w = ondol.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = RMSprop([w], lr=0.01)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9000, 1.9000], requires_grad=True)
    """

    options_added_later: ClassVar[dict[str, Any]] = {
        "momentum": 0, "centered": False, "foreach": None, "maximize": False, "differentiable": False,
        "capturable": False,
    }  # fmt: skip
    elementwise_state = ("square_avg", "momentum_buffer", "grad_avg")

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_learning_rate(lr)
        check_not_negative("epsilon", eps)
        check_not_negative("momentum", momentum)
        check_not_negative("weight_decay", weight_decay)
        check_not_negative("alpha", alpha)
        defaults: dict[str, Any] = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def state_for(self, p: Tensor, g: Tensor, group: Group) -> State:
        state = {"step": scalar(0), "square_avg": ondol.zeros_like(p)}
        if group["momentum"] > 0:
            state["momentum_buffer"] = ondol.zeros_like(p)
        if group["centered"]:
            state["grad_avg"] = ondol.zeros_like(p)
        return state

    def update(self, p: Tensor, g: Tensor, state: State, group: Group) -> None:
        next_step(state)
        s, alpha = state["square_avg"], group["alpha"]
        g = with_weight_decay(g, p, group["weight_decay"])
        average_square_(s, g, alpha)
        if group["centered"]:
            mean = state["grad_avg"].lerp_(g, 1 - alpha)
            root = (s - mean * mean).sqrt()
        else:
            root = s.sqrt()
        if group["momentum"] > 0:
            buffer = state["momentum_buffer"].mul_(group["momentum"]).addcdiv_(g, root + group["eps"])
            add_(p, buffer, -group["lr"])
        else:
            add_quotient_(p, g, root + group["eps"], -group["lr"])

    def fused_step(self, params: list[Tensor], grads: list[Tensor], states: list[State], group: Group) -> bool:
        return _fused.rmsprop_(
            params,
            grads,
            [state["square_avg"] for state in states],
            [state["grad_avg"] for state in states] if group["centered"] else [],
            [state["momentum_buffer"] for state in states] if group["momentum"] > 0 else [],
            [state["step"] for state in states],
            float(group["lr"]),
            group["alpha"],
            group["eps"],
            group["weight_decay"],
            group["momentum"],
            group["maximize"],
        )
