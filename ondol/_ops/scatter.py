"""Writing by index, and runs of equal elements."""

from __future__ import annotations

from typing import Any

import ondol
from ondol import Tensor
from ondol._ops.checks import wrap_dim
from ondol._ops.registry import operation


@operation(method=True, inplace=True)
def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True, out: Any = None
) -> Tensor:
    """Reduce the slices of `source` along `dim` into those of a copy of the input that `index` names.

    `reduce` is prod, mean, amax or amin; without `include_self` the old values of those slices do not count.

    >>> ondol.index_reduce(ondol.ones(2), 0, ondol.tensor([0, 0]), ondol.tensor([2.0, 3.0]), "prod")
    tensor([6., 1.])
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    if index.dim() > 1:
        raise IndexError(f"index_reduce(): Index is supposed to be a vector, but got dim: {index.dim()}")
    if index.dtype not in (ondol.int32, ondol.int64):
        raise RuntimeError(f"index_reduce(): Expected dtype int32/int64 for index, got {index.dtype}")
    if source.dtype != input.dtype:
        raise RuntimeError(
            f"index_reduce(): self and source expected to have the same dtype, but got {input.dtype} and {source.dtype}"
        )
    dim = wrap_dim(dim, input.dim())
    if input.dim() == 0:
        return index_reduce(
            input.reshape(1), 0, index.reshape(-1), source.reshape(-1), reduce, include_self=include_self
        ).reshape(())
    shape = [1] * source.dim()
    shape[dim] = -1
    places = index.to(ondol.int64).reshape(shape).expand(source.shape)
    return input.scatter_reduce(dim, places, source, reduce, include_self=include_self)


@operation(method=True, inplace=True)
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of the input with elements, by their flat index, replaced by `source` or with it added.

    >>> ondol.put(ondol.zeros(2, 2), ondol.tensor([3]), ondol.tensor([9.0]))
    tensor([[0., 0.],
            [0., 9.]])
    """
    if index.dtype not in (ondol.int32, ondol.int64):
        raise RuntimeError(f"put_(): Expected a long tensor for index, but got {index.dtype}")
    if source.dtype != input.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got {input.dtype} and {source.dtype}"
        )
    if index.numel() != source.numel():
        raise RuntimeError(f"put_(): Expected source and index to have the same number of elements, but got "
                           f"source.numel() = {source.numel()}, index.numel() = {index.numel()}")  # fmt: skip
    flat = input.reshape(-1).index_put((index.reshape(-1),), source.reshape(-1), accumulate)
    return flat.reshape(input.shape)


@operation(method=True)
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The first of every run of equal elements (slices along `dim`), and on request each one's run and the lengths.

    >>> ondol.unique_consecutive(ondol.tensor([1, 1, 2, 1]))
    tensor([1, 2, 1])
    """
    items = input.reshape(-1) if dim is None else input.movedim(dim, 0) if input.dim() else input.reshape(1)
    count = items.shape[0]
    rows = items.reshape(count, -1) if items.numel() else items.new_zeros(count, 0)
    starts = ondol.ones(count, dtype=ondol.bool, device=input.device)
    if count > 1:
        starts[1:] = (rows[1:] != rows[:-1]).any(1)
    first = starts.nonzero().squeeze(1)
    kept = items[first]
    values = kept if dim is None or input.dim() == 0 else kept.movedim(0, dim)
    results = [values]
    if return_inverse:
        run = starts.to(ondol.int64).cumsum(0) - 1
        results.append(run.reshape(input.shape) if dim is None else run)
    if return_counts:
        ends = ondol.cat([first[1:], first.new_full((min(count, 1),), count)])
        results.append(ends - first)
    return results[0] if len(results) == 1 else tuple(results)
