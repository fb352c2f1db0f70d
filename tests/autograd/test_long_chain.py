"""The depth of a graph does not matter: neither backward nor freeing recurses."""

import pytest

import ondol


@pytest.mark.slow
def test_backward_through_a_million_operations_and_freeing_them_does_not_recurse():
    leaf = ondol.ones(1, requires_grad=True)
    result = leaf
    for _ in range(1_000_000):
        result = result * 1.0
    result.backward()
    del result
    assert leaf.grad.item() == 1.0
