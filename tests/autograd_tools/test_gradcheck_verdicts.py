"""`gradcheck` passes what is right and says what is wrong."""

import pytest

import ondol
from ondol.autograd import gradcheck, gradgradcheck


def real(*shape):
    return ondol.testing.make_tensor(*shape, dtype=ondol.float64, low=-1, high=1, requires_grad=True)


class Wrong(ondol.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.saved_tensors[0] * 2.1


class IgnoresCotangent(ondol.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return ondol.ones_like(gradient)


@pytest.mark.parametrize("check", [gradcheck, gradgradcheck])
def test_right_derivatives_pass(check):
    assert check(lambda x: x.exp() * x, (real(2, 3),))
    assert check(ondol.mm, (real(2, 3), real(3, 2)))
    assert check(lambda x: (x.sum(), x * 2), (real(3),))


def test_complex_functions_pass():
    z = ondol.tensor([1 + 2j, -0.5 + 0.25j], dtype=ondol.complex128, requires_grad=True)
    assert gradcheck(lambda z: z * z, (z,))
    assert gradcheck(lambda z: (z * z.conj()).real, (z,))


def test_a_wrong_derivative_is_shown_with_both_jacobians():
    with pytest.raises(RuntimeError, match=r"mismatch for output 0 with respect to input 0,\nnumerical:tensor"):
        gradcheck(Wrong.apply, (real(2),))


def test_a_wrong_derivative_without_exceptions():
    assert gradcheck(Wrong.apply, (real(2),), raise_exception=False) is False


def test_a_derivative_that_ignores_its_cotangent_is_found():
    with pytest.raises(RuntimeError):
        gradcheck(IgnoresCotangent.apply, (real(2),))


def test_the_inputs_are_left_as_they_were():
    x = real(3)
    before = x.detach().clone()
    gradcheck(ondol.sin, (x,))
    assert ondol.equal(x.detach(), before)


def test_an_input_that_overlaps_itself_is_refused():
    with pytest.raises(RuntimeError, match="stride 0"):
        gradcheck(ondol.exp, (ondol.ones(1, dtype=ondol.float64, requires_grad=True).expand(3),))


def test_inputs_without_gradients_are_refused():
    with pytest.raises(ValueError, match="at least one input tensor to require gradient"):
        gradcheck(ondol.exp, (ondol.ones(2),))


def test_forward_mode_says_that_it_is_not_supported():
    with pytest.raises(NotImplementedError, match="check_forward_ad"):
        gradcheck(ondol.exp, (real(2),), check_forward_ad=True)
