"""Which of several signatures a call means."""

import ondol


def test_max_of_two_0d_integers_is_the_larger_one_not_that_along_a_dimension():
    assert ondol.max(ondol.tensor(3), ondol.tensor(6)).item() == 6
    assert ondol.tensor(3).min(ondol.tensor(6)).item() == 3


def test_max_along_a_dimension_takes_a_number():
    assert ondol.max(ondol.tensor([3, 5]), 0).indices.item() == 1


def test_sum_to_the_size_of_a_number_has_the_dtype_of_a_sum():
    assert ondol.tensor(True).sum_to_size(()).dtype == ondol.int64
    assert ondol.tensor([True]).sum_to_size(1).dtype == ondol.bool
