"""An in-place operation puts into its tensor what the function returns."""

import pytest

import ondol

DIVISIONS = ["floor_divide", "remainder", "fmod"]


@pytest.mark.parametrize("name", DIVISIONS)
@pytest.mark.parametrize("divisor", [4, ondol.tensor([4, 3])])
def test_whole_division_of_integers(name, divisor):
    x = ondol.tensor([6, 5])
    expected = getattr(ondol, name)(x, divisor).tolist()
    assert getattr(x, f"{name}_")(divisor).tolist() == expected


@pytest.mark.parametrize("name", DIVISIONS)
@pytest.mark.parametrize("divisor", [0, ondol.tensor([1, 0])])
def test_division_by_zero_leaves_the_integers_as_they_were(name, divisor):
    x = ondol.tensor([6, 5])
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        getattr(x, f"{name}_")(divisor)
    assert x.tolist() == [6, 5]


def test_a_divisor_that_wraps_to_zero_is_refused():
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        ondol.tensor([3], dtype=ondol.uint8) % 256
