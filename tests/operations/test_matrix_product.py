"""Matrix products at the sizes where tiles, slivers and blocks of depth of the kernels end."""

import itertools

import numpy as np
import pytest

import ondol
from ondol.nn import functional as F

SIZES = (1, 2, 7, 8, 9, 31, 48, 49, 97)
DEPTHS = (1, 15, 16, 17, 383, 385, 800)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def laid_out(array, transposed):
    return ondol.from_numpy(np.ascontiguousarray(array.T)).T if transposed else ondol.from_numpy(array)


def bound(a, b):
    """What rounding in each step of a sum can come to."""
    return 1e-7 * (a.shape[1] + 2) ** 0.5 * 4 * (np.abs(a) @ np.abs(b) + 1e-30)


@pytest.mark.parametrize("k", DEPTHS)
@pytest.mark.parametrize("a_transposed, b_transposed", list(itertools.product((False, True), repeat=2)))
def test_a_product_is_right_at_every_edge(k, a_transposed, b_transposed):
    for m, n in itertools.product(SIZES, SIZES):
        a, b = numbers(m, k, seed=m), numbers(k, n, seed=n)
        exact = a.astype(np.float64) @ b.astype(np.float64)
        c = (laid_out(a, a_transposed) @ laid_out(b, b_transposed)).numpy()
        assert (np.abs(c - exact) <= bound(a, b)).all(), (m, n)


@pytest.mark.parametrize("n, k", [(5, 3), (48, 400), (70, 800)])
def test_linear_adds_its_bias_once(n, k):
    x, w, b = numbers(19, k), numbers(n, k, seed=1), numbers(n, seed=2)
    exact = x.astype(np.float64) @ w.T.astype(np.float64) + b
    y = F.linear(*map(ondol.from_numpy, (x, w, b))).numpy()
    assert (np.abs(y - exact) <= bound(x, w.T) + 1e-6).all()


@pytest.mark.skipif(ondol._native.cpu_level() == "v2", reason="without FMA products are OpenBLAS's")
def test_a_row_of_a_product_does_not_depend_on_the_other_rows():
    a, b = ondol.from_numpy(numbers(45, 700)), ondol.from_numpy(numbers(700, 101, seed=1))
    whole = a @ b
    for rows in (slice(0, 2), slice(3, 12), slice(8, 41)):
        assert ondol.equal(a[rows] @ b, whole[rows])


def test_a_batch_of_products_is_its_products():
    for batch in (2, 3, 9):
        a, b = ondol.from_numpy(numbers(batch, 33, 50)), ondol.from_numpy(numbers(batch, 50, 65, seed=1))
        assert ondol.equal(ondol.bmm(a, b), ondol.stack([x @ y for x, y in zip(a, b)]))
        assert ondol.equal(ondol.bmm(a, b.mT.contiguous().mT), ondol.bmm(a, b))


def test_nan_and_infinity_stay_in_their_rows_and_columns():
    a, b = numbers(20, 40), numbers(40, 60, seed=1)
    a[3, 5], b[7, 50] = np.nan, np.inf
    c = (ondol.from_numpy(a) @ ondol.from_numpy(b)).numpy()
    spoilt = np.zeros_like(c, bool)
    spoilt[3], spoilt[:, 50] = True, True
    assert (np.isfinite(c) == ~spoilt).all()
