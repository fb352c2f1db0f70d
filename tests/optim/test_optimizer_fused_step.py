"""The native step of a whole group gives what `update` gives for each parameter."""

import numpy as np
import pytest

import ondol

SHAPES = [(5,), (3, 4), (), (2, 3, 4), (0,), (1000,)]

CONFIGURATIONS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.2, "weight_decay": 0.05}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "amsgrad": True, "weight_decay": 0.1, "maximize": True}),
    ("AdamW", {"lr": 0.01}),
    ("AdamW", {"lr": 0.01, "amsgrad": True, "betas": (0.5, 0.9)}),
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "centered": True, "momentum": 0.9, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.01, "maximize": True, "centered": True}),
]


def trained(name, options, dtype, fused, strided=False, kept_in=None):
    """Parameters and optimizer after a few steps in `dtype`; between the steps all numbers are rounded to `kept_in`."""
    numbers = np.random.default_rng(0)
    kept_in = kept_in or dtype
    params = []
    for shape in SHAPES:
        p = ondol.tensor(numbers.normal(size=shape)).to(kept_in).to(dtype)
        if strided and p.dim() == 2:
            p = p.t()
        params.append(p.requires_grad_())
    optimizer = getattr(ondol.optim, name)(params, **options)
    for group in optimizer.param_groups:
        group["fused"] = fused
    for step in range(5):
        for index, p in enumerate(params):
            # One parameter has no gradient at times, so that the steps of the parameters differ.
            g = ondol.tensor(numbers.normal(size=tuple(p.shape))).to(kept_in).to(dtype)
            p.grad = None if index == step else g
        optimizer.step()
        if kept_in != dtype:
            round_to(kept_in, params, optimizer)
    return params, optimizer


def round_to(dtype, params, optimizer):
    with ondol.no_grad():
        for p in params:
            state = [value for key, value in optimizer.state.get(p, {}).items() if key != "step"]
            for tensor in [p, *state]:
                tensor.copy_(tensor.to(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("strided", [False, True])
@pytest.mark.parametrize(("name", "options"), CONFIGURATIONS)
def test_the_native_step_agrees_with_the_formula(name, options, dtype, strided):
    dtype = getattr(ondol, dtype)
    tolerance = 1e-5 if dtype == ondol.float32 else 1e-12
    wanted, reference = trained(name, options, dtype, fused=False, strided=strided)
    got, optimizer = trained(name, options, dtype, fused=None, strided=strided)
    for a, b in zip(got, wanted):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance)
        state = optimizer.state[a]
        assert list(state) == list(reference.state[b])
        for key, value in reference.state[b].items():
            np.testing.assert_allclose(state[key].numpy(), value.numpy(), rtol=tolerance, atol=tolerance, err_msg=key)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize(("name", "options"), CONFIGURATIONS)
def test_half_precision_is_computed_in_float32(name, options, dtype):
    """Only what is kept between the steps is rounded, as in PyTorch's fused steps.

    The formula in float16 itself, PyTorch's loop, is no measure: there eps = 1e-8 and the squares of small gradients
    are 0, and it divides by them.
    """
    dtype = getattr(ondol, dtype)
    wanted, reference = trained(name, options, ondol.float32, fused=False, kept_in=dtype)
    got, optimizer = trained(name, options, dtype, fused=None)
    # Float32 differs in its last digits; where that decides how a number is rounded, it is one unit of the half off,
    # and stays so if later steps make the number small.
    rounding = {"rtol": 2 * ondol.finfo(dtype).eps, "atol": 2 * ondol.finfo(dtype).eps}
    for a, b in zip(got, wanted):
        assert a.dtype == dtype
        np.testing.assert_allclose(a.detach().float().numpy(), b.detach().numpy(), **rounding)
        for key, value in reference.state[b].items():
            state = optimizer.state[a][key]
            np.testing.assert_allclose(state.float().numpy(), value.numpy(), **rounding, err_msg=key)


@pytest.mark.parametrize(("name", "options"), CONFIGURATIONS)
def test_a_step_raises_the_version_of_the_parameter(name, options):
    p = ondol.ones(3, requires_grad=True)
    p.grad = ondol.ones(3)
    before = p._version
    getattr(ondol.optim, name)([p], **options).step()
    assert p._version > before


def test_a_group_of_several_dtypes_is_updated_all_the_same():
    params = [ondol.ones(2, dtype=dtype, requires_grad=True) for dtype in (ondol.float32, ondol.float64)]
    for p in params:
        p.grad = ondol.ones_like(p)
    ondol.optim.SGD(params, lr=0.5).step()
    assert [p.tolist() for p in params] == [[0.5, 0.5], [0.5, 0.5]]


def test_a_state_that_someone_replaced_is_the_one_that_is_used():
    p = ondol.ones(2, requires_grad=True)
    p.grad = ondol.ones(2)
    optimizer = ondol.optim.SGD([p], lr=1.0, momentum=0.5)
    optimizer.step()
    optimizer.state[p]["momentum_buffer"] = ondol.zeros(2)
    optimizer.step()
    assert p.tolist() == [-1.0, -1.0]
