"""Layers against values worked out by hand or by NumPy."""

import numpy as np
import pytest

import ondol
from ondol import nn
from ondol.nn import functional as F


def test_linear_is_an_affine_map():
    layer = nn.Linear(2, 1)
    layer.weight.data.copy_(ondol.tensor([[2.0, 3.0]]))
    layer.bias.data.fill_(1.0)
    assert layer(ondol.tensor([[1.0, 1.0]])).tolist() == [[6.0]]


def test_bilinear_against_einsum():
    layer = nn.Bilinear(2, 3, 4)
    x, y = ondol.randn(5, 2), ondol.randn(5, 3)
    w, b = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    expected = np.einsum("ni,kij,nj->nk", x.numpy(), w, y.numpy()) + b
    np.testing.assert_allclose(layer(x, y).detach().numpy(), expected, rtol=1e-4, atol=1e-6)


def test_conv2d_with_circular_padding_wraps():
    conv = nn.Conv2d(1, 1, (1, 3), padding=(0, 1), padding_mode="circular", bias=False)
    conv.weight.data.fill_(1.0)
    assert conv(ondol.tensor([[[[1.0, 2.0, 4.0]]]])).flatten().tolist() == [7.0, 7.0, 7.0]


def test_a_convolution_checks_its_arguments():
    with pytest.raises(ValueError, match="in_channels must be divisible by groups"):
        nn.Conv2d(3, 4, 1, groups=2)
    with pytest.raises(ValueError, match="not supported for strided"):
        nn.Conv2d(3, 4, 3, stride=2, padding="same")
    with pytest.raises(ValueError, match="padding_mode must be one of"):
        nn.Conv2d(3, 4, 3, padding_mode="mirror")


@pytest.mark.parametrize("use", [
    len, lambda p: p.numel(), lambda p: p.sum(), lambda p: p + 1, lambda p: p.detach(), lambda p: p[0], nn.init.zeros_,
])  # fmt: skip
def test_a_parameter_without_values_cannot_be_computed_with(use):
    with pytest.raises(ValueError, match="Attempted to use an uninitialized parameter"):
        use(nn.LazyLinear(3).weight)


def test_lazy_layers_can_be_moved_and_converted():
    layer = nn.LazyLinear(3).double().to("cpu").requires_grad_(False)
    assert layer(ondol.ones(2, 5, dtype=ondol.float64)).dtype == ondol.float64 and not layer.weight.requires_grad


def test_lazy_layers_become_ordinary_ones():
    layer = nn.LazyConv2d(4, 3)
    with pytest.raises(RuntimeError, match="uninitialized parameter"):
        layer.weight.shape  # noqa: B018
    layer(ondol.zeros(1, 2, 5, 5))
    assert type(layer) is nn.Conv2d and layer.in_channels == 2 and type(layer.weight) is nn.Parameter


def test_batch_norm_measures_in_training_and_uses_it_in_evaluation():
    norm = nn.BatchNorm1d(1, momentum=0.5)
    x = ondol.tensor([[1.0], [3.0]])
    np.testing.assert_allclose(norm(x).detach().numpy(), [[-1.0], [1.0]], atol=1e-4)
    assert norm.running_mean.item() == 1.0 and norm.running_var.item() == 1.5 and norm.num_batches_tracked.item() == 1
    norm.eval()
    np.testing.assert_allclose(norm(ondol.ones(1, 1)).item(), 0.0, atol=1e-6)


def test_batch_norm_refuses_one_value_in_training():
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        nn.BatchNorm1d(3)(ondol.zeros(1, 3))


def test_instance_norm_moves_running_values():
    norm = nn.InstanceNorm1d(1, track_running_stats=True, momentum=1.0)
    norm(ondol.tensor([[[1.0, 3.0]]]))
    assert norm.running_mean.item() == 2.0


def test_embedding_padding_row_is_zero_and_has_no_gradient():
    table = nn.Embedding(3, 2, padding_idx=1)
    assert table.weight[1].tolist() == [0.0, 0.0]
    table(ondol.tensor([0, 1, 1])).sum().backward()
    assert table.weight.grad.tolist() == [[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize(("mode", "expected"), [("sum", [3.0, 0.0]), ("mean", [1.5, 0.0]), ("max", [2.0, 0.0])])
def test_embedding_bag_with_an_empty_bag(mode, expected):
    bag = nn.EmbeddingBag.from_pretrained(ondol.tensor([[0.0], [1.0], [2.0]]), mode=mode)
    assert bag(ondol.tensor([1, 2]), ondol.tensor([0, 2])).flatten().tolist() == expected


def test_embedding_gradients_scaled_by_frequency():
    table = nn.Embedding(2, 1, scale_grad_by_freq=True)
    table(ondol.tensor([0, 0, 1])).sum().backward()
    assert table.weight.grad.flatten().tolist() == [1.0, 1.0]


def test_dropout_is_the_identity_in_evaluation():
    x = ondol.ones(10)
    assert (nn.Dropout(0.9).eval()(x) == x).all()
    with pytest.raises(ValueError, match="between 0 and 1"):
        nn.Dropout(1.5)


def test_dropout2d_drops_whole_channels():
    y = nn.Dropout2d(0.5)(ondol.ones(4, 8, 3, 3)).reshape(32, 9)
    assert set(y.sum(1).tolist()) <= {0.0, 18.0}


def numpy_lstm_step(x, h, c, layer):
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    w, u, b, d = (getattr(layer, name).detach().numpy() for name in names)
    i, f, g, o = np.split(x @ w.T + b + h @ u.T + d, 4, axis=1)
    sigmoid = lambda z: 1 / (1 + np.exp(-z))  # noqa: E731
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def test_lstm_against_its_formula():
    layer, x = nn.LSTM(3, 4), ondol.randn(5, 2, 3)
    h = c = np.zeros((2, 4), np.float32)
    expected = []
    for step in x.numpy():
        h, c = numpy_lstm_step(step, h, c, layer)
        expected.append(h)
    output, (h_n, c_n) = layer(x)
    np.testing.assert_allclose(output.detach().numpy(), np.stack(expected), atol=1e-5)
    np.testing.assert_allclose(c_n[0].detach().numpy(), c, atol=1e-5)
    assert h_n.shape == (1, 2, 4)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_a_cell_is_one_step_of_its_layer(kind):
    layer, cell = getattr(nn, kind)(3, 4), getattr(nn, kind + "Cell")(3, 4)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    x = ondol.randn(2, 3)
    step = cell(x)
    step = step[0] if kind == "LSTM" else step
    np.testing.assert_allclose(layer(x.unsqueeze(0))[0][0].detach().numpy(), step.detach().numpy(), atol=1e-6)


def test_a_packed_batch_gives_what_each_sequence_gives():
    layer = nn.GRU(2, 3, bidirectional=True)
    rows = [ondol.randn(n, 2) for n in (2, 4, 1)]
    packed = nn.utils.rnn.pack_sequence(rows, enforce_sorted=False)
    output, last = layer(packed)
    for i, (row, got) in enumerate(zip(rows, nn.utils.rnn.unpack_sequence(output))):
        alone, alone_last = layer(row)
        np.testing.assert_allclose(got.detach().numpy(), alone.detach().numpy(), atol=1e-6)
        np.testing.assert_allclose(last[:, i].detach().numpy(), alone_last.detach().numpy(), atol=1e-6)


def test_attention_weights_sum_to_one_and_respect_the_mask():
    attention, x = nn.MultiheadAttention(4, 2), ondol.randn(3, 1, 4)
    mask = nn.Transformer.generate_square_subsequent_mask(3)
    output, weights = attention(x, x, x, attn_mask=mask)
    np.testing.assert_allclose(weights.sum(-1).detach().numpy(), 1.0, atol=1e-6)
    assert weights[0, 0, 1:].tolist() == [0.0, 0.0]
    quick, none = attention(x, x, x, attn_mask=mask, need_weights=False)
    np.testing.assert_allclose(output.detach().numpy(), quick.detach().numpy(), atol=1e-5)
    assert none is None


def test_transformer_takes_batch_first_or_not():
    model = nn.Transformer(8, 2, 1, 1, 16, dropout=0.0)
    src, tgt = ondol.randn(3, 2, 8), ondol.randn(4, 2, 8)
    expected = model(src, tgt)
    for module in model.modules():
        if hasattr(module, "batch_first"):
            module.batch_first = True
    swapped = model(src.transpose(0, 1), tgt.transpose(0, 1)).transpose(0, 1)
    np.testing.assert_allclose(expected.detach().numpy(), swapped.detach().numpy(), atol=1e-5)


def test_adaptive_softmax_is_a_distribution():
    layer = nn.AdaptiveLogSoftmaxWithLoss(8, 10, [4, 7])
    x, y = ondol.randn(3, 8), ondol.tensor([0, 5, 9])
    every = layer.log_prob(x)
    np.testing.assert_allclose(every.exp().sum(1).detach().numpy(), 1.0, atol=1e-5)
    np.testing.assert_allclose(
        layer(x, y).output.detach().numpy(), every.gather(1, y.unsqueeze(1))[:, 0].detach().numpy(), atol=1e-5
    )
    assert (layer.predict(x) == every.argmax(1)).all()


def test_containers_behave_like_lists_and_dictionaries():
    chain = nn.Sequential(nn.ReLU(), nn.Tanh(), nn.Sigmoid())
    assert [type(m).__name__ for m in chain[1:]] == ["Tanh", "Sigmoid"] and len(chain + chain) == 6
    del chain[0]
    chain.insert(0, nn.GELU()).append(nn.ELU())
    assert [type(m).__name__ for m in chain] == ["GELU", "Tanh", "Sigmoid", "ELU"]
    assert type(chain.pop(-1)) is nn.ELU and list(chain._modules) == ["0", "1", "2"]
    with pytest.raises(IndexError, match="out of range"):
        chain[3]
    named = nn.ModuleDict({"a": nn.ReLU()})
    named.update([("b", nn.Tanh())])
    assert list(named) == ["a", "b"] and type(named.pop("a")) is nn.ReLU and "a" not in named


def test_parameter_containers_wrap_tensors():
    row = nn.ParameterList([ondol.zeros(2), 3])
    assert isinstance(row[0], nn.Parameter) and row[1] == 3 and len(list(row.parameters())) == 1
    table = nn.ParameterDict({"a": ondol.zeros(2)}) | nn.ParameterDict({"b": ondol.ones(1)})
    assert [name for name, _ in table.named_parameters()] == ["a", "b"]
    assert repr(nn.ParameterList([ondol.zeros(2, 3)])) == (
        "ParameterList(  (0): Parameter containing: [torch.float32 of size 2x3])"
    )


def test_pooling_and_its_way_back():
    x = ondol.tensor([[[[1.0, 5.0], [2.0, 3.0]]]])
    pooled, where = nn.MaxPool2d(2, return_indices=True)(x)
    assert pooled.item() == 5.0 and where.item() == 1
    assert nn.MaxUnpool2d(2)(pooled, where).flatten().tolist() == [0.0, 5.0, 0.0, 0.0]


def test_max_unpool_refuses_an_index_outside():
    with pytest.raises(RuntimeError, match="invalid max index: 9"):
        F.max_unpool2d(ondol.ones(1, 1, 1, 1), ondol.full((1, 1, 1, 1), 9), 2)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("reflect", [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]),
        ("replicate", [1.0, 1.0, 1.0, 2.0, 3.0, 3.0]),
        ("circular", [2.0, 3.0, 1.0, 2.0, 3.0, 1.0]),
        ("constant", [0.0, 0.0, 1.0, 2.0, 3.0, 0.0]),
    ],
)
def test_padding_modes(mode, expected):
    assert F.pad(ondol.tensor([[1.0, 2.0, 3.0]]), (2, 1), mode=mode)[0].tolist() == expected


def test_unfold_and_fold_count_how_often_a_pixel_is_covered():
    ones = ondol.ones(1, 1, 3, 3)
    assert F.fold(F.unfold(ones, 2), 3, 2).flatten().tolist() == [1, 2, 1, 2, 4, 2, 1, 2, 1]


def test_pixel_unshuffle_undoes_pixel_shuffle():
    x = ondol.randn(2, 8, 3, 3)
    assert (F.pixel_unshuffle(F.pixel_shuffle(x, 2), 2) == x).all()


def test_bilinear_interpolation_of_two_pixels():
    out = F.interpolate(ondol.tensor([[[0.0, 1.0]]]), scale_factor=2, mode="linear")
    assert out.flatten().tolist() == [0.0, 0.25, 0.75, 1.0]


def test_grid_sample_at_the_identity_gives_the_image():
    image = ondol.randn(1, 2, 3, 4)
    theta = ondol.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    grid = F.affine_grid(theta, image.shape, align_corners=False)
    np.testing.assert_allclose(F.grid_sample(image, grid, align_corners=False).numpy(), image.numpy(), atol=1e-5)


def test_a_single_pooling_window_may_have_any_stride():
    x = ondol.arange(25.0).view(1, 5, 5)
    assert F.max_pool2d(x, 3, 2**31 - 1).item() == 12 and F.avg_pool2d(x, 3, 2**31 - 1).item() == 6


def test_a_padding_mask_of_another_shape_is_refused():
    attention, x = nn.MultiheadAttention(4, 2, batch_first=True), ondol.randn(3, 5, 4)
    with pytest.raises(AssertionError, match=r"key_padded_mask.shape\[0\] to be 3, but got 5.*\[5, 3\].*\[3, 5\]"):
        attention(x, x, x, key_padding_mask=ondol.zeros(5, 3, dtype=ondol.bool))
    with pytest.raises(AssertionError, match=r"key_padded_mask.shape\[0\] to be 5, but got 3"):
        attention(x[0], x[0], x[0], key_padding_mask=ondol.zeros(3, dtype=ondol.bool))


def test_the_state_of_a_recurrent_layer_of_another_size_is_refused():
    with pytest.raises(
        RuntimeError, match=r"Expected hidden size \(2, 3, 16\), got \[1, 3, 16\].*2 directions, batch 3"
    ):
        nn.GRU(8, 16, bidirectional=True)(ondol.zeros(2, 3, 8), ondol.zeros(1, 3, 16))


@pytest.mark.parametrize("ratio", [0.0, 1.0, float("inf"), float("nan")])
def test_a_fractional_pool_refuses_ratios_outside_of_0_and_1(ratio):
    with pytest.raises(ValueError, match="between 0 and 1"):
        nn.functional.fractional_max_pool2d(ondol.ones(1, 1, 5, 5), 2, output_ratio=ratio)
