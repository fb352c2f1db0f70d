"""Pointwise operations on operands whose rows are one value, or whose layouts differ."""

import numpy as np
import pytest

import ondol


@pytest.mark.parametrize("function", ["neg", "exp", "abs"])
def test_a_function_of_an_expanded_tensor_is_the_same_along_the_row(function):
    column = ondol.tensor([[1.0], [2.0]], dtype=ondol.float64)
    found = getattr(ondol, function)(column.expand(2, 5))
    assert found.tolist() == getattr(ondol, function)(column.repeat(1, 5)).tolist()


def test_a_product_with_a_column_uses_one_number_a_row():
    rows = np.arange(2 * 700.0).reshape(2, 700)
    column = np.array([[3.0], [5.0]])
    assert ((ondol.from_numpy(rows) * ondol.from_numpy(column)).numpy() == rows * column).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("shape", [(8, 8), (17, 65), (3, 20, 33)])
def test_a_transposed_copy_has_the_elements_of_the_transpose(dtype, shape):
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    tensor = ondol.from_numpy(array).transpose(-1, -2).contiguous()
    assert (tensor.numpy() == np.swapaxes(array, -1, -2)).all()


def test_where_chooses_from_numbers_and_tensors_of_every_kind():
    condition = ondol.tensor([True, False, True])
    assert ondol.where(condition, ondol.tensor([1, 2, 3]), 0).tolist() == [1, 0, 3]
    assert ondol.where(condition, 1.5, ondol.tensor([5.0, 6.0, 7.0])).tolist() == [1.5, 6.0, 1.5]
    assert ondol.where(condition, ondol.tensor([1j, 2j, 3j]), ondol.tensor(0j)).tolist() == [1j, 0j, 3j]


def test_bytes_and_bools_compute_as_integers_do():
    a, b = ondol.tensor([250, 3, 7], dtype=ondol.uint8), ondol.tensor([6, 3, 200], dtype=ondol.uint8)
    assert ondol.maximum(a, b).tolist() == [250, 3, 200]
    assert (a < b).tolist() == [False, False, True]
    assert (a & b).tolist() == [250 & 6, 3, 7 & 200]
    assert (~a).tolist() == [5, 252, 248]
    flags = ondol.tensor([True, False])
    assert (flags ^ ondol.tensor([True, True])).tolist() == [False, True]
    assert ondol.logical_or(flags, ondol.tensor(False)).tolist() == [True, False]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float8_e5m2", "float8_e4m3fn", "float32"])
def test_a_strided_copy_keeps_every_bit_of_a_nan(dtype):
    dtype = getattr(ondol, dtype)
    integers = {1: ondol.uint8, 2: ondol.int16, 4: ondol.int32}[dtype.itemsize]
    pattern = {1: 0x7D, 2: 0x7F85, 4: 0x7F800005}[dtype.itemsize]
    bits = ondol.full((6,), pattern, dtype=integers)
    assert bits.view(dtype)[::2].clone().view(integers).tolist() == [pattern] * 3
