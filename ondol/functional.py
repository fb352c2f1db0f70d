"""The names of PyTorch's `torch.functional`; all of them are at the top level as well."""

from ondol import split, unique, unique_consecutive
from ondol._ops.distance import cdist
from ondol._ops.einsum import einsum
from ondol._ops.linalg_legacy import lu
from ondol._ops.linalg_norm import norm
from ondol._ops.product import chain_matmul, tensordot
from ondol._ops.spectrum import stft
from ondol._ops.stacking import (
    atleast_1d,
    atleast_2d,
    atleast_3d,
    block_diag,
    broadcast_shapes,
    broadcast_tensors,
    cartesian_prod,
    meshgrid,
    unravel_index,
)

__all__ = [
    "atleast_1d", "atleast_2d", "atleast_3d", "block_diag", "broadcast_shapes", "broadcast_tensors", "cartesian_prod",
    "cdist", "chain_matmul", "einsum", "lu", "meshgrid", "norm", "split", "stft", "tensordot", "unique",
    "unique_consecutive", "unravel_index",
]  # fmt: skip
