"""Tensors without elements where elements would decide."""

import ondol
from ondol.nn import functional as F


def test_an_empty_index_may_have_any_dtype():
    index = ondol.zeros(0, dtype=ondol.uint8)
    assert ondol.ones(5).gather(0, index).shape == (0,)
    assert ondol.ones(5).scatter(0, index, 1.0).tolist() == [1.0] * 5


def test_cat_of_empty_tensors_keeps_their_history():
    a, b = ondol.zeros(0, requires_grad=True), ondol.zeros(0, requires_grad=True)
    ondol.cat([a, b]).sum().backward()
    assert a.grad.shape == b.grad.shape == (0,)


def test_an_empty_tensor_among_others_gets_an_empty_gradient():
    empty, rows = ondol.zeros(0, requires_grad=True), ondol.ones(2, 3, requires_grad=True)
    ondol.cat([empty, rows], 1).sum().backward()
    assert empty.grad.shape == (0,) and rows.grad.tolist() == [[1.0] * 3] * 2


def test_batch_norm_of_one_empty_dimension_is_empty():
    assert F.batch_norm(ondol.zeros(0), ondol.zeros(0), ondol.zeros(0), training=True).shape == (0,)
