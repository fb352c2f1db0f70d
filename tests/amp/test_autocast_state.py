"""Settings, refusals, older names, and custom functions under autocast."""

from __future__ import annotations

import pytest

import ondol
import ondol.cpu.amp
import ondol.cuda.amp

BF16, F32 = ondol.bfloat16, ondol.float32


def test_a_device_type_is_text():
    with pytest.raises(ValueError, match="device_type"):
        ondol.autocast(ondol.device("cpu"))


@pytest.mark.parametrize("name", ["meta", "toaster"])
def test_a_device_that_autocast_does_not_know_is_refused(name):
    with pytest.raises(RuntimeError):
        ondol.autocast(name)


def test_cuda_is_switched_off_with_a_warning():
    with pytest.warns(UserWarning, match="CUDA is not available"):
        context = ondol.autocast("cuda")
    with context:
        assert not ondol.is_autocast_enabled("cuda") and not ondol.is_autocast_enabled("cpu")


@pytest.mark.parametrize("dtype", [ondol.float64, ondol.float32, "bfloat16"])
def test_another_dtype_is_switched_off_with_a_warning(dtype):
    with pytest.warns(UserWarning, match="not supported"):
        context = ondol.autocast("cpu", dtype)
    with context:
        assert not ondol.is_autocast_enabled("cpu")
    assert ondol.get_autocast_dtype("cpu") is BF16


def test_only_functions_are_decorated():
    with pytest.raises(TypeError, match="requires a callable"):
        ondol.autocast("cpu")(3)


def test_settings_without_a_context():
    x = ondol.ones(2, 2)
    ondol.set_autocast_enabled("cpu", True)
    ondol.set_autocast_dtype("cpu", ondol.float16)
    try:
        assert (x @ x).dtype == ondol.float16
    finally:
        ondol.set_autocast_enabled("cpu", False)
        ondol.set_autocast_dtype("cpu", BF16)
    assert (x @ x).dtype == F32


def test_without_a_device_type_cuda_is_meant():
    ondol.set_autocast_enabled(True)
    try:
        assert ondol.is_autocast_enabled() and ondol.is_autocast_enabled("cuda")
        assert not ondol.is_autocast_enabled("cpu")
    finally:
        ondol.set_autocast_enabled(False)


def test_a_setting_of_the_wrong_type_changes_nothing():
    with pytest.raises(TypeError):
        ondol.set_autocast_enabled("cpu", 1)
    with pytest.raises(TypeError):
        ondol.set_autocast_dtype("cpu", "bfloat16")
    assert not ondol.is_autocast_enabled("cpu") and ondol.get_autocast_dtype("cpu") is BF16


def test_older_names_warn_and_work():
    with pytest.warns(DeprecationWarning):
        assert not ondol.is_autocast_cpu_enabled()
    with pytest.warns(DeprecationWarning):
        assert ondol.get_autocast_cpu_dtype() is BF16
    with pytest.warns(FutureWarning), ondol.cpu.amp.autocast():
        assert ondol.is_autocast_enabled("cpu")
    with pytest.warns(FutureWarning):
        assert ondol.cpu.amp.GradScaler().is_enabled()
    with pytest.warns(FutureWarning), pytest.warns(UserWarning, match="CUDA"):
        assert not ondol.cuda.amp.GradScaler().is_enabled()


class Doubled(ondol.autograd.Function):
    @staticmethod
    @ondol.amp.custom_fwd(device_type="cpu")
    def forward(ctx, x):
        ctx.x = x
        return x @ x

    @staticmethod
    @ondol.amp.custom_bwd(device_type="cpu")
    def backward(ctx, gradient):
        Doubled.seen = ondol.is_autocast_enabled("cpu"), ondol.get_autocast_dtype("cpu")
        return gradient.float()


def test_backward_of_a_custom_function_is_in_the_context_of_forward():
    x = ondol.ones(2, 2, requires_grad=True)
    with ondol.autocast("cpu", ondol.float16):
        y = Doubled.apply(x)
    y.sum().backward()
    assert y.dtype == ondol.float16 and Doubled.seen == (True, ondol.float16)
    y = Doubled.apply(x)
    with ondol.autocast("cpu"):
        y.sum().backward()
    assert Doubled.seen[0] is False


def test_inputs_of_a_custom_function_are_converted_only_under_autocast():
    seen = []

    class Wide(ondol.autograd.Function):
        @staticmethod
        @ondol.amp.custom_fwd(device_type="cpu", cast_inputs=F32)
        def forward(ctx, tensors, count):
            seen.append((tensors["x"].dtype, tensors["n"].dtype, ondol.is_autocast_enabled("cpu")))
            return tensors["x"] * count

    tensors = {"x": ondol.ones(1, dtype=BF16), "n": ondol.ones(1, dtype=ondol.int64)}
    with ondol.autocast("cpu"):
        Wide.apply(tensors, 2)
    Wide.apply(tensors, 2)
    assert seen == [(F32, ondol.int64, False), (BF16, ondol.int64, False)]


def test_decorators_of_custom_functions_want_a_device_type_as_text():
    with pytest.raises(ValueError):
        ondol.amp.custom_fwd(device_type=3)
    with pytest.raises(ValueError):
        ondol.amp.custom_bwd(device_type=3)
