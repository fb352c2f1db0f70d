"""What each operation of the lists computes in under autocast, by calls with float32 and with bfloat16."""

from __future__ import annotations

import pytest

import ondol
import ondol.nn.functional as F
from ondol._autocast import FLOAT32, LOWER_PRECISION, POLICIES, STATE, WIDEST

BF16, F32 = ondol.bfloat16, ondol.float32


def randn(*sizes):
    return ondol.randn(*sizes, generator=ondol.Generator().manual_seed(0))


def positive(n):
    a = randn(n, n)
    return a @ a.mT + n * ondol.eye(n)


def recurrent_weights(gates, inputs=3, hidden=2):
    return randn(gates * hidden, inputs), randn(gates * hidden, hidden)


def layer(kind, gates):
    function = getattr(ondol, kind)
    hx = (lambda c: [c(randn(1, 2, 2)), c(randn(1, 2, 2))]) if kind == "lstm" else (lambda c: c(randn(1, 2, 2)))
    return lambda c: function(
        c(randn(4, 2, 3)), hx(c), [c(w) for w in recurrent_weights(gates)], False, 1, 0.0, False, False, False
    )


def cell(kind, gates):
    function = getattr(ondol, kind)
    state = (lambda c: [c(randn(4, 2)), c(randn(4, 2))]) if kind == "lstm_cell" else (lambda c: c(randn(4, 2)))
    return lambda c: function(c(randn(4, 3)), state(c), *(c(w) for w in recurrent_weights(gates)))


def factors(c):
    return ondol.lu(c(positive(3)))


classes, signs = ondol.tensor([0, 1]), ondol.tensor([1.0, -1.0])
images, volume = (lambda c: c(randn(1, 2, 6, 6))), (lambda c: c(randn(1, 2, 4, 4, 4)))
two = lambda c: (c(randn(2, 3)), c(randn(2, 3)))  # noqa: E731
on_square = lambda function: lambda c: function(c(positive(3)))  # noqa: E731
on_grid = lambda c: (c(ondol.zeros(1, 2, 2, 2)),)  # noqa: E731
on_signal = lambda name: lambda c: getattr(ondol.fft, name)(c(randn(4, 4)))  # noqa: E731

# By name in the table; `c` converts a tensor to the dtype that the call is made with.
CALLS = {
    "addbmm": lambda c: ondol.addbmm(c(randn(2, 2)), c(randn(3, 2, 4)), c(randn(3, 4, 2))),
    "addmm": lambda c: ondol.addmm(c(randn(2, 2)), c(randn(2, 4)), c(randn(4, 2))),
    "baddbmm": lambda c: ondol.baddbmm(c(randn(3, 2, 2)), c(randn(3, 2, 4)), c(randn(3, 4, 2))),
    "bmm": lambda c: ondol.bmm(c(randn(3, 2, 4)), c(randn(3, 4, 2))),
    "conv1d": lambda c: F.conv1d(c(randn(1, 2, 5)), c(randn(3, 2, 2)), c(randn(3))),
    "conv2d": lambda c: F.conv2d(c(randn(1, 2, 5, 5)), c(randn(3, 2, 2, 2))),
    "conv3d": lambda c: F.conv3d(volume(c), c(randn(3, 2, 2, 2, 2))),
    "conv_tbc": lambda c: ondol.conv_tbc(c(randn(5, 1, 2)), c(randn(2, 2, 3)), c(randn(3))),
    "conv_transpose1d": lambda c: F.conv_transpose1d(c(randn(1, 2, 5)), c(randn(2, 3, 2))),
    "conv_transpose2d": lambda c: F.conv_transpose2d(images(c), c(randn(2, 3, 2, 2))),
    "conv_transpose3d": lambda c: F.conv_transpose3d(volume(c), c(randn(2, 3, 2, 2, 2))),
    "convolution": lambda c: ondol.convolution(
        c(randn(1, 2, 5)), c(randn(3, 2, 2)), None, [1], [0], [1], False, [0], 1
    ),
    "linalg.vecdot": lambda c: ondol.linalg.vecdot(*two(c)),
    "linear": lambda c: F.linear(c(randn(2, 3)), c(randn(4, 3)), c(randn(4))),
    "lstm": layer("lstm", 4),
    "matmul": lambda c: c(randn(2, 3)) @ c(randn(3, 2)),
    "mm": lambda c: c(randn(2, 3)).mm(c(randn(3, 2))),
    "prelu": lambda c: F.prelu(c(randn(2, 3)), c(randn(3))),
    "rnn_relu": layer("rnn_relu", 1),
    "rnn_relu_cell": cell("rnn_relu_cell", 1),
    "rnn_tanh": layer("rnn_tanh", 1),
    "rnn_tanh_cell": cell("rnn_tanh_cell", 1),
    "scaled_dot_product_attention": lambda c: F.scaled_dot_product_attention(*[c(randn(1, 2, 3, 4))] * 3),
    "adaptive_avg_pool3d": lambda c: F.adaptive_avg_pool3d(volume(c), 2),
    "adaptive_max_pool3d": lambda c: F.adaptive_max_pool3d(volume(c), 2),
    "avg_pool3d": lambda c: F.avg_pool3d(volume(c), 2),
    "cdist": lambda c: ondol.cdist(*two(c)),
    "cholesky": on_square(ondol.cholesky),
    "cholesky_inverse": on_square(ondol.cholesky_inverse),
    "cholesky_solve": lambda c: ondol.cholesky_solve(c(randn(3, 1)), c(positive(3))),
    "cross_entropy": lambda c: F.cross_entropy(c(randn(2, 3)), classes),
    "ctc_loss": lambda c: F.ctc_loss(c(randn(4, 1, 3).log_softmax(-1)), ondol.tensor([[1, 2]]), [4], [2]),
    "fractional_max_pool": lambda c: F.fractional_max_pool2d(images(c), 2, output_size=3),
    "geqrf": on_square(ondol.geqrf),
    "grid_sampler_2d": lambda c: ondol.grid_sampler_2d(images(c), *on_grid(c), 0, 0, False),
    "grid_sampler_3d": lambda c: ondol.grid_sampler_3d(volume(c), c(ondol.zeros(1, 2, 2, 2, 3)), 0, 0, False),
    "huber_loss": lambda c: F.huber_loss(*two(c)),
    "inverse": on_square(ondol.inverse),
    "l1_loss": lambda c: F.l1_loss(*two(c)),
    "lu": lambda c: ondol.lu(c(positive(3)))[0],
    "lu_solve": lambda c: ondol.lu_solve(c(randn(3, 1)), *factors(c)),
    "max_pool3d": lambda c: F.max_pool3d(volume(c), 2),
    "mse_loss": lambda c: F.mse_loss(*two(c)),
    "multilabel_margin_loss": lambda c: F.multilabel_margin_loss(c(randn(1, 3)), ondol.tensor([[0, 1, -1]])),
    "nanquantile": lambda c: ondol.nanquantile(c(randn(5)), 0.5),
    "nll_loss": lambda c: F.nll_loss(c(randn(2, 3)), classes),
    "orgqr": lambda c: ondol.orgqr(c(randn(3, 2)), c(randn(2))),
    "ormqr": lambda c: ondol.ormqr(c(randn(3, 2)), c(randn(2)), c(randn(3, 3))),
    "pinverse": on_square(ondol.pinverse),
    "polar": lambda c: ondol.polar(*two(c)).real,
    "prod": lambda c: c(randn(4)).prod(),
    "qr": on_square(ondol.qr),
    "quantile": lambda c: ondol.quantile(c(randn(5)), 0.5),
    "smooth_l1_loss": lambda c: F.smooth_l1_loss(*two(c)),
    "stft": lambda c: ondol.stft(c(randn(16)), 4, window=ondol.ones(4), return_complex=True).real,
    "svd": on_square(ondol.svd),
    "trace": on_square(ondol.trace),
    "triangular_solve": lambda c: ondol.triangular_solve(c(randn(3, 1)), c(positive(3))),
    "view_as_complex": lambda c: ondol.view_as_complex(c(randn(3, 2))).real,
    **{name: (lambda c, name=name: getattr(ondol.fft, name[4:])(c(randn(4, 4))).real)
       for name in POLICIES if name.startswith("fft.")},
    "linalg.cholesky": on_square(ondol.linalg.cholesky),
    "linalg.cholesky_ex": on_square(ondol.linalg.cholesky_ex),
    "linalg.cond": on_square(ondol.linalg.cond),
    "linalg.eig": lambda c: ondol.linalg.eig(c(positive(3)))[0].real,
    "linalg.eigh": on_square(ondol.linalg.eigh),
    "linalg.eigvals": lambda c: ondol.linalg.eigvals(c(positive(3))).real,
    "linalg.eigvalsh": on_square(ondol.linalg.eigvalsh),
    "linalg.householder_product": lambda c: ondol.linalg.householder_product(c(randn(3, 2)), c(randn(2))),
    "linalg.inv": on_square(ondol.linalg.inv),
    "linalg.inv_ex": on_square(ondol.linalg.inv_ex),
    "linalg.lstsq": lambda c: ondol.linalg.lstsq(c(positive(3)), c(randn(3, 1))),
    "linalg.matrix_rank": lambda c: ondol.linalg.matrix_rank(c(positive(3))).float(),
    "linalg.qr": on_square(ondol.linalg.qr),
    "linalg.solve": lambda c: ondol.linalg.solve(c(positive(3)), c(randn(3, 1))),
    "linalg.svd": on_square(ondol.linalg.svd),
    "linalg.svdvals": on_square(ondol.linalg.svdvals),
    "linalg.tensorinv": lambda c: ondol.linalg.tensorinv(c(positive(4)).reshape(2, 2, 2, 2)),
    "linalg.tensorsolve": lambda c: ondol.linalg.tensorsolve(c(positive(4)).reshape(2, 2, 4), c(randn(2, 2))),
    "cat": lambda c: ondol.cat([ondol.ones(1, 3, dtype=BF16), c(randn(2, 3))]),
    "concat": lambda c: ondol.concat([ondol.ones(1, 3, dtype=BF16), c(randn(2, 3))]),
    "concatenate": lambda c: ondol.concatenate([ondol.ones(1, 3, dtype=BF16), c(randn(2, 3))]),
    "index_copy": lambda c: ondol.ones(3, dtype=BF16).index_copy(0, classes, c(randn(2))),
    "stack": lambda c: ondol.stack([ondol.ones(3, dtype=BF16), c(randn(3))]),
    "gru": layer("gru", 3),
    "gru_cell": cell("gru_cell", 3),
    "lstm_cell": cell("lstm_cell", 4),
}  # fmt: skip

# Composed in `nn.functional`, one operation of the float32 list in PyTorch.
COMPOSED = {
    "binary_cross_entropy": lambda c: F.binary_cross_entropy(c(ondol.rand(3)), ondol.rand(3)),
    "binary_cross_entropy_with_logits": lambda c: F.binary_cross_entropy_with_logits(c(randn(3)), ondol.rand(3)),
    "cosine_embedding_loss": lambda c: F.cosine_embedding_loss(*two(c), signs),
    "grid_sample": lambda c: F.grid_sample(images(c), *on_grid(c), align_corners=False),
    "hinge_embedding_loss": lambda c: F.hinge_embedding_loss(c(randn(2)), signs.to(BF16)),
    "kl_div": lambda c: F.kl_div(*two(c), reduction="sum"),
    "margin_ranking_loss": lambda c: F.margin_ranking_loss(c(randn(2)), c(randn(2)), signs.to(BF16)),
    "max_unpool2d": lambda c: F.max_unpool2d(c(randn(1, 1, 1)), ondol.zeros(1, 1, 1, dtype=ondol.int64), 2),
    "multi_margin_loss": lambda c: F.multi_margin_loss(c(randn(2, 3)), classes),
    "pad_reflect": lambda c: F.pad(images(c), (1, 1, 1, 1), mode="reflect"),
    "pad_replicate": lambda c: F.pad(images(c), (1, 1, 1, 1), mode="replicate"),
    "poisson_nll_loss": lambda c: F.poisson_nll_loss(*two(c)),
    "soft_margin_loss": lambda c: F.soft_margin_loss(c(randn(2)), signs.to(BF16)),
    "triplet_margin_loss": lambda c: F.triplet_margin_loss(*two(c), c(randn(2, 3))),
}


def result_dtype(call, dtype):
    with ondol.autocast("cpu"):
        result = call(lambda tensor: tensor.to(dtype))
    return result.dtype if isinstance(result, ondol.Tensor) else result[0].dtype


def names(policy):
    return [name for name, found in POLICIES.items() if found == policy]


def test_each_operation_of_the_lists_is_called_here():
    assert CALLS.keys() == {name for name, policy in POLICIES.items() if policy}


@pytest.mark.parametrize("name", names(LOWER_PRECISION))
def test_a_product_of_float32_is_computed_in_lower_precision(name):
    assert result_dtype(CALLS[name], F32) == result_dtype(CALLS[name], BF16) == BF16


@pytest.mark.parametrize("name", names(LOWER_PRECISION))
def test_the_lower_precision_may_be_float16(name):
    with ondol.autocast("cpu", ondol.float16):
        result = CALLS[name](lambda tensor: tensor.float())
    assert (result if isinstance(result, ondol.Tensor) else result[0]).dtype == ondol.float16


@pytest.mark.parametrize("name", names(LOWER_PRECISION))
def test_a_product_in_lower_precision_is_near_that_in_float32(name):
    first = lambda result: result if isinstance(result, ondol.Tensor) else result[0]  # noqa: E731
    expected = first(CALLS[name](lambda tensor: tensor.float()))
    with ondol.autocast("cpu"):
        result = first(CALLS[name](lambda tensor: tensor.float()))
    ondol.testing.assert_close(result.float(), expected, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("name", names(FLOAT32))
def test_what_needs_the_digits_is_computed_in_float32(name):
    assert result_dtype(CALLS[name], BF16) == result_dtype(CALLS[name], F32) == F32


@pytest.mark.parametrize("name", COMPOSED)
def test_a_composed_function_that_needs_the_digits_is_computed_in_float32(name):
    assert result_dtype(COMPOSED[name], BF16) == result_dtype(COMPOSED[name], F32) == F32


@pytest.mark.parametrize("name", names(WIDEST))
def test_what_joins_tensors_takes_the_widest_dtype(name):
    assert result_dtype(CALLS[name], F32) == F32
    assert result_dtype(CALLS[name], BF16) == BF16


@pytest.mark.parametrize("name", names(STATE))
def test_a_recurrent_layer_with_gates_keeps_the_dtype_of_its_state(name):
    assert result_dtype(CALLS[name], F32) == F32
    assert result_dtype(CALLS[name], BF16) == BF16


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x + x, lambda x: x.exp(), lambda x: x.softmax(-1), lambda x: x.sum(), F.gelu,
        lambda x: F.layer_norm(x, (3,)), lambda x: x.mv(x[0]), lambda x: x[0].dot(x[0]),
        lambda x: ondol.nn.Bilinear(3, 3, 2)(x, x), lambda x: ondol.linalg.matrix_exp(x),
    ],
)  # fmt: skip
def test_what_is_in_no_list_computes_in_the_dtype_that_it_is_given(call):
    assert result_dtype(lambda c: call(c(randn(3, 3))), F32) == F32


def test_functions_composed_of_products_follow_them():
    with ondol.autocast("cpu"):
        x = randn(2, 3)
        results = [ondol.einsum("ij,kj->ik", x, x), ondol.tensordot(x, x.T, 1), ondol.linalg.multi_dot([x, x.T, x])]
    assert {result.dtype for result in results} == {BF16}
