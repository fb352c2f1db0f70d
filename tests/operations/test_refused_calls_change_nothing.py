"""What a call has found out too late must not have changed anything."""

import pytest

import ondol
from ondol import nn
from ondol.nn import functional as F


def test_scaled_sums_in_place_keep_to_the_dtype():
    x = ondol.tensor([3, -3], dtype=ondol.int16)
    with pytest.raises(RuntimeError, match="can't be cast"):
        x.sub_(1 + 1j, alpha=2)
    with pytest.raises(RuntimeError, match="can't be cast"):
        x.add_(ondol.ones(2, dtype=ondol.complex64), alpha=0.5)
    assert x.tolist() == [3, -3]


def test_outputs_may_not_share_memory():
    buffer = ondol.zeros(4, 6)
    values, indices = buffer[:2], buffer[1:3].long()
    with pytest.raises(RuntimeError, match="share memory"):
        ondol.aminmax(ondol.ones(2, 6), dim=0, out=(values[0], values[0]))
    with pytest.raises(RuntimeError, match="share memory"):
        ondol.linalg.qr(ondol.ones(2, 2), out=(buffer[0, :4].view(2, 2), buffer[0, 2:].view(2, 2)))
    ondol.topk(ondol.ones(2, 6), 6, out=(values, indices))
    assert values.sum().item() == 12


def test_an_empty_output_may_not_grow_into_another():
    buffer = ondol.zeros(12)
    for call, result in (
        (lambda out: ondol.linalg.inv_ex(2 * ondol.eye(2).expand(2, 2, 2), out=out), buffer[:8].view(2, 2, 2)),
        (lambda out: ondol.aminmax(ondol.ones(2, 6), dim=0, out=out), buffer[:6]),
    ):
        for place in (buffer[:0], buffer[4:4], buffer[2:3]):
            with pytest.raises(RuntimeError, match="share memory"):
                call((result, place))
    assert buffer.eq(0).all()
    ondol.aminmax(ondol.ones(2, 6), dim=0, out=(buffer[:6], buffer[6:6]))
    assert buffer.eq(1).all()


def test_outputs_may_be_parts_of_one_buffer():
    a, buffer = ondol.tensor([[2.0, 1.0], [0.0, 3.0]]), ondol.zeros(2, 2, 2)
    q, _ = ondol.linalg.qr(a, out=(buffer[0], buffer[1]))
    assert ondol.allclose(buffer[0] @ buffer[1], a) and q.data_ptr() == buffer.data_ptr()
    least, most = ondol.aminmax(a, dim=0, out=(buffer[0, 0], buffer[0, 1]))
    assert (
        buffer[0].tolist() == [[0.0, 1.0], [2.0, 3.0]] and least.tolist() == [0.0, 1.0] and most.tolist() == [2.0, 3.0]
    )


def test_batch_norm_takes_no_out():
    mean, var = ondol.zeros(4), ondol.ones(4)
    with pytest.raises(TypeError, match="out"):
        ondol.batch_norm(ondol.randn(3, 4), None, None, mean, var, True, 0.1, 1e-5, False, out=ondol.empty(3, 4))
    assert mean.eq(0).all() and var.eq(1).all()


def test_embedding_shortens_no_rows_for_indices_it_refuses():
    table = ondol.full((3, 4), 5.0)
    with pytest.raises(RuntimeError):
        F.embedding(ondol.tensor([1], dtype=ondol.int16), table, max_norm=1.0)
    assert table.eq(5).all()


def test_an_initialiser_with_a_wrong_gain_leaves_the_tensor():
    weight = ondol.full((3, 3), 2.0)
    with pytest.raises(TypeError):
        nn.init.orthogonal_(weight, "large")
    assert weight.eq(2).all()


def test_slopes_over_no_distance_are_infinite():
    (slope,) = ondol.gradient(ondol.tensor([1, 4, 9, 16]), spacing=0, edge_order=2)
    assert slope[1:3].isinf().all()


def test_losses_and_attention_name_what_they_cannot_take():
    with pytest.raises(TypeError, match="'input' must be Tensor"):
        F.poisson_nll_loss(2**70, ondol.ones(3), False)
    x, w = ondol.ones(2, 3, 4), ondol.ones(12, 4)
    with pytest.raises(AssertionError, match="num_heads must be positive"):
        F.multi_head_attention_forward(x, x, x, 4, 0, w, None, None, None, False, 0.0, ondol.ones(4, 4), None)


def test_any_number_of_groups_of_nothing_is_soon_done():
    for shape in ((0, 2, 3), (2**40, 0, 3)):
        assert nn.init.dirac_(ondol.empty(shape), 2**40).shape == shape
    assert nn.init.dirac_(ondol.empty(4, 2, 3), 2)[:, :, 1].tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]]


def test_a_shape_whose_strides_overflow_resizes_nothing():
    x = ondol.empty(4)[4:]
    with pytest.raises(RuntimeError, match="overflowed"):
        x.resize_(1, 0, 9, 8, 2**63 - 1)
    assert x.shape == (0,) and x.untyped_storage().nbytes() == 16


def test_an_inner_product_of_a_number_and_a_list_is_refused():
    with pytest.raises(TypeError, match="list"):
        ondol.inner(ondol.tensor(1), [[], ondol.ones(3)])


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_nothing_cannot_be_continued(mode):
    with pytest.raises(RuntimeError, match="pad"):
        ondol._native.nn.continued_pad(ondol.empty(2, 0, 3), [1, 0, 0, 7], mode)


def test_random_integers_from_the_last_one_on_are_refused():
    for dtype in (ondol.float16, ondol.float32):
        with pytest.raises(RuntimeError, match="random_"):
            ondol.empty(3, dtype=dtype).random_(2**63 - 1, None)
