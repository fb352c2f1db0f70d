"""The context: what it changes, for how long, and how its conversions are differentiated."""

from __future__ import annotations

import threading

import pytest

import ondol
import ondol.nn.functional as F
from ondol import nn
from ondol._native import _autocast as state

BF16, F32 = ondol.bfloat16, ondol.float32


@pytest.fixture
def layer():
    ondol.manual_seed(0)
    return nn.Linear(3, 2)


def test_a_context_ends_and_leaves_what_was_before():
    x = ondol.ones(2, 2)
    with ondol.autocast("cpu", ondol.float16, cache_enabled=False):
        assert ondol.is_autocast_enabled("cpu") and ondol.get_autocast_dtype("cpu") is ondol.float16
        assert not ondol.is_autocast_cache_enabled()
        assert (x @ x).dtype == ondol.float16
    assert not ondol.is_autocast_enabled("cpu") and ondol.get_autocast_dtype("cpu") is BF16
    assert ondol.is_autocast_cache_enabled()
    assert (x @ x).dtype == F32


def test_a_context_ends_with_an_error():
    with pytest.raises(KeyError), ondol.autocast("cpu"):
        raise KeyError
    assert not ondol.is_autocast_enabled("cpu")


def test_contexts_nest():
    x = ondol.ones(2, 2)
    with ondol.autocast("cpu"):
        with ondol.autocast("cpu", enabled=False):
            assert (x @ x).dtype == F32
            with ondol.autocast("cpu", ondol.float16):
                assert (x @ x).dtype == ondol.float16
        assert (x @ x).dtype == BF16


def test_one_context_can_be_entered_again():
    context, x = ondol.autocast("cpu"), ondol.ones(2, 2)
    for _ in range(2):
        with context:
            assert (x @ x).dtype == BF16
    assert (x @ x).dtype == F32


def test_a_decorated_function_runs_in_the_context():
    @ondol.autocast("cpu")
    def product(x):
        """Its own words."""
        return x @ x

    assert product(ondol.ones(2, 2)).dtype == BF16
    assert product.__doc__ == "Its own words."
    assert not ondol.is_autocast_enabled("cpu")


def test_another_thread_is_not_in_the_context():
    found = []
    with ondol.autocast("cpu"):
        thread = threading.Thread(target=lambda: found.append(ondol.is_autocast_enabled("cpu")))
        thread.start()
        thread.join()
    assert found == [False]


@pytest.mark.parametrize("dtype", [ondol.float64, ondol.complex64, ondol.int64])
def test_other_dtypes_are_left_alone(dtype):
    x = ondol.ones(2, 2, dtype=dtype)
    with ondol.autocast("cpu"):
        assert (x @ x).dtype == dtype


def test_out_and_operations_in_place_convert_nothing():
    x = ondol.ones(2, 2)
    with ondol.autocast("cpu"):
        assert ondol.mm(x, x, out=ondol.empty(2, 2)).dtype == F32
        assert ondol.zeros(2, 2).addmm_(x, x).dtype == F32
        with pytest.raises(RuntimeError):
            ondol.zeros(2, 2).addmm_(x.to(BF16), x)


def test_weights_and_their_gradients_stay_in_float32(layer):
    with ondol.autocast("cpu"):
        y = layer(ondol.ones(4, 3))
        assert y.dtype == BF16
        loss = F.mse_loss(y, ondol.zeros(4, 2))
    loss.backward()
    assert loss.dtype == layer.weight.dtype == layer.weight.grad.dtype == layer.bias.grad.dtype == F32


def test_a_gradient_is_that_of_converted_numbers(layer):
    x = ondol.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    with ondol.autocast("cpu"):
        layer(x).sum().backward()
    rounded = layer.weight.detach().to(BF16).float().sum(0)
    ondol.testing.assert_close(x.grad[0], rounded.to(BF16).float(), rtol=0.01, atol=0.01)
    ondol.testing.assert_close(layer.weight.grad, ondol.tensor([[1.0, 2.0, 3.0]] * 2))


def test_backward_may_be_called_inside(layer):
    with ondol.autocast("cpu"):
        for _ in range(2):
            layer(ondol.ones(1, 3)).sum().backward()
    ondol.testing.assert_close(layer.bias.grad, ondol.full((2,), 2.0))


def test_a_weight_is_converted_once_for_all_uses(layer):
    with ondol.autocast("cpu"):
        layer(ondol.ones(1, 3))
        layer(ondol.ones(1, 3))
        assert state.kept_weights() == 2
        with ondol.autocast("cpu"):
            layer(ondol.ones(1, 3))
        assert state.kept_weights() == 2
    assert state.kept_weights() == 0


def test_weights_are_not_kept_if_not_wanted(layer):
    with ondol.autocast("cpu", cache_enabled=False):
        layer(ondol.ones(1, 3))
        assert state.kept_weights() == 0


def test_a_weight_that_changes_is_converted_again(layer):
    with ondol.autocast("cpu"):
        layer(ondol.ones(1, 3))
        with ondol.no_grad():
            layer.weight.fill_(1.0)
            layer.bias.zero_()
        assert layer(ondol.ones(1, 3)).tolist() == [[3.0, 3.0]]


def test_a_weight_that_was_used_under_no_grad_is_still_differentiated(layer):
    with ondol.autocast("cpu"):
        with ondol.no_grad():
            assert not layer(ondol.ones(1, 3)).requires_grad
        layer(ondol.ones(1, 3)).sum().backward()
    assert layer.weight.grad is not None


def test_a_checkpointed_part_runs_again_as_it_ran(layer):
    seen = []

    def part(x):
        seen.append(ondol.is_autocast_enabled("cpu"))
        return layer(x)

    x = ondol.ones(1, 3, requires_grad=True)
    with ondol.autocast("cpu"):
        inside = ondol.utils.checkpoint.checkpoint(part, x, use_reentrant=False)
    inside.sum().backward()
    outside = ondol.utils.checkpoint.checkpoint(part, x, use_reentrant=False)
    with ondol.autocast("cpu"):
        outside.sum().backward()
    assert seen == [True, True, False, False]
    assert inside.dtype == BF16 and outside.dtype == F32


def test_examples_of_vmap_are_converted():
    x, classes = ondol.randn(4, 2, 3), ondol.zeros(4, 2, dtype=ondol.int64)
    with ondol.autocast("cpu"):
        assert ondol.vmap(lambda a: a @ a.mT)(x).dtype == BF16
        assert ondol.vmap(F.cross_entropy)(x.to(BF16), classes).dtype == F32
        assert ondol.vmap(lambda a: ondol.linalg.inv(a @ a.mT + ondol.eye(2)))(x).dtype == F32


def test_a_mode_of_overrides_sees_the_call_before_it_is_converted():
    seen = []

    class Watch(ondol.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            if func.__name__ == "mm":
                seen.append(args[0].dtype)
            return func(*args, **(kwargs or {}))

    x = ondol.ones(2, 2)
    with ondol.autocast("cpu"), Watch():
        assert ondol.mm(x, x).dtype == BF16
    assert seen == [F32]


@pytest.mark.parametrize("build", [
    lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2)),
    lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.GELU(), nn.MaxPool2d(2)),
])  # fmt: skip
def test_a_convolutional_network_gives_lower_precision(build):
    model = build()
    with ondol.autocast("cpu"):
        y = model(ondol.randn(2, 3, 8, 8))
        F.mse_loss(y, ondol.zeros_like(y)).backward()
    assert y.dtype == BF16
    assert all(p.grad is not None and p.grad.dtype == F32 for p in model.parameters())


@pytest.mark.parametrize(("kind", "dtype"), [(nn.LSTM, BF16), (nn.RNN, BF16), (nn.GRU, F32)])
def test_a_recurrent_network_is_differentiated(kind, dtype):
    model = kind(3, 4, num_layers=2, bidirectional=True)
    with ondol.autocast("cpu"):
        y, _ = model(ondol.randn(5, 2, 3))
    y.float().sum().backward()
    assert y.dtype == dtype
    assert all(p.grad.dtype == F32 for p in model.parameters())


def test_a_transformer_is_differentiated():
    model = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
    x = ondol.randn(2, 3, 8)
    with ondol.autocast("cpu"):
        y = model(x, x)
        attended, weights = nn.MultiheadAttention(8, 2, batch_first=True)(x, x, x)
    y.float().sum().backward()
    assert (y.dtype, attended.dtype, weights.dtype) == (F32, BF16, BF16)  # the last layer norm takes a sum in float32
    assert all(p.grad.dtype == F32 for p in model.parameters())


def test_tensors_of_the_other_lower_precision_cannot_be_joined():
    with ondol.autocast("cpu"), pytest.raises(RuntimeError, match="widest"):
        ondol.cat([ondol.ones(1).half(), ondol.ones(1).half()])
