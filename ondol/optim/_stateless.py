"""A step on other tensors than those that an optimizer was made for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ondol import Tensor
    from ondol.optim.optimizer import Optimizer

__all__ = ["swap_in_optimizer_params_and_state"]


@contextmanager
def swap_in_optimizer_params_and_state(
    optimizer: Optimizer, swapin_parameters: dict[str, Tensor], swapin_optim_state: dict[str, Any]
) -> Iterator[None]:
    """Inside, the optimizer has these parameters and this state; afterwards its own again, options included.

    Args:
        optimizer: has made a step already, so that it has a state.
        swapin_parameters: in the order of the optimizer's own.
        swapin_optim_state: as from `optimizer.state_dict()`; its tensors are updated in place by steps inside.

    Raises:
        RuntimeError: the optimizer has no state, or groups, options or parameters do not correspond.

    >>> import ondol
    >>> w, other = (ondol.zeros(1, requires_grad=True) for _ in range(2))
    >>> optimizer = ondol.optim.SGD([w], lr=1.0, momentum=0.5)
    >>> w.grad = other.grad = ondol.ones(1)
    >>> optimizer.step()
    >>> with swap_in_optimizer_params_and_state(optimizer, {"w": other}, optimizer.state_dict()):
    ...     optimizer.step()
    >>> w.item(), other.item()
    (-1.0, -1.5)
    """
    _check(optimizer, swapin_parameters, swapin_optim_state)
    own_state, own_groups = optimizer.state, [dict(group) for group in optimizer.param_groups]
    parameters = iter(swapin_parameters.values())
    state: defaultdict[Any, Any] = defaultdict(dict)
    try:
        for group, given in zip(optimizer.param_groups, swapin_optim_state["param_groups"]):
            tensors = [next(parameters) for _ in given["params"]]
            group.update(given, params=tensors)
            for tensor, number in zip(tensors, given["params"]):
                state[tensor] = dict(swapin_optim_state["state"].get(number, {}))
        optimizer.state = state
        yield
    finally:
        for group, own in zip(optimizer.param_groups, own_groups):
            group.clear()
            group.update(own)
        optimizer.state = own_state


def _check(optimizer: Optimizer, parameters: dict[str, Tensor], given: dict[str, Any]) -> None:
    def require(condition: bool, message: str) -> None:
        if not condition:
            raise RuntimeError(f"swap_in_optimizer_params_and_state: {message}")

    require(bool(optimizer.state), "the optimizer has no state yet; make a step first")
    require(isinstance(given, dict) and isinstance(given.get("state"), dict), "the state must be a state_dict")
    require(isinstance(given.get("param_groups"), list), "param_groups must be a list")
    groups, own_groups = given["param_groups"], optimizer.param_groups
    require(len(groups) == len(own_groups), "different number of parameter groups than the optimizer")
    for index, (group, own) in enumerate(zip(groups, own_groups)):
        different = sorted(set(group) ^ set(own))
        require(not different, f"group {index} has other options than the optimizer's: {different}")
        require(len(group["params"]) == len(own["params"]), f"group {index} has another number of parameters")
    numbers = [number for group in groups for number in group["params"]]
    require(len(parameters) >= len(numbers), f"{len(parameters)} parameters are given, and {len(numbers)} are needed")
    require(set(given["state"]) <= set(numbers), "there is state for parameters that are in no group")
