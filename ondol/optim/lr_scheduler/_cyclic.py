"""Rates that go up and down between two bounds."""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from typing import Any

from ondol.optim.lr_scheduler._base import (
    LRScheduler,
    MomentumCycle,
    Rate,
    check_optimizer,
    set_value,
    value_for_each_group,
)
from ondol.optim.optimizer import Optimizer

MODES = {"triangular": "cycle", "triangular2": "cycle", "exp_range": "iterations"}
"""The modes, and what their height depends on."""


class CyclicLR(MomentumCycle, LRScheduler):
    """A rate that rises from `base_lr` to `max_lr` and falls back, again and again (Smith 2017). Step after each batch.

    Args:
        optimizer: to schedule; its rate is set to `base_lr`.
        base_lr, max_lr: the bounds, or lists with one for each parameter group.
        step_size_up, step_size_down: batches in the rising and falling half of a cycle; `None`: as many as up.
        mode: "triangular", "triangular2" (the height halves each cycle), "exp_range" (it falls by `gamma` each batch).
        gamma: for "exp_range".
        scale_fn: factor of the height, instead of `mode`.
        scale_mode: whether `scale_fn` gets the number of the "cycle" or of the "iterations".
        cycle_momentum: let the momentum go the other way, between `max_momentum` and `base_momentum`.
        last_epoch: number of the last batch, -1 to start.

    Raises:
        ValueError: an unknown mode, or an optimizer without momentum whose momentum is to be cycled.

    >>> import ondol
    >>> optimizer = ondol.optim.SGD([ondol.zeros(1)], lr=1.0, momentum=0.9)
    >>> scheduler = CyclicLR(optimizer, base_lr=0.5, max_lr=1.0, step_size_up=2)
    >>> optimizer.step(); scheduler.step(); scheduler.get_last_lr()
    [0.75]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        if mode not in MODES and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None")
        self.optimizer = optimizer
        base_lrs = value_for_each_group("base_lr", optimizer, base_lr)
        if last_epoch == -1:
            for lr, group in zip(base_lrs, optimizer.param_groups):
                set_value(group, "lr", lr)
        self.max_lrs = value_for_each_group("max_lr", optimizer, max_lr)
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        self.step_ratio = up / self.total_size
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else MODES[mode]
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.base_momentums, self.max_momentums = self._begin_momentum(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """The factor of the height, for the number of the cycle or of the iteration."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular":
            return 1.0
        return 1 / 2.0 ** (x - 1) if self.mode == "triangular2" else self.gamma**x

    def get_lr(self) -> list[Rate]:
        """The rates of the batch `last_epoch`; it also sets the momentum."""
        self._warn_of_direct_call()
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            bounds = zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True)
            for group, low, high in bounds:
                self._set_momentum(group, high - (high - low) * height * scale)
        bounds = zip(self.base_lrs, self.max_lrs, strict=True)
        return [low + (high - low) * height * scale for low, high in bounds]

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer; of a `scale_fn` that is an object, its attributes."""
        state = super().state_dict()
        function = self._scale_fn_custom
        plain = function is None or isinstance(function, types.FunctionType)
        state["_scale_fn_custom"] = None if plain else function.__dict__.copy()
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned; a `scale_fn` that is a function stays as it was given."""
        rest = {name: value for name, value in state_dict.items() if name != "_scale_fn_custom"}
        attributes = state_dict["_scale_fn_custom"]
        super().load_state_dict(rest)
        if attributes is not None:
            self._scale_fn_custom.__dict__.update(attributes)
