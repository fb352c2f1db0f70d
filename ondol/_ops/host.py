"""Passage between tensors and NumPy, for functions whose forward LAPACK or a NumPy series computes."""

from __future__ import annotations

import math

import numpy as np

import ondol
from ondol import Tensor


def to_numpy(tensor: Tensor) -> np.ndarray:
    """The values of a tensor; half and bfloat16, which NumPy cannot compute with, become float32."""
    plain = tensor.detach()
    if plain.dtype in (ondol.bfloat16, ondol.float16):
        plain = plain.to(ondol.float32)
    return plain.resolve_conj().resolve_neg().numpy()


def to_tensor(array: np.ndarray | np.generic, like: Tensor) -> Tensor:
    """A tensor that owns the values, in the dtype of `like` as far as the category goes, on its device."""
    array = np.ascontiguousarray(array).reshape(np.shape(array))
    tensor = ondol.from_numpy(array if array.flags.writeable else array.copy())
    if like.dtype in (ondol.bfloat16, ondol.float16) and tensor.dtype == ondol.float32:
        tensor = tensor.to(like.dtype)
    return tensor.to(like.device)


def flat_batch(matrices: np.ndarray) -> np.ndarray:
    """(*, m, n) → (B, m, n), for empty matrices as well."""
    *batch, rows, columns = matrices.shape
    return matrices.reshape(math.prod(batch), rows, columns)
