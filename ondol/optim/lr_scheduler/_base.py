"""What all schedulers share: counting epochs, setting rates, warning about the wrong order of calls, their state."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import ref

import ondol
from ondol.optim.optimizer import Optimizer

if TYPE_CHECKING:
    from ondol import Tensor

Rate: TypeAlias = "float | Tensor"

EPOCH_IS_DEPRECATED = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. Please use "
    "`scheduler.step()` to step the scheduler. With an epoch, the closed form is used instead of the chainable form, "
    "where there is one."
)


class LRScheduler:
    """Base class of the schedulers: a subclass has `get_lr`, which returns a rate for each parameter group.

    `get_lr` is chainable: it computes the next rate from the current one, so that several schedulers may work on one
    optimizer. `_get_closed_form_lr`, where a subclass has it, computes the rate of `last_epoch` from the initial one.

    Args:
        optimizer: whose `param_groups` get the rates; their rate at this moment becomes `initial_lr`.
        last_epoch: -1 to start, or the epoch to continue from, for which groups must have `initial_lr`.

    Raises:
        TypeError: `optimizer` is none.
        KeyError: a group has no `initial_lr` to continue from.
    """

    _get_lr_called_within_step = False
    _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for index, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{index}] when resuming scheduler with "
                    "last_epoch >= 0: load the optimizer's state first, or start with last_epoch=-1"
                )
        self.base_lrs: list[Rate] = values_of_groups(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        _notice_steps(optimizer)
        self._initial_step()

    def get_last_lr(self) -> list[Rate]:
        """The rates that this scheduler has set last, one for each parameter group."""
        return self._last_lr

    def get_lr(self) -> list[Rate]:
        """The rates of the epoch `last_epoch`. For `step` to call; users want `get_last_lr`."""
        raise NotImplementedError

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch, and set its rates. With `epoch` (deprecated), go there."""
        self._warn_of_wrong_order()
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_IS_DEPRECATED, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer."""
        return {name: value for name, value in self.__dict__.items() if name != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned. It does not touch the optimizer, which has a state of its own."""
        self.__dict__.update(state_dict)

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def _update_lr(self, epoch: int | None = None) -> None:
        with self._calling_get_lr():
            self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
            closed_form = getattr(self, "_get_closed_form_lr", None)
            rates = self.get_lr() if epoch is None or closed_form is None else closed_form()
        self._set_rates(rates)

    def _set_rates(self, rates: list[Rate]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            set_value(group, "lr", rate)
        self._last_lr = self._current()

    def _current(self) -> list[Rate]:
        return values_of_groups(self.optimizer, "lr")

    def _times(self, factor: float) -> list[Rate]:
        return [group["lr"] * factor for group in self.optimizer.param_groups]

    @contextmanager
    def _calling_get_lr(self) -> Iterator[None]:
        self._get_lr_called_within_step = True
        try:
            yield
        finally:
            self._get_lr_called_within_step = False

    def _warn_of_direct_call(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )

    def _warn_of_wrong_order(self) -> None:
        if self._step_count != 1:
            return
        if not hasattr(self.optimizer.step, "_wrapped_by_lr_sched"):
            warnings.warn(
                "Seems like `optimizer.step()` has been overridden after learning rate scheduler initialization. "
                "Please, make sure to call `optimizer.step()` before `lr_scheduler.step()`.",
                UserWarning,
                stacklevel=3,
            )
        elif not getattr(self.optimizer, "_opt_called", False):
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. You should call them in the "
                "opposite order: `optimizer.step()` before `lr_scheduler.step()`. Failure to do this will result in "
                "skipping the first value of the learning rate schedule.",
                UserWarning,
                stacklevel=3,
            )


def check_optimizer(optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def _notice_steps(optimizer: Optimizer) -> None:
    """Let `optimizer.step` leave a mark, from which `_warn_of_wrong_order` sees that it was called."""
    if hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        return
    # A strong reference from the wrapper, which the optimizer holds, would be a cycle.
    function, optimizer_ref = optimizer.step.__func__, ref(optimizer)

    @wraps(function)
    def noticed(*args: Any, **kwargs: Any) -> Any:
        owner = optimizer_ref()
        owner._opt_called = True
        return function(owner, *args, **kwargs)

    noticed._wrapped_by_lr_sched = True
    optimizer.step = noticed


def copied(value: Any) -> Any:
    return value.clone() if isinstance(value, ondol.Tensor) else value


def values_of_groups(optimizer: Optimizer, name: str) -> list[Any]:
    return [copied(group[name]) for group in optimizer.param_groups]


def value_for_each_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """`value` as a list with an entry for each parameter group."""
    groups = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        value = [value] * groups
    elif len(value) != groups:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. "
            f"{name} has {len(value)} values, param_groups has {groups}."
        )
    return [copied(item) for item in value]


def set_value(group: dict[str, Any], name: str, value: Any) -> None:
    """Set an option; where it is a tensor, fill that tensor, since others may hold it."""
    if isinstance(group[name], ondol.Tensor):
        group[name].fill_(value.squeeze() if isinstance(value, ondol.Tensor) else value)
    else:
        group[name] = value


class MomentumCycle:
    """Momentum that goes down while the rate goes up; for SGD it is `momentum`, for Adam the first of `betas`."""

    cycle_momentum: bool
    use_beta1: bool
    optimizer: Optimizer

    def _begin_momentum(self, base: Any, highest: Any, last_epoch: int) -> tuple[list[Any], list[Any]]:
        options = self.optimizer.defaults
        if "momentum" not in options and "betas" not in options:
            raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
        self.use_beta1 = "betas" in options
        bases = value_for_each_group("base_momentum", self.optimizer, base)
        highests = value_for_each_group("max_momentum", self.optimizer, highest)
        if last_epoch == -1:
            for group, low, high in zip(self.optimizer.param_groups, bases, highests):
                self._set_momentum(group, high)
                group["max_momentum"], group["base_momentum"] = high, low
        return bases, highests

    def _set_momentum(self, group: dict[str, Any], momentum: Any) -> None:
        if self.use_beta1:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum
