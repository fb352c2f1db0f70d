"""nn.utils, nn.init and what the import loads."""

import subprocess
import sys

import numpy as np
import pytest

import ondol
from ondol import nn
from ondol.nn.utils import parametrizations, parametrize


def test_clip_grad_norm_scales_all_gradients_together():
    a, b = nn.Parameter(ondol.zeros(1)), nn.Parameter(ondol.zeros(1))
    a.grad, b.grad = ondol.tensor([3.0]), ondol.tensor([4.0])
    assert nn.utils.clip_grad_norm_([a, b], 1.0).item() == 5.0
    np.testing.assert_allclose([a.grad.item(), b.grad.item()], [0.6, 0.8], rtol=1e-5)


def test_clip_grad_norm_leaves_infinite_gradients_alone_if_asked():
    a = nn.Parameter(ondol.zeros(1))
    a.grad = ondol.tensor([float("inf")])
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.clip_grad_norm_(a, 1.0, error_if_nonfinite=True)
    assert a.grad.item() == float("inf")


def test_parameters_go_to_a_vector_and_back():
    layer = nn.Linear(2, 1)
    vector = nn.utils.parameters_to_vector(layer.parameters())
    nn.utils.vector_to_parameters(ondol.arange(3.0), layer.parameters())
    assert vector.shape == (3,) and layer.weight.tolist() == [[0.0, 1.0]] and layer.bias.tolist() == [2.0]


def test_a_parametrized_weight_is_computed_and_can_be_removed():
    class Symmetric(nn.Module):
        def forward(self, x):
            return x.triu() + x.triu(1).T

    layer = nn.Linear(3, 3)
    parametrize.register_parametrization(layer, "weight", Symmetric())
    assert type(layer).__name__ == "ParametrizedLinear" and (layer.weight == layer.weight.T).all()
    assert list(layer.state_dict()) == ["bias", "parametrizations.weight.original"]
    layer(ondol.ones(1, 3)).sum().backward()
    assert layer.parametrizations.weight.original.grad is not None
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear and (layer.weight == layer.weight.T).all()


def test_cached_computes_once():
    class Counting(nn.Module):
        calls = 0

        def forward(self, x):
            Counting.calls += 1
            return x

    layer = parametrize.register_parametrization(nn.Linear(1, 1), "weight", Counting())
    Counting.calls = 0
    with parametrize.cached():
        layer.weight, layer.weight  # noqa: B018
    assert Counting.calls == 1


def test_weight_norm_keeps_the_weight():
    layer = nn.Linear(3, 2)
    before = layer.weight.detach().clone()
    parametrizations.weight_norm(layer)
    np.testing.assert_allclose(layer.weight.detach().numpy(), before.numpy(), rtol=1e-5)


def test_spectral_norm_makes_the_largest_singular_value_one():
    layer = parametrizations.spectral_norm(nn.Linear(4, 3), n_power_iterations=50)
    largest = np.linalg.svd(layer.weight.detach().numpy(), compute_uv=False)[0]
    np.testing.assert_allclose(largest, 1.0, atol=1e-3)


def test_functional_call_uses_other_tensors_and_puts_the_own_ones_back():
    layer = nn.Linear(1, 1)
    own = layer.weight
    call = ondol.func.functional_call
    assert call(layer, {"weight": ondol.ones(1, 1), "bias": ondol.ones(1)}, ondol.ones(1, 1)).item() == 2.0
    assert layer.weight is own
    with pytest.raises(RuntimeError, match="Missing key"):
        call(layer, {"weight": ondol.ones(1, 1)}, ondol.ones(1, 1), strict=True)


def test_a_fused_convolution_gives_what_the_two_layers_give():
    conv, norm = nn.Conv2d(2, 3, 1).eval(), nn.BatchNorm2d(3).eval()
    norm.running_mean.uniform_(), norm.running_var.uniform_(1, 2)
    x = ondol.randn(1, 2, 4, 4)
    fused = nn.utils.fuse_conv_bn_eval(conv, norm)
    np.testing.assert_allclose(fused(x).detach().numpy(), norm(conv(x)).detach().numpy(), atol=1e-5)


def test_pad_sequence_on_both_sides():
    rows = [ondol.tensor([1.0, 2.0]), ondol.tensor([3.0])]
    assert nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_side="left").tolist() == [[1.0, 2.0], [0.0, 3.0]]
    with pytest.raises(RuntimeError, match="sorted in decreasing order"):
        nn.utils.rnn.pack_sequence(rows[::-1])


def test_init_fans_and_gains():
    weight = ondol.empty(4, 3, 5)
    assert nn.init._calculate_fan_in_and_fan_out(weight) == (15, 20)
    nn.init.kaiming_uniform_(weight, nonlinearity="relu")
    assert weight.abs().max().item() <= (6 / 15) ** 0.5
    with pytest.raises(ValueError, match="fewer than 2 dimensions"):
        nn.init.xavier_uniform_(ondol.empty(3))


def test_truncated_normal_numbers_stay_inside():
    inside = nn.init.trunc_normal_(ondol.empty(1000), std=1.0, a=-0.5, b=0.5)
    far = nn.init.trunc_normal_(ondol.empty(1000), std=1.0, a=1.5, b=2.0)
    assert inside.min().item() >= -0.5 and inside.max().item() <= 0.5
    assert far.min().item() >= 1.5 and far.max().item() <= 2.0


def test_truncated_normal_numbers_far_beyond_a_tiny_deviation_are_the_nearest_limit():
    with pytest.warns(UserWarning, match="more than 2 std"):
        tiny = nn.init.trunc_normal_(ondol.empty(100), mean=3.0, std=1e-5)
        near = nn.init.trunc_normal_(ondol.empty(100, dtype=ondol.float64), mean=3.0, std=1e-3)
    assert (tiny == 2.0).all()
    vast = nn.init.trunc_normal_(ondol.empty(100, dtype=ondol.float64), mean=-1e308, std=1e308)
    assert vast.abs().max().item() <= 2.0
    assert near.max().item() <= 2.0 and near.min().item() > 2.0 - 1e-4


def test_the_seed_decides_the_weights():
    ondol.manual_seed(3)
    first = nn.Linear(4, 4).weight.detach().clone()
    ondol.manual_seed(3)
    assert (nn.Linear(4, 4).weight == first).all()


def test_importing_nn_loads_no_heavy_modules():
    heavy = (
        "dataclasses inspect multiprocessing queue zipfile tempfile logging unittest asyncio concurrent.futures rich"
    )
    code = (
        "import sys, numpy; before = set(sys.modules); import ondol.nn;"
        f"print(sorted((set(sys.modules) - before) & set('{heavy}'.split())))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_pruning_masks_and_can_be_made_permanent():
    prune = nn.utils.prune
    layer = nn.Linear(4, 2, bias=False)
    layer.weight.data.copy_(ondol.arange(1.0, 9.0).view(2, 4))
    prune.l1_unstructured(layer, "weight", amount=3)
    prune.ln_structured(layer, "weight", amount=1, n=2, dim=0)
    assert layer.weight.tolist() == [[0.0] * 4, [5.0, 6.0, 7.0, 8.0]] and prune.is_pruned(layer)
    assert list(layer.state_dict()) == ["weight_orig", "weight_mask"]
    prune.remove(layer, "weight")
    assert list(layer.state_dict()) == ["weight"] and not prune.is_pruned(layer)
