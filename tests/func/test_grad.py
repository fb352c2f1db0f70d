"""grad, grad_and_value and vjp against closed formulas."""

import pytest

import ondol
from ondol.func import grad, grad_and_value, vjp

X = ondol.tensor([1.0, 2.0, 3.0], dtype=ondol.float64)


def cubes(x):
    return (x**3).sum()


def test_gradient_of_a_scalar_function():
    assert grad(cubes)(X).equal(3 * X**2)


def test_gradients_of_gradients():
    assert grad(lambda x: grad(cubes)(x).sum())(X).equal(6 * X)
    assert grad(lambda x: grad(lambda z: grad(cubes)(z).sum())(x).sum())(X).equal(ondol.full_like(X, 6))


def test_argnums_choose_arguments():
    first, third = grad(lambda a, b, c: (a * b * c).sum(), argnums=(0, -1))(X, X + 1, X + 2)
    assert first.equal((X + 1) * (X + 2)) and third.equal(X * (X + 1))


def test_trees_of_arguments_give_trees_of_gradients():
    gradient = grad(lambda tree: (tree["a"] * tree["b"][0]).sum())({"a": X, "b": [X + 1]})
    assert gradient["a"].equal(X + 1) and gradient["b"][0].equal(X)


def test_aux_comes_along():
    gradient, aux = grad(lambda x: (cubes(x), x * 2), has_aux=True)(X)
    assert gradient.equal(3 * X**2) and aux.equal(2 * X) and not aux.requires_grad
    gradient, (value, aux) = grad_and_value(lambda x: (cubes(x), "text"), has_aux=True)(X)
    assert value.item() == 36 and aux == "text"


def test_results_have_no_history_of_the_transform():
    gradient, value = grad_and_value(cubes)(X)
    assert not gradient.requires_grad and not value.requires_grad


def test_what_does_not_matter_has_a_gradient_of_zeros():
    assert grad(lambda x, y: x.sum(), argnums=1)(X, X).equal(ondol.zeros_like(X))


def test_gradients_flow_to_tensors_outside():
    weight = (X + 1).requires_grad_()
    gradient = grad(lambda x: (x**2 * weight).sum())(X)
    gradient.sum().backward()
    assert weight.grad.equal(2 * X)


def test_gradients_flow_to_an_argument_that_requires_grad():
    x = X.clone().requires_grad_()
    grad(cubes)(x).sum().backward()
    assert x.grad.equal(6 * X)


def test_constants_of_an_inner_transform_are_no_part_of_the_outer_graph():
    inner = lambda w: grad(lambda c: (c**2 * w).sum())(X).sum()  # noqa: E731
    assert grad(inner)(X).equal(2 * X)
    assert not grad(inner)(X).requires_grad


def test_no_grad_outside_does_not_matter_and_inside_does():
    with ondol.no_grad():
        assert grad(cubes)(X).equal(3 * X**2)

    def partly(x):
        with ondol.no_grad():
            shift = x**2
        return (x - shift).sum()

    assert grad(partly)(X).equal(ondol.ones_like(X))


def test_in_place_operations_inside():
    def doubled(x):
        y = x.clone()
        y.mul_(2)
        y[0] = 0
        return (y**2).sum()

    assert grad(doubled)(X).equal(ondol.tensor([0.0, 16.0, 24.0], dtype=ondol.float64))


@pytest.mark.parametrize(
    ("function", "message"),
    [(lambda x: x, "scalar"), (lambda x: 3.0, "Tensor"), (lambda x: (x.sum(), 1), "Tensor")],
)
def test_results_that_are_no_scalar_tensors_are_refused(function, message):
    with pytest.raises(RuntimeError, match=message):
        grad(function)(X)


def test_arguments_that_cannot_have_gradients_are_refused():
    with pytest.raises(RuntimeError, match="floating point"):
        grad(lambda x: x.sum())(ondol.tensor([1]))
    with pytest.raises(RuntimeError, match="only 1 positional"):
        grad(cubes, argnums=1)(X)
    with pytest.raises(RuntimeError, match="unique"):
        grad(cubes, argnums=(0, 0))(X)


def test_vjp_pulls_several_cotangents_back():
    y, pull = vjp(lambda a, b: (a * b, a.sum()), X, X + 1)
    assert y[0].equal(X * (X + 1))
    for scale in (1.0, 2.0):
        a, b = pull((ondol.full_like(X, scale), ondol.tensor(0.0, dtype=ondol.float64)))
        assert a.equal(scale * (X + 1)) and b.equal(scale * X)


def test_vjp_under_vmap_gives_the_rows_of_the_jacobian():
    _, pull = vjp(lambda x: x**2, X)
    (rows,) = ondol.vmap(pull)(ondol.eye(3, dtype=ondol.float64))
    assert rows.equal(ondol.diag(2 * X))


def test_vjp_refuses_cotangents_that_do_not_fit():
    _, pull = vjp(lambda x: x**2, X)
    with pytest.raises(RuntimeError, match="Mismatch in shape"):
        pull(ondol.ones(2))
    with pytest.raises(RuntimeError, match="structure"):
        pull((X, X))


def test_autograd_grad_under_vmap():
    x = X.clone().requires_grad_()
    y = x**2
    rows = ondol.vmap(lambda v: ondol.autograd.grad(y, x, v, retain_graph=True)[0])(ondol.eye(3, dtype=ondol.float64))
    assert rows.equal(ondol.diag(2 * X))
