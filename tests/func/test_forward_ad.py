"""Dual tensors."""

import pytest

import ondol
from ondol.autograd import forward_ad

X = ondol.tensor([1.0, 2.0, 3.0], dtype=ondol.float64)
T = ondol.tensor([1.0, 0.0, 2.0], dtype=ondol.float64)


def test_tangents_of_results():
    with forward_ad.dual_level():
        x = forward_ad.make_dual(X, T)
        primal, tangent = forward_ad.unpack_dual(x**3)
        assert primal.equal(X**3) and tangent.equal(3 * X**2 * T)
        assert not primal.requires_grad and not tangent.requires_grad
        assert forward_ad.unpack_dual(x).tangent.equal(T)


def test_tangents_of_several_duals_add_up():
    with forward_ad.dual_level():
        a, b = forward_ad.make_dual(X, T), forward_ad.make_dual(X + 1, X)
        assert forward_ad.unpack_dual(a * b).tangent.equal(T * (X + 1) + X * X)


def test_no_tangent_where_there_is_none():
    with forward_ad.dual_level():
        forward_ad.make_dual(X, T)
        assert forward_ad.unpack_dual(X * 2).tangent is None
    assert forward_ad.unpack_dual(X).tangent is None


def test_in_place_operations_and_views():
    with forward_ad.dual_level():
        x = forward_ad.make_dual(X, T)
        x.mul_(2)
        x[0] = 5
        assert forward_ad.unpack_dual(x).tangent.equal(ondol.tensor([0.0, 0.0, 4.0], dtype=ondol.float64))
    assert X.equal(ondol.tensor([1.0, 2.0, 3.0], dtype=ondol.float64))


def test_gradients_of_tangents():
    x = X.clone().requires_grad_()
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, T)
        tangent = forward_ad.unpack_dual((dual**3).sum()).tangent
    tangent.backward()
    assert x.grad.equal(6 * X * T)


def test_tangents_under_vmap():
    def directional(x, t):
        return forward_ad.unpack_dual(forward_ad.make_dual(x, t) ** 2).tangent

    with forward_ad.dual_level():
        batch = ondol.vmap(directional, in_dims=(None, 0))(X, ondol.eye(3, dtype=ondol.float64))
    assert batch.equal(ondol.diag(2 * X))


def test_the_grad_mode_comes_back():
    with ondol.no_grad():
        with forward_ad.dual_level():
            assert forward_ad.unpack_dual(forward_ad.make_dual(X, T) * 2).tangent.equal(2 * T)
        assert not ondol.is_grad_enabled()


def test_levels_do_not_nest_and_must_exist():
    with pytest.raises(RuntimeError, match="no level exists"):
        forward_ad.make_dual(X, T)
    with pytest.raises(RuntimeError, match="level"):
        forward_ad.exit_dual_level()
    with forward_ad.dual_level(), pytest.raises(RuntimeError, match="[Nn]ested"):
        forward_ad.enter_dual_level()


def test_tangents_that_do_not_fit():
    with forward_ad.dual_level():
        with pytest.raises(RuntimeError, match="different size"):
            forward_ad.make_dual(X, ondol.ones(2))
        with pytest.raises(ValueError, match="floating point"):
            forward_ad.make_dual(ondol.tensor([1]), ondol.tensor([1.0]))
