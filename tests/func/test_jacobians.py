"""jvp, linearize, jacrev, jacfwd and hessian against closed formulas, nested in every order."""

import pytest

import ondol
from ondol.func import grad, hessian, jacfwd, jacrev, jvp, linearize, vjp

X = ondol.tensor([1.0, 2.0, 3.0], dtype=ondol.float64)
JACOBIANS = pytest.mark.parametrize("jacobian", [jacrev, jacfwd])


def cubes(x):
    return (x**3).sum()


def test_jvp_of_a_function():
    y, tangent = jvp(lambda x: x**2, (X,), (X + 1,))
    assert y.equal(X**2) and tangent.equal(2 * X * (X + 1))
    assert not y.requires_grad and not tangent.requires_grad


def test_jvp_of_several_arguments_and_results():
    (product, total), (first, second) = jvp(lambda a, b: (a * b, b.sum()), (X, X + 1), (X, X))
    assert product.equal(X * (X + 1)) and total.item() == 9
    assert first.equal(X * (X + 1) + X * X) and second.item() == 6


def test_jvp_of_what_does_not_depend_on_the_primals():
    assert jvp(lambda x: X * 2, (X,), (X,))[1].equal(ondol.zeros_like(X))
    with pytest.raises(RuntimeError, match="strict"):
        jvp(lambda x: X * 2, (X,), (X,), strict=True)


def test_jvp_with_aux():
    assert jvp(lambda x: (x * 2, "aux"), (X,), (X,), has_aux=True)[2] == "aux"


def test_jvp_refuses_tangents_that_do_not_fit():
    with pytest.raises(RuntimeError, match="different size"):
        jvp(lambda x: x, (X,), (ondol.ones(2),))
    with pytest.raises(RuntimeError, match="tuple"):
        jvp(lambda x: x, X, X)
    with pytest.raises(ValueError, match="floating point"):
        jvp(lambda x: x, (ondol.tensor([1]),), (ondol.tensor([1.0]),))


def test_jvp_of_grad_is_a_product_with_the_hessian():
    assert jvp(grad(cubes), (X,), (X,))[1].equal(6 * X * X)


def test_grad_of_jvp():
    assert grad(lambda x: jvp(cubes, (x,), (ondol.ones_like(x),))[1])(X).equal(6 * X)


def test_jvp_of_jvp():
    inner = lambda x: jvp(cubes, (x,), (ondol.ones_like(x),))[1]  # noqa: E731
    assert jvp(inner, (X,), (X,))[1].item() == (6 * X * X).sum().item()


def test_perturbations_of_nested_transforms_do_not_mix():
    one = ondol.tensor(1.0)
    # d/dx [x · d/dy (x + y)] = 1, not 2 (Siskind and Pearlmutter 2005).
    outer = lambda x: x * jvp(lambda y: x + y, (one,), (one,))[1]  # noqa: E731
    assert jvp(outer, (one,), (one,))[1].item() == 1


def test_linearize_evaluates_once():
    calls = []

    def function(x):
        calls.append(1)
        return x**2

    y, push = linearize(function, X)
    assert y.equal(X**2) and push(X).equal(2 * X * X) and push(X + 1).equal(2 * X * (X + 1)) and len(calls) == 1
    assert ondol.vmap(push)(ondol.eye(3, dtype=ondol.float64)).equal(ondol.diag(2 * X))


@JACOBIANS
def test_jacobian_of_a_vector(jacobian):
    assert jacobian(lambda x: x**2)(X).equal(ondol.diag(2 * X))


@JACOBIANS
def test_jacobian_has_the_shapes_of_result_and_argument(jacobian):
    x = ondol.randn(2, 3, dtype=ondol.float64)
    result = jacobian(lambda x: x.sum(0)[:2])(x)
    assert result.shape == (2, 2, 3)
    assert result[1].equal(ondol.tensor([[0.0, 1.0, 0.0]] * 2, dtype=ondol.float64))


@JACOBIANS
def test_jacobian_of_trees(jacobian):
    result = jacobian(lambda x: {"twice": 2 * x, "square": (x**2).sum()})(X)
    assert result["twice"].equal(2 * ondol.eye(3, dtype=ondol.float64)) and result["square"].equal(2 * X)
    by_both = jacobian(lambda a, b: a * b, argnums=(0, 1))(X, X + 1)
    assert by_both[0].equal(ondol.diag(X + 1)) and by_both[1].equal(ondol.diag(X))


@JACOBIANS
def test_jacobian_with_aux(jacobian):
    result, aux = jacobian(lambda x: (x**2, x + 1), has_aux=True)(X)
    assert result.equal(ondol.diag(2 * X)) and aux.equal(X + 1)


@JACOBIANS
def test_jacobian_of_an_empty_argument(jacobian):
    assert jacobian(lambda x: x * 2)(ondol.zeros(0)).shape == (0, 0)


@pytest.mark.parametrize("outer", [jacrev, jacfwd])
@pytest.mark.parametrize("inner", [jacrev, jacfwd])
def test_second_derivatives_in_every_order(outer, inner):
    assert outer(inner(cubes))(X).equal(ondol.diag(6 * X))


def test_hessian_and_its_batches():
    assert hessian(cubes)(X).equal(ondol.diag(6 * X))
    batch = ondol.stack([X, 2 * X])
    assert ondol.vmap(hessian(cubes))(batch).equal(ondol.diag_embed(6 * batch))


def test_hessian_of_two_arguments():
    (aa, ab), (ba, bb) = hessian(lambda a, b: (a**2 * b).sum(), argnums=(0, 1))(X, X + 1)
    assert aa.equal(ondol.diag(2 * (X + 1))) and ab.equal(ondol.diag(2 * X)) and ba.equal(ab) and not bb.any()


def test_batches_of_jacobians():
    batch = ondol.stack([X, 2 * X])
    for jacobian in (jacrev, jacfwd):
        assert ondol.vmap(jacobian(lambda x: x**2))(batch).equal(ondol.diag_embed(2 * batch))


def test_jacobian_of_a_gradient_through_matrix_products():
    a = ondol.randn(3, 3, dtype=ondol.float64)
    ondol.testing.assert_close(hessian(lambda x: x @ a @ x)(X), a + a.T)


def test_a_vjp_inside_a_jvp():
    def pulled(x):
        return vjp(lambda z: z**3, x)[1](ondol.ones_like(x))[0]

    assert jvp(pulled, (X,), (ondol.ones_like(X),))[1].equal(6 * X)
