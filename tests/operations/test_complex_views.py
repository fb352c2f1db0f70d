"""Complex numbers are reduced as pairs: the beginning of a view counts in complex numbers all the same."""

import pytest

import ondol

NUMBERS = [1 + 1j, 2 - 3j, 4 + 5j, 6 + 7j]


@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "prod", "cumsum", "norm"])
@pytest.mark.parametrize("dtype", [ondol.complex64, ondol.complex128])
def test_a_view_that_begins_later_is_reduced_like_its_copy(name, dtype):
    view = ondol.tensor(NUMBERS, dtype=dtype)[1:]
    copy = ondol.tensor(NUMBERS[1:], dtype=dtype)
    arguments = (0,) if name == "cumsum" else ()
    assert getattr(view, name)(*arguments).tolist() == getattr(copy, name)(*arguments).tolist()
