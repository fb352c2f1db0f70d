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


def test_unique_orders_slices_by_the_other_dimensions_as_they_stand():
    x = ondol.tensor([[[1, 0], [0, 1]], [[0, 1], [1, 0]]])  # slices along the last: 1 0 0 1 and 0 1 1 0
    x = ondol.cat([x, x.new_tensor([[[0], [1]], [[0], [0]]])], -1)  # and 0 1 0 0, between by rows, not by columns
    assert ondol.unique(x, dim=-1).tolist() == [[[0, 0, 1], [1, 1, 0]], [[0, 1, 0], [0, 0, 1]]]
