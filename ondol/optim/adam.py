"""Adam, and its variant AMSGrad."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import ondol
from ondol.optim import _fused
from ondol.optim._checks import check_betas, check_fused, check_learning_rate, check_not_negative
from ondol.optim._formula import add_quotient_, average_square_, next_step, scale_, with_weight_decay
from ondol.optim._state import scalar
from ondol.optim.optimizer import Group, Optimizer, ParamsT, State

if TYPE_CHECKING:
    from ondol import Tensor

__all__ = ["Adam"]


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, algorithm 1): p ← p − lr·m̂ / (√v̂ + ε), with averages m of g and v of g².

    The bias corrections are m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ). With `amsgrad`, v̂ comes from the largest v so far
    (Reddi, Kale & Kumar 2018).

    Args:
        params: parameters, `(name, parameter)` pairs, or dicts of parameter groups.
        lr: learning rate; a number or a tensor of one element.
        betas: β₁ and β₂, the decay of the two averages.
        eps: ε, outside of the root.
        weight_decay: λ; λ·p is added to the gradient.
        amsgrad: use the largest v so far.
        foreach: accepted for compatibility; there is one implementation over all parameters, see `fused`.
        maximize: climb instead of descend.
        capturable: accepted and ignored: it keeps the step counter on a GPU for CUDA graphs, and there is none here.
        differentiable: record the step, so that one can differentiate through it.
        fused: False runs the formula parameter by parameter; otherwise one native call does a group where it can.
        decoupled_weight_decay: decay p directly, as AdamW does.

    Raises:
        ValueError: an option out of its range.

    >>> import ondol
    >>> w = ondol.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9000, 1.9000], requires_grad=True)
    """

    options_added_later: ClassVar[dict[str, Any]] = {
        "amsgrad": False, "maximize": False, "foreach": None, "capturable": False, "differentiable": False,
        "decoupled_weight_decay": False, "fused": None,
    }  # fmt: skip
    elementwise_state = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_learning_rate(lr)
        check_not_negative("epsilon", eps)
        check_betas(betas)
        check_not_negative("weight_decay", weight_decay)
        _check_tensor_options(lr, betas, foreach, capturable)
        check_fused(fused, foreach, differentiable)
        defaults: dict[str, Any] = {
            "lr": lr,
            "betas": tuple(b.squeeze() if isinstance(b, ondol.Tensor) else b for b in betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def state_for(self, p: Tensor, g: Tensor, group: Group) -> State:
        state = {"step": scalar(0), "exp_avg": ondol.zeros_like(p), "exp_avg_sq": ondol.zeros_like(p)}
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = ondol.zeros_like(p)
        return state

    def update(self, p: Tensor, g: Tensor, state: State, group: Group) -> None:
        m, v, step = state["exp_avg"], state["exp_avg_sq"], next_step(state)
        lr, (beta1, beta2), weight_decay = group["lr"], group["betas"], group["weight_decay"]
        if group["decoupled_weight_decay"]:
            scale_(p, 1 - lr * weight_decay)
        else:
            g = with_weight_decay(g, p, weight_decay)
        m.lerp_(g, 1 - beta1)
        average_square_(v, g, beta2)
        if group["amsgrad"]:
            largest = state["max_exp_avg_sq"]
            v = largest.copy_(ondol.maximum(largest.clone(), v))
        denominator = v.sqrt() / (1 - beta2**step) ** 0.5 + group["eps"]
        add_quotient_(p, m, denominator, -lr / (1 - beta1**step))

    def fused_step(self, params: list[Tensor], grads: list[Tensor], states: list[State], group: Group) -> bool:
        beta1, beta2 = group["betas"]
        native = _fused.adamw_ if group["decoupled_weight_decay"] else _fused.adam_
        return native(
            params,
            grads,
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [state["max_exp_avg_sq"] for state in states] if group["amsgrad"] else [],
            [state["step"] for state in states],
            float(group["lr"]),
            float(beta1),
            float(beta2),
            group["eps"],
            float(group["weight_decay"]),
            group["maximize"],
        )


def _check_tensor_options(lr: Any, betas: Any, foreach: bool | None, capturable: bool) -> None:
    """What PyTorch refuses of options that are tensors, so that a script fails here as it does there."""
    if len({isinstance(beta, ondol.Tensor) for beta in betas}) != 1 or not all(
        isinstance(beta, (float, ondol.Tensor)) for beta in betas
    ):
        raise ValueError("betas must be either both floats or both Tensors")
    for name, value in (("lr", lr), ("betas[0]", betas[0]), ("betas[1]", betas[1])):
        if isinstance(value, ondol.Tensor):
            if foreach and not capturable:
                raise ValueError(f"{name} as a Tensor is not supported for capturable=False and foreach=True")
            if value.numel() != 1:
                raise ValueError(f"Tensor {name} must be 1-element")
