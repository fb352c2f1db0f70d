"""Activations that are recorded in place: they overwrite their input, and their derivative knows it all the same."""

import pytest

import ondol
from ondol.nn import functional as F

VALUES = [-2.0, -1.0, 0.0, 0.1, 0.5, 1.0, 5.9, 6.0, 7.0, ondol.inf]
ACTIVATIONS = [F.relu, F.relu6, lambda x, inplace: F.hardtanh(x, -1.5, 0.1, inplace)]
each_activation = pytest.mark.parametrize("activation", ACTIVATIONS, ids=["relu", "relu6", "hardtanh"])
each_dtype = pytest.mark.parametrize("dtype", [ondol.float32, ondol.float64, ondol.float16, ondol.bfloat16])


def gradient(function, dtype):
    x = ondol.tensor(VALUES, dtype=dtype, requires_grad=True)
    y = function(x * 1)
    weights = ondol.arange(1, len(VALUES) + 1, dtype=dtype)
    (g,) = ondol.autograd.grad(y, x, weights[: y.numel()])
    return y.detach(), g


@each_dtype
@each_activation
def test_value_and_gradient_are_those_of_the_plain_form(activation, dtype):
    (y, g), (wanted, wanted_g) = (gradient(lambda x, i=i: activation(x, inplace=i), dtype) for i in (True, False))
    assert ondol.equal(y, wanted)
    assert ondol.equal(g, wanted_g)


@each_activation
def test_the_memory_is_that_of_the_input(activation):
    h = ondol.tensor(VALUES, requires_grad=True) * 1
    place, version = h.data_ptr(), h._version
    assert activation(h, inplace=True) is h
    assert h.data_ptr() == place
    assert h._version == version + 1


@each_activation
def test_a_window_of_a_tensor(activation):
    def in_place(x):
        activation(x[2:7], inplace=True)
        return x

    def plain(x):
        return ondol.cat([x[:2], activation(x[2:7], inplace=False), x[7:]])

    for result, wanted in zip(gradient(in_place, ondol.float32), gradient(plain, ondol.float32)):
        assert ondol.equal(result, wanted)


@each_activation
def test_second_derivatives(activation):
    def second(inplace):
        x = ondol.tensor(VALUES[:-1], requires_grad=True)
        y = activation(x * 1, inplace=inplace)
        (g,) = ondol.autograd.grad((y * y * y).sum(), x, create_graph=True)
        return ondol.autograd.grad(g.sum(), x)[0]

    assert ondol.equal(second(True), second(False))


@pytest.mark.parametrize("activation", ACTIVATIONS[1:], ids=["relu6", "hardtanh"])
def test_a_limited_result_may_change_in_turn(activation):
    x = ondol.tensor(VALUES, requires_grad=True)
    y = activation(x * 1, inplace=True)
    y += 1
    (g,) = ondol.autograd.grad(y.sum(), x)
    (wanted,) = ondol.autograd.grad(activation(x, inplace=False).sum(), x)
    assert ondol.equal(g, wanted)


def test_the_derivative_of_relu_needs_its_result():
    x = ondol.tensor(VALUES, requires_grad=True)
    y = F.relu(x * 1, inplace=True)
    y += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_what_needs_the_input_as_it_was_says_so():
    x = ondol.tensor(VALUES, requires_grad=True)
    y = F.relu(x.exp(), inplace=True)  # the derivative of exp is its result
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_nan_lets_the_gradient_through():
    for inplace in (False, True):
        x = ondol.tensor([ondol.nan, 1.0, 9.0], requires_grad=True)
        assert ondol.autograd.grad(F.relu6(x * 1, inplace).sum(), x)[0].tolist() == [1, 1, 0]


@pytest.mark.parametrize("limits", [(ondol.nan, 1.0), (-1.0, ondol.nan)])
def test_a_limit_of_nan_makes_everything_nan(limits):
    assert F.hardtanh(ondol.arange(40.0), *limits).isnan().all()
