"""Families of operations under vmap against a loop over the examples."""

import pytest

import ondol
from ondol import vmap
from ondol.nn import functional as F

B = 3


def rand(*shape):
    return ondol.rand(*shape, dtype=ondol.float64)


def check(function, *batches, in_dims=0):
    """vmap(function) must be what stacking the examples' results gives."""
    dims = in_dims if isinstance(in_dims, tuple) else (in_dims,) * len(batches)
    rows = [
        function(*(batch if dim is None else batch.select(dim, i) for batch, dim in zip(batches, dims)))
        for i in range(B)
    ]
    ondol.testing.assert_close(vmap(function, in_dims=in_dims)(*batches), ondol.stack(rows))


@pytest.mark.parametrize("function", [
    lambda a, b: a + b, lambda a, b: a - b * 2, lambda a, b: b / a, lambda a, b: a**b, lambda a, b: ondol.maximum(a, b),
    lambda a, b: ondol.where(a > b, a, b), lambda a, b: a.clamp(max=b), lambda a, b: ondol.lerp(a, b, 0.5),
    lambda a, b: ondol.atan2(a, b), lambda a, b: 1 - a, lambda a, b: 2**b, lambda a, b: (a < b).double(),
])  # fmt: skip
def test_pointwise(function):
    check(function, rand(B, 2, 4), rand(B, 2, 4))
    check(function, rand(B, 2, 4), rand(B, 4))  # broadcasting is that of the examples, not of the batches
    check(function, rand(B, B), rand(B, 2, B))
    check(function, rand(B, 4), rand(2, 4), in_dims=(0, None))
    check(function, rand(2, 4), rand(4, B), in_dims=(None, 1))


def test_promotion_is_that_of_the_examples():
    single, double = ondol.ones(B, 2), ondol.ones(B, dtype=ondol.float64)
    assert vmap(lambda a, b: a * b)(single, double).dtype == ondol.float32
    assert vmap(lambda a, b: a * b)(single[:, 0], double).dtype == ondol.float64
    assert vmap(lambda a, b: a * b)(ondol.ones(B, 2, dtype=ondol.int64), double).dtype == ondol.float64


@pytest.mark.parametrize("function", [
    lambda a: a.sum(), lambda a: a.sum(0), lambda a: a.mean(-1, keepdim=True), lambda a: a.max(),
    lambda a: a.max(0).values, lambda a: a.argmax(), lambda a: a.argmin(1), lambda a: a.prod(), lambda a: a.std(),
    lambda a: a.var(0, correction=0), lambda a: a.any(), lambda a: a.logsumexp(0), lambda a: a.norm(),
    lambda a: a.median(), lambda a: a.amax((0, 1)),
    lambda a: a.softmax(0), lambda a: a.cumsum(1), lambda a: a.sort(0).values, lambda a: a.topk(2, 1).indices,
    lambda a: a.flip(0), lambda a: a.roll(1), lambda a: a.roll(1, 0), lambda a: ondol.trace(a),
])  # fmt: skip
def test_reductions_and_scans(function):
    check(function, rand(B, 3, 4))


@pytest.mark.parametrize("function", [
    lambda a: a.T, lambda a: a.t(), lambda a: a.reshape(-1), lambda a: a.view(4, 3), lambda a: a.unsqueeze(0),
    lambda a: a.unsqueeze(-1), lambda a: a.permute(1, 0), lambda a: a.transpose(0, -1), lambda a: a.expand(2, 3, 4),
    lambda a: a.repeat(2, 1), lambda a: a.tile(2), lambda a: a.flatten(),
    lambda a: a.split(2)[1],
    lambda a: a.chunk(2, 1)[0], lambda a: a.unbind(1)[2], lambda a: a.diagonal(), lambda a: ondol.diag(a),
    lambda a: a.tril(), lambda a: a[1],
    lambda a: a[:, 1:], lambda a: a[None, ..., 0], lambda a: a[[0, 2]], lambda a: a[[0, 2], [1, 3]],
    lambda a: a[:, None, [0, 1]], lambda a: a[ondol.tensor([True, False, True])], lambda a: a.narrow(0, 1, 2),
    lambda a: ondol.cat([a, a], 1), lambda a: ondol.stack([a, a * 2], -1), lambda a: a.movedim(0, 1),
    lambda a: ondol.tensor_split(a, 2)[0], lambda a: ondol.rot90(a), lambda a: a.unfold(1, 2, 1), lambda a: a.squeeze(),
])  # fmt: skip
def test_shapes_and_indices(function):
    check(function, rand(B, 3, 4))


def test_batched_positions():
    table, rows = rand(B, 5, 2), ondol.tensor([0, 4, 2])
    columns = ondol.tensor([[0, 1], [1, 1], [1, 0]])
    check(lambda a, i: a[i], table, rows)
    check(lambda a, i: a[i], table[0], rows, in_dims=(None, 0))
    check(lambda a, i, j: a[i, j], table, rows, columns)
    check(lambda a, i: a[:, i], table, columns)
    check(lambda a, i: a.index_select(0, i), table, columns)
    check(lambda a, i: a.gather(1, i.unsqueeze(0)), table, columns)
    check(lambda i, a: F.embedding(i, a), columns, table)
    check(lambda a, i: a.index_add(0, i, a[:2]), table, columns)


def test_an_index_outside_of_its_own_table_is_refused():
    with pytest.raises(IndexError):
        vmap(F.embedding)(ondol.tensor([[2], [0]]), ondol.ones(2, 2, 3))


@pytest.mark.parametrize("shapes", [
    ((2, 3), (3, 4)), ((3,), (3, 4)), ((2, 3), (3,)), ((3,), (3,)), ((5, 2, 3), (3, 4)), ((3,), (5, 3, 4)),
])  # fmt: skip
def test_matrix_products(shapes):
    left, right = shapes
    check(ondol.matmul, rand(B, *left), rand(B, *right))
    check(ondol.matmul, rand(*left), rand(B, *right), in_dims=(None, 0))
    check(ondol.matmul, rand(B, *left), rand(*right), in_dims=(0, None))


def test_products_with_a_sum():
    check(ondol.addmm, rand(B, 4), rand(B, 2, 3), rand(B, 3, 4))
    check(ondol.baddbmm, rand(2, 2, 4), rand(B, 2, 2, 3), rand(B, 2, 3, 4), in_dims=(None, 0, 0))
    check(lambda x, w, b: F.linear(x, w, b), rand(B, 2, 3), rand(B, 4, 3), rand(B, 4))
    check(lambda x, w, b: F.linear(x, w, b), rand(3), rand(4, 3), rand(B, 4), in_dims=(None, None, 0))
    check(lambda q, k, v: F.scaled_dot_product_attention(q, k, v), *(rand(B, 2, 4, 3) for _ in range(3)))
    check(lambda a, b: ondol.einsum("ij,jk->ik", a, b), rand(B, 2, 3), rand(B, 3, 4))


@pytest.mark.parametrize("in_dims", [(0, None, None), (None, 0, None), (0, 0, 0), (None, None, 0), (None, 0, 0)])
def test_convolutions(in_dims):
    shapes = ((2, 4, 5, 5), (6, 2, 3, 3), (6,))
    batches = [rand(*shape) if dim is None else rand(B, *shape) for shape, dim in zip(shapes, in_dims)]
    check(lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1, groups=2), *batches, in_dims=in_dims)
    transposed = [batches[0], batches[1].transpose(-3, -4).repeat_interleave(2, dim=-4), batches[2]]
    check(lambda x, w, b: F.conv_transpose2d(x, w, b, padding=1, groups=1), *transposed, in_dims=in_dims)


def test_layers():
    images = rand(B, 2, 4, 6, 6)
    check(lambda x: F.max_pool2d(x, 2), images)
    check(lambda x: F.adaptive_avg_pool2d(x, 2), images)
    check(lambda x: F.interpolate(x, scale_factor=2), images)
    check(lambda x: F.interpolate(x, scale_factor=1.5, mode="bilinear"), images)
    check(lambda x, grid: F.grid_sample(x, grid, align_corners=False), images, rand(B, 2, 3, 3, 2) * 2 - 1)
    check(lambda x, w: F.layer_norm(x, (6,), w), images, rand(B, 6))
    check(lambda x, w: F.group_norm(x, 2, w, w), images, rand(B, 4))
    check(lambda x, w: F.batch_norm(x, None, None, w, w, training=True), images, rand(B, 4))
    check(lambda x: F.instance_norm(x), images)
    check(lambda x: F.pad(x, (1, 2), mode="reflect"), images[:, 0])


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_losses(reduction):
    logits, classes, weight = rand(B, 5, 4), ondol.tensor([[0, 1, 2, 3, -100]] * B), rand(4)
    options = {"reduction": reduction}
    check(lambda x, y: F.cross_entropy(x, y, weight, label_smoothing=0.1, **options), logits, classes)
    check(lambda x, y: F.cross_entropy(x, y, **options), logits, rand(B, 5, 4).softmax(-1))
    check(lambda x, y: F.nll_loss(x, y, weight, **options), logits.log_softmax(-1), classes)
    for loss in (F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss):
        check(lambda x, y, loss=loss: loss(x, y, **options), logits, rand(B, 5, 4))
        check(lambda x, y, loss=loss: loss(x, y, **options), logits, rand(5, 4), in_dims=(0, None))
    check(lambda x, y: F.binary_cross_entropy(x, y, **options), logits, rand(B, 5, 4))


def test_linear_algebra_and_transforms():
    matrices = rand(B, 3, 3) + 3 * ondol.eye(3, dtype=ondol.float64)
    check(ondol.linalg.inv, matrices)
    check(ondol.linalg.det, matrices)
    check(lambda a, b: ondol.linalg.solve(a, b), matrices, rand(B, 3))
    check(lambda a: ondol.linalg.cholesky(a @ a.T), matrices)
    check(lambda a: ondol.linalg.svdvals(a), matrices)
    check(lambda a: ondol.fft.rfft(a, dim=0).abs(), matrices)


def test_lists_of_batched_numbers_make_tensors():
    check(lambda a: ondol.stack([a.sum(), a[0]]), rand(B, 2))
    assert vmap(lambda a: ondol.tensor([a[0], 1.0]))(ondol.ones(B, 2)).equal(ondol.ones(B, 2))
