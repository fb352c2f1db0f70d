"""Questions about the elements of tensors."""

import pytest

import ondol


def test_isin_takes_tensors_and_numbers_alone():
    x = ondol.tensor([1, 2, 3])
    assert ondol.isin(x, 2).tolist() == [False, True, False]
    for wrong in (range(3), [1, 2], None):
        with pytest.raises(TypeError, match="must be Tensor or Number"):
            ondol.isin(x, wrong)
