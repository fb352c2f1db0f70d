"""Averages of weights along the path of training: SWA (Izmailov et al. 2018) and exponential moving averages."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from itertools import chain
from typing import TYPE_CHECKING, Any

import ondol
from ondol.nn import Module
from ondol.optim.lr_scheduler._base import LRScheduler, Rate, value_for_each_group
from ondol.optim.optimizer import Optimizer

if TYPE_CHECKING:
    from ondol import Tensor

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


def get_ema_avg_fn(decay: float = 0.999) -> Callable[[Tensor, Tensor, Any], Tensor]:
    """A function (average, current, number) → decay · average + (1 − decay) · current."""
    _check_decay(decay)

    def average(ema: Tensor, current: Tensor, num_averaged: Any) -> Tensor:
        with ondol.no_grad():
            return decay * ema + (1 - decay) * current

    return average


def get_swa_avg_fn() -> Callable[[Tensor, Tensor, Any], Tensor]:
    """A function (average, current, number) → the mean of number + 1 models."""

    def average(mean: Tensor, current: Tensor, num_averaged: Any) -> Tensor:
        with ondol.no_grad():
            return mean + (current - mean) / (num_averaged + 1)

    return average


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[[Any, Any, Any], None]:
    """As `get_ema_avg_fn`, for lists of tensors, in place."""
    return _for_lists(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> Callable[[Any, Any, Any], None]:
    """As `get_swa_avg_fn`, for lists of tensors, in place."""
    return _for_lists(get_swa_avg_fn())


class AveragedModel(Module):
    """A copy of a model, whose parameters are averages of that model's.

    Args:
        model: to be copied.
        device: where the copy lives; that of the model if None.
        avg_fn: (average, current, number averaged) → new average, for one tensor; the equal mean if None.
        multi_avg_fn: the same for lists of tensors, in place; instead of `avg_fn`.
        use_buffers: average buffers too; otherwise they are copied from the model.

    Raises:
        AssertionError: both `avg_fn` and `multi_avg_fn`.

    >>> import ondol
    >>> model = ondol.nn.Linear(1, 1, bias=False)
    >>> averaged = AveragedModel(model)
    >>> for value in (1.0, 2.0, 6.0):
    ...     _ = model.weight.data.fill_(value)
    ...     averaged.update_parameters(model)
    >>> averaged.module.weight.item(), int(averaged.n_averaged)
    (3.0, 3)
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Callable[[Tensor, Tensor, Any], Tensor] | None = None,
        multi_avg_fn: Callable[[Any, Any, Any], None] | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", ondol.tensor(0, dtype=ondol.int64, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the current parameters of `model` into the average; the first ones are copied."""
        averages = [tensor.detach() for tensor in self._averaged_of(self.module)]
        currents = [t.detach().to(a.device) for a, t in zip(averages, self._averaged_of(model), strict=True)]
        if self.n_averaged == 0:
            for average, current in zip(averages, currents):
                average.copy_(current)
        elif self.multi_avg_fn is not None:
            # Like dtypes together: a function for lists may treat all of a list alike.
            for dtype in dict.fromkeys(average.dtype for average in averages):
                pairs = [(a, c) for a, c in zip(averages, currents) if a.dtype == dtype]
                self.multi_avg_fn(*map(list, zip(*pairs)), self.n_averaged)
        else:
            avg_fn = self.avg_fn or get_swa_avg_fn()
            for average, current in zip(averages, currents):
                average.copy_(avg_fn(average, current, self.n_averaged))
        if not self.use_buffers:
            for own, other in zip(self.module.buffers(), model.buffers(), strict=True):
                own.detach().copy_(other.detach().to(own.device))
        self.n_averaged += 1

    def _averaged_of(self, model: Module) -> Iterator[Tensor]:
        return chain(model.parameters(), model.buffers()) if self.use_buffers else model.parameters()


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of all batch normalisations anew, for a model with averaged weights.

    Args:
        loader: gives batches, or lists and tuples whose first item is the batch.
        model: is called with each of them.
        device: to which batches are moved.
    """
    norms = [m for m in model.modules() if isinstance(m, ondol.nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    was_training = model.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the equal mean of all batches
    try:
        model.train()
        with ondol.no_grad():
            for batch in loader:
                batch = batch[0] if isinstance(batch, (list, tuple)) else batch
                model(batch if device is None else batch.to(device))
    finally:
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
        model.train(was_training)


class SWALR(LRScheduler):
    """Bring the rate to a constant `swa_lr` in `anneal_epochs` epochs.

    Args:
        optimizer: to schedule.
        swa_lr: the rate at the end, or a list with one for each parameter group.
        anneal_epochs: how long it takes.
        anneal_strategy: "cos" or "linear".
        last_epoch: -1 to start.

    Raises:
        ValueError: an unknown strategy, or `anneal_epochs` no integer from 0 on.

    >>> import ondol
    >>> optimizer = ondol.optim.SGD([ondol.zeros(1)], lr=1.0)
    >>> scheduler = SWALR(optimizer, swa_lr=0.5, anneal_epochs=2, anneal_strategy="linear")
    >>> optimizer.step(); scheduler.step(); scheduler.get_last_lr()
    [0.75]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        for group, rate in zip(optimizer.param_groups, value_for_each_group("swa_lr", optimizer, swa_lr)):
            group["swa_lr"] = rate
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Rate]:
        self._warn_of_direct_call()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._progress(step - 1), self._progress(step)
        rates = []
        for group in self.optimizer.param_groups:
            swa_lr = group["swa_lr"]
            initial = swa_lr if before == 1 else (group["lr"] - before * swa_lr) / (1 - before)
            rates.append(swa_lr * now + initial * (1 - now))
        return rates

    def _progress(self, step: int) -> float:
        """How far the rate has come, from 0 to 1."""
        part = max(0, min(1, step / max(1, self.anneal_epochs)))
        return (1 - math.cos(math.pi * part)) / 2 if self._anneal_strategy == "cos" else part


def _check_decay(decay: float) -> None:
    if decay < 0.0 or decay > 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def _for_lists(average: Callable[[Tensor, Tensor, Any], Tensor]) -> Callable[[Any, Any, Any], None]:
    def average_all(averages: Any, currents: Any, num_averaged: Any) -> None:
        with ondol.no_grad():
            for mean, current in zip(averages, currents, strict=True):
                mean.copy_(average(mean, current, num_averaged))

    return average_all
