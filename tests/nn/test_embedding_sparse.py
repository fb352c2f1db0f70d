"""sparse=True: rows are looked up as ever; only a backward pass that needs the sparse gradient fails."""

import pytest

import ondol
from ondol.nn import functional as F


def test_embedding_looks_rows_up_with_sparse_gradients_asked_for():
    weight = ondol.arange(6.0).view(3, 2)
    assert F.embedding(ondol.tensor([2]), weight, sparse=True).tolist() == [[4.0, 5.0]]
    bags = F.embedding_bag(ondol.tensor([[0, 2]]), weight, mode="sum", sparse=True)
    assert bags.tolist() == [[4.0, 6.0]]


def test_backward_to_a_sparse_gradient_names_the_remedy():
    weight = ondol.ones(3, 2, requires_grad=True)
    looked_up = F.embedding(ondol.tensor([2]), weight, sparse=True)
    with pytest.raises(NotImplementedError, match="sparse=False"):
        looked_up.sum().backward()
    assert weight.grad is None
