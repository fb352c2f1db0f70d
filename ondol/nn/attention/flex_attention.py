"""Attention whose scores are changed and masked by functions of the user (Dong et al. 2024).

PyTorch compiles these functions into a kernel. Here they run under vmap on all scores, as in PyTorch without a
compiler: the results are the same, but the scores of all pairs are in memory at once, and masked blocks are computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import ondol
from ondol import Tensor
from ondol.nn.attention._block_mask import (
    BlockMask,
    and_masks,
    create_block_mask,
    create_mask,
    noop_mask,
    or_masks,
    over_positions,
    sliced_mask_mod,
)

__all__ = [
    "AuxOutput", "AuxRequest", "BlockMask", "and_masks", "create_block_mask", "create_mask", "flex_attention",
    "noop_mask", "or_masks",
]  # fmt: skip


class AuxRequest(NamedTuple):
    """What `flex_attention` shall return beside its result."""

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """Of each query: the logarithm of the sum of the exponentials of its scores, and the largest; None if not asked."""

    lse: Tensor | None = None
    max_scores: Tensor | None = None


def flex_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score_mod: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor] | None = None,
    block_mask: BlockMask | None = None,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_lse: bool = False,
    kernel_options: dict[str, Any] | None = None,
    *,
    return_aux: AuxRequest | None = None,
) -> Any:
    """softmax(score_mod(query keyᵀ · scale)) value, where the mask lets a query see a key.

    Args:
        query: [B, Hq, L, E]. key: [B, Hkv, S, E]. value: [B, Hkv, S, Ev]. With a block_mask of B examples the batch of
            key and value may be 1.
        score_mod: of a score and the positions (batch, head, query, key); called under vmap.
        block_mask: of `create_block_mask`, made for L queries and S keys.
        scale: 1/√E unless given.
        enable_gqa: let Hkv be a divisor of Hq: each head of key and value serves Hq/Hkv heads of query.
        return_lse: return (result, lse); in new code `return_aux=AuxRequest(lse=True)`.
        kernel_options: accepted: choices of a GPU kernel.
        return_aux: return (result, AuxOutput).

    Returns:
        [B, Hq, L, Ev]; zero for a query that sees no key.

    Raises:
        NotImplementedError: operands that are not 4-dimensional.
        ValueError: shapes that do not go together, a block_mask of other lengths, both ways to ask for `lse`.
        RuntimeError: the block_mask is a part of another.

    >>> q = ondol.ones(1, 1, 3, 2)
    >>> causal = create_block_mask(lambda b, h, q, k: q >= k, None, None, 3, 3)
    >>> v = ondol.tensor([[[[1.0], [3.0], [5.0]]]])
    >>> flex_attention(q, q, v, block_mask=causal).flatten()
    tensor([1., 2., 3.])
    """
    _check(query, key, value, block_mask, enable_gqa)
    if return_lse and return_aux is not None:
        raise ValueError("Cannot specify both return_lse and return_aux: return_aux=AuxRequest(lse=True) says both")
    work = ondol.float64 if query.dtype == ondol.float64 else ondol.float32
    groups = query.size(1) // key.size(1)
    if groups != 1:
        key, value = (x.repeat_interleave(groups, dim=1) for x in (key, value))
    factor = 1 / math.sqrt(query.size(-1)) if scale is None else scale
    scores = query.to(work) @ key.to(work).transpose(-2, -1) * factor
    if score_mod is not None:
        scores = over_positions(score_mod, scores, scores.shape)
    if block_mask is not None:
        scores = scores.masked_fill(~over_positions(block_mask.mask_mod, None, scores.shape), -math.inf)
    sees_none = (scores == -math.inf).all(-1, keepdim=True)
    # Zeros before and after the softmax: its derivative at a row of minus infinities would be NaN.
    weights = scores.masked_fill(sees_none, 0).softmax(-1).masked_fill(sees_none, 0)
    result = weights.to(query.dtype) @ value.to(query.dtype)
    if return_aux is not None:
        lse = scores.logsumexp(-1) if return_aux.lse else None
        return result, AuxOutput(lse, scores.amax(-1) if return_aux.max_scores else None)
    return (result, scores.logsumexp(-1)) if return_lse else result


def _check(query: Tensor, key: Tensor, value: Tensor, block_mask: BlockMask | None, grouped: bool) -> None:
    shapes = f"query {tuple(query.shape)}, key {tuple(key.shape)}, value {tuple(value.shape)}"
    if any(x.dim() != 4 for x in (query, key, value)):
        raise NotImplementedError(f"flex_attention needs 4 dimensions [batch, heads, length, width], got {shapes}")
    if query.size(-1) != key.size(-1):
        raise ValueError(f"query and key must have the same last size, got {shapes}")
    if key.size(-2) != value.size(-2) or key.size(1) != value.size(1):
        raise ValueError(f"key and value must have the same heads and length, got {shapes}")
    if not grouped and query.size(1) != key.size(1):
        raise ValueError(f"query and key must have the same number of heads unless enable_gqa=True, got {shapes}")
    if grouped and (key.size(1) == 0 or query.size(1) % key.size(1) != 0):
        raise ValueError(f"the heads of query must be a multiple of those of key, got {shapes}")
    if query.size(0) != key.size(0) and (block_mask is None or block_mask.kv_num_blocks.size(0) != query.size(0)):
        raise ValueError(f"query and key need the same batch, or a block_mask of the batch of query, got {shapes}")
    if block_mask is None:
        return
    if block_mask.mask_mod is sliced_mask_mod:
        raise RuntimeError("Cannot use mask_mod from a sliced BlockMask")
    lengths = (query.size(-2), key.size(-2))
    if lengths != block_mask.seq_lengths:
        raise ValueError(
            f"block_mask was created for block_mask.shape={block_mask.shape} but got q_len={lengths[0]} and "
            f"kv_len={lengths[1]}: create one for these lengths"
        )
