"""Resilient backpropagation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import ondol
from ondol.optim._checks import check_learning_rate
from ondol.optim._formula import next_step
from ondol.optim._state import scalar
from ondol.optim.optimizer import Group, Optimizer, ParamsT, State

if TYPE_CHECKING:
    from ondol import Tensor

__all__ = ["Rprop"]


class Rprop(Optimizer):
    """Rprop (Riedmiller & Braun 1993), the variant Rprop⁻: only the sign of the gradient counts, p ← p − sign(g)·Δ.

    Δ grows by η⁺ while the sign stays, and shrinks by η⁻ when it turns; in that step the parameter rests.

    Args:
        params: parameters, `(name, parameter)` pairs, or dicts of parameter groups.
        lr: what every Δ starts from; a number or a tensor of one element.
        etas: η⁻ and η⁺.
        step_sizes: the smallest and the largest Δ.
        capturable: accepted and ignored: it keeps the step counter on a GPU for CUDA graphs, and there is none here.
        foreach: accepted for compatibility; it chooses between implementations in PyTorch, and here there is one.
        maximize: climb instead of descend.
        differentiable: record the step, so that one can differentiate through it.

    Raises:
        ValueError: an option out of its range.

    >>> import ondol
    >>> w = ondol.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = Rprop([w], lr=0.1)
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
    elementwise_state = ("prev", "step_size")

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_learning_rate(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults: dict[str, Any] = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def state_for(self, p: Tensor, g: Tensor, group: Group) -> State:
        lr = float(group["lr"])
        start = complex(lr, lr) if p.is_complex() else lr  # both parts of a complex number take steps of their own
        return {"step": scalar(0), "prev": ondol.zeros_like(p), "step_size": ondol.full_like(g, start)}

    def update(self, p: Tensor, g: Tensor, state: State, group: Group) -> None:
        next_step(state)
        previous, size = state["prev"], state["step_size"]
        shrink, grow = group["etas"]
        agreement = (g * previous.clone()).sign()
        turned = agreement < 0
        size.mul_(ondol.ones_like(g).masked_fill_(agreement > 0, grow).masked_fill_(turned, shrink))
        size.clamp_(*group["step_sizes"])
        g = g.masked_fill(turned, 0)
        p.addcmul_(g.sign(), size, value=-1)
        previous.copy_(g)
