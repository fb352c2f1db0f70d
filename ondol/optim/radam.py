"""RAdam: Adam with a rectified variance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import ondol
from ondol.optim._checks import check_betas, check_learning_rate, check_not_negative
from ondol.optim._formula import add_, average_square_, next_step, scale_, with_weight_decay
from ondol.optim._state import scalar
from ondol.optim.optimizer import Group, Optimizer, ParamsT, State

if TYPE_CHECKING:
    from ondol import Tensor

__all__ = ["RAdam"]


class RAdam(Optimizer):
    """RAdam (Liu et al. 2020, algorithm 2): Adam that takes plain steps of m̂ until its second moment can be trusted.

    With ρ∞ = 2/(1−β₂) − 1 and ρₜ = ρ∞ − 2t·β₂ᵗ/(1−β₂ᵗ), the step is m̂ while ρₜ ≤ 5, and then r·m̂/√v̂ with
    r = √((ρₜ−4)(ρₜ−2)ρ∞ / ((ρ∞−4)(ρ∞−2)ρₜ)).

    Args:
        params: parameters, `(name, parameter)` pairs, or dicts of parameter groups.
        lr: learning rate; a number or a tensor of one element.
        betas: β₁ and β₂, the decay of the averages m of g and v of g².
        eps: ε, outside of the root.
        weight_decay: λ; λ·p is added to the gradient, or p ← (1 − lr·λ)·p if it is decoupled.
        decoupled_weight_decay: decay p directly, as AdamW does.
        foreach: accepted for compatibility; it chooses between implementations in PyTorch, and here there is one.
        maximize: climb instead of descend.
        capturable: accepted and ignored: it keeps the step counter on a GPU for CUDA graphs, and there is none here.
        differentiable: record the step, so that one can differentiate through it.

    Raises:
        ValueError: an option out of its range.

    >>> import ondol
    >>> w = ondol.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = RAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8000, 1.6000], requires_grad=True)
    """

    options_added_later: ClassVar[dict[str, Any]] = {
        "foreach": None, "maximize": False, "differentiable": False, "decoupled_weight_decay": False,
        "capturable": False,
    }  # fmt: skip
    elementwise_state = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
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
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def state_for(self, p: Tensor, g: Tensor, group: Group) -> State:
        return {"step": scalar(0), "exp_avg": ondol.zeros_like(p), "exp_avg_sq": ondol.zeros_like(p)}

    def update(self, p: Tensor, g: Tensor, state: State, group: Group) -> None:
        m, v, step = state["exp_avg"], state["exp_avg_sq"], next_step(state)
        lr, (beta1, beta2) = group["lr"], group["betas"]
        if group["decoupled_weight_decay"]:
            scale_(p, 1 - lr * group["weight_decay"])
        else:
            g = with_weight_decay(g, p, group["weight_decay"])
        m.lerp_(g, 1 - beta1)
        average_square_(v, g, beta2)
        change = m / (1 - beta1**step)
        limit = 2 / (1 - beta2) - 1
        length = limit - 2 * step * beta2**step / (1 - beta2**step)
        if length > 5:
            r = ((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)) ** 0.5
            change = change * (r * (1 - beta2**step) ** 0.5) / (v.sqrt() + group["eps"])
        add_(p, change, -lr)
