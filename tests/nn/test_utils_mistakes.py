"""Mistakes with pruning, skip_init and vectors of parameters change nothing; what is old says so."""

from __future__ import annotations

import pytest

import ondol
from ondol import nn
from ondol.nn.utils import parameters_to_vector, prune, skip_init, vector_to_parameters


def test_mask_of_another_shape_is_refused():
    layer = nn.Linear(2, 2)
    with pytest.raises(AssertionError, match="shape"):
        prune.custom_from_mask(layer, "weight", ondol.ones(4))
    assert not prune.is_pruned(layer)


def test_failed_second_pruning_leaves_the_first():
    layer = prune.l1_unstructured(nn.Linear(3, 3), "weight", 2)
    (hook,) = layer._forward_pre_hooks.values()
    with pytest.raises(ValueError, match="amount"):
        prune.l1_unstructured(layer, "weight", 100)
    with pytest.raises(AssertionError, match="shape"):
        prune.custom_from_mask(layer, "weight", ondol.ones(4))
    assert list(layer._forward_pre_hooks.values()) == [hook] and prune.is_pruned(layer)
    prune.l1_unstructured(layer, "weight", 3)
    (container,) = layer._forward_pre_hooks.values()
    assert len(container) == 2 and layer.weight_mask.sum() == 4


def test_skip_init_needs_a_class_with_a_device():
    with pytest.raises(RuntimeError, match="'device'"):
        skip_init(nn.ReLU)


@pytest.mark.parametrize("length", [0, 3, 5])
def test_short_vector_changes_no_parameter(length):
    layer = nn.Linear(2, 2)
    before = parameters_to_vector(layer.parameters())
    with pytest.raises(RuntimeError):
        vector_to_parameters(ondol.zeros(length), layer.parameters())
    assert parameters_to_vector(layer.parameters()).equal(before)


def test_weight_norm_by_a_hook_is_deprecated():
    with pytest.warns(FutureWarning, match="parametrizations"):
        nn.utils.weight_norm(nn.Linear(2, 2))
