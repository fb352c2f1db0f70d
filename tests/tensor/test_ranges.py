"""arange, linspace and logspace of integers: where the ends are cut off."""

import ondol


def test_arange_of_int64_cuts_the_ends_off_before_it_counts():
    assert ondol.arange(0, 3.1, dtype=ondol.int64).tolist() == [0, 1, 2]
    assert ondol.arange(0, 3.9, 1.5, dtype=ondol.int64).tolist() == [0, 1, 2]


def test_arange_of_narrower_integers_counts_first():
    assert ondol.arange(0, 3.1, dtype=ondol.int32).tolist() == [0, 1, 2, 3]


def test_linspace_of_integers_cuts_the_ends_off():
    assert ondol.linspace(1.2, 9.7, 4, dtype=ondol.int64).tolist() == [1, 3, 6, 9]


def test_logspace_of_integers_cuts_the_exponents_off():
    assert ondol.logspace(4.3, 0, 4, 3, dtype=ondol.int64).tolist() == [81, 18, 4, 1]
