"""NAdam: Adam with Nesterov momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import ondol
from ondol.optim._checks import check_betas, check_learning_rate, check_not_negative
from ondol.optim._formula import add_quotient_, average_square_, next_step, scale_, with_weight_decay
from ondol.optim._state import scalar
from ondol.optim.optimizer import Group, Optimizer, ParamsT, State

if TYPE_CHECKING:
    from ondol import Tensor

__all__ = ["NAdam"]


class NAdam(Optimizer):
    """NAdam (Dozat 2016): Adam whose average m looks one step ahead, as Nesterov's momentum does.

    With μₜ = β₁·(1 − ½·0.96^(t·ψ)) and Πₜ their product, p ← p − lr·((1−μₜ)/(1−Πₜ)·g + μₜ₊₁/(1−Πₜ₊₁)·m) / (√v̂ + ε).

    Args:
        params: parameters, `(name, parameter)` pairs, or dicts of parameter groups.
        lr: learning rate; a number or a tensor of one element.
        betas: β₁ and β₂, the decay of the averages m of g and v of g².
        eps: ε, outside of the root.
        weight_decay: λ; λ·p is added to the gradient, or p ← (1 − lr·λ)·p if it is decoupled.
        momentum_decay: ψ.
        decoupled_weight_decay: decay p directly, as AdamW does.
        foreach: accepted for compatibility; it chooses between implementations in PyTorch, and here there is one.
        maximize: climb instead of descend.
        capturable: accepted and ignored: it keeps the step counter on a GPU for CUDA graphs, and there is none here.
        differentiable: record the step, so that one can differentiate through it.

    Raises:
        ValueError: an option out of its range.

    >>> import ondol
    >>> w = ondol.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = NAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8944, 1.8944], requires_grad=True)
    """

    options_added_later: ClassVar[dict[str, Any]] = {
        "maximize": False, "foreach": None, "capturable": False, "differentiable": False,
        "decoupled_weight_decay": False,
    }  # fmt: skip
    elementwise_state = ("exp_avg", "exp_avg_sq")
    scalar_state = ("step", "mu_product")

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        check_not_negative("momentum_decay", momentum_decay)
        defaults: dict[str, Any] = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def state_for(self, p: Tensor, g: Tensor, group: Group) -> State:
        return {
            "step": scalar(0),
            "mu_product": scalar(1),
            "exp_avg": ondol.zeros_like(p),
            "exp_avg_sq": ondol.zeros_like(p),
        }

    def update(self, p: Tensor, g: Tensor, state: State, group: Group) -> None:
        m, v, step = state["exp_avg"], state["exp_avg_sq"], next_step(state)
        lr, (beta1, beta2), decay = group["lr"], group["betas"], group["momentum_decay"]
        if group["decoupled_weight_decay"]:
            scale_(p, 1 - lr * group["weight_decay"])
        else:
            g = with_weight_decay(g, p, group["weight_decay"])
        mu = beta1 * (1 - 0.5 * 0.96 ** (step * decay))
        mu_next = beta1 * (1 - 0.5 * 0.96 ** ((step + 1) * decay))
        product = state["mu_product"].mul_(mu).item()
        m.lerp_(g, 1 - beta1)
        average_square_(v, g, beta2)
        denominator = (v / (1 - beta2**step)).sqrt() + group["eps"]
        add_quotient_(p, g, denominator, -lr * (1 - mu) / (1 - product))
        add_quotient_(p, m, denominator, -lr * mu_next / (1 - product * mu_next))
