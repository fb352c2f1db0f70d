"""grad_dtype: the dtype that backward converts the gradient of a leaf to."""

import pytest

import ondol


def leaf():
    return ondol.ones(2, requires_grad=True)


def test_it_is_the_dtype_of_the_tensor():
    assert leaf().grad_dtype == ondol.float32


@pytest.mark.parametrize("late", [False, True])
def test_the_gradient_is_converted(late):
    x = leaf()
    y = x * 2 if late else None
    x.grad_dtype = ondol.float64
    (x * 2 if y is None else y).sum().backward()
    assert x.grad.dtype == ondol.float64 and x.grad.tolist() == [2.0, 2.0]


def test_none_lets_the_gradient_keep_its_own():
    x = leaf()
    x.grad_dtype = None
    assert x.grad_dtype is None
    x.grad = ondol.ones(2, dtype=ondol.float64)
    assert x.grad.dtype == ondol.float64


def test_a_grad_of_another_dtype_is_refused():
    x = leaf()
    x.grad_dtype = ondol.float16
    with pytest.raises(RuntimeError, match="expected float16"):
        x.grad = ondol.ones(2)


def test_only_leaves_have_it():
    with pytest.raises(RuntimeError, match="leaf"):
        _ = (leaf() * 2).grad_dtype
