"""Recurrent layers, computed as one kernel over all steps, against their formulas written out step by step."""

from __future__ import annotations

import pytest

import ondol
from ondol import nn
from ondol.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


def elman(x, h, c, weights):
    return (x + h @ weights["weight_hh"].T + weights["bias_hh"]).tanh(), c


def rectified(x, h, c, weights):
    return (x + h @ weights["weight_hh"].T + weights["bias_hh"]).relu(), c


def gru(x, h, c, weights):
    (xr, xz, xn), (hr, hz, hn) = x.chunk(3, 1), (h @ weights["weight_hh"].T + weights["bias_hh"]).chunk(3, 1)
    reset, update = (xr + hr).sigmoid(), (xz + hz).sigmoid()
    return (1 - update) * (xn + reset * hn).tanh() + update * h, c


def lstm(x, h, c, weights):
    entering, forget, candidate, leaving = (x + h @ weights["weight_hh"].T + weights["bias_hh"]).chunk(4, 1)
    c = forget.sigmoid() * c + entering.sigmoid() * candidate.tanh()
    h = leaving.sigmoid() * c.tanh()
    return (h @ weights["weight_hr"].T if "weight_hr" in weights else h), c


CELLS = {"tanh": elman, "relu": rectified, "GRU": gru, "LSTM": lstm}


def make_layer(kind, features, hidden, **options):
    if kind in ("tanh", "relu"):
        return nn.RNN(features, hidden, nonlinearity=kind, **options)
    return getattr(nn, kind)(features, hidden, **options)


def one_direction(kind, layer, suffix, x, h, c, lengths, reverse):
    """The outputs of all steps of x [steps, batch, features], zero beyond a sequence's end, and the last states."""
    weights = {name.removesuffix(suffix): value for name, value in layer.named_parameters() if name.endswith(suffix)}
    weights.setdefault("bias_hh", ondol.zeros(1, dtype=x.dtype))
    bias = weights.get("bias_ih", ondol.zeros(1, dtype=x.dtype))
    outputs = [None] * len(x)
    for t in reversed(range(len(x))) if reverse else range(len(x)):
        new_h, new_c = CELLS[kind](x[t] @ weights["weight_ih"].T + bias, h, c, weights)
        runs = ondol.tensor([t < length for length in lengths]).unsqueeze(1)
        h, c = ondol.where(runs, new_h, h), ondol.where(runs, new_c, c)
        outputs[t] = ondol.where(runs, new_h, ondol.zeros_like(new_h))
    return ondol.stack(outputs), h, c


def step_by_step(kind, layer, x, h, c, lengths):
    last_h, last_c = [], []
    for i in range(layer.num_layers):
        outputs = []
        for reverse in range(2 if layer.bidirectional else 1):
            at, suffix = len(last_h), f"_l{i}" + "_reverse" * reverse
            output, *last = one_direction(kind, layer, suffix, x, h[at], c[at], lengths, bool(reverse))
            outputs.append(output)
            last_h.append(last[0])
            last_c.append(last[1])
        x = ondol.cat(outputs, 2)
    return x, ondol.stack(last_h), ondol.stack(last_c)


def run_layer(kind, layer, x, h, c, lengths, packed):
    given = pack_padded_sequence(x, lengths) if packed else x
    output, last = layer(given, (h, c) if kind == "LSTM" else h)
    output = pad_packed_sequence(output)[0] if packed else output
    return output, *(last if kind == "LSTM" else (last, c))


def check(kind, features, hidden, steps, batch, lengths=None, dtype=ondol.float64, **options):
    ondol.manual_seed(steps * hidden)
    layer = make_layer(kind, features, hidden, dtype=dtype, **options)
    count = layer.num_layers * (2 if layer.bidirectional else 1)
    x = ondol.randn(steps, batch, features, dtype=dtype, requires_grad=True)
    h = ondol.randn(count, batch, layer.proj_size or hidden, dtype=dtype, requires_grad=True)
    c = ondol.randn(count, batch, hidden, dtype=dtype, requires_grad=True)
    leaves = [x, h, *([c] if kind == "LSTM" else []), *layer.parameters()]

    def gradients(results):
        weights = [ondol.randn(one.shape, generator=ondol.Generator().manual_seed(3), dtype=dtype) for one in results]
        used = [(one, weight) for one, weight in zip(results, weights) if one.requires_grad and one is not c]
        return ondol.autograd.grad([one for one, _ in used], leaves, [weight for _, weight in used])

    results = run_layer(kind, layer, x, h, c, lengths, lengths is not None)
    expected = step_by_step(kind, layer, x, h, c, lengths or [steps] * batch)
    tolerance = {"rtol": 1e-10, "atol": 1e-11} if dtype == ondol.float64 else {"rtol": 2e-4, "atol": 2e-4}
    for one, other in zip(results if kind == "LSTM" else results[:2], expected):
        ondol.testing.assert_close(one, other, **tolerance)
    for one, other in zip(gradients(results), gradients(expected)):
        ondol.testing.assert_close(one, other, **tolerance)


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize(
    ("features", "hidden", "steps", "batch"),
    [(3, 5, 4, 2), (1, 1, 1, 1), (7, 16, 3, 1), (5, 33, 6, 9), (4, 50, 2, 70), (200, 200, 3, 20)],
)
@pytest.mark.parametrize("dtype", [ondol.float32, ondol.float64])
def test_all_sizes_follow_the_formulas(kind, features, hidden, steps, batch, dtype):
    check(kind, features, hidden, steps, batch, dtype=dtype)


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("options", [{"bias": False}, {"num_layers": 3}, {"num_layers": 2, "bidirectional": True}])
def test_stacks_follow_the_formulas(kind, options):
    check(kind, 6, 19, 5, 3, **options)


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("lengths", [[6, 6, 4, 1], [5, 3, 3, 2, 1, 1, 1], [3] * 4, [1]])
def test_packed_sequences_follow_the_formulas(kind, lengths):
    check(kind, 6, 19, lengths[0], len(lengths), lengths=lengths, num_layers=2, bidirectional=True)


@pytest.mark.parametrize("lengths", [None, [4, 4, 3, 1, 1]])
@pytest.mark.parametrize(("hidden", "outputs"), [(19, 7), (40, 33), (70, 64)])
def test_a_projected_lstm_follows_the_formulas(hidden, outputs, lengths):
    check("LSTM", 6, hidden, 4, 5, lengths=lengths, num_layers=2, bidirectional=True, proj_size=outputs)


@pytest.mark.parametrize("kind", CELLS)
def test_a_gradient_of_the_last_state_alone_reaches_every_leaf(kind):
    layer = make_layer(kind, 3, 20, dtype=ondol.float64)
    x = ondol.randn(4, 2, 3, dtype=ondol.float64, requires_grad=True)
    last = layer(x)[1]
    (last[0] if kind == "LSTM" else last).sum().backward()
    assert bool((x.grad != 0).all())
    for parameter in layer.parameters():
        assert bool((parameter.grad != 0).any())


@pytest.mark.parametrize("kind", ["relu", "tanh", "GRU", "LSTM"])
def test_a_nan_in_one_sequence_stays_there(kind):
    layer = make_layer(kind, 3, 17)
    x = ondol.randn(4, 6, 3)
    expected = layer(x)[0]
    x[1, 2] = float("nan")
    output = layer(x)[0]
    assert bool(output[1:, 2].isnan().all())
    others = [0, 1, 3, 4, 5]
    assert ondol.equal(output[:, others], expected[:, others])


@pytest.mark.skipif(ondol._native.cpu_level() == "v2", reason="without FMA the product of the input is OpenBLAS's")
@pytest.mark.parametrize("kind", CELLS)
def test_a_sequence_does_not_depend_on_the_rest_of_its_batch(kind):
    layer = make_layer(kind, 8, 40)
    x = ondol.randn(5, 23, 8)
    whole = layer(x)[0]
    for batch in (2, 7, 16):
        assert ondol.equal(layer(x[:, :batch])[0], whole[:, :batch])


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_a_second_derivative_agrees_with_differences(kind):
    layer = make_layer(kind, 2, 3, dtype=ondol.float64)
    x = ondol.randn(3, 2, 2, dtype=ondol.float64, requires_grad=True)
    assert ondol.autograd.gradgradcheck(lambda x: layer(x)[0], (x,))
