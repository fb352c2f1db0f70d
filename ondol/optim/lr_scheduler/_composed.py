"""Schedulers made of schedulers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from ondol.optim.lr_scheduler._base import LRScheduler, set_value, values_of_groups
from ondol.optim.lr_scheduler._plateau import ReduceLROnPlateau
from ondol.optim.optimizer import Optimizer


class _ComposedScheduler(LRScheduler):
    """Holds schedulers of one optimizer, in `_schedulers`; their states are part of its own."""

    _schedulers: Sequence[LRScheduler]

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer, and the states of the schedulers."""
        state = super().state_dict()
        state["_schedulers"] = [scheduler.state_dict() for scheduler in self._schedulers]
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "_schedulers"})
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"]):
            scheduler.load_state_dict(state)


class SequentialLR(_ComposedScheduler):
    """One scheduler after the other: the next one takes over at each of the epochs `milestones`, from its own epoch 0.

    Args:
        optimizer: to schedule.
        schedulers: of that optimizer.
        milestones: one less than there are schedulers.
        last_epoch: -1 to start.

    Raises:
        ValueError: no schedulers, a wrong number of milestones, a scheduler of another optimizer or ReduceLROnPlateau.
        TypeError: something that is no scheduler.

    >>> import ondol
    >>> from ondol.optim.lr_scheduler import ConstantLR, ExponentialLR, LinearLR
    >>> optimizer = ondol.optim.SGD([ondol.zeros(1)], lr=1.0)
    >>> warmup, decay = LinearLR(optimizer, 0.5, total_iters=2), ExponentialLR(optimizer, 0.5)
    >>> SequentialLR(optimizer, [warmup, decay], milestones=[2]).get_last_lr()
    [0.5]
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: list[LRScheduler], milestones: list[int], last_epoch: int = -1
    ) -> None:
        if len(schedulers) < 1:
            raise ValueError(f"{type(self).__name__} expects at least one scheduler, but got no scheduler.")
        _check_schedulers(type(self).__name__, schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                "Sequential Schedulers expects number of schedulers provided to be one more than the number of "
                f"milestone points, but got number of schedulers {len(schedulers)} and the number of milestones to be "
                f"equal to {len(milestones)}"
            )
        self._schedulers = schedulers
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        self.optimizer = optimizer
        # Each scheduler has made its first step when it was built. Undo them all, and make that of the first one.
        for group in optimizer.param_groups:
            set_value(group, "lr", group["initial_lr"])
        self.recursive_undo()
        first = schedulers[bisect_right(milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def recursive_undo(self, sched: LRScheduler | None = None) -> None:
        """Take a step back in every scheduler below `sched`, or below this one."""
        scheduler = self if sched is None else sched
        if hasattr(scheduler, "_schedulers"):
            for part in scheduler._schedulers:
                self.recursive_undo(part)
        elif hasattr(scheduler, "last_epoch"):
            scheduler.last_epoch -= 1

    def step(self) -> None:  # type: ignore[override]
        """Go to the next epoch, with the scheduler that it belongs to."""
        self.last_epoch += 1
        index = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[index]
        if index > 0 and self._milestones[index - 1] == self.last_epoch:
            scheduler._update_lr(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


class ChainedScheduler(_ComposedScheduler):
    """Several chainable schedulers at once: the factors of all of them apply.

    Args:
        schedulers: of one optimizer.
        optimizer: theirs, if given.

    Raises:
        ValueError: no schedulers, a scheduler of another optimizer, or ReduceLROnPlateau.
        TypeError: something that is no scheduler.

    >>> import ondol
    >>> from ondol.optim.lr_scheduler import ConstantLR, ExponentialLR, LinearLR
    >>> optimizer = ondol.optim.SGD([ondol.zeros(1)], lr=1.0)
    >>> scheduler = ChainedScheduler([ExponentialLR(optimizer, 0.5), ConstantLR(optimizer, 0.5)])
    >>> optimizer.step(); scheduler.step(); scheduler.get_last_lr()
    [0.25]
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        if len(schedulers) < 1:
            raise ValueError(
                f"{type(self).__name__} expects at least one scheduler to be chained, but got no scheduler."
            )
        optimizer = optimizer or schedulers[0].optimizer
        _check_schedulers(type(self).__name__, schedulers, optimizer)
        self._schedulers = schedulers
        self.optimizer = optimizer
        self._last_lr = values_of_groups(optimizer, "lr")

    def step(self) -> None:  # type: ignore[override]
        """Go to the next epoch with every scheduler, in their order."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = values_of_groups(self.optimizer, "lr")


def _check_schedulers(name: str, schedulers: Sequence[Any], optimizer: Optimizer) -> None:
    for index, scheduler in enumerate(schedulers):
        if not hasattr(scheduler, "optimizer"):
            raise TypeError(f"{name} at index {index} should have `optimizer` as its attribute.")
        if isinstance(scheduler, ReduceLROnPlateau):
            raise ValueError(
                f"{name} does not support `ReduceLROnPlateau` scheduler as it requires additional kwargs to be "
                f"specified when calling `step`, but got one at index {index} in the given schedulers sequence."
            )
        if scheduler.optimizer is not optimizer:
            raise ValueError(
                f"{name} expects all schedulers to belong to the same optimizer, but got scheduler "
                f"{type(scheduler).__name__} at index {index}, which belongs to another one than the first."
            )
