"""Which kernel attention may use, and causal patterns as its mask."""

from __future__ import annotations

import pytest

import ondol
from ondol.nn import functional as F
from ondol.nn.attention import SDPBackend, sdpa_kernel
from ondol.nn.attention.bias import CausalBias, CausalVariant, causal_lower_right, causal_upper_left


@pytest.fixture
def operands():
    ondol.manual_seed(0)
    return ondol.rand(1, 2, 3, 4), ondol.rand(1, 2, 5, 4), ondol.rand(1, 2, 5, 4)


def test_backends_have_the_numbers_of_pytorch():
    assert [int(backend) for backend in SDPBackend] == [-1, 0, 1, 2, 3, 4]
    assert repr(SDPBackend.FLASH_ATTENTION) == "<SDPBackend.FLASH_ATTENTION: 1>"


@pytest.mark.parametrize("backends", [SDPBackend.MATH, SDPBackend.FLASH_ATTENTION, list(SDPBackend)])
def test_backends_of_a_cpu_give_the_same_result(operands, backends):
    expected = F.scaled_dot_product_attention(*operands)
    with sdpa_kernel(backends):
        assert F.scaled_dot_product_attention(*operands).equal(expected)


def test_backends_of_a_gpu_alone_leave_none(operands):
    with sdpa_kernel([SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION]):
        assert (operands[0] + 1).shape == operands[0].shape
        for _ in range(2):
            with pytest.raises(RuntimeError, match="No viable backend"):
                F.scaled_dot_product_attention(*operands)
        with sdpa_kernel(SDPBackend.EFFICIENT_ATTENTION), pytest.raises(RuntimeError, match="No viable backend"):
            F.scaled_dot_product_attention(*operands)
    F.scaled_dot_product_attention(*operands)


def test_choice_ends_with_its_context_and_works_as_a_decorator(operands):
    from ondol.backends import cuda

    @sdpa_kernel(SDPBackend.MATH)
    def seen():
        return cuda.math_sdp_enabled(), cuda.flash_sdp_enabled()

    assert seen() == seen() == (True, False)
    assert cuda.flash_sdp_enabled() and cuda.cudnn_sdp_enabled()


@pytest.mark.parametrize("wrong", ["math", (SDPBackend.MATH,), ["math"], 0])
def test_anything_else_is_no_backend(wrong):
    with pytest.raises(AssertionError, match="SDPBackend"), sdpa_kernel(wrong):
        pass


def test_causal_bias_is_the_mask_it_shows():
    assert causal_upper_left(2, 3).tolist() == [[True, False, False], [True, True, False]]
    assert causal_lower_right(2, 3).tolist() == [[True, True, False], [True, True, True]]
    assert "True" in repr(causal_upper_left(2, 2))
    assert type(causal_upper_left(2, 2) & True) is ondol.Tensor


@pytest.mark.parametrize("make", [causal_upper_left, causal_lower_right])
@pytest.mark.parametrize("by_name", [False, True])
def test_causal_bias_masks_attention(operands, make, by_name):
    q, k, v = (x.clone().requires_grad_() for x in operands)
    mask = make(3, 5)
    expected = F.scaled_dot_product_attention(q, k, v, ondol.tensor(mask.tolist()))
    result = F.scaled_dot_product_attention(q, k, v, attn_mask=mask) if by_name else None
    result = F.scaled_dot_product_attention(q, k, v, mask) if result is None else result
    ondol.testing.assert_close(result, expected)
    for got, wanted in zip(
        ondol.autograd.grad(result.sum(), [q, k, v]), ondol.autograd.grad(expected.sum(), [q, k, v])
    ):
        ondol.testing.assert_close(got, wanted)


def test_query_without_keys_gets_zero(operands):
    q, k, _ = operands
    with pytest.warns(UserWarning, match="first 2 queries"):
        mask = causal_lower_right(5, 3)
    assert F.scaled_dot_product_attention(k, q, q, mask)[:, :, :2].eq(0).all()


def test_mistakes_with_a_causal_bias(operands):
    with pytest.raises(ValueError, match="is_causal"):
        F.scaled_dot_product_attention(*operands, causal_upper_left(3, 5), is_causal=True)
    with pytest.raises(AssertionError, match="two sizes"):
        causal_lower_right(3)
    with pytest.raises(AssertionError, match="CausalVariant"):
        CausalBias(1, 2, 3)
    assert CausalVariant.LOWER_RIGHT == 2
