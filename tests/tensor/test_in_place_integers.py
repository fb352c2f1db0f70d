"""Integer division into the tensor it divides, where the divisor is looked at first."""

import pytest

import ondol


@pytest.mark.parametrize("shape", [(), (1,), (3,)])
def test_in_place_integer_division_gives_what_the_function_gives(shape):
    a, b = ondol.full(shape, -5), ondol.full(shape, 3)
    for name, expected in (("floor_divide", -2), ("remainder", 1), ("fmod", -2)):
        x = a.clone()
        assert (getattr(x, f"{name}_")(b) == expected).all() and (x == expected).all(), name
    for mode, expected in (("trunc", -1), ("floor", -2)):
        assert (a.clone().div_(b, rounding_mode=mode) == expected).all(), mode


def test_in_place_integer_division_by_itself():
    x = ondol.tensor([4, -7])
    assert x.floor_divide_(x).tolist() == [1, 1]


def test_in_place_integer_division_by_zero_changes_nothing():
    x = ondol.tensor([4, -7])
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        x.remainder_(ondol.tensor([1, 0]))
    assert x.tolist() == [4, -7]


def test_a_half_precision_quotient_is_rounded_before_it_is_cut_off():
    quotient = ondol.div(ondol.tensor([17.875], dtype=ondol.bfloat16), 0.994140625, rounding_mode="trunc")
    assert quotient.item() == 18.0  # 17.98 has no nearer neighbour among bfloat16 numbers
