"""Pointwise operations on tensors whose elements repeat in memory."""

import pytest

import ondol

DTYPES = [ondol.float32, ondol.float64, ondol.float16, ondol.int64, ondol.int32, ondol.complex64]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", [ondol.neg, ondol.abs, ondol.sgn, ondol.isnan, ondol.square])
def test_a_unary_operation_computes_every_element_of_an_expanded_row(dtype, function):
    column = ondol.tensor([[-2], [3]]).to(dtype)
    assert ondol.equal(function(column.expand(2, 9)), function(column.repeat(1, 9)))
    assert ondol.equal(function(column[0, 0].expand(5)), function(column[0].repeat(5)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_operations_of_several_operands_take_expanded_rows(dtype):
    one, other = ondol.tensor([[2], [3]]).to(dtype), ondol.tensor([[5], [1]]).to(dtype)
    wide, repeated = (one.expand(2, 9), other.expand(2, 9)), (one.repeat(1, 9), other.repeat(1, 9))
    for function in (ondol.mul, ondol.eq, lambda a, b: ondol.where(b == 5, a, b), lambda a, b: ondol.addcmul(a, a, b)):
        assert ondol.equal(function(*wide), function(*repeated))
