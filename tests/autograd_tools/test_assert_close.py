"""`assert_close` and `make_tensor`."""

import pytest

import ondol
from ondol.testing import assert_close, make_tensor


def test_the_message_counts_and_finds_the_greatest_differences():
    with pytest.raises(AssertionError) as caught:
        assert_close(ondol.tensor([1.0, 2.0, 4.0]), ondol.tensor([1.0, 4.0, 5.0]))
    assert str(caught.value) == (
        "Tensor-likes are not close!\n\nMismatched elements: 2 / 3 (66.7%)\n"
        "Greatest absolute difference: 2.0 at index (1,) (up to 1e-05 allowed)\n"
        "Greatest relative difference: 0.5 at index (1,) (up to 1.3e-06 allowed)"
    )


@pytest.mark.parametrize(
    ("actual", "expected", "message"),
    [
        (ondol.ones(2), ondol.ones(3), "attribute 'shape'"),
        (ondol.ones(2), ondol.ones(2).double(), "attribute 'dtype'"),
        (1.0, 1, "types do not match"),
        (None, 1, "None mismatch"),
        (True, False, "Booleans mismatch"),
        ([1], [1, 2], "length of the sequences mismatch: 1 != 2"),
        ({"a": 1}, {"b": 1}, "keys of the mappings do not match"),
        ([{"x": 1.0}], [{"x": 2.0}], r"failure occurred for item \[0\]\['x'\]"),
        (ondol.tensor(float("nan")), ondol.tensor(float("nan")), "Expected nan but got nan"),
    ],
)
def test_what_differs_is_named(actual, expected, message):
    with pytest.raises(AssertionError, match=message):
        assert_close(actual, expected)


def test_tolerances_go_by_dtype():
    one = ondol.ones(1)
    assert_close(one + 1e-6, one)
    with pytest.raises(AssertionError):
        assert_close(one.double() + 1e-6, one.double())
    assert_close(one + 0.1, one, rtol=0.2, atol=0)


def test_one_tolerance_alone_is_refused():
    with pytest.raises(ValueError, match="got no atol"):
        assert_close(1.0, 1.0, rtol=1)


def test_equal_nan():
    nan = ondol.tensor([float("nan"), 1.0])
    assert_close(nan, nan, equal_nan=True)


def test_make_tensor_stays_within_its_limits():
    for dtype in (ondol.float32, ondol.float16, ondol.int8, ondol.uint8):
        values = make_tensor(100, dtype=dtype, low=2, high=5)
        assert values.min().item() >= 2 and values.max().item() <= 5


def test_make_tensor_noncontiguous_and_without_zeros():
    values = make_tensor(3, 4, dtype=ondol.int64, low=0, high=2, noncontiguous=True, exclude_zero=True)
    assert not values.is_contiguous()
    assert values.tolist() == [[1] * 4] * 3


def test_make_tensor_refuses_limits_in_the_wrong_order():
    with pytest.raises(ValueError, match="must be less than"):
        make_tensor(1, dtype=ondol.int64, low=3, high=1)
