"""`GradScaler`: losses made larger for backward, so that small gradients do not vanish in float16.

The factor is found while training (Micikevicius et al. 2018, "Mixed precision training", section 3.2): a step whose
gradients overflow is left out and the factor falls; after many steps without it rises.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable
from enum import Enum
from typing import Any

import ondol

__all__ = ["GradScaler", "OptState"]


class OptState(Enum):
    """How far an optimizer has come since the last `update`."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


def _fresh_state() -> dict[str, Any]:
    return {"stage": OptState.READY, "found_inf_per_device": {}}


class GradScaler:
    """Scales losses, takes the factor out of the gradients again, and leaves out steps whose gradients overflowed.

    Args:
        device: "cpu"; "cuda", which PyTorch takes by default, warns and gives a scaler that is off.
        init_scale: the first factor.
        growth_factor: what the factor is multiplied by after `growth_interval` steps without overflow.
        backoff_factor: what it is multiplied by after a step with overflow.
        growth_interval: see `growth_factor`.
        enabled: False for a scaler that scales nothing; `step` is then the optimizer's.

    Raises AssertionError if `growth_factor` is not above 1, or `backoff_factor` not below.

    >>> layer, scaler = ondol.nn.Linear(2, 1), ondol.amp.GradScaler("cpu", init_scale=4.0)
    >>> optimizer = ondol.optim.SGD(layer.parameters(), lr=0.1)
    >>> with ondol.autocast("cpu", ondol.float16):
    ...     loss = layer(ondol.ones(3, 2)).sum()
    >>> scaler.scale(loss).backward()
    >>> layer.bias.grad
    tensor([12.])
    >>> scaler.unscale_(optimizer)
    >>> layer.bias.grad
    tensor([3.])
    >>> scaler.step(optimizer)
    >>> scaler.update()
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device = device
        self._enabled = enabled
        if enabled and device == "cuda":
            warnings.warn("GradScaler('cuda') is disabled: CUDA is not available. Use GradScaler('cpu')", stacklevel=2)
            self._enabled = False
        if not self._enabled:
            return
        if growth_factor <= 1.0:
            raise AssertionError(f"The growth factor must be > 1.0, got {growth_factor}")
        if backoff_factor >= 1.0:
            raise AssertionError(f"The backoff factor must be < 1.0, got {backoff_factor}")
        self._init_scale = init_scale
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval
        self._init_growth_tracker = 0
        self._scale: Any = None  # tensors from the first call of `scale` on
        self._growth_tracker: Any = None
        self._per_optimizer_states: dict[int, dict[str, Any]] = defaultdict(_fresh_state)

    def scale(self, outputs: Any) -> Any:
        """The tensor, or the tensors of an iterable, times the factor.

        Raises ValueError if it is, or holds, something else.
        """
        if not self._enabled:
            return outputs
        if isinstance(outputs, ondol.Tensor):
            if self._scale is None:
                self._scale = ondol.tensor(self._init_scale, dtype=ondol.float32)
                self._growth_tracker = ondol.tensor(self._init_growth_tracker, dtype=ondol.int32)
            return outputs * self._scale
        if isinstance(outputs, Iterable):
            scaled = map(self.scale, outputs)
            return type(outputs)(scaled) if isinstance(outputs, (list, tuple)) else scaled  # type: ignore[call-arg]
        raise ValueError(f"outputs must be a Tensor or an iterable of Tensors, got {type(outputs).__name__}")

    def _check_in_use(self, name: str) -> None:
        if self._scale is None:
            raise AssertionError(
                f"{name} was called but _scale is None: call scaler.scale(loss) and its backward() earlier in the "
                "iteration"
            )

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of an optimizer's parameters by the factor, once for each step.

        `step` does it if it was not done before; do it first to clip gradients or to look at them.

        Raises:
            AssertionError: nothing has been scaled.
            RuntimeError: it was done already since the last `update`, or `step` was.
            ValueError: a gradient is float16; keep the weights in float32.
        """
        if not self._enabled:
            return
        self._check_in_use("unscale_")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.UNSCALED:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        state["found_inf_per_device"] = self._unscale_grads_(optimizer, self._scale.double().reciprocal().float())
        state["stage"] = OptState.UNSCALED

    @ondol.no_grad()
    def _unscale_grads_(self, optimizer: Any, factor: Any, allow_fp16: bool = False) -> dict[Any, Any]:
        """Multiply the gradients; gives, by device, 1 if one of them was infinite or NaN, else 0."""
        gradients = []
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                if parameter.grad.dtype == ondol.float16 and not allow_fp16:
                    raise ValueError(
                        "Attempting to unscale FP16 gradients: under autocast, weights and gradients stay in float32, "
                        "do not convert the model"
                    )
                gradients.append(parameter.grad)
        finite = True
        for gradient in gradients:
            finite = finite and bool(gradient.isfinite().all())
            gradient.mul_(factor)
        found = ondol.tensor(0.0 if finite else 1.0)
        return {gradients[0].device: found} if gradients else {}

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """`optimizer.step(*args, **kwargs)` on gradients without the factor, unless one is infinite or NaN.

        Gives what that gives, None if the step is left out.

        Raises:
            AssertionError: nothing has been scaled, or the optimizer has no gradients.
            RuntimeError: it was called already since the last `update`, or with a closure.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._check_in_use("step")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if getattr(optimizer, "_step_supports_amp_scaling", False):
            result = self._step_of_scaling_optimizer(optimizer, state, args, kwargs)
        else:
            if state["stage"] is OptState.READY:
                self.unscale_(optimizer)
            if not state["found_inf_per_device"]:
                raise AssertionError(
                    "No inf checks were recorded for this optimizer: none of its parameters has a grad"
                )
            result = self._maybe_opt_step(optimizer, state, *args, **kwargs)
        state["stage"] = OptState.STEPPED
        return result

    def _maybe_opt_step(self, optimizer: Any, optimizer_state: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if any(found.item() for found in optimizer_state["found_inf_per_device"].values()):
            return None
        return optimizer.step(*args, **kwargs)

    def _step_of_scaling_optimizer(self, optimizer: Any, state: dict[str, Any], args: Any, kwargs: Any) -> Any:
        """A step of an optimizer that looks at `grad_scale` and `found_inf` itself."""
        unscaled = state["stage"] is OptState.UNSCALED
        if not unscaled:
            state["found_inf_per_device"] = self._unscale_grads_(optimizer, ondol.tensor(1.0), allow_fp16=True)
        before = getattr(optimizer, "grad_scale", None)
        optimizer.grad_scale = before if unscaled else self._scale * (1 if before is None else before)
        optimizer.found_inf = sum(state["found_inf_per_device"].values(), ondol.tensor(0.0))
        try:
            return optimizer.step(*args, **kwargs)
        finally:
            del optimizer.grad_scale, optimizer.found_inf

    def update(self, new_scale: Any = None) -> None:
        """Adapt the factor to what the steps since the last call found; at the end of each iteration.

        Args:
            new_scale: a float, or a tensor with one element and without grad, that becomes the factor instead.

        Raises AssertionError if nothing has been scaled or looked at, or `new_scale` is something else.
        """
        if not self._enabled:
            return
        self._check_in_use("update")
        if new_scale is not None:
            self._set_scale(new_scale)
        else:
            states = self._per_optimizer_states.values()
            found = [one for state in states for one in state["found_inf_per_device"].values()]
            if not found:
                raise AssertionError("No inf checks were recorded prior to update: call step() or unscale_() first")
            self._adapt(any(one.item() for one in found))
        self._per_optimizer_states = defaultdict(_fresh_state)

    def _set_scale(self, new_scale: Any) -> None:
        if isinstance(new_scale, float):
            self._scale.fill_(new_scale)
            return
        if not isinstance(new_scale, ondol.Tensor) or new_scale.numel() != 1 or new_scale.requires_grad:
            raise AssertionError(
                "new_scale should be a float or a float tensor with one element and requires_grad=False"
            )
        self._scale.copy_(new_scale.reshape(()))

    def _adapt(self, overflowed: bool) -> None:
        if overflowed:
            self._scale.mul_(self._backoff_factor)
            self._growth_tracker.zero_()
            return
        if int(self._growth_tracker) + 1 < self._growth_interval:
            self._growth_tracker.add_(1)
            return
        grown = self._scale * self._growth_factor
        if bool(grown.isfinite()):  # a factor that is as large as float32 allows stays
            self._scale.copy_(grown)
        self._growth_tracker.zero_()

    def get_scale(self) -> float:
        """The factor; 1 if the scaler is off."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale.item()

    def get_growth_factor(self) -> float:
        """What the factor is multiplied by when it rises."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set what the factor is multiplied by when it rises."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the factor is multiplied by after an overflow."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set what the factor is multiplied by after an overflow."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """After how many steps without overflow the factor rises."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set after how many steps without overflow the factor rises."""
        self._growth_interval = new_interval

    def _get_growth_tracker(self) -> int:
        if not self._enabled:
            return 0
        return self._init_growth_tracker if self._growth_tracker is None else int(self._growth_tracker)

    def is_enabled(self) -> bool:
        """Whether the scaler does anything."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """The settings, the factor, and the steps since the last overflow; empty if the scaler is off."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._get_growth_tracker(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave.

        Raises RuntimeError if it is empty, and KeyError if an entry is missing; then nothing is changed.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("The source state dict is empty: it may come from a GradScaler that was disabled")
        scale, tracker = state_dict["scale"], state_dict["_growth_tracker"]
        settings = [state_dict[name] for name in ("growth_factor", "backoff_factor", "growth_interval")]
        self._init_scale, self._init_growth_tracker = scale, tracker
        self._growth_factor, self._backoff_factor, self._growth_interval = settings
        if self._scale is not None:
            self._scale.fill_(scale)
            self._growth_tracker.fill_(tracker)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        if self._enabled:
            if self._per_optimizer_states:
                raise AssertionError(
                    "a GradScaler may only be pickled between iterations: after scaler.update(), before unscale_() or "
                    "step()"
                )
            state.update(
                _init_scale=self.get_scale(),
                _init_growth_tracker=self._get_growth_tracker(),
                _scale=None,
                _growth_tracker=None,
            )
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
