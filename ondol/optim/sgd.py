"""Stochastic gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import ondol
from ondol.optim import _fused
from ondol.optim._checks import check_fused, check_learning_rate
from ondol.optim._formula import add_, with_weight_decay
from ondol.optim.optimizer import Group, Optimizer, ParamsT, State

if TYPE_CHECKING:
    from ondol import Tensor

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if wanted: b ← μ·b + (1−τ)·g, p ← p − lr·b.

    The momentum is Polyak's (1964) as PyTorch writes it, with the learning rate outside of the buffer; `nesterov` uses
    g + μ·b instead of b (Sutskever et al. 2013). The buffer starts as the first gradient, undamped.

    Args:
        params: parameters, `(name, parameter)` pairs, or dicts of parameter groups.
        lr: learning rate; a number or a tensor of one element.
        momentum: μ.
        dampening: τ.
        weight_decay: λ; λ·p is added to the gradient.
        nesterov: Nesterov's momentum; needs `momentum` and no `dampening`.
        maximize: climb instead of descend.
        foreach: accepted for compatibility; there is one implementation over all parameters, see `fused`.
        differentiable: record the step, so that one can differentiate through it.
        fused: False runs the formula parameter by parameter; otherwise one native call does a group where it can.

    Raises:
        ValueError: an option out of its range.

    >>> import ondol
    >>> w = ondol.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8000, 1.6000], requires_grad=True)
    """

    options_added_later: ClassVar[dict[str, Any]] = {
        "nesterov": False, "maximize": False, "foreach": None, "differentiable": False, "fused": False
    }  # fmt: skip
    elementwise_state = ("momentum_buffer",)
    scalar_state = ()
    complex_as_real = False  # every line of the formula is linear in the gradient

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_learning_rate(lr)
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        check_fused(fused, foreach, differentiable)
        defaults: dict[str, Any] = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def keeps_state(self, group: Group) -> bool:
        return group["momentum"] != 0

    def update(self, p: Tensor, g: Tensor, state: State, group: Group) -> None:
        momentum = group["momentum"]
        g = with_weight_decay(g, p, group["weight_decay"])
        if momentum != 0:
            buffer = state.get("momentum_buffer")
            if buffer is None:
                buffer = state["momentum_buffer"] = ondol.clone(g)
            else:
                buffer.mul_(momentum).add_(g, alpha=1 - group["dampening"])
            g = g.add(buffer, alpha=momentum) if group["nesterov"] else buffer
        add_(p, g, -group["lr"])

    def fused_step(self, params: list[Tensor], grads: list[Tensor], states: list[State], group: Group) -> bool:
        momentum = group["momentum"]
        buffers: list[Tensor] = []
        are_new: list[bool] = []
        if momentum != 0:
            known = [state.get("momentum_buffer") for state in states]
            are_new = [buffer is None for buffer in known]
            buffers = [ondol.empty_like(p) if buffer is None else buffer for buffer, p in zip(known, params)]
        done = _fused.sgd_(
            params, grads, buffers, are_new, float(group["lr"]), momentum, group["dampening"],
            float(group["weight_decay"]), group["nesterov"], group["maximize"],
        )  # fmt: skip
        if done and any(are_new):
            for state, buffer in zip(states, buffers):
                state["momentum_buffer"] = buffer
        return done
