"""The digits carried in the package, and the helper that splits them."""

import pytest

import ondol
from ondol.datasets import digits, train_test_split
from ondol.datasets.digits import FILE


def test_digits_are_1797_float_images_and_integer_labels():
    images, labels = digits()
    assert images.shape == (1797, 1, 8, 8) and images.dtype is ondol.float32
    assert labels.shape == (1797,) and labels.dtype is ondol.int64


def test_grey_levels_run_from_paper_at_0_to_ink_at_1_in_sixteenths():
    images, _ = digits()
    assert images.min().item() == 0 and images.max().item() == 1
    assert ondol.equal(images * 16, (images * 16).round())


def test_every_digit_is_there_as_often_as_in_the_original():
    _, labels = digits()
    assert ondol.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_the_first_image_is_the_zero_that_scikit_learn_shows():
    images, labels = digits()
    assert labels[0].item() == 0
    assert (images[0, 0, 0] * 16).tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
    assert (images[0, 0, 7] * 16).tolist() == [0, 0, 6, 13, 10, 0, 0, 0]


def test_each_call_returns_tensors_of_its_own():
    images, _ = digits()
    images.zero_()
    assert digits()[0].max().item() == 1


def test_the_file_is_small_enough_for_a_package():
    assert FILE.stat().st_size < 100_000


def test_a_split_keeps_rows_together_and_loses_none():
    rows = ondol.arange(10)
    train, test, train_squares, test_squares = train_test_split(rows, rows**2, test_size=3)
    assert len(train) == 7 and len(test) == 3
    assert sorted(train.tolist() + test.tolist()) == list(range(10))
    assert ondol.equal(train**2, train_squares) and ondol.equal(test**2, test_squares)


def test_a_split_by_share_rounds_to_whole_rows():
    train, test = train_test_split(ondol.arange(10), test_size=0.25)
    assert (len(train), len(test)) == (8, 2)


def test_a_seeded_generator_repeats_its_split():
    first, second = (
        train_test_split(ondol.arange(100), generator=ondol.Generator().manual_seed(7))[1] for _ in range(2)
    )
    assert ondol.equal(first, second)
    assert not ondol.equal(first, train_test_split(ondol.arange(100), generator=ondol.Generator().manual_seed(8))[1])


@pytest.mark.parametrize("test_size", [0, 10, 11, 0.0, 1.0, -1])
def test_a_split_that_leaves_a_part_empty_is_refused(test_size):
    with pytest.raises(ValueError, match="both parts need some"):
        train_test_split(ondol.arange(10), test_size=test_size)


def test_a_split_of_unequal_tensors_names_their_sizes():
    with pytest.raises(ValueError, match=r"\[10, 9\]"):
        train_test_split(ondol.arange(10), ondol.arange(9))


def test_a_split_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one tensor"):
        train_test_split()
