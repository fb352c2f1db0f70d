"""Dropout multiplies by the mask that PyTorch would draw, forward and backward."""

from __future__ import annotations

import pytest

import ondol
from ondol.nn import functional as F

DTYPES = [ondol.float32, ondol.float64, ondol.bfloat16]


def random(*sizes: int) -> ondol.Tensor:
    return ondol.randn(*sizes, generator=ondol.Generator().manual_seed(sum(sizes)))


def mask_of(shape: tuple[int, ...], p: float, dtype: ondol.dtype, seed: int) -> ondol.Tensor:
    ondol.manual_seed(seed)
    return ondol.empty(shape, dtype=dtype).bernoulli_(1 - p) / (1 - p)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1,), (3, 5), (7, 130), (2, 3, 5000)])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.73])
def test_result_and_gradients(p: float, shape: tuple, dtype: ondol.dtype) -> None:
    x, g = random(*shape).to(dtype).requires_grad_(), random(*shape).cos().to(dtype).requires_grad_()
    mask = mask_of(shape, p, dtype, seed=4)
    ondol.manual_seed(4)
    y = F.dropout(x, p)
    assert ondol.equal(y, x * mask)
    (gx,) = ondol.autograd.grad(y, x, g, create_graph=True)
    assert ondol.equal(gx, g * mask)
    (gg,) = ondol.autograd.grad((gx * gx).sum(), g)
    assert ondol.equal(gg, 2 * gx * mask)


def test_gradient_that_somebody_holds_is_left_alone() -> None:
    x, g = random(40, 50).requires_grad_(), random(40, 50)
    before = g.clone()
    y = F.dropout(x, 0.5)
    y.backward(g, retain_graph=True)
    assert ondol.equal(g, before)
    alone, x.grad = x.grad, None
    (y * g).sum().backward()  # here nobody else has it
    assert ondol.equal(x.grad, alone)


def test_values_that_are_none() -> None:
    x = ondol.tensor([float("inf"), float("nan"), -0.0, 1.0]).repeat(30)
    mask = mask_of((120,), 0.5, ondol.float32, seed=1)
    ondol.manual_seed(1)
    ondol.testing.assert_close(F.dropout(x, 0.5), x * mask, equal_nan=True, rtol=0, atol=0)


def test_input_that_is_not_contiguous() -> None:
    x = random(6, 40).t().requires_grad_()
    ondol.manual_seed(2)
    y = F.dropout(x, 0.4)
    kept = y != 0
    ondol.testing.assert_close(y, ondol.where(kept, x / 0.6, 0))
    y.sum().backward()
    ondol.testing.assert_close(x.grad, kept / 0.6)


def test_attention_drops_weights_and_ignores_hidden_rows() -> None:
    q, k, v = (random(2, 3, 8, n).requires_grad_() for n in (4, 4, 5))
    visible = ondol.ones(8, 8, dtype=ondol.bool).tril()
    visible[3] = False
    ondol.manual_seed(3)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=visible, dropout_p=0.3)
    weights = ondol.softmax((q @ k.mT / 2).masked_fill(~visible, -float("inf")), -1).nan_to_num(0)
    mask = mask_of((2, 3, 8, 8), 0.3, ondol.float32, seed=3)
    ondol.testing.assert_close(out, (weights * mask) @ v)
    assert bool((out[:, :, 3] == 0).all())
    for gradient in ondol.autograd.grad(out.square().sum(), [q, k, v]):
        assert bool(gradient.isfinite().all())
