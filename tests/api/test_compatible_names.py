"""Names that exist so that programs run, and what they do here."""

import typing

import pytest

import ondol
from ondol.nn import functional as F


def test_set_multithreading_enabled_is_a_context_and_changes_no_gradient():
    x = ondol.tensor(3.0, requires_grad=True)
    with ondol.autograd.set_multithreading_enabled(False):
        (x * x).backward()
    assert x.grad.item() == 6


def test_warn_always_remembers_what_it_was_told():
    assert not ondol.is_warn_always_enabled()
    ondol.set_warn_always(True)
    assert ondol.is_warn_always_enabled()
    ondol.set_warn_always(False)


def test_broadcasting_lists_annotate_one_or_several():
    assert typing.get_args(F.BroadcastingList2[int])[0] is int


def test_scaling_and_swizzle_types_have_the_numbers_of_pytorch():
    assert F.ScalingType.BlockWise128x128 == 5 and F.SwizzleType.SWIZZLE_32_4_4 == 1


def test_dim_order_checks_that_there_is_one():
    assert ondol.empty(2, 3).mT.dim_order(ambiguity_check=True) == (1, 0)
    with pytest.raises(RuntimeError, match="unique dim order"):
        ondol.empty(1, 2).dim_order(ambiguity_check=True)
    formats = [ondol.contiguous_format, ondol.channels_last]
    assert ondol.empty(2, 3, 4, 5).dim_order(ambiguity_check=formats) == (0, 1, 2, 3)


def test_embedding_bag_of_the_top_level_returns_what_backward_would_keep():
    weight, indices, offsets = ondol.arange(12.0).view(6, 2), ondol.tensor([0, 2, 1, 5]), ondol.tensor([0, 3, 4])
    pooled, bag_of, sizes, largest = ondol.embedding_bag(weight, indices, offsets, mode=2)
    assert pooled.tolist() == [[4.0, 5.0], [10.0, 11.0], [0.0, 0.0]]
    assert bag_of.tolist() == [0, 0, 0, 1] and sizes.tolist() == [3, 1, 0]
    assert largest.tolist() == [[2, 2], [5, 5], [0, 0]]
