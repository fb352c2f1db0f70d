"""Dtypes that are stored and converted: uint16, uint32, uint64, the two 8-bit floats, complex32."""

import io
import itertools
import math

import numpy as np
import pytest

import ondol
from ondol.testing import make_tensor

UNSIGNED = [ondol.uint16, ondol.uint32, ondol.uint64]
FLOAT8 = [ondol.float8_e5m2, ondol.float8_e4m3fn]
ALL = [*UNSIGNED, *FLOAT8, ondol.complex32]


def decoded(byte, exponent_bits, mantissa_bits, bias):
    """The value of a byte in an 8-bit format, from its definition."""
    exponent, mantissa = (byte & 0x7F) >> mantissa_bits, byte & ((1 << mantissa_bits) - 1)
    sign = -1 if byte & 0x80 else 1
    if exponent == 0:
        return sign * mantissa * 2.0 ** (1 - bias - mantissa_bits)
    return sign * (1 + mantissa / 2**mantissa_bits) * 2.0 ** (exponent - bias)


@pytest.mark.parametrize("dtype", UNSIGNED)
def test_numbers_of_the_whole_range_survive(dtype):
    largest = ondol.iinfo(dtype).max
    x = ondol.tensor([0, 1, largest], dtype=dtype)
    assert x.tolist() == [0, 1, largest] and x[2].item() == largest
    assert np.array_equal(ondol.from_numpy(x.numpy()).numpy(), x.numpy())
    assert x.double()[2].item() == float(largest)
    assert not dtype.is_signed and dtype.itemsize == x.element_size()


def test_a_negative_number_wraps_round():
    assert ondol.tensor([-1.0]).to(ondol.uint16).item() == 2**16 - 1
    assert ondol.tensor([-1]).to(ondol.uint64).item() == 2**64 - 1


def test_unsigned_numbers_print_as_they_are():
    assert str(ondol.tensor([1, 2**64 - 1], dtype=ondol.uint64)) == (
        "tensor([                   1, 18446744073709551615], dtype=torch.uint64)"
    )


@pytest.mark.parametrize("dtype, shape", [(FLOAT8[0], (5, 2, 15)), (FLOAT8[1], (4, 3, 7))], ids=str)
def test_every_finite_8_bit_float_has_the_value_of_its_format(dtype, shape):
    codes = ondol.arange(256, dtype=ondol.uint8)
    values = codes.view(dtype).float()
    finite = [byte for byte in range(256) if math.isfinite(values[byte].item())]
    assert len(finite) == (248 if dtype == ondol.float8_e5m2 else 254)
    assert [values[byte].item() for byte in finite] == [decoded(byte, *shape) for byte in finite]
    assert ondol.equal(values[finite].to(dtype).view(ondol.uint8), codes[finite])


@pytest.mark.parametrize("dtype, shape", [(FLOAT8[0], (5, 2, 15)), (FLOAT8[1], (4, 3, 7))], ids=str)
def test_conversion_to_8_bits_takes_the_nearest_and_ties_to_even(dtype, shape):
    largest = 0x7B if dtype == ondol.float8_e5m2 else 0x7E
    steps = [decoded(byte, *shape) for byte in range(largest + 1)]
    middles = [(a + b) / 2 for a, b in itertools.pairwise(steps)]
    expected = [byte + (byte & 1) for byte in range(largest)]
    assert ondol.tensor(middles).to(dtype).view(ondol.uint8).tolist() == expected


def test_what_is_too_large_for_8_bits():
    beyond = ondol.tensor([math.inf, -1e6, math.nan])
    assert beyond.to(ondol.float8_e5m2).tolist()[:2] == [math.inf, -math.inf]
    assert beyond.to(ondol.float8_e4m3fn).tolist()[:2] == [448.0, -448.0]
    assert all(math.isnan(beyond.to(dtype)[2].item()) for dtype in FLOAT8)


def test_complex32_is_a_pair_of_half_numbers():
    z = ondol.tensor([1 - 2j]).chalf()
    assert z.dtype == ondol.complex32 and z.tolist() == [1 - 2j]
    assert ondol.view_as_real(z).dtype == z.real.dtype == ondol.float16
    assert z.cfloat().dtype == ondol.complex64 and ondol.float16.to_complex() == ondol.complex32


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_they_are_copied_viewed_joined_and_compared(dtype):
    x = ondol.tensor([[3, 4], [5, 6]]).to(dtype)
    assert ondol.equal(ondol.cat([x[:1], x[1:]]), x) and (x.clone() == x).all()
    assert ondol.zeros_like(x).dtype == dtype and x.mT.contiguous()[0, 1] == x[1, 0]


@pytest.mark.parametrize("dtype", [*UNSIGNED, *FLOAT8], ids=str)
def test_arithmetic_is_refused_with_the_remedy(dtype):
    x = ondol.ones(2, dtype=dtype)
    for call in (lambda: x + x, lambda: x.neg(), lambda: x < x, lambda: x @ x):
        with pytest.raises(NotImplementedError, match="convert"):
            call()


def test_promotion():
    x = ondol.ones(2, dtype=ondol.uint16)
    assert (x * 2.5).dtype == ondol.float32 and ondol.promote_types(ondol.uint16, ondol.half) == ondol.half
    assert ondol.promote_types(ondol.complex32, ondol.float32) == ondol.complex64
    for other in (ondol.int64, ondol.uint8):
        with pytest.raises(RuntimeError, match="Promotion for uint16"):
            ondol.promote_types(ondol.uint16, other)
    with pytest.raises(RuntimeError, match="Promotion for Float8"):
        ondol.promote_types(ondol.float8_e5m2, ondol.float32)


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_they_are_saved_and_loaded(dtype):
    x, file = ondol.tensor([1, 2, 3]).to(dtype), io.BytesIO()
    ondol.save({"x": x}, file)
    file.seek(0)
    loaded = ondol.load(file)["x"]
    assert loaded.dtype == dtype and ondol.equal(loaded, x)


@pytest.mark.parametrize("dtype", UNSIGNED, ids=str)
def test_make_tensor_draws_them(dtype):
    x = make_tensor(100, dtype=dtype)
    assert x.dtype == dtype and set(x.tolist()) <= set(range(10))


@pytest.mark.parametrize("dtype", UNSIGNED, ids=str)
def test_sums_are_of_int64(dtype):
    assert ondol.tensor([40000, 40000]).to(dtype).sum() == 80000


def test_order_of_uint64_is_refused():
    x = ondol.tensor([1, 2**64 - 1], dtype=ondol.uint64)
    for call in (lambda: x.max(), lambda: x.sort()):
        with pytest.raises(NotImplementedError):
            call()


def test_hash_tensor_is_the_xor_of_the_bits():
    assert ondol.hash_tensor(ondol.tensor([3, 5, 9])).item() == 3 ^ 5 ^ 9
    assert ondol.hash_tensor(ondol.tensor(1.5)).item() == 0x3FF8000000000000
    rows = ondol.hash_tensor(ondol.tensor([[1, 2], [4, -1]]), 1, keepdim=True)
    assert rows.tolist() == [[3], [4 ^ (2**64 - 1)]] and rows.dtype == ondol.uint64
