"""GradScaler: the factor, its growth and fall, and steps that are left out."""

from __future__ import annotations

import copy
import pickle

import pytest

import ondol
from ondol.amp import GradScaler


@pytest.fixture
def parameter():
    return ondol.nn.Parameter(ondol.tensor([1.0, 2.0]))


@pytest.fixture
def optimizer(parameter):
    return ondol.optim.SGD([parameter], lr=1.0)


def run(scaler, optimizer, parameter, gradient=1.0):
    optimizer.zero_grad()
    scaler.scale((parameter * gradient).sum()).backward()
    scaler.step(optimizer)
    scaler.update()


def test_losses_are_scaled_in_containers_too():
    scaler, one = GradScaler("cpu", init_scale=8.0), ondol.tensor(1.0)
    assert scaler.scale(one).item() == 8.0
    assert [x.item() for x in scaler.scale([one, one])] == [8.0, 8.0]
    assert isinstance(scaler.scale((one,)), tuple)
    assert [x.item() for x in scaler.scale(iter([one]))] == [8.0]
    with pytest.raises(ValueError):
        scaler.scale(3)


def test_a_step_takes_the_factor_out(parameter, optimizer):
    run(GradScaler("cpu"), optimizer, parameter)
    assert parameter.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("gradient", [float("inf"), float("nan"), -float("inf")])
def test_a_step_with_overflow_is_left_out_and_the_factor_falls(parameter, optimizer, gradient):
    scaler = GradScaler("cpu", init_scale=8.0, backoff_factor=0.25)
    run(scaler, optimizer, parameter, gradient)
    assert parameter.tolist() == [1.0, 2.0] and scaler.get_scale() == 2.0
    run(scaler, optimizer, parameter)
    assert parameter.tolist() == [0.0, 1.0] and scaler.get_scale() == 2.0


def test_the_factor_rises_after_an_interval_without_overflow(parameter, optimizer):
    scaler = GradScaler("cpu", init_scale=2.0, growth_factor=4.0, growth_interval=2)
    scales = []
    for gradient in (1.0, 1.0, 1.0, float("inf"), 1.0, 1.0):
        run(scaler, optimizer, parameter, gradient)
        scales.append(scaler.get_scale())
    assert scales == [2.0, 8.0, 8.0, 4.0, 4.0, 16.0]


def test_the_factor_does_not_rise_beyond_float32(parameter, optimizer):
    scaler = GradScaler("cpu", init_scale=2.0**127, growth_interval=1)
    run(scaler, optimizer, parameter, 2.0**-126)
    assert scaler.get_scale() == 2.0**127


def test_gradients_can_be_clipped_between(parameter, optimizer):
    scaler = GradScaler("cpu")
    scaler.scale((parameter * ondol.tensor([3.0, 4.0])).sum()).backward()
    scaler.unscale_(optimizer)
    assert ondol.nn.utils.clip_grad_norm_([parameter], 1.0).item() == pytest.approx(5.0)
    scaler.step(optimizer)
    ondol.testing.assert_close(parameter.detach(), ondol.tensor([1.0 - 0.6, 2.0 - 0.8]))


def test_one_overflow_counts_for_all_optimizers():
    first, second = (ondol.nn.Parameter(ondol.ones(1)) for _ in range(2))
    optimizers = [ondol.optim.SGD([p], lr=1.0) for p in (first, second)]
    scaler = GradScaler("cpu", init_scale=4.0)
    scaler.scale(first.sum() + (second * float("inf")).sum()).backward()
    for optimizer in optimizers:
        scaler.step(optimizer)
    scaler.update()
    assert (first.item(), second.item(), scaler.get_scale()) == (0.0, 1.0, 2.0)


def test_the_result_of_a_step_is_passed_on(parameter):
    class Told(ondol.optim.SGD):
        def step(self, how):
            return how

    scaler = GradScaler("cpu")
    scaler.scale(parameter.sum()).backward()
    assert scaler.step(Told([parameter], lr=1.0), how="so") == "so"


def test_an_optimizer_that_scales_itself_gets_factor_and_finding(parameter):
    class Scaling(ondol.optim.SGD):
        _step_supports_amp_scaling = True

        def step(self):
            return self.grad_scale.item(), self.found_inf.item(), parameter.grad.tolist()

    scaler, optimizer = GradScaler("cpu", init_scale=4.0), Scaling([parameter], lr=1.0)
    scaler.scale(parameter.sum()).backward()
    assert scaler.step(optimizer) == (4.0, 0.0, [4.0, 4.0])
    assert not hasattr(optimizer, "found_inf")


def test_calls_in_the_wrong_order_are_refused(parameter, optimizer):
    scaler = GradScaler("cpu")
    for call in (lambda: scaler.unscale_(optimizer), lambda: scaler.step(optimizer), scaler.update):
        with pytest.raises(AssertionError, match="_scale is None"):
            call()
    scaler.scale(parameter.sum()).backward()
    with pytest.raises(AssertionError, match="No inf checks"):
        scaler.update()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="after step"):
        scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="Closure"):
        scaler.step(optimizer, closure=lambda: None)


def test_an_optimizer_without_gradients_is_refused(parameter, optimizer):
    scaler = GradScaler("cpu")
    scaler.scale(parameter.sum())
    with pytest.raises(AssertionError, match="No inf checks"):
        scaler.step(optimizer)


def test_gradients_in_float16_are_refused():
    half = ondol.nn.Parameter(ondol.ones(1, dtype=ondol.float16))
    scaler = GradScaler("cpu", init_scale=2.0)
    scaler.scale(half.sum()).backward()
    with pytest.raises(ValueError, match="FP16"):
        scaler.unscale_(ondol.optim.SGD([half], lr=1.0))
    assert half.grad.item() == 2.0


def test_factors_that_do_not_grow_or_fall_are_refused():
    with pytest.raises(AssertionError):
        GradScaler("cpu", growth_factor=1.0)
    with pytest.raises(AssertionError):
        GradScaler("cpu", backoff_factor=1.0)


def test_a_new_factor_can_be_set(parameter):
    scaler = GradScaler("cpu")
    scaler.scale(parameter.sum())
    scaler.update(3.0)
    assert scaler.get_scale() == 3.0
    scaler.update(ondol.tensor([5.0]))
    assert scaler.get_scale() == 5.0
    for wrong in ("2", ondol.ones(2), ondol.ones(1, requires_grad=True)):
        with pytest.raises(AssertionError):
            scaler.update(wrong)
    assert scaler.get_scale() == 5.0


def test_a_scaler_that_is_off_does_nothing(parameter, optimizer):
    scaler = GradScaler("cpu", enabled=False)
    run(scaler, optimizer, parameter)
    scaler.unscale_(optimizer)
    assert parameter.tolist() == [0.0, 1.0]
    assert (scaler.is_enabled(), scaler.get_scale(), scaler.state_dict()) == (False, 1.0, {})
    scaler.load_state_dict({})


def test_cuda_gives_a_scaler_that_is_off():
    with pytest.warns(UserWarning, match="CUDA"):
        assert not GradScaler().is_enabled()


def test_the_state_is_saved_and_loaded(parameter, optimizer):
    scaler = GradScaler("cpu", init_scale=4.0, growth_factor=3.0, backoff_factor=0.25, growth_interval=7)
    run(scaler, optimizer, parameter)
    state = scaler.state_dict()
    assert state == {
        "scale": 4.0, "growth_factor": 3.0, "backoff_factor": 0.25, "growth_interval": 7, "_growth_tracker": 1
    }  # fmt: skip
    for other in (GradScaler("cpu"), scaler):
        other.load_state_dict({**state, "scale": 16.0})
        assert other.state_dict() == {**state, "scale": 16.0}
    with pytest.raises(RuntimeError, match="empty"):
        scaler.load_state_dict({})
    with pytest.raises(KeyError):
        scaler.load_state_dict({"scale": 1.0})
    assert scaler.get_scale() == 16.0


def test_a_scaler_is_pickled_between_iterations(parameter, optimizer):
    scaler = GradScaler("cpu", init_scale=4.0)
    run(scaler, optimizer, parameter)
    assert pickle.loads(pickle.dumps(scaler)).state_dict() == scaler.state_dict()
    assert copy.deepcopy(scaler).get_scale() == 4.0
    scaler.scale(parameter.sum()).backward()
    scaler.unscale_(optimizer)
    with pytest.raises(AssertionError, match="between iterations"):
        pickle.dumps(scaler)


def test_settings_can_be_changed():
    scaler = GradScaler("cpu")
    scaler.set_growth_factor(3.0)
    scaler.set_backoff_factor(0.1)
    scaler.set_growth_interval(5)
    assert (scaler.get_growth_factor(), scaler.get_backoff_factor(), scaler.get_growth_interval()) == (3.0, 0.1, 5)


def test_small_gradients_survive_float16():
    layer = ondol.nn.Linear(1, 1, bias=False)
    x = ondol.full((1, 1), 1e-4)
    for scale, lost in ((1.0, True), (2.0**16, False)):
        layer.zero_grad()
        scaler = GradScaler("cpu", init_scale=scale)
        with ondol.autocast("cpu", ondol.float16):
            loss = layer(x).sum() * 1e-5
        scaler.scale(loss).backward()
        assert (layer.weight.grad.item() == 0) is lost
