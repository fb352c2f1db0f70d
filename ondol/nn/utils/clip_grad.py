"""Keeping gradients small."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import ondol
from ondol._native import optim as _kernels

__all__ = ["clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]

Tensors = ondol.Tensor | Iterable[ondol.Tensor]


def _listed(tensors: Tensors) -> list[ondol.Tensor]:
    return [tensors] if isinstance(tensors, ondol.Tensor) else list(tensors)


def _gradients(parameters: Tensors) -> list[ondol.Tensor]:
    return [parameter.grad for parameter in _listed(parameters) if parameter.grad is not None]


def _norm_of_norms(tensors: list[ondol.Tensor], norm_type: float) -> ondol.Tensor:
    return ondol.stack([tensor.detach().norm(norm_type) for tensor in tensors]).norm(norm_type)


def get_total_norm(
    tensors: Tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> ondol.Tensor:
    """The p-norm of all tensors taken as one vector.

    Raises:
        RuntimeError: if it is not finite and `error_if_nonfinite` asks for it.

    >>> ondol.nn.utils.get_total_norm([ondol.tensor([3.0]), ondol.tensor([4.0])])
    tensor(5.)
    """
    tensors = _listed(tensors)
    norm_type = float(norm_type)
    if not tensors:
        return ondol.tensor(0.0)
    fused = _kernels.total_norm(tensors) if norm_type == 2 else None  # None for what it does not cover
    total = _norm_of_norms(tensors, norm_type) if fused is None else fused
    if error_if_nonfinite and not bool(total.isfinite()):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be "
            "clipped. To disable this error and scale the gradients by the non-finite norm anyway, set "
            "`error_if_nonfinite=False`"
        )
    return total


def clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm: ondol.Tensor, foreach: bool | None = None
) -> None:
    """Multiply the gradients by max_norm / (total_norm + 1e-6) if that is below 1."""
    factor = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
    gradients = _gradients(parameters)
    if not factor.requires_grad and _kernels.scale_(gradients, float(factor)):
        return
    for gradient in gradients:
        gradient.detach().mul_(factor)


def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> ondol.Tensor:
    """Scale all gradients together so that their norm is at most `max_norm`; return the norm that they had.

    Raises:
        RuntimeError: if the norm is not finite and `error_if_nonfinite` asks for it; no gradient is changed then.
    """
    parameters = _listed(parameters)
    total = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(parameters, max_norm, total, foreach)
    return total


def clip_grad_norm(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> ondol.Tensor:
    """Deprecated: the old name of `clip_grad_norm_`."""
    warnings.warn("`clip_grad_norm` is now deprecated in favor of `clip_grad_norm_`.", FutureWarning, stacklevel=2)
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Limit every element of the gradients to [−clip_value, clip_value]."""
    limit = float(clip_value)
    for gradient in _gradients(parameters):
        with ondol.no_grad():
            gradient.clamp_(min=-limit, max=limit)
