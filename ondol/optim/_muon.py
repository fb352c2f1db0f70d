"""Muon: momentum, orthogonalized."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import ondol
from ondol.optim._checks import check_learning_rate
from ondol.optim.optimizer import Group, Optimizer, ParamsT, State

if TYPE_CHECKING:
    from ondol import Tensor

__all__ = ["Muon"]

# A polynomial with the steepest slope at 0 that keeps singular values near 1 (Jordan et al. 2024).
NEWTON_SCHULZ_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


class Muon(Optimizer):
    """Muon (Jordan et al. 2024): SGD with momentum for matrices, whose steps are the nearest orthogonal matrix.

    B ← B + (1−μ)·(g − B), with `nesterov` G = g + μ·(B − g), else G = B; p ← (1 − lr·λ)·p − lr·r·NewtonSchulz(G). The
    iteration runs in bfloat16. r evens out the size of the step between shapes: √max(1, rows/columns) for "original",
    0.2·√max(rows, columns) for "match_rms_adamw" (Liu et al. 2025).

    Args:
        params: parameters of two dimensions, `(name, parameter)` pairs, or dicts of parameter groups. Give biases,
            embeddings and the head to another optimizer.
        lr: learning rate; a number or a tensor of one element.
        weight_decay: λ.
        momentum: μ.
        nesterov: look ahead.
        ns_coefficients: of the polynomial a·X + b·(XXᵀ)X + c·(XXᵀ)²X.
        eps: the smallest norm to divide by.
        ns_steps: how many iterations, less than 100.
        adjust_lr_fn: "original" (also None) or "match_rms_adamw".

    Raises:
        ValueError: an option out of its range, or a parameter that is no matrix.

    >>> import ondol
    >>> w = ondol.eye(2).requires_grad_()
    >>> optimizer = Muon([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.shape
    torch.Size([2, 2])
    """

    elementwise_state = ("momentum_buffer",)
    scalar_state = ()

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = NEWTON_SCHULZ_COEFFICIENTS,
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        check_learning_rate(lr, "Learning rate should be >= 0 but is: {}")
        if not momentum >= 0.0:
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        defaults: dict[str, Any] = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)

    def add_param_group(self, param_group: Group) -> None:
        super().add_param_group(param_group)
        for p in self.param_groups[-1]["params"]:
            if p.dim() != 2:
                del self.param_groups[-1]
                raise ValueError(f"Muon only supports 2D parameters whereas we found a parameter with size: {p.shape}")

    def state_for(self, p: Tensor, g: Tensor, group: Group) -> State:
        if p.is_complex():
            raise RuntimeError("Muon does not support complex parameters")
        return {"momentum_buffer": ondol.zeros_like(g)}

    def update(self, p: Tensor, g: Tensor, state: State, group: Group) -> None:
        lr, momentum = group["lr"], group["momentum"]
        buffer = state["momentum_buffer"].lerp_(g, 1 - momentum)
        direction = g.lerp(buffer, momentum) if group["nesterov"] else buffer
        step = orthogonalized(direction, group["ns_coefficients"], group["ns_steps"], group["eps"])
        p.mul_(1 - lr * group["weight_decay"])
        p.add_(step, alpha=-lr * _size_ratio(p, group["adjust_lr_fn"]))


def orthogonalized(g: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """A bfloat16 matrix with the singular vectors of `g` and singular values near 1, by Newton-Schulz iteration."""
    if steps >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    a, b, c = coefficients
    tall = g.shape[0] > g.shape[1]
    x = g.bfloat16().T if tall else g.bfloat16()
    x = x / x.norm().clamp(min=eps)  # the iteration converges where no singular value is above 1
    for _ in range(steps):
        gram = x @ x.T
        x = ondol.addmm(x, ondol.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


def _size_ratio(p: Tensor, rule: str | None) -> float:
    rows, columns = p.shape
    return 0.2 * math.sqrt(max(rows, columns)) if rule == "match_rms_adamw" else math.sqrt(max(1, rows / columns))
