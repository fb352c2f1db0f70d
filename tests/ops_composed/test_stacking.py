"""Joining, splitting, turning and spreading tensors; diagonals; differences."""

import numpy as np
import pytest

import ondol
from ondol.autograd import gradcheck

rng = np.random.default_rng(0)


@pytest.mark.parametrize("name", ["vstack", "hstack", "dstack", "column_stack"])
@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 3, 2)])
def test_stacks_agree_with_numpy(name, shape):
    arrays = [rng.standard_normal(shape) for _ in range(2)]
    result = getattr(ondol, name)([ondol.from_numpy(array) for array in arrays])
    np.testing.assert_array_equal(result.numpy(), getattr(np, name)(arrays))


@pytest.mark.parametrize("where", [3, (1, 3), (-2,), (7, 9)])
def test_tensor_split_agrees_with_numpy(where):
    parts = ondol.tensor_split(ondol.arange(8), where)
    assert [part.tolist() for part in parts] == [part.tolist() for part in np.array_split(np.arange(8), where)]


def test_tensor_split_gives_views():
    x = ondol.zeros(4)
    ondol.tensor_split(x, 2)[1].fill_(1)
    assert x.tolist() == [0.0, 0.0, 1.0, 1.0]


def test_a_split_into_unequal_parts_is_refused_by_hsplit():
    with pytest.raises(RuntimeError, match="not divisible"):
        ondol.hsplit(ondol.ones(2, 3), 2)


def test_atleast_nd_adds_dimensions_where_numpy_does():
    assert ondol.atleast_3d(ondol.ones(4)).shape == np.atleast_3d(np.ones(4)).shape
    assert [t.shape for t in ondol.atleast_2d(ondol.ones(()), ondol.ones(2))] == [(1, 1), (1, 2)]


@pytest.mark.parametrize("indexing", ["ij", "xy"])
def test_meshgrid_agrees_with_numpy(indexing):
    x, y = np.arange(3), np.arange(2)
    ours = ondol.meshgrid(ondol.from_numpy(x), ondol.from_numpy(y), indexing=indexing)
    for one, other in zip(ours, np.meshgrid(x, y, indexing=indexing)):
        np.testing.assert_array_equal(one.numpy(), other)


@pytest.mark.parametrize("k", range(-1, 5))
def test_rot90_agrees_with_numpy(k):
    x = rng.standard_normal((2, 3))
    np.testing.assert_array_equal(ondol.rot90(ondol.from_numpy(x), k).numpy(), np.rot90(x, k))


def test_block_diag_promotes_dtypes():
    result = ondol.block_diag(ondol.ones(1, 2, dtype=ondol.int64), ondol.tensor(0.5))
    assert result.tolist() == [[1.0, 1.0, 0.0], [0.0, 0.0, 0.5]]


def test_broadcast_shapes_that_do_not_fit_are_refused():
    with pytest.raises(RuntimeError, match=r"\[2\] and \[3\] do not broadcast"):
        ondol.broadcast_shapes((2,), (3,))


def test_take_along_dim_broadcasts_and_counts_from_the_end():
    x = ondol.tensor([[1, 2, 3], [4, 5, 6]])
    assert ondol.take_along_dim(x, ondol.tensor([[-1]]), 1).tolist() == [[3], [6]]


def test_unravel_index_agrees_with_numpy():
    flat = np.arange(24)
    for one, other in zip(ondol.unravel_index(ondol.from_numpy(flat), (2, 3, 4)), np.unravel_index(flat, (2, 3, 4))):
        np.testing.assert_array_equal(one.numpy(), other)


@pytest.mark.parametrize("offset", [-2, 0, 1])
def test_diag_embed_is_undone_by_diagonal(offset):
    x = ondol.from_numpy(rng.standard_normal((2, 3))).requires_grad_()
    assert ondol.equal(ondol.diag_embed(x, offset, 0, 2).diagonal(offset, 0, 2), x)
    assert gradcheck(lambda x: ondol.diag_embed(x, offset), (x,))


@pytest.mark.parametrize(
    "replace",
    [
        lambda x, y: ondol.select_scatter(x, y[0], 0, 1),
        lambda x, y: ondol.slice_scatter(x, y[:, :2], 1, 0, 3, 2),
        lambda x, y: ondol.diagonal_scatter(x, y[0]),
    ],
)
def test_a_scatter_leaves_its_input_alone_and_is_differentiable_in_both(replace):
    x, y = (ondol.from_numpy(rng.standard_normal((3, 3))).requires_grad_() for _ in range(2))
    before = x.detach().clone()
    assert gradcheck(replace, (x, y))
    assert ondol.equal(x.detach(), before)


@pytest.mark.parametrize("lower", [True, False])
def test_triangle_indices_agree_with_numpy(lower):
    ours = (ondol.tril_indices if lower else ondol.triu_indices)(3, 4, 1)
    theirs = (np.tril_indices if lower else np.triu_indices)(3, 1, 4)
    np.testing.assert_array_equal(ours.numpy(), np.stack(theirs))


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_diff_agrees_with_numpy(n):
    x = rng.standard_normal((2, 4))
    np.testing.assert_allclose(ondol.diff(ondol.from_numpy(x), n).numpy(), np.diff(x, n))


@pytest.mark.parametrize("edge_order", [1, 2])
def test_gradient_agrees_with_numpy_on_uneven_points(edge_order):
    y, x = rng.standard_normal(6), np.cumsum(rng.random(6) + 0.1)
    ours = ondol.gradient(ondol.from_numpy(y), spacing=(ondol.from_numpy(x),), edge_order=edge_order)[0]
    np.testing.assert_allclose(ours.numpy(), np.gradient(y, x, edge_order=edge_order))


def test_trapezoid_agrees_with_numpy():
    y, x = rng.standard_normal((2, 6)), np.sort(rng.random(6))
    ours = ondol.trapezoid(ondol.from_numpy(y), ondol.from_numpy(x))
    np.testing.assert_allclose(ours.numpy(), np.trapezoid(y, x))
    cumulative = ondol.cumulative_trapezoid(ondol.from_numpy(y), ondol.from_numpy(x))
    np.testing.assert_allclose(cumulative[:, -1].numpy(), ours.numpy())


def test_unique_consecutive_gives_runs():
    values, inverse, counts = ondol.unique_consecutive(ondol.tensor([1, 1, 2, 2, 2, 1]), True, True)
    assert (values.tolist(), inverse.tolist(), counts.tolist()) == ([1, 2, 1], [0, 0, 1, 1, 1, 2], [2, 3, 1])


def test_index_reduce_counts_or_forgets_what_was_there():
    x, index, source = ondol.ones(2), ondol.tensor([0, 0]), ondol.tensor([3.0, 5.0])
    assert ondol.index_reduce(x, 0, index, source, "mean").tolist() == [3.0, 1.0]
    assert ondol.index_reduce(x, 0, index, source, "mean", include_self=False).tolist() == [4.0, 1.0]


@pytest.mark.parametrize(
    "shapes", [((2, 1), (3,), (1, 1, 3)), ((3,), (2, 1)), ((4, 1, 1), (2, 1), (5,)), ((0,), (1, 1)), ((), (2,))]
)
def test_a_common_shape_is_that_of_numpy_in_any_order(shapes):
    assert tuple(ondol.broadcast_shapes(*shapes)) == np.broadcast_shapes(*shapes)
    assert tuple(ondol.broadcast_shapes(*reversed(shapes))) == np.broadcast_shapes(*shapes)
