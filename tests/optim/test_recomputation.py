"""Checkpointed parts give the results and derivatives of the same parts without."""

import pytest

import ondol
from ondol.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential

nn = ondol.nn


def network():
    ondol.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 3), nn.Tanh(), nn.Linear(3, 2))


def everything(model, run):
    """The output, all gradients, and what the random generator gives next."""
    x = ondol.linspace(-1, 1, 24).view(6, 4).requires_grad_()
    ondol.manual_seed(3)
    y = run(x)
    y.pow(2).sum().backward()
    gradients = [p.grad.tolist() for p in model.parameters()]
    return y.tolist(), x.grad.tolist(), gradients, ondol.rand(1).tolist()


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_dropout_is_the_same_in_both_runs_and_the_generator_goes_on(use_reentrant):
    model, other = network(), network()
    wanted = everything(model, model)
    assert everything(other, lambda x: checkpoint(other, x, use_reentrant=use_reentrant)) == wanted


@pytest.mark.parametrize("segments", [1, 2, 3])
def test_a_sequence_in_segments(segments):
    model, other = network(), network()
    wanted = everything(model, model)
    assert everything(other, lambda x: checkpoint_sequential(other, segments, x, use_reentrant=False)) == wanted


def test_the_part_runs_again_only_in_backward():
    calls = []

    def part(x):
        calls.append(1)
        return x.exp()

    x = ondol.ones(2, requires_grad=True)
    y = checkpoint(part, x, use_reentrant=False)
    assert len(calls) == 1
    y.sum().backward()
    assert len(calls) == 2


def test_gradients_reach_parameters_that_the_part_captured():
    layer = nn.Linear(2, 2)
    y = checkpoint(lambda x: layer(x), ondol.ones(1, 2), use_reentrant=False)
    gradients = ondol.autograd.grad(y.sum(), [layer.weight, layer.bias])
    assert gradients[0].tolist() == [[1.0, 1.0], [1.0, 1.0]] and gradients[1].tolist() == [1.0, 1.0]


def test_arguments_and_results_may_be_nested_and_named():
    def part(inputs, *, scale):
        return {"product": inputs["a"] * inputs["b"][0] * scale, "count": 2}

    a, b, scale = (ondol.tensor([value], requires_grad=True) for value in (2.0, 3.0, 5.0))
    result = checkpoint(part, {"a": a, "b": [b]}, scale=scale, use_reentrant=False)
    assert result["count"] == 2
    result["product"].backward()
    assert [t.grad.item() for t in (a, b, scale)] == [15.0, 10.0, 6.0]


def test_a_tensor_computed_before_and_captured_gets_its_gradient_once():
    w = ondol.tensor([2.0], requires_grad=True)
    h = w * w
    y = checkpoint(lambda x: x * h, w * 3, use_reentrant=False) + h
    y.backward()
    assert w.grad.item() == 3 * 3 * 4 + 2 * 2


def test_derivatives_of_derivatives():
    x = ondol.tensor([2.0], dtype=ondol.float64, requires_grad=True)
    k = ondol.tensor([3.0], dtype=ondol.float64, requires_grad=True)
    y = checkpoint(lambda x: x**3 * k, x * 1, use_reentrant=False)
    slope_x, slope_k = ondol.autograd.grad(y, [x, k], create_graph=True)
    assert (slope_x.item(), slope_k.item()) == (36.0, 8.0)
    second = ondol.autograd.grad(slope_x, [x, k])
    assert [round(value.item(), 9) for value in second] == [36.0, 12.0]


def test_a_part_that_changes_its_mind_is_an_error_in_backward():
    shapes = iter([2, 3])
    x = ondol.ones(1, requires_grad=True)
    y = checkpoint(lambda x: x.expand(next(shapes)) * 1, x, use_reentrant=False)
    with pytest.raises(CheckpointError, match="not deterministic"):
        y.sum().backward()


def test_nothing_is_checkpointed_without_gradients():
    x = ondol.ones(1, requires_grad=True)
    with ondol.no_grad():
        assert not checkpoint(ondol.exp, x, use_reentrant=False).requires_grad


def test_reentrant_checkpoints_warn_of_inputs_without_gradient():
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True"):
        checkpoint(nn.Linear(1, 1), ondol.ones(1, 1), use_reentrant=True)


def test_leaving_out_use_reentrant_is_warned_of():
    with pytest.warns(UserWarning, match="use_reentrant"):
        checkpoint(ondol.exp, ondol.ones(1, requires_grad=True))


def test_options_that_do_not_go_together_are_refused():
    x = ondol.ones(1, requires_grad=True)
    with pytest.raises(ValueError, match="Unexpected keyword arguments: y"):
        checkpoint(ondol.exp, x, y=1, use_reentrant=True)
    with pytest.raises(ValueError, match="only supported when use_reentrant=False"):
        checkpoint(ondol.exp, x, debug=True, use_reentrant=True)
    with pytest.raises(ValueError, match="determinism_check"):
        checkpoint(ondol.exp, x, determinism_check="strict", use_reentrant=False)


def test_sequence_has_as_many_functions_as_segments():
    with pytest.raises(ValueError, match="3 segments of 2 functions"):
        checkpoint_sequential([ondol.exp, ondol.log], 3, ondol.ones(2), use_reentrant=False)


def test_settings_of_selective_and_early_recomputation():
    from ondol.utils import checkpoint as module

    x = ondol.ones(2, requires_grad=True)
    with module.set_checkpoint_early_stop(False), module.set_checkpoint_debug_enabled(False):
        checkpoint(ondol.exp, x, use_reentrant=False).sum().backward()
    assert x.grad.allclose(x.exp())
    with pytest.raises(NotImplementedError, match="detect_anomaly"), module.set_checkpoint_debug_enabled(True):
        pass
    with pytest.raises(NotImplementedError, match="smaller parts"):
        module.create_selective_checkpoint_contexts([])


def test_detached_variables_require_grad_as_before():
    from ondol.utils.checkpoint import detach_variable

    x = ondol.ones(2, requires_grad=True)
    y, z, number = detach_variable((x * 2, ondol.ones(1), 3))
    assert y.is_leaf and y.requires_grad and not z.requires_grad and number == 3
    with pytest.raises(RuntimeError, match="list"):
        detach_variable([x])
