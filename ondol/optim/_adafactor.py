"""Adafactor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import ondol
from ondol.optim._checks import check_learning_rate
from ondol.optim._formula import next_step
from ondol.optim._state import scalar
from ondol.optim.optimizer import Group, Optimizer, ParamsT, State

if TYPE_CHECKING:
    from ondol import Tensor

__all__ = ["Adafactor"]


class Adafactor(Optimizer):
    """Adafactor (Shazeer & Stern 2018): the second moment of a matrix is kept as its row and column means only.

    V ≈ R·C / mean(R); U = g / max(√V, ε₁), divided by max(1, RMS(U) / d); p ← p − max(ε₂, RMS(p))·min(lr, 1/√t)·U.
    The averages decay by β₂ = 1 − t^τ. As in PyTorch, `lr` bounds the relative step size (the paper has 0.01), and ε₁
    bounds V from below instead of being added to g².

    Args:
        params: real parameters, `(name, parameter)` pairs, or dicts of parameter groups.
        lr: the largest relative step size; a number or a tensor of one element.
        beta2_decay: τ.
        eps: ε₁ (None: the machine epsilon of the parameter's dtype) and ε₂.
        d: threshold of the clipping.
        weight_decay: λ; first of all p ← (1 − lr·λ)·p.
        foreach: accepted for compatibility; it chooses between implementations in PyTorch, and here there is one.
        maximize: climb instead of descend.

    Raises:
        ValueError: an option out of its range.
        RuntimeError: on a step, a complex parameter.

    >>> import ondol
    >>> w = ondol.ones(2, 3, requires_grad=True)
    >>> optimizer = Adafactor([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> optimizer.state[w]["row_var"].shape, optimizer.state[w]["col_var"].shape
    (torch.Size([2, 1]), torch.Size([1, 3]))
    """

    options_added_later: ClassVar[dict[str, Any]] = {"foreach": None}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check_learning_rate(lr, "Learning rate should be >= 0 but is: {}")
        if not beta2_decay <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not eps[0] >= 0.0:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not eps[1] >= 0.0:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not d >= 1.0:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        defaults: dict[str, Any] = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def state_for(self, p: Tensor, g: Tensor, group: Group) -> State:
        if p.is_complex():
            raise RuntimeError("Adafactor does not support complex parameters")
        state = {"step": scalar(0)}
        for name in ("row_var", "col_var") if g.dim() > 1 else ("variance",):
            state[name] = g.new_zeros(self.state_shape(name, g))
        return state

    def state_shape(self, name: str, p: Tensor) -> tuple[int, ...] | None:
        shape = tuple(p.shape)
        if name == "row_var":
            return (*shape[:-1], 1)
        if name == "col_var":
            return (*shape[:-2], 1, *shape[-1:])
        return shape if name == "variance" else super().state_shape(name, p)

    def update(self, p: Tensor, g: Tensor, state: State, group: Group) -> None:
        lr, (eps1, eps2), step = group["lr"], group["eps"], next_step(state)
        eps1 = ondol.finfo(p.dtype).eps if eps1 is None else eps1
        new_part = step ** group["beta2_decay"]
        step_size = max(eps2, _root_mean_square(p)) * min(lr, step**-0.5)
        if group["weight_decay"] != 0:
            p.mul_(1 - lr * group["weight_decay"])
        if g.dim() > 1:
            rows, columns = state["row_var"], state["col_var"]
            rows.lerp_((g * g).mean(-1, keepdim=True), new_part)
            columns.lerp_((g * g).mean(-2, keepdim=True), new_part)
            variance = rows @ columns / rows.mean(-2, keepdim=True).clamp_(min=eps1)
        else:
            variance = state["variance"].lerp_(g * g, new_part)
        change = variance.clamp(min=eps1 * eps1).rsqrt_().mul_(g)
        p.add_(change, alpha=-step_size / max(1.0, _root_mean_square(change) / group["d"]))


def _root_mean_square(x: Tensor) -> float:
    return x.norm(2).item() / x.numel() ** 0.5
