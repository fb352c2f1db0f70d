"""Causal patterns as an argument `attn_mask` of scaled_dot_product_attention."""

from __future__ import annotations

import enum
import warnings
from collections.abc import Callable
from typing import Any

import ondol
from ondol import Tensor
from ondol._native import nn as _nn

__all__ = ["CausalBias", "CausalVariant", "causal_lower_right", "causal_upper_left"]


class CausalVariant(enum.IntEnum):
    """The corner in which the diagonal of a rectangle starts; in a square both are the same."""

    UPPER_LEFT = 1
    LOWER_RIGHT = 2


class CausalBias(Tensor):
    """A boolean mask [seq_len_q, seq_len_kv], True where a query sees a key: at or before its own place.

    As the `attn_mask` of scaled_dot_product_attention it selects the causal kernel where there is one; to all other
    functions it is the mask. (In PyTorch it has other values than it prints; there only its use as `attn_mask` has a
    meaning.)

    Raises:
        AssertionError: the variant is not a CausalVariant.

    >>> CausalBias(CausalVariant.LOWER_RIGHT, 2, 3)
    tensor([[ True,  True, False],
            [ True,  True,  True]])
    """

    variant: CausalVariant
    seq_len_q: int
    seq_len_kv: int

    def __new__(cls, variant: CausalVariant, seq_len_q: int, seq_len_kv: int) -> CausalBias:
        if not isinstance(variant, CausalVariant):
            raise AssertionError(f"the variant must be a CausalVariant, got {type(variant).__name__}")
        offset = seq_len_kv - seq_len_q if variant is CausalVariant.LOWER_RIGHT else 0
        return ondol.ones(seq_len_q, seq_len_kv, dtype=ondol.bool).tril(offset).as_subclass(cls)

    def __init__(self, variant: CausalVariant, seq_len_q: int, seq_len_kv: int) -> None:
        self.variant, self.seq_len_q, self.seq_len_kv = variant, seq_len_q, seq_len_kv
        if variant is CausalVariant.LOWER_RIGHT and seq_len_q > seq_len_kv:
            warnings.warn(
                f"a lower right causal bias of {seq_len_q} queries and {seq_len_kv} keys leaves the first "
                f"{seq_len_q - seq_len_kv} queries without any key; their results are NaN in PyTorch, zero here",
                stacklevel=2,
            )

    @classmethod
    def __torch_function__(cls, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        with ondol.overrides.DisableTorchFunctionSubclass():
            if func is _nn.scaled_dot_product_attention:
                return _attention(*args, **(kwargs or {}))
            return func(*args, **(kwargs or {}))

    def __repr__(self, **options: Any) -> str:
        with ondol.overrides.DisableTorchFunctionSubclass():
            return repr(self.as_subclass(Tensor))


def _attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: CausalBias, dropout_p: float = 0.0, is_causal: bool = False,
    **options: Any,
) -> Tensor:  # fmt: skip
    if is_causal:
        raise ValueError("a CausalBias as attn_mask already is causal: leave is_causal=True out")
    from_the_left = attn_mask.variant is CausalVariant.UPPER_LEFT or attn_mask.seq_len_q == attn_mask.seq_len_kv
    mask = None if from_the_left else attn_mask.as_subclass(Tensor)
    return _nn.scaled_dot_product_attention(query, key, value, mask, dropout_p, from_the_left, **options)


def causal_upper_left(*size: int) -> CausalBias:
    """The mask of `is_causal=True`: query i sees keys 0 to i.

    >>> causal_upper_left(2, 3)
    tensor([[ True, False, False],
            [ True,  True, False]])
    """
    return _causal(CausalVariant.UPPER_LEFT, size)


def causal_lower_right(*size: int) -> CausalBias:
    """The last query sees all keys, each before it one less: for queries that follow keys already kept.

    >>> causal_lower_right(2, 3)
    tensor([[ True,  True, False],
            [ True,  True,  True]])
    """
    return _causal(CausalVariant.LOWER_RIGHT, size)


def _causal(variant: CausalVariant, size: tuple[int, ...]) -> CausalBias:
    if len(size) != 2:
        raise AssertionError(f"a causal bias needs two sizes, of queries and of keys, got {len(size)}")
    return CausalBias(variant, *size)
