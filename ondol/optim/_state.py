"""What optimizers remember: packing it for a checkpoint, unpacking it with every shape checked, and its forms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from copy import deepcopy
from itertools import chain
from typing import TYPE_CHECKING, Any

import ondol

if TYPE_CHECKING:
    from ondol import Tensor


def pack(state: dict[Any, Any], groups: list[dict[str, Any]]) -> dict[str, Any]:
    """The `state_dict`: parameters become numbers, in the order of the groups; tensors are not copied."""
    numbers: dict[int, int] = {}
    start = 0
    for group in groups:
        for number, p in enumerate(group["params"], start):
            numbers.setdefault(id(p), number)
        start += len(group["params"])
    packed_groups = [
        {**{name: value for name, value in group.items() if name != "params"},
         "params": [numbers[id(p)] for p in group["params"]]}
        for group in groups
    ]  # fmt: skip
    packed_state = {numbers[id(key)] if isinstance(key, ondol.Tensor) else key: entry for key, entry in state.items()}
    return {"state": packed_state, "param_groups": packed_groups}


def unpack(
    state_dict: dict[str, Any],
    groups: list[dict[str, Any]],
    state_shape: Callable[[str, Tensor], tuple[int, ...] | None],
) -> dict[str, Any]:
    """The `state` and `param_groups` that a `state_dict` means for the parameters of `groups`, or a ValueError."""
    saved_groups = deepcopy(state_dict["param_groups"])
    if len(groups) != len(saved_groups):
        raise ValueError(
            "loaded state dict has a different number of parameter groups: "
            f"it has {len(saved_groups)}, the optimizer has {len(groups)}"
        )
    for index, (group, saved) in enumerate(zip(groups, saved_groups)):
        if len(group["params"]) != len(saved["params"]):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's group: "
                f"group {index} has {len(saved['params'])} parameters, the optimizer's has {len(group['params'])}"
            )
    number_to_param = dict(
        zip(chain.from_iterable(g["params"] for g in saved_groups), chain.from_iterable(g["params"] for g in groups))
    )
    _check_shapes(state_dict["state"], number_to_param, state_shape)

    exact_steps = {n for g in saved_groups if g.get("capturable") or g.get("fused") for n in g["params"]}
    state: defaultdict[Any, Any] = defaultdict(dict)
    for key, entry in state_dict["state"].items():
        if key in number_to_param:
            state[number_to_param[key]] = _fit(number_to_param[key], entry, key in exact_steps)
        else:
            state[key] = entry
    for group, saved in zip(groups, saved_groups):
        saved["params"] = group["params"]
        if "param_names" in group:
            saved.setdefault("param_names", group["param_names"])
    return {"state": state, "param_groups": saved_groups}


def _check_shapes(
    saved_state: dict[Any, Any],
    number_to_param: dict[Any, Tensor],
    state_shape: Callable[[str, Tensor], tuple[int, ...] | None],
) -> None:
    wrong = []
    for number, p in number_to_param.items():
        entry = saved_state.get(number)
        for name, value in entry.items() if isinstance(entry, dict) else ():
            shape = state_shape(name, p)
            if shape is None or not isinstance(value, ondol.Tensor):
                continue
            fits = value.numel() == 1 if shape == () else tuple(value.shape) == shape
            if not fits:
                wrong.append(f"  parameter {number} {list(p.shape)}: {name} is {list(value.shape)}, not {list(shape)}")
    if wrong:
        raise ValueError("loaded state dict does not fit the parameters, nothing was loaded:\n" + "\n".join(wrong))


def _fit(param: Tensor, value: Any, step_is_float32: bool, name: str | None = None) -> Any:
    """`value` with its tensors on the device of the parameter and, but for the step counter, in its dtype."""
    if isinstance(value, ondol.Tensor):
        if name == "step":
            return value.to(dtype=ondol.float32, device=param.device) if step_is_float32 else value
        return value.to(dtype=param.dtype if param.is_floating_point() else value.dtype, device=param.device)
    if isinstance(value, dict):
        return {key: _fit(param, item, step_is_float32, key) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return type(value)(_fit(param, item, step_is_float32) for item in value)
    return value


def scalar_dtype() -> ondol.dtype:
    """The dtype of step counters and the like."""
    return ondol.float64 if ondol.get_default_dtype() == ondol.float64 else ondol.float32


def scalar(value: float) -> Tensor:
    """A 0-d tensor for a number that a parameter's state holds."""
    return ondol.tensor(float(value), dtype=scalar_dtype())


def numbers_to_tensors(entry: dict[str, Any], names: tuple[str, ...]) -> None:
    """Old checkpoints hold plain numbers where tensors are now."""
    for name in names:
        if name in entry and not isinstance(entry[name], ondol.Tensor):
            entry[name] = scalar(entry[name])


def renew(entry: dict[str, Any]) -> None:
    """Give a differentiable step its own copies, since autograd has saved those of the step before."""
    for name, value in entry.items():
        if isinstance(value, ondol.Tensor):
            if name == "step" and value.requires_grad:
                raise RuntimeError("`requires_grad` is not supported for `step` in differentiable mode")
            entry[name] = value.clone()


def as_real(entry: dict[str, Any]) -> dict[str, Any]:
    """The same state with complex tensors seen as pairs of real numbers, in the same memory."""
    return {
        name: ondol.view_as_real(value) if isinstance(value, ondol.Tensor) and value.is_complex() else value
        for name, value in entry.items()
    }


def with_plain_numbers(group: dict[str, Any]) -> dict[str, Any]:
    """The group's options with tensors as numbers, unless a gradient with respect to them is wanted."""

    def plain(value: Any) -> Any:
        if isinstance(value, ondol.Tensor):
            return value.squeeze() if value.requires_grad and ondol.is_grad_enabled() else value.item()
        if isinstance(value, tuple):
            return tuple(map(plain, value))
        return value

    return {name: plain(value) for name, value in group.items() if name != "params"}
