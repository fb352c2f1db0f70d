"""A row times a matrix has the same bits whatever other rows stand beside it, and whichever operand was turned."""

from __future__ import annotations

import pytest

import ondol
from ondol.nn import functional as F


def random(*sizes: int) -> ondol.Tensor:
    return ondol.randn(*sizes, generator=ondol.Generator().manual_seed(sum(sizes)))


def assert_same(some: ondol.Tensor, others: ondol.Tensor) -> None:
    """The same bits. Only of products of our own: those without FMA are OpenBLAS's, which adds in another order at the
    edges of its tiles."""
    if ondol._native.cpu_level() == "v2":
        ondol.testing.assert_close(some, others, rtol=1e-5, atol=1e-4)
    else:
        assert ondol.equal(some, others)


@pytest.mark.parametrize("depth", [70, 300, 513, 1100])
@pytest.mark.parametrize("columns", [33, 64, 130, 500])
@pytest.mark.parametrize("rows", [17, 24, 30, 47, 64, 100])
def test_rows_among_others(rows: int, columns: int, depth: int) -> None:
    many, weight, bias = random(520, depth), random(columns, depth), random(columns)
    few = many[:rows]
    assert_same(F.linear(few, weight, bias), F.linear(many, weight, bias)[:rows])
    assert_same(few @ weight.t(), (many @ weight.t())[:rows])
    apart = ondol.zeros(rows, columns + 3)[:, :columns]
    ondol.mm(few, weight.t(), out=apart)
    assert_same(apart, (many @ weight.t())[:rows])


def test_rows_next_to_the_result_are_left_alone() -> None:
    around = ondol.full((66, 135), 7.0)
    ondol.addmm(random(130), random(64, 300), random(130, 300).t(), out=around[1:65, 2:132])
    around[1:65, 2:132] = 7
    assert bool((around == 7).all())
