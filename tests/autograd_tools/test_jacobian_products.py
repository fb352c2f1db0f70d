"""Products with Jacobians and Hessians against their formulas."""

import pytest

import ondol
from ondol.autograd import functional

x = ondol.tensor([1.0, 2.0])
v = ondol.tensor([1.0, -1.0])


def cube_sum(x):
    return (x**3).sum()


def test_vjp_and_jvp_of_an_elementwise_function():
    assert [t.tolist() for t in functional.vjp(lambda x: x**2, x, v)] == [[1, 4], [2, -4]]
    assert [t.tolist() for t in functional.jvp(lambda x: x**2, x, v)] == [[1, 4], [2, -4]]


def test_jacobian_of_two_inputs_and_two_outputs():
    rows = functional.jacobian(lambda a, b: (a * b, b.sum()), (x, v))
    assert [[block.tolist() for block in row] for row in rows] == [
        [[[1, 0], [0, -1]], [[1, 0], [0, 2]]],
        [[0, 0], [1, 1]],
    ]


def test_hessian():
    assert functional.hessian(cube_sum, x).tolist() == [[6, 0], [0, 12]]


def test_hessian_products():
    assert functional.vhp(cube_sum, x, v)[1].tolist() == [6, -12]
    assert functional.hvp(cube_sum, x, v)[1].tolist() == [6, -12]


def test_results_are_detached_unless_asked():
    assert not functional.jacobian(lambda x: x**2, x).requires_grad
    y = x.clone().requires_grad_()
    functional.jacobian(lambda y: y**2, y, create_graph=True).sum().backward()
    assert y.grad.tolist() == [2, 2]


def test_strict_refuses_an_output_that_depends_on_nothing():
    with pytest.raises(RuntimeError, match="does not require gradients"):
        functional.jacobian(lambda x: ondol.ones(2), x, strict=True)
    assert functional.jacobian(lambda x: ondol.ones(2), x).tolist() == [[0, 0], [0, 0]]


def test_a_vector_of_the_wrong_size_is_refused():
    with pytest.raises(RuntimeError, match="v has invalid size"):
        functional.vjp(lambda x: x**2, x, ondol.ones(3))


def test_the_vector_may_be_left_out_for_one_number_only():
    assert functional.vjp(cube_sum, x)[1].tolist() == [3, 12]
    with pytest.raises(RuntimeError, match="v can only be None"):
        functional.vjp(lambda x: x**2, x)


def test_what_is_not_a_tensor_is_refused():
    with pytest.raises(TypeError, match="must be either a Tensor or a tuple of Tensors"):
        functional.jacobian(lambda x: 3, x)
