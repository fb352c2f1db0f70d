"""Tensors from Python's data: values, dtypes and refusals."""

import numpy as np
import pytest

import ondol


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        ([True, 2], ondol.int64),
        ([1, 2.5], ondol.float32),
        ([1 + 2j, 1], ondol.complex64),
        ([np.float64(1), 1], ondol.float64),
        ([np.float16(1), np.float64(2)], ondol.float64),
        ([np.int32(1)], ondol.int32),
        (np.float16(2), ondol.float16),
        ([[], []], ondol.float32),
        (range(3), ondol.int64),
    ],
)
def test_the_dtype_is_inferred(data, dtype):
    assert ondol.tensor(data).dtype == dtype


@pytest.mark.parametrize(
    ("data", "options", "error", "message"),
    [
        ([[1, 2], [3]], {}, ValueError, "expected sequence of length 2 at dim 1 \\(got 1\\)"),
        ("a", {}, TypeError, "invalid data type 'str'"),
        (["a"], {}, ValueError, "too many dimensions 'str'"),
        ([1, None], {}, RuntimeError, "Could not infer dtype of NoneType"),
        (None, {}, RuntimeError, "Could not infer dtype of NoneType"),
        ({}, {}, RuntimeError, "Could not infer dtype of dict"),
        (2**63, {}, ValueError, "Overflow when unpacking"),
        (300, {"dtype": ondol.uint8}, RuntimeError, "without overflow"),
        ([-129], {"dtype": ondol.int8}, RuntimeError, "without overflow"),
        (float("nan"), {"dtype": ondol.int64}, RuntimeError, "without overflow"),
        (1j, {"dtype": ondol.float32}, TypeError, "must be real number, not complex"),
        ([1], {"requires_grad": True}, RuntimeError, "floating point"),
        ([1], {"dtype": "float32"}, TypeError, "must be torch.dtype"),
    ],
)
def test_data_that_fits_no_tensor_is_refused(data, options, error, message):
    with pytest.raises(error, match=message):
        ondol.tensor(data, **options)


def test_a_list_that_holds_itself_ends_in_an_error():
    data = []
    data.append(data)
    with pytest.raises(ValueError, match="too many dimensions"):
        ondol.tensor(data)


def test_large_integers_may_become_floats():
    assert ondol.tensor([2**70], dtype=ondol.float64).item() == 2.0**70


def test_negative_numbers_wrap_in_unsigned_tensors():
    assert ondol.tensor(-1, dtype=ondol.uint8).item() == 255
    with pytest.raises(RuntimeError):
        ondol.full((2,), -300, dtype=ondol.uint8)


@pytest.mark.parametrize("fill", ["full", "fill_", "setitem", "full_like"])
def test_numbers_out_of_range_are_refused(fill):
    target = ondol.zeros(2, dtype=ondol.int8)
    with pytest.raises(RuntimeError, match="without overflow"):
        if fill == "full":
            ondol.full((2,), 300, dtype=ondol.int8)
        elif fill == "fill_":
            target.fill_(300)
        elif fill == "setitem":
            target[0] = 300
        else:
            ondol.full_like(target, 300)
    assert target.tolist() == [0, 0]


def test_arange_counts_integers_exactly():
    assert ondol.arange(2**60, 2**60 + 3).tolist() == [2**60, 2**60 + 1, 2**60 + 2]
    assert ondol.arange(2**53, 2**53 + 3).numel() == 3
    assert ondol.arange(2**63 - 2, 2**63 - 1).tolist() == [2**63 - 2]
    assert ondol.arange(10, 0, -3).tolist() == [10, 7, 4, 1]
    with pytest.raises(RuntimeError):
        ondol.arange(0, 1, float("nan"))
    with pytest.raises(RuntimeError):
        ondol.arange(-(2**63), 2**63 - 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ondol.empty(2**62, 4),
        lambda: ondol.zeros(0, 2**62, 2**62),
        lambda: ondol.empty(-1),
        lambda: ondol.empty(2**40, 2**10),
        lambda: ondol.ones(2).repeat(2**62),
        lambda: ondol.ones(3).as_strided((2**40, 2**40), (1, 1)),
        lambda: ondol.ones(3).as_strided((2, 2), (2**62, 2**62)),
        lambda: ondol.ones(3).as_strided((2,), (1,), 2**62),
        lambda: ondol.ones(3).expand(2**62, 2**62, 3),
        lambda: ondol.empty(0).chunk(2**62),
        lambda: ondol.empty_strided((2, 2), (2**62, 1)),
        lambda: ondol.eye(2**40),
        lambda: ondol.linspace(0, 1, 2**60),
        lambda: ondol.ones(2).resize_(2**62),
        lambda: ondol.Tensor(2**60),
    ],
)
def test_impossible_sizes_are_refused(make):
    with pytest.raises(RuntimeError):
        make()


def test_old_constructor_refuses_other_devices():
    with pytest.raises(AssertionError, match="CUDA"):
        ondol.Tensor(2, device="cuda")
    with pytest.raises(TypeError, match="data must be a sequence"):
        ondol.Tensor(1.5)
