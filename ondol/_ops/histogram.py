"""Histograms with bins of any widths, in one and in several dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ondol
from ondol import Tensor
from ondol._ops.checks import element_count
from ondol._ops.registry import operation

_MOST_DIMS = 64  # of a histogram


def _check(input: Tensor, weight: Tensor | None, name: str) -> None:
    if input.dtype not in (ondol.float32, ondol.float64):
        raise RuntimeError(f'"{name}" not implemented for {input.dtype}')
    if weight is not None and weight.dtype != input.dtype:
        raise RuntimeError(f"torch.{name}: if weight tensor is provided, input tensor and weight tensor must have the "
                           f"same dtype, but got input {input.dtype} and weight {weight.dtype}")  # fmt: skip


def _edges(points: Tensor, bins: int, span: Sequence[float] | None, name: str) -> Tensor:
    """`bins + 1` evenly spaced edges over the given span, or over that of the points."""
    if bins <= 0:
        raise RuntimeError(f"torch.{name}(): bins must be > 0, but got {bins}")
    if span is not None:
        low, high = float(span[0]), float(span[1])
    elif points.numel() == 0:
        low, high = 0.0, 1.0
    else:
        low, high = float(points.min()), float(points.max())
    if not low - low == high - high == 0:
        raise RuntimeError(f"torch.{name}: range [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError(f"torch.{name}: min should not exceed max, but got min {low} max {high}")
    if low == high:
        low, high = low - 0.5, high + 0.5
    return ondol.linspace(low, high, bins + 1, dtype=points.dtype, device=points.device)


def _bins(points: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
    """The bin of each point, and which points are in one: bins are closed on the left, the last one on both sides.

    Edges that do not rise are PyTorch's to refuse and it does not; a point must lie between the first and the last.
    """
    count = edges.shape[0] - 1
    where = ondol.searchsorted(edges.contiguous(), points.contiguous(), right=True) - 1
    where = ondol.where(points == edges[-1], ondol.full_like(where, count - 1), where)
    return where, (where >= 0) & (where < count) & (points >= edges[0]) & (points <= edges[-1])


@operation(method=True)
def histogram(
    input: Tensor, bins: int | Tensor, *, range: Sequence[float] | None = None, weight: Tensor | None = None,
    density: bool = False, out: Any = None,
) -> Any:  # fmt: skip
    """How many elements (or how much weight) fall into each bin, and the bins' edges.

    `bins` is their number, evenly spread over `range` or over the values, or a rising sequence of edges. With `density`
    the integral over the bins is 1.

    >>> ondol.histogram(ondol.tensor([1.0, 2.0, 1.0]), bins=2, range=(0.0, 3.0)).hist
    tensor([2., 1.])
    """
    given = [bins] if isinstance(bins, int) else bins
    if isinstance(bins, Tensor) and bins.dim() != 1:
        raise RuntimeError(f"torch.histogramdd: bins tensor should have one dimension, but got {bins.dim()}")
    _check(input, weight, "histogram")
    if weight is not None and weight.shape != input.shape:
        raise RuntimeError(f"torch.histogram: weight tensor {list(weight.shape)} should have the shape of the input "
                           f"{list(input.shape)}")  # fmt: skip
    flat = None if weight is None else weight.reshape(-1)
    if isinstance(bins, Tensor):
        given = [bins]
    hist, edges = _count(input.reshape(-1, 1), given, range, flat, density, "histogram")
    return ondol.return_types.histogram((hist, edges[0]))


@operation
def histogramdd(
    input: Tensor, bins: Any, *, range: Sequence[float] | None = None, weight: Tensor | None = None,
    density: bool = False,
) -> Any:  # fmt: skip
    """The histogram of points (*, N) in N dimensions, and the list of edges for each.

    `bins` is one number, N numbers or N tensors of edges; `range` holds 2 N numbers.

    >>> ondol.histogramdd(ondol.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 0.0]]), bins=[3, 3]).hist.sum()
    tensor(3.)
    """
    if input.dim() < 2:
        raise RuntimeError(f"torch.histogramdd: input tensor should have at least 2 dimensions, but got {input.dim()}")
    _check(input, weight, "histogramdd")
    if weight is not None and weight.shape != input.shape[:-1]:
        raise RuntimeError(f"torch.histogramdd: weight {list(weight.shape)} should have the shape of the input without "
                           f"its last dimension, {list(input.shape[:-1])}")  # fmt: skip
    ndim = input.shape[-1]
    if ndim > _MOST_DIMS:
        raise NotImplementedError(f"histogramdd(): points of {ndim} coordinates; at most {_MOST_DIMS} are supported")
    given = [bins] * ndim if isinstance(bins, int) else list(bins)
    if len(given) != ndim:
        raise RuntimeError(f"torch.histogramdd: expected {ndim} sequences of bin edges or bin counts for a "
                           f"{ndim}-dimensional histogram but got {len(given)}")  # fmt: skip
    flat = None if weight is None else weight.reshape(-1)
    hist, edges = _count(input.reshape(-1, ndim), given, range, flat, density, "histogramdd")
    return ondol.return_types.histogramdd((hist, tuple(edges)))


def _count(
    points: Tensor, bins: Sequence[Any], span: Sequence[float] | None, weight: Tensor | None, density: bool, name: str
) -> tuple[Tensor, list[Tensor]]:
    ndim = points.shape[1]
    if span is not None and len(span) != 2 * ndim:
        raise RuntimeError(f"torch.{name}: for a {ndim}-dimensional histogram range should have {2 * ndim} elements, "
                           f"but got {len(span)}")  # fmt: skip
    edges = []
    for axis, bin_ in enumerate(bins):
        if isinstance(bin_, Tensor):
            if bin_.dtype != points.dtype:
                raise RuntimeError(f"torch.{name}: input tensor and bins tensors should have the same dtype, but got "
                                   f"input {points.dtype} and bins {bin_.dtype}")  # fmt: skip
            edges.append(bin_)
        else:
            edges.append(_edges(points[:, axis], bin_, None if span is None else span[2 * axis : 2 * axis + 2], name))
    shape = [edge.shape[0] - 1 for edge in edges]
    place = ondol.zeros(points.shape[0], dtype=ondol.int64, device=points.device)
    inside = ondol.ones(points.shape[0], dtype=ondol.bool, device=points.device)
    for axis, edge in enumerate(edges):
        where, counted = _bins(points[:, axis], edge)
        place, inside = place * shape[axis] + where, inside & counted
    amounts = ondol.ones_like(points[:, 0]) if weight is None else weight
    hist = points.new_zeros(element_count(shape)).index_add(0, place[inside], amounts[inside]).reshape(shape)
    if density:
        hist = hist / hist.sum()
        for axis, edge in enumerate(edges):
            width = edge[1:] - edge[:-1]
            hist = hist / width.reshape([-1 if at == axis else 1 for at in range(ndim)])
    return hist, edges
