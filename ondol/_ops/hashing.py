"""Hashes of the elements of a tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import ondol
from ondol import Tensor
from ondol._ops.checks import wrap_dims
from ondol._ops.registry import operation


@operation(method=True)
def hash_tensor(
    input: Tensor, dim: int | Sequence[int] = (), *, keepdim: bool = False, mode: int = 0, out: Any = None
) -> Tensor:
    """The bits of the elements, as float64 or int64, xor-ed over the given dimensions (all by default), as uint64.

    Raises:
        NotImplementedError: for complex numbers.
        RuntimeError: for another mode than 0, and for all dimensions of a tensor without elements.
        IndexError: for a dimension of size 0.

    >>> ondol.hash_tensor(ondol.tensor([3, 5]))
    tensor(6, dtype=torch.uint64)
    """
    if mode != 0:
        raise RuntimeError(f"Unknown hash_tensor mode: {mode}")
    if input.is_complex():
        raise NotImplementedError(f'"xor_sum_cpu" not implemented for {input.dtype}; hash view_as_real(input) instead')
    whole = not isinstance(dim, int) and len(dim) == 0
    dims = wrap_dims(range(input.dim()) if whole else (dim,) if isinstance(dim, int) else dim, input.dim())
    if whole and input.numel() == 0:
        raise RuntimeError(
            "hash_tensor: Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim "
            "with the 'dim' argument."
        )
    for at in dims:
        if input.dim() and input.shape[at] == 0:
            raise IndexError(f"hash_tensor: Expected reduction dim {at} to have non-zero size.")
    wide = input.detach().to(ondol.float64 if input.is_floating_point() else ondol.int64)
    bits = wide.contiguous().view(ondol.int64)
    shape = list(input.shape)
    if input.dim():
        kept = [at for at in range(input.dim()) if at not in dims]
        sizes = [shape[at] for at in kept]
        count = math.prod(shape[at] for at in dims)
        bits = _xor(bits.permute([*kept, *dims]).reshape(*sizes, count))
        shape = [1 if at in dims else size for at, size in enumerate(shape)] if keepdim else sizes
    return bits.reshape(shape).view(ondol.uint64)


def _xor(bits: Tensor) -> Tensor:
    """Over the last dimension: the two halves on each other, an odd one behind them."""
    while bits.shape[-1] > 1:
        half = bits.shape[-1] // 2
        bits = ondol.cat([bits[..., :half] ^ bits[..., half : 2 * half], bits[..., 2 * half :]], -1)
    return bits
