"""Limited-memory BFGS, with or without a line search."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ondol
from ondol.optim._checks import check_learning_rate
from ondol.optim._line_search import strong_wolfe
from ondol.optim.optimizer import Optimizer, ParamsT, State

if TYPE_CHECKING:
    from ondol import Tensor

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """L-BFGS (Nocedal & Wright 2006, algorithms 7.4 and 7.5): steps along −H·g, with H from the last changes of g.

    There is one parameter group, and its state belongs to the first parameter. `step` needs the closure, and calls it
    several times.

    Args:
        params: real or complex parameters.
        lr: length of a step; the first one is shortened to 1/|g|₁.
        max_iter: iterations in a call of `step`.
        max_eval: evaluations of the closure in a call of `step`; 1.25 · max_iter if None.
        tolerance_grad: end where no element of the gradient is larger.
        tolerance_change: end where the loss or every parameter changes less.
        history_size: how many changes of the gradient are kept.
        line_search_fn: "strong_wolfe", or None for steps of length `lr`.

    Raises:
        ValueError: a negative learning rate, or more than one parameter group.

    >>> import ondol
    >>> w = ondol.tensor([3.0, -2.0], requires_grad=True)
    >>> optimizer = LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((w - 1) ** 2).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure)
    tensor(13., grad_fn=<SumBackward0>)
    >>> [round(x, 3) for x in w.tolist()]
    [1.0, 1.0]
    """

    scalar_state = ()

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_learning_rate(lr)
        defaults: dict[str, Any] = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @property
    def _params(self) -> list[Tensor]:
        return self.param_groups[0]["params"]

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Minimize for up to `max_iter` iterations.

        Args:
            closure: clears the gradients, computes the loss and its gradients, and returns the loss.

        Returns:
            What the first call of `closure` returned.
        """
        with ondol.no_grad():
            return self._minimize(closure)

    def _minimize(self, closure: Callable[[], Any]) -> Any:
        def evaluate() -> Any:
            with ondol.enable_grad():
                return closure()

        group = self.param_groups[0]
        lr = group["lr"].squeeze() if isinstance(group["lr"], ondol.Tensor) else group["lr"]
        tolerance_grad, tolerance_change = group["tolerance_grad"], group["tolerance_change"]
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)

        first_loss = evaluate()
        loss, g, evaluations = float(first_loss), self._gathered_gradient(), 1
        state["func_evals"] += 1
        flat = g.abs().max() <= tolerance_grad
        if flat:
            return first_loss

        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            d = self._direction(state, g, group["history_size"])
            t = min(1.0, 1.0 / g.abs().sum()) * lr if state["n_iter"] == 1 else lr
            state["d"], state["t"] = d, t
            state["prev_flat_grad"], state["prev_loss"] = g.clone(), loss
            slope = g.dot(d)
            if slope > -tolerance_change:
                break

            previous_loss = loss
            calls = 0
            if group["line_search_fn"] is not None:
                if group["line_search_fn"] != "strong_wolfe":
                    raise RuntimeError("only 'strong_wolfe' is supported")
                start = [p.clone() for p in self._params]

                def at(length: Any, d: Tensor = d, start: list[Tensor] = start) -> tuple[float, Tensor]:
                    self._move(length, d)
                    found = float(evaluate()), self._gathered_gradient()
                    for p, value in zip(self._params, start):
                        p.copy_(value)
                    return found

                loss, g, t, calls = strong_wolfe(at, t, d, loss, g, slope, group["max_eval"] - evaluations)
                state["t"] = t
                self._move(t, d)
                flat = g.abs().max() <= tolerance_grad
            else:
                self._move(t, d)
                if iteration != group["max_iter"]:  # with random batches the loss of the last point is no use
                    loss, g, calls = float(evaluate()), self._gathered_gradient(), 1
                    flat = g.abs().max() <= tolerance_grad
            evaluations += calls
            state["func_evals"] += calls

            if evaluations >= group["max_eval"] or flat:
                break
            if (d * t).abs().max() <= tolerance_change or abs(loss - previous_loss) < tolerance_change:
                break
        return first_loss

    def _direction(self, state: State, g: Tensor, history_size: int) -> Tensor:
        """−H·g by the two loops over the history (Nocedal & Wright 2006, algorithm 7.4)."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return -g
        gradient_changes, steps, inverse_products = state["old_dirs"], state["old_stps"], state["ro"]
        y, s = g - state["prev_flat_grad"], state["d"] * state["t"]
        ys = y.dot(s)
        if ys > 1e-10:  # the curvature condition, without which H would not stay positive definite
            if len(gradient_changes) == history_size:
                for history in (gradient_changes, steps, inverse_products):
                    history.pop(0)
            gradient_changes.append(y)
            steps.append(s)
            inverse_products.append(1.0 / ys)
            state["H_diag"] = ys / y.dot(y)
        count = len(gradient_changes)
        alphas = state.setdefault("al", [None] * history_size)
        q = -g
        for i in reversed(range(count)):
            alphas[i] = steps[i].dot(q) * inverse_products[i]
            q.sub_(gradient_changes[i] * alphas[i])
        r = q * state["H_diag"]
        for i in range(count):
            beta = gradient_changes[i].dot(r) * inverse_products[i]
            r.add_(steps[i] * (alphas[i] - beta))
        return r

    def _gathered_gradient(self) -> Tensor:
        """All gradients in one vector; a complex number counts as two."""
        pieces = []
        for p in self._params:
            g = ondol.zeros_like(p) if p.grad is None else p.grad
            pieces.append((ondol.view_as_real(g) if g.is_complex() else g).reshape(-1))
        return ondol.cat(pieces)

    def _move(self, length: Any, direction: Tensor) -> None:
        start = 0
        for p in self._params:
            real = ondol.view_as_real(p) if p.is_complex() else p
            piece = direction[start : start + real.numel()]
            real.add_(piece.view(real.shape) * length)
            start += real.numel()
