"""Statistics that look past the plain reductions: quantiles, with or without NaN, covariance and correlation."""

from __future__ import annotations

from typing import Any

import ondol
from ondol import Tensor
from ondol._ops.checks import floating, wrap_dim
from ondol._ops.registry import operation


@operation(method=True)
def quantile(
    input: Tensor, q: float | Tensor, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear",
    out: Any = None,
) -> Tensor:  # fmt: skip
    """The `q`-quantiles along a dimension (of the flat input for None), interpolated between neighbours in rank.

    Several quantiles come along a new first dimension. `interpolation` is linear, lower, higher, midpoint or nearest.
    The type 7 estimate of Hyndman and Fan (1996).

    >>> ondol.quantile(ondol.tensor([0.0, 1.0, 2.0]), 0.25)
    tensor(0.5000)
    """
    return _quantile(input, q, dim, keepdim, interpolation, False)


@operation(method=True)
def nanquantile(
    input: Tensor, q: float | Tensor, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear",
    out: Any = None,
) -> Tensor:  # fmt: skip
    """`quantile` of the elements that are not NaN; NaN where there is none.

    >>> ondol.nanquantile(ondol.tensor([0.0, float("nan"), 1.0]), 0.5)
    tensor(0.5000)
    """
    return _quantile(input, q, dim, keepdim, interpolation, True)


_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(input: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str, ignore_nan: bool) -> Tensor:
    name = "nanquantile" if ignore_nan else "quantile"
    if input.dtype not in (ondol.float32, ondol.float64):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype, got {input.dtype}")
    if isinstance(q, Tensor):
        if q.dim() > 1:
            raise RuntimeError(f"{name}() q must be a scalar or 1D tensor, got {q.dim()} dimensions")
        if q.dtype != input.dtype:
            raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor, got {q.dtype}")
    else:
        q = ondol.tensor(float(q), dtype=input.dtype, device=input.device)
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, "
                           f"but got {interpolation}")  # fmt: skip
    if input.numel() == 0:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if not bool(((q >= 0) & (q <= 1)).all()):
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")

    ndim = input.dim()
    if dim is None:
        flat, shape = input.reshape(-1), [1] * ndim if keepdim else []
    else:
        dim = wrap_dim(dim, ndim)
        flat = input.movedim(dim, -1) if ndim else input.reshape(1)
        shape = list(flat.shape[:-1]) if ndim else []
        if keepdim and ndim:
            shape.insert(dim, 1)
    ordered = ondol.sort(flat, -1)[0]
    nan = ondol.isnan(ordered)
    known = nan.logical_not().sum(-1, keepdim=True).to(input.dtype)
    places = q.reshape(-1)
    ranks = places * (known - 1).clamp(min=0) if ignore_nan else places * (ordered.shape[-1] - 1)
    ranks = ranks.expand([*ordered.shape[:-1], places.shape[0]])
    if not ignore_nan:  # one NaN spoils its whole row: read the last element, which is NaN then
        ranks = ondol.where(nan.any(-1, keepdim=True), ondol.full_like(ranks, ordered.shape[-1] - 1), ranks)
    result = _between(ordered, ranks, interpolation)
    result = result.movedim(-1, 0).reshape([places.shape[0], *shape])
    return result[0] if q.dim() == 0 else result


def _between(ordered: Tensor, ranks: Tensor, interpolation: str) -> Tensor:
    """The values at fractional ranks of the last dimension."""
    if interpolation == "lower":
        ranks = ranks.floor()
    elif interpolation == "higher":
        ranks = ranks.ceil()
    elif interpolation == "nearest":
        ranks = ranks.round()
    below = ranks.to(ondol.int64)
    lower = ordered.gather(-1, below)
    if interpolation not in ("linear", "midpoint"):
        return lower
    upper = ordered.gather(-1, ranks.ceil().to(ondol.int64))
    weights = ranks - below
    if interpolation == "midpoint":
        weights = ondol.where(weights > 0, ondol.full_like(weights, 0.5), ondol.zeros_like(weights))
    return ondol.lerp(lower, upper, weights)


@operation(method=True)
def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """The covariance matrix of variables in rows, observations in columns.

    `fweights` are how often each observation occurs (integers), `aweights` how important it is; sums are divided by
    the number of observations less `correction`.

    >>> ondol.cov(ondol.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if input.dim() > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {input.dim()} dimensions"
        )
    if input.dtype == ondol.bool:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    rows = input if input.dim() == 2 else input.reshape(1, -1)
    count = rows.shape[1]
    weights = _observation_weights(fweights, aweights, count)
    rows = floating(rows)
    if weights is None:
        total: Any = count
        mean = rows.sum(1, keepdim=True) / total
        norm: Any = total - correction
    else:
        total = weights.sum()
        mean = (rows * weights).sum(1, keepdim=True) / total
        norm = total - correction
        if aweights is not None and correction:
            effective = weights if fweights is None else weights * aweights
            effective = (weights * aweights).sum() if fweights is not None else (weights * weights).sum()
            norm = total - correction * effective / total
    centred = rows - mean
    weighted = centred if weights is None else centred * weights
    product = ondol.mm(weighted, centred.conj().t() if centred.is_complex() else centred.t())
    norm = norm.clamp(min=0) if isinstance(norm, Tensor) else float(max(norm, 0))
    return (product / norm).squeeze()


def _observation_weights(fweights: Tensor | None, aweights: Tensor | None, count: int) -> Tensor | None:
    for weights, name in ((fweights, "fweights"), (aweights, "aweights")):
        if weights is None:
            continue
        if weights.dim() > 1:
            raise RuntimeError(f"cov(): expected {name} to have one or fewer dimensions but got {name} with "
                               f"{weights.dim()} dimensions")  # fmt: skip
        if weights.numel() != count:
            raise RuntimeError(f"cov(): expected {name} to have the same number of elements as there are observations "
                               f"in the input but got {weights.numel()} != {count}")  # fmt: skip
        if weights.is_floating_point() != (name == "aweights"):
            wanted = "floating point" if name == "aweights" else "integral"
            raise RuntimeError(
                f"cov(): expected {name} to have {wanted} dtype but got {name} with {weights.dtype} dtype"
            )
        if count and bool((weights < 0).any()):
            raise RuntimeError(f"cov(): {name} cannot be negative")
    if fweights is None or aweights is None:
        return aweights if fweights is None else fweights
    return fweights * aweights


@operation(method=True)
def corrcoef(input: Tensor) -> Tensor:
    """Pearson's correlation coefficients of variables in rows, clipped to [-1, 1].

    >>> ondol.corrcoef(ondol.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if input.dim() > 2:
        raise RuntimeError(
            f"corrcoef(): expected input to have two or fewer dimensions but got an input with {input.dim()} dimensions"
        )
    covariance = cov(input)
    if covariance.dim() == 0:
        return covariance / covariance
    variance = covariance.diagonal()
    deviation = (variance.real if variance.is_complex() else variance).sqrt()
    result = covariance / deviation.unsqueeze(-1) / deviation.unsqueeze(0)
    if result.is_complex():
        return ondol.complex(result.real.clip(-1, 1), result.imag.clip(-1, 1))
    return result.clip(-1, 1)
