"""Attention."""

from __future__ import annotations

import math

import ondol
from ondol._native import nn as _nn

from .dropout import dropout
from .linear import linear
from .padding import pad

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]

scaled_dot_product_attention = _nn.scaled_dot_product_attention


def multi_head_attention_forward(
    query: ondol.Tensor,
    key: ondol.Tensor,
    value: ondol.Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: ondol.Tensor | None,
    in_proj_bias: ondol.Tensor | None,
    bias_k: ondol.Tensor | None,
    bias_v: ondol.Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: ondol.Tensor,
    out_proj_bias: ondol.Tensor | None,
    training: bool = True,
    key_padding_mask: ondol.Tensor | None = None,
    need_weights: bool = True,
    attn_mask: ondol.Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: ondol.Tensor | None = None,
    k_proj_weight: ondol.Tensor | None = None,
    v_proj_weight: ondol.Tensor | None = None,
    static_k: ondol.Tensor | None = None,
    static_v: ondol.Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[ondol.Tensor, ondol.Tensor | None]:
    """Multi-head attention (Vaswani et al. 2017, section 3.2.2); see `nn.MultiheadAttention` for the arguments.

    Shapes: `query` (L, N, E) or (L, E), `key` and `value` (S, N, E) or (S, E) → (L, N, E) and weights (N, L, S).
    """
    batched = _check_dimensions(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not use_separate_proj_weight:
        _check_widths(key, value, embed_dim_to_check)
    if not batched:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    target_len, batch, embed_dim = query.shape
    source_len = key.shape[0]
    if embed_dim != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {embed_dim}")
    if num_heads <= 0:
        raise AssertionError(f"num_heads must be positive, got {num_heads}")
    head_dim = embed_dim // num_heads
    if head_dim * num_heads != embed_dim:
        raise AssertionError(f"embed_dim {embed_dim} not divisible by num_heads {num_heads}")
    if is_causal and attn_mask is None:
        raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
    if is_causal and key_padding_mask is None and not need_weights:
        attn_mask = None  # the causal flag of scaled_dot_product_attention says the same
    else:
        is_causal = False
        attn_mask = _additive(attn_mask, query, "attn_mask")
    key_padding_mask = _additive(key_padding_mask, query, "key_padding_mask")
    attn_mask = _three_dimensional(attn_mask, batch * num_heads, target_len, source_len)

    if use_separate_proj_weight:
        biases = (None, None, None) if in_proj_bias is None else in_proj_bias.chunk(3)
        weights = (q_proj_weight, k_proj_weight, v_proj_weight)
        q, k, v = (linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases))
    else:
        if key.shape != value.shape:
            raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
        q, k, v = _project_together(query, key, value, in_proj_weight, in_proj_bias)

    if bias_k is not None and bias_v is not None:  # one more position, learned
        k = ondol.cat([k, bias_k.repeat(1, batch, 1)])
        v = ondol.cat([v, bias_v.repeat(1, batch, 1)])
        attn_mask, key_padding_mask = _one_more(attn_mask), _one_more(key_padding_mask)

    def heads(x: ondol.Tensor) -> ondol.Tensor:  # (S, N, E) → (N · heads, S, E / heads)
        return x.reshape(x.shape[0], batch * num_heads, head_dim).transpose(0, 1)

    q = heads(q)
    k = heads(k) if static_k is None else _checked_static("static_k", static_k, batch * num_heads, head_dim)
    v = heads(v) if static_v is None else _checked_static("static_v", static_v, batch * num_heads, head_dim)
    if add_zero_attn:  # one more position, of zeros
        zeros = k.new_zeros((batch * num_heads, 1, head_dim))
        k, v = ondol.cat([k, zeros], dim=1), ondol.cat([v, zeros], dim=1)
        attn_mask, key_padding_mask = _one_more(attn_mask), _one_more(key_padding_mask)
    source_len = k.size(1)

    if key_padding_mask is not None:
        hidden = key_padding_mask.view(batch, 1, 1, source_len).expand(-1, num_heads, -1, -1)
        hidden = hidden.reshape(batch * num_heads, 1, source_len)
        attn_mask = hidden if attn_mask is None else attn_mask + hidden
    dropout_p = dropout_p if training else 0.0

    if need_weights:
        scores = (q * math.sqrt(1.0 / head_dim)) @ k.transpose(-2, -1)
        weights = (scores if attn_mask is None else scores + attn_mask).softmax(dim=-1)
        if dropout_p > 0.0:
            weights = dropout(weights, p=dropout_p)
        mixed = (weights @ v).transpose(0, 1).reshape(target_len * batch, embed_dim)
        output = linear(mixed, out_proj_weight, out_proj_bias).view(target_len, batch, -1)
        weights = weights.view(batch, num_heads, target_len, source_len)
        if average_attn_weights:
            weights = weights.mean(dim=1)
        return (output, weights) if batched else (output.squeeze(1), weights.squeeze(0))

    if attn_mask is not None:
        if attn_mask.size(0) == 1:
            attn_mask = attn_mask.unsqueeze(0)
        else:
            attn_mask = attn_mask.view(batch, num_heads, -1, source_len)
    q, k, v = (x.reshape(batch, num_heads, -1, head_dim) for x in (q, k, v))
    mixed = scaled_dot_product_attention(q, k, v, attn_mask, dropout_p, is_causal)
    mixed = mixed.permute(2, 0, 1, 3).reshape(target_len * batch, embed_dim)
    output = linear(mixed, out_proj_weight, out_proj_bias).view(target_len, batch, -1)
    return (output if batched else output.squeeze(1)), None


def _check_dimensions(
    query: ondol.Tensor,
    key: ondol.Tensor,
    value: ondol.Tensor,
    key_padding_mask: ondol.Tensor | None,
    attn_mask: ondol.Tensor | None,
    num_heads: int,
) -> bool:
    """Whether the inputs are batched; complains where their dimensions do not go together."""
    dims = query.dim()
    if dims not in (2, 3):
        raise AssertionError(f"query should be unbatched 2D or batched 3D tensor but received {dims}-D query tensor")
    if key.dim() != dims or value.dim() != dims:
        raise AssertionError(
            f"For {'batched (3-D)' if dims == 3 else 'unbatched (2-D)'} `query`, expected `key` and `value` to be "
            f"{dims}-D but found {key.dim()}-D and {value.dim()}-D tensors respectively"
        )
    if key.shape[:-1] != value.shape[:-1]:
        raise AssertionError(f"key's sequence and batch dims {key.shape[:-1]} do not match value's {value.shape[:-1]}")
    if key_padding_mask is not None and key_padding_mask.dim() != dims - 1:
        raise AssertionError(
            f"For {dims}-D `query`, expected `key_padding_mask` to be `None` or {dims - 1}-D but found "
            f"{key_padding_mask.dim()}-D tensor instead"
        )
    if key_padding_mask is not None:
        _check_padding_mask(key_padding_mask, key)
    if attn_mask is not None and attn_mask.dim() not in (2, 3):
        raise AssertionError(f"expected `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.dim()}-D tensor")
    if attn_mask is not None and dims == 2 and attn_mask.dim() == 3:
        expected = (num_heads, query.shape[0], key.shape[0])
        if tuple(attn_mask.shape) != expected:
            raise AssertionError(f"Expected `attn_mask` shape to be {expected} but got {tuple(attn_mask.shape)}")
    return dims == 3


def _check_padding_mask(mask: ondol.Tensor, key: ondol.Tensor) -> None:
    expected = (key.shape[1], key.shape[0]) if key.dim() == 3 else (key.shape[0],)
    for dim, (given, wanted) in enumerate(zip(mask.shape, expected)):
        if given != wanted:
            raise AssertionError(
                f"Expected key_padded_mask.shape[{dim}] to be {wanted}, but got {given}: key_padding_mask has shape "
                f"{list(mask.shape)} and should have {list(expected)}, (batch, keys)"
            )


def _check_widths(key: ondol.Tensor, value: ondol.Tensor, embed_dim: int) -> None:
    for name, x, argument in (("key", key, "kdim"), ("value", value, "vdim")):
        rows, width = x.numel() // max(x.shape[-1], 1), x.shape[-1]
        if width != embed_dim:
            raise RuntimeError(
                f"mat1 and mat2 shapes cannot be multiplied ({rows}x{width} and {embed_dim}x{embed_dim})\n"
                f"  multi_head_attention: the {name} has {width} features, embed_dim is {embed_dim}; "
                f"MultiheadAttention(..., {argument}={width}) takes such keys and values"
            )


def _additive(mask: ondol.Tensor | None, like: ondol.Tensor, name: str) -> ondol.Tensor | None:
    """A boolean mask as one to add to the scores: −∞ where it is true."""
    if mask is None:
        return None
    if mask.dtype == ondol.bool:
        return ondol.zeros_like(mask, dtype=like.dtype).masked_fill_(mask, -math.inf)
    if not mask.is_floating_point():
        raise AssertionError(f"only bool and floating types of {name} are supported")
    return mask


def _three_dimensional(mask: ondol.Tensor | None, heads: int, target_len: int, source_len: int) -> ondol.Tensor | None:
    if mask is None:
        return None
    expected = (target_len, source_len) if mask.dim() == 2 else (heads, target_len, source_len)
    if tuple(mask.shape) != expected:
        raise RuntimeError(
            f"The shape of the {mask.dim()}D attn_mask is {tuple(mask.shape)}, but should be {expected}."
        )
    return mask.unsqueeze(0) if mask.dim() == 2 else mask


def _one_more(mask: ondol.Tensor | None) -> ondol.Tensor | None:
    return None if mask is None else pad(mask, (0, 1))


def _checked_static(name: str, static: ondol.Tensor, heads: int, head_dim: int) -> ondol.Tensor:
    if static.size(0) != heads or static.size(2) != head_dim:
        raise AssertionError(
            f"expecting {name}.size(0) of {heads} and {name}.size(2) of {head_dim}, "
            f"but got {static.size(0)} and {static.size(2)}"
        )
    return static


def _project_together(
    query: ondol.Tensor, key: ondol.Tensor, value: ondol.Tensor, weight: ondol.Tensor, bias: ondol.Tensor | None
) -> tuple:
    """q, k and v by one weight (3E, E), with as few products as the inputs allow."""
    size = query.size(-1)
    if key is value and query is key:
        return linear(query, weight, bias).split(size, dim=-1)
    q_bias, kv_bias = (None, None) if bias is None else bias.split([size, 2 * size])
    q_weight, kv_weight = weight.split([size, 2 * size])
    if key is value:
        return linear(query, q_weight, q_bias), *linear(key, kv_weight, kv_bias).split(size, dim=-1)
    k_weight, v_weight = kv_weight.split(size)
    k_bias, v_bias = (None, None) if kv_bias is None else kv_bias.split(size)
    return linear(query, q_weight, q_bias), linear(key, k_weight, k_bias), linear(value, v_weight, v_bias)
