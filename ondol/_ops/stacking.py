"""Joining, splitting and turning tensors: the NumPy-like names over cat, stack, narrow and flip."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import ondol
from ondol import Tensor
from ondol._ops.checks import flat_arguments, require_tensors, wrap_dim, wrap_dims
from ondol._ops.registry import operation


def _each(function: Any, tensors: tuple[Any, ...]) -> Any:
    """`f(t)` for one tensor, a tuple of results for several or for a sequence."""
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return function(tensors[0])
    return tuple(function(tensor) for tensor in flat_arguments(tensors))


def _at_least_1d(tensor: Tensor) -> Tensor:
    return tensor.reshape(1) if tensor.dim() == 0 else tensor


def _at_least_2d(tensor: Tensor) -> Tensor:
    return tensor if tensor.dim() >= 2 else _at_least_1d(tensor).unsqueeze(0)


def _at_least_3d(tensor: Tensor) -> Tensor:
    return tensor if tensor.dim() >= 3 else _at_least_2d(tensor).unsqueeze(-1)


@operation
def atleast_1d(*tensors: Any) -> Any:
    """Each tensor, scalars as vectors of one element. Takes one tensor, several, or a sequence.

    >>> ondol.atleast_1d(ondol.tensor(1.0))
    tensor([1.])
    """
    return _each(_at_least_1d, tensors)


@operation
def atleast_2d(*tensors: Any) -> Any:
    """Each tensor with at least two dimensions: new ones come in front."""
    return _each(_at_least_2d, tensors)


@operation
def atleast_3d(*tensors: Any) -> Any:
    """Each tensor with at least three dimensions: a vector becomes (1, n, 1), a matrix (m, n, 1)."""
    return _each(_at_least_3d, tensors)


@operation(aliases=("row_stack",))
def vstack(tensors: Sequence[Tensor], *, out: Any = None) -> Tensor:
    """Join along the first dimension, vectors as rows.

    >>> ondol.vstack([ondol.tensor([1, 2]), ondol.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    return ondol.cat(_several(tensors, "vstack", _at_least_2d, 2), 0)


@operation
def hstack(tensors: Sequence[Tensor], *, out: Any = None) -> Tensor:
    """Join along the second dimension, or the first for vectors.

    >>> ondol.hstack([ondol.tensor([1, 2]), ondol.tensor([3])])
    tensor([1, 2, 3])
    """
    several = _several(tensors, "hstack", _at_least_1d, 1)
    return ondol.cat(several, 0 if several[0].dim() == 1 else 1)


@operation
def dstack(tensors: Sequence[Tensor], *, out: Any = None) -> Tensor:
    """Join along the third dimension."""
    return ondol.cat(_several(tensors, "dstack", _at_least_3d, 3), 2)


@operation
def column_stack(tensors: Sequence[Tensor], *, out: Any = None) -> Tensor:
    """Join along the second dimension, vectors as columns."""

    def as_columns(tensor: Tensor) -> Tensor:
        return tensor.reshape(-1, 1)

    return ondol.cat(_several(tensors, "column_stack", as_columns, 2), 1)


def _several(tensors: Sequence[Tensor], name: str, prepare: Any, enough: int) -> list[Tensor]:
    """The tensors, those with fewer than `enough` dimensions prepared."""
    if isinstance(tensors, Tensor) or not isinstance(tensors, (list, tuple)):
        raise TypeError(f"{name}(): argument 'tensors' must be tuple of Tensors, not {type(tensors).__name__}")
    if not tensors:
        raise RuntimeError(f"{name} expects a non-empty TensorList")
    return [tensor if tensor.dim() >= enough else prepare(tensor) for tensor in tensors]


@operation(method=True)
def tensor_split(
    input: Tensor, indices_or_sections: Any = None, dim: int = 0, *, indices: Any = None, sections: Any = None
) -> tuple[Tensor, ...]:
    """Views of `sections` nearly equal parts (the first ones larger by one), or of the parts between given indices.

    >>> [part.tolist() for part in ondol.tensor_split(ondol.arange(5), 2)]
    [[0, 1, 2], [3, 4]]
    """
    where = next((given for given in (indices_or_sections, indices, sections) if given is not None), None)
    if where is None:
        raise TypeError("tensor_split(): missing argument 'indices_or_sections'")
    if input.dim() == 0:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    if isinstance(where, Tensor):
        if where.dim() > 1 or where.dtype != ondol.int64:
            raise RuntimeError("tensor_split expected tensor_indices_or_sections to be a zero-dimensional or "
                               f"one-dimensional int64 tensor, got {where.dim()} dims of {where.dtype}")  # fmt: skip
        where = where.tolist()
    dim = wrap_dim(dim, input.dim())
    size = input.shape[dim]
    if isinstance(where, int):
        if where <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {where}")
        if where > size + 2**24:
            raise ondol.OutOfMemoryError(f"tensor_split(): {where} parts of size {size}, nearly all of them empty")
        small, larger = divmod(size, where)
        return input.split([small + 1] * larger + [small] * (where - larger), dim)
    else:
        cuts = [min(max(at + size if at < 0 else at, 0), size) for at in where]
    starts, ends = [0, *cuts], [*cuts, size]
    return tuple(input.narrow(dim, start, max(end - start, 0)) for start, end in zip(starts, ends))


def _split_along(input: Tensor, where: Any, dim: int, name: str) -> tuple[Tensor, ...]:
    if isinstance(where, int) and (where <= 0 or input.shape[dim] % where):
        raise RuntimeError(f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension "
                           f"{input.shape[dim]} is not divisible by the split_size {where}!")  # fmt: skip
    return tensor_split(input, where, dim)


@operation(method=True)
def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Split along the second dimension, or the first of a vector, into equal parts or at indices."""
    if input.dim() < 1:
        raise RuntimeError(
            "torch.hsplit requires a tensor with at least 1 dimension, but got a tensor with 0 dimensions!"
        )
    return _split_along(input, indices_or_sections, 0 if input.dim() == 1 else 1, "hsplit")


@operation(method=True)
def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Split a tensor of two or more dimensions along the first, into equal parts or at indices."""
    if input.dim() < 2:
        raise RuntimeError("torch.vsplit requires a tensor with at least 2 dimension, but got a tensor with "
                           f"{input.dim()} dimensions!")  # fmt: skip
    return _split_along(input, indices_or_sections, 0, "vsplit")


@operation(method=True)
def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Split a tensor of three or more dimensions along the third, into equal parts or at indices."""
    if input.dim() < 3:
        raise RuntimeError("torch.dsplit requires a tensor with at least 3 dimension, but got a tensor with "
                           f"{input.dim()} dimensions!")  # fmt: skip
    return _split_along(input, indices_or_sections, 2, "dsplit")


@operation
def block_diag(*tensors: Tensor) -> Tensor:
    """A matrix with the given matrices (vectors as rows, scalars as 1 × 1) along its diagonal, zeros elsewhere.

    >>> ondol.block_diag(ondol.tensor([[1, 2]]), ondol.tensor(3))
    tensor([[1, 2, 0],
            [0, 0, 3]])
    """
    tensors = flat_arguments(tensors)
    if not tensors:
        return ondol.empty(1, 0)
    for at, tensor in enumerate(tensors):
        require_tensors("block_diag", **{f"tensors[{at}]": tensor})
        if tensor.dim() > 2:
            raise RuntimeError(f"block_diag(): Input tensors must have 2 or fewer dimensions. "
                               f"Input {at} has {tensor.dim()} dimensions")  # fmt: skip
    blocks = [_at_least_2d(tensor) for tensor in tensors]
    dtype = blocks[0].dtype
    for block in blocks[1:]:
        dtype = ondol.promote_types(dtype, block.dtype)
    width, left, rows = sum(block.shape[1] for block in blocks), 0, []
    for block in blocks:
        height, own = block.shape
        before = ondol.zeros(height, left, dtype=dtype, device=block.device)
        after = ondol.zeros(height, width - left - own, dtype=dtype, device=block.device)
        rows.append(ondol.cat([before, block.to(dtype), after], 1))
        left += own
    return ondol.cat(rows, 0)


@operation
def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All tuples with one element from each vector, in the order of nested loops: rows of a matrix.

    >>> ondol.cartesian_prod(ondol.tensor([1, 2]), ondol.tensor([3, 4])).tolist()
    [[1, 3], [1, 4], [2, 3], [2, 4]]
    """
    tensors = flat_arguments(tensors)
    for tensor in tensors:
        if tensor.dim() != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(tensor.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    return ondol.stack([grid.flatten() for grid in meshgrid(*tensors, indexing="ij")], 1)


@operation
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All combinations of `r` elements of a vector, as itertools orders them: rows of a matrix.

    >>> ondol.combinations(ondol.tensor([1, 2, 3])).tolist()
    [[1, 2], [1, 3], [2, 3]]
    """
    if input.dim() != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return ondol.empty(0, dtype=input.dtype, device=input.device)
    length = input.shape[0]
    count = math.comb(length + r - 1, r) if with_replacement and length else math.comb(length, r)
    if count * r >= 2**56:
        raise ondol.OutOfMemoryError(f"combinations(): {count} combinations of {r} elements do not fit in memory")
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    positions = itertools.chain.from_iterable(choose(range(length), r))
    index = ondol.from_numpy(np.fromiter(positions, dtype=np.int64, count=count * r))
    return input[index.reshape(count, r)]


@operation
def meshgrid(*tensors: Tensor, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Views of each vector spread over the grid of all; `indexing` is "ij" (matrix, the default) or "xy" (Cartesian).

    >>> ondol.meshgrid(ondol.tensor([1, 2]), ondol.tensor([3, 4, 5]), indexing="ij")[1].shape
    torch.Size([2, 3])
    """
    tensors = flat_arguments(tensors)
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    for tensor in tensors:
        if tensor.dim() > 1:
            raise RuntimeError(
                f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {list(tensor.shape)}"
            )
        if tensor.dtype != tensors[0].dtype:
            raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype")
    swapped = indexing == "xy" and len(tensors) >= 2
    if swapped:
        tensors = (tensors[1], tensors[0], *tensors[2:])
    shape = [tensor.numel() for tensor in tensors]
    grids = []
    for at, tensor in enumerate(tensors):
        place = [1] * len(tensors)
        place[at] = shape[at]
        grids.append(tensor.reshape(place).expand(shape))
    if swapped:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


@operation
def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Views of all tensors in their common shape."""
    tensors = flat_arguments(tensors)
    shape = _common_shape([tensor.shape for tensor in tensors])
    return tuple([tensor.expand(shape) for tensor in tensors])


@operation
def broadcast_shapes(*shapes: Any) -> Any:
    """The shape that tensors of the given shapes (or sizes of vectors) have in common.

    >>> ondol.broadcast_shapes((2, 1), (3,))
    torch.Size([2, 3])
    """
    rows = [(shape,) if isinstance(shape, int) else tuple(shape) for shape in shapes]
    for row in rows:
        if any(size < 0 for size in row):
            raise RuntimeError(f"Trying to create tensor with negative dimension {min(row)}: {list(row)}")
    return ondol.Size(_common_shape(rows))


def _common_shape(rows: Sequence[Sequence[int]]) -> list[int]:
    result: list[int] = []
    for row in rows:
        ahead = len(result) - len(row)
        if ahead < 0:
            result[:0] = [1] * -ahead
            ahead = 0
        for at, size in enumerate(row, ahead):
            known = result[at]
            if size == known or size == 1:
                continue
            if known != 1:
                listed = " and ".join(str(list(row)) for row in rows)
                raise RuntimeError(
                    f"The size of tensor a ({known}) must match the size of tensor b ({size}) at non-singleton "
                    f"dimension {at}\n  shapes {listed} do not broadcast: aligned at the right, sizes must be equal "
                    "or 1"
                )
            result[at] = size
    return result


@operation(method=True)
def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turn by `k` quarter turns in the plane of two dimensions, from the first towards the second.

    >>> ondol.rot90(ondol.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if input.dim() < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.dim()}")
    first, second = (wrap_dim(dim, input.dim()) for dim in dims)
    if first == second:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    turns = k % 4
    if turns == 1:
        return input.flip(second).transpose(first, second)
    if turns == 2:
        return input.flip([first, second])
    if turns == 3:
        return input.flip(first).transpose(first, second)
    return input.clone()


@operation(method=True)
def fliplr(input: Tensor) -> Tensor:
    """Reverse the second dimension."""
    if input.dim() < 2:
        raise RuntimeError(f"Input must be >= 2-d, got {input.dim()}-d")
    return input.flip(1)


@operation(method=True)
def flipud(input: Tensor) -> Tensor:
    """Reverse the first dimension."""
    if input.dim() < 1:
        raise RuntimeError("Input must be >= 1-d, got 0-d")
    return input.flip(0)


@operation(method=True)
def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """The coordinates of flat indices in a tensor of the given shape, one tensor for each dimension.

    >>> [axis.tolist() for axis in ondol.unravel_index(ondol.tensor([5]), (2, 3))]
    [[1], [2]]
    """
    if indices.is_complex() or indices.is_floating_point() or indices.dtype == ondol.bool:
        raise ValueError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    sizes = shape.tolist() if isinstance(shape, Tensor) else shape
    sizes = [sizes] if isinstance(sizes, int) else list(sizes)
    if any(size < 0 for size in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {tuple(sizes)}")
    coordinates = []
    for size in reversed(sizes):
        coordinates.append(indices % size)
        indices = indices.div(size, rounding_mode="floor")
    return tuple(reversed(coordinates))


def dims_or_all(input: Tensor, dims: Any) -> tuple[int, ...]:
    """The given dimensions counted from the front; all of them for None or an empty list."""
    if dims is None or (not isinstance(dims, int) and len(dims) == 0):
        return tuple(range(input.dim()))
    return wrap_dims(dims, input.dim())
