"""Bags of a table's rows: values, gradients, and what is refused."""

from __future__ import annotations

import math

import pytest

import ondol
import ondol.nn.functional as F

INDICES, OFFSETS = [1, 2, 4, 5, 4, 4], [0, 3, 3, 5]  # the second bag is empty
BAGS = [[1, 2, 4], [], [5, 4], [4]]
POOLS = {
    "sum": lambda rows: [sum(column) for column in zip(*rows)],
    "mean": lambda rows: [sum(column) / len(column) for column in zip(*rows)],
    "max": lambda rows: [max(column) for column in zip(*rows)],
}


def table(features: int = 3, dtype: ondol.dtype = ondol.float64) -> ondol.Tensor:
    return ondol.randn(6, features, generator=ondol.Generator().manual_seed(5), dtype=dtype)


def by_hand(weight: ondol.Tensor, mode: str, padding_idx: int | None = None) -> ondol.Tensor:
    rows = weight.tolist()
    bags = [[rows[i] for i in bag if i != padding_idx] for bag in BAGS]
    return ondol.tensor([POOLS[mode](bag) or [0.0] * weight.size(1) for bag in bags], dtype=weight.dtype)


@pytest.mark.parametrize("mode", POOLS)
@pytest.mark.parametrize("features", [1, 7, 64, 75])
@pytest.mark.parametrize("padding_idx", [None, 4])
def test_values(mode, features, padding_idx):
    weight = table(features)
    pooled = F.embedding_bag(ondol.tensor(INDICES), weight, ondol.tensor(OFFSETS), mode=mode, padding_idx=padding_idx)
    ondol.testing.assert_close(pooled, by_hand(weight, mode, padding_idx))


@pytest.mark.parametrize("mode", POOLS)
def test_half_precision_gives_what_float_does(mode):
    weight = table(dtype=ondol.float16)
    for padding_idx in (None, 4):
        pooled = [
            F.embedding_bag(ondol.tensor(INDICES), w, ondol.tensor(OFFSETS), mode=mode, padding_idx=padding_idx)
            for w in (weight, weight.float())
        ]
        assert pooled[0].dtype == ondol.float16 and (pooled[0] == pooled[1].half()).all()
    rows = [
        ondol.embedding_bag(w, ondol.tensor(INDICES), ondol.tensor(OFFSETS), False, list(POOLS).index(mode))[3]
        for w in (weight, weight.float())
    ]
    assert rows[0].equal(rows[1])


def test_last_offset_ends_the_last_bag():
    weight, indices = table(), ondol.tensor(INDICES)
    plain = F.embedding_bag(indices, weight, ondol.tensor(OFFSETS))
    assert F.embedding_bag(indices, weight, ondol.tensor([*OFFSETS, 6]), include_last_offset=True).equal(plain)


@pytest.mark.parametrize("mode", POOLS)
@pytest.mark.parametrize("padding_idx", [None, 4])
@pytest.mark.parametrize("check", [ondol.autograd.gradcheck, ondol.autograd.gradgradcheck])
def test_gradients(mode, padding_idx, check):
    def pooled(weight: ondol.Tensor) -> ondol.Tensor:
        return F.embedding_bag(ondol.tensor(INDICES), weight, ondol.tensor(OFFSETS), mode=mode, padding_idx=padding_idx)

    assert check(pooled, (table().requires_grad_(),))


@pytest.mark.parametrize("check", [ondol.autograd.gradcheck, ondol.autograd.gradgradcheck])
def test_gradients_with_a_factor_for_each_index(check):
    def pooled(weight: ondol.Tensor, factors: ondol.Tensor) -> ondol.Tensor:
        indices = ondol.tensor(INDICES).view(2, 3)
        return F.embedding_bag(indices, weight, per_sample_weights=factors, mode="sum", padding_idx=5)

    factors = ondol.tensor([[1.0, -2.0, 3.0], [0.5, 4.0, 1.5]], dtype=ondol.float64)
    assert check(pooled, (table().requires_grad_(), factors.requires_grad_()))


@pytest.mark.parametrize("create_graph", [False, True])
def test_gradient_divided_by_how_often_a_row_is_looked_up(create_graph):
    weight = table().requires_grad_()
    pooled = F.embedding_bag(ondol.tensor(INDICES), weight, ondol.tensor(OFFSETS), mode="sum", scale_grad_by_freq=True)
    (gradient,) = ondol.autograd.grad(pooled.sum(), weight, create_graph=create_graph)
    ondol.testing.assert_close(gradient[:, 0].tolist(), [0.0, 1.0, 1.0, 0.0, 1.0, 1.0])


def test_not_a_number_is_the_largest():
    weight = table()
    weight[2, 0] = math.nan
    assert F.embedding_bag(ondol.tensor([[1, 2, 4]]), weight, mode="max").isnan().tolist() == [[True, False, False]]


@pytest.mark.parametrize(
    ("indices", "offsets", "options", "message"),
    [
        ([1, 6], [0], {}, "found idx to be 6 at position 1"),
        ([-1, 2], [0], {}, "found idx to be -1"),
        ([1, 2], [1], {}, r"offsets\[0\] has to be 0"),
        ([1, 2], [0, 3], {}, r"offsets\[-1\] can not be greater"),
        ([1, 2, 3], [0, 2, 1], {}, "must not decrease"),
        ([1, 2], [], {"include_last_offset": True}, "at least 1"),
        ([1.0, 2.0], [0], {}, "scalar types: Long, Int"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(indices, offsets, options, message):
    weight = table()
    before = weight.clone()
    with pytest.raises(RuntimeError, match=message):
        F.embedding_bag(
            ondol.tensor(indices), weight, ondol.tensor(offsets, dtype=ondol.int64), max_norm=0.1, **options
        )
    assert weight.equal(before)


def test_indices_changed_before_the_backward_pass_are_noticed():
    indices, weight = ondol.tensor([[1, 2]]), table().requires_grad_()
    pooled = F.embedding_bag(indices, weight)
    indices[0, 0] = 0
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        pooled.sum().backward()
