"""Attention with functions of the user: results against the formula written out, and the blocks of a mask."""

from __future__ import annotations

import pytest

import ondol
from ondol.nn import functional as F
from ondol.nn.attention.flex_attention import (
    AuxRequest,
    BlockMask,
    and_masks,
    create_block_mask,
    create_mask,
    flex_attention,
    noop_mask,
    or_masks,
)


def causal(b, h, q, k):
    return q >= k


@pytest.fixture
def operands():
    ondol.manual_seed(0)
    return [ondol.rand(2, 4, 6, 8, requires_grad=True) for _ in range(3)]


def assert_same_with_gradients(result, expected, inputs):
    ondol.testing.assert_close(result, expected)
    for got, wanted in zip(
        ondol.autograd.grad(result.square().sum(), inputs), ondol.autograd.grad(expected.square().sum(), inputs)
    ):
        ondol.testing.assert_close(got, wanted)


def test_without_functions_it_is_attention(operands):
    assert_same_with_gradients(flex_attention(*operands), F.scaled_dot_product_attention(*operands), operands)


def test_causal_mask(operands):
    mask = create_block_mask(causal, None, None, 6, 6, BLOCK_SIZE=4)
    expected = F.scaled_dot_product_attention(*operands, is_causal=True)
    assert_same_with_gradients(flex_attention(*operands, block_mask=mask), expected, operands)


def test_score_mod_with_a_table_that_learns(operands):
    slopes = ondol.rand(4, requires_grad=True)
    positions = ondol.arange(6)
    distance = positions[:, None] - positions
    result = flex_attention(*operands, score_mod=lambda score, b, h, q, k: score + slopes[h] * (q - k))
    expected = F.scaled_dot_product_attention(*operands, attn_mask=slopes[:, None, None] * distance)
    assert_same_with_gradients(result, expected, [*operands, slopes])


def test_heads_in_groups(operands):
    q, k, v = operands
    k, v = k[:, :2], v[:, :2]
    expected = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    assert_same_with_gradients(flex_attention(q, k, v, enable_gqa=True), expected, operands)


def test_scale_and_half_precision(operands):
    q, k, v = (x.detach().to(ondol.bfloat16) for x in operands)
    result = flex_attention(q, k, v, scale=0.5)
    assert result.dtype == ondol.bfloat16
    ondol.testing.assert_close(result, F.scaled_dot_product_attention(q, k, v, scale=0.5))


def test_query_that_sees_nothing_gets_zero_and_no_nan(operands):
    mask = create_block_mask(lambda b, h, q, k: q > k, None, None, 6, 6)
    result = flex_attention(*operands, block_mask=mask)
    assert result[:, :, 0].eq(0).all()
    assert all(grad.isfinite().all() for grad in ondol.autograd.grad(result.sum(), operands))


def test_sums_and_maxima_beside_the_result(operands):
    q, k, v = operands
    scores = q @ k.mT / 8**0.5
    _, aux = flex_attention(q, k, v, return_aux=AuxRequest(lse=True, max_scores=True))
    ondol.testing.assert_close(aux.lse, scores.logsumexp(-1))
    ondol.testing.assert_close(aux.max_scores, scores.amax(-1))
    ondol.testing.assert_close(flex_attention(q, k, v, return_lse=True)[1], aux.lse)
    with pytest.raises(ValueError, match="both"):
        flex_attention(q, k, v, return_lse=True, return_aux=AuxRequest())


def test_masks_join():
    window = and_masks(causal, lambda b, h, q, k: q - k < 2)
    assert create_mask(window, None, None, 3, 3)[0, 0].int().tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    prefix = or_masks(causal, lambda b, h, q, k: k < 2)
    assert create_mask(prefix, None, None, 3, 3)[0, 0].int().tolist() == [[1, 1, 0], [1, 1, 0], [1, 1, 1]]
    assert create_mask(noop_mask, 2, 3, 1, 1).shape == (2, 3, 1, 1)
    with pytest.raises(RuntimeError, match="callable"):
        and_masks(causal, None)


def test_blocks_of_a_causal_mask():
    mask = create_block_mask(causal, 1, 1, 6, 6, BLOCK_SIZE=2)
    assert mask.shape == (1, 1, 6, 6) and mask.numel() == 36
    assert mask.kv_num_blocks.tolist() == [[[1, 1, 1]]] and mask.kv_indices[0, 0, :, 0].tolist() == [0, 1, 2]
    assert mask.full_kv_num_blocks.tolist() == [[[0, 1, 2]]]
    assert mask.full_q_num_blocks.tolist() == [[[2, 1, 0]]] and mask.full_q_indices[0, 0, 0, :2].tolist() == [1, 2]
    assert mask.to_dense()[0, 0].tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert mask.sparsity() == pytest.approx(100 / 3)
    together = create_block_mask(causal, 1, 1, 6, 6, BLOCK_SIZE=2, separate_full_blocks=False)
    assert together.full_kv_num_blocks is None and together.kv_num_blocks.tolist() == [[[1, 2, 3]]]


def test_block_at_a_ragged_edge_is_kept_in_part():
    mask = create_block_mask(noop_mask, 1, 1, 5, 5, BLOCK_SIZE=(4, 2))
    assert mask.full_kv_num_blocks.tolist() == [[[2, 0]]] and mask.kv_num_blocks.tolist() == [[[1, 3]]]


def test_mask_of_known_blocks():
    made = create_block_mask(causal, 2, 1, 4, 4, BLOCK_SIZE=2)
    blocks = (made.kv_num_blocks, made.kv_indices, made.full_kv_num_blocks, made.full_kv_indices)
    again = BlockMask.from_kv_blocks(*blocks, BLOCK_SIZE=2, mask_mod=causal)
    assert again.shape == made.shape and again.to_dense().equal(made.to_dense())


def test_part_of_a_mask_needs_a_function_of_its_own(operands):
    part = create_block_mask(causal, 1, 4, 6, 6, BLOCK_SIZE=4)[:, 2]
    assert part.shape == (1, 1, 6, 6)
    with pytest.raises(RuntimeError, match="sliced"):
        flex_attention(*operands, block_mask=part)
    part.mask_mod = causal
    expected = F.scaled_dot_product_attention(*operands, is_causal=True)
    ondol.testing.assert_close(flex_attention(*operands, block_mask=part), expected)


def test_shapes_that_do_not_fit_are_refused(operands):
    q, k, v = operands
    for error, change in [
        (NotImplementedError, lambda: flex_attention(q[0], k[0], v[0])),
        (ValueError, lambda: flex_attention(q[..., :4], k, v)),
        (ValueError, lambda: flex_attention(q, k[:, :2], v[:, :2])),
        (ValueError, lambda: flex_attention(q, k[:, :3], v[:, :3], enable_gqa=True)),
        (ValueError, lambda: flex_attention(q, k[:1], v[:1])),
        (ValueError, lambda: flex_attention(q, k, v, block_mask=create_block_mask(causal, 1, 1, 8, 6))),
        (AssertionError, lambda: create_block_mask(lambda score, b, h, q, k: score, 1, 1, 4, 4)),
    ]:
        with pytest.raises(error):
            change()
