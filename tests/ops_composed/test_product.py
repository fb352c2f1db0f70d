"""Products of tensors that are not matrix products as such."""

import numpy as np
import pytest

import ondol
from ondol.autograd import gradcheck

rng = np.random.default_rng(0)


def test_tensordot_contracts_the_dimensions_that_it_is_given():
    a, b = rng.standard_normal((2, 3, 4)), rng.standard_normal((4, 3, 5))
    result = ondol.tensordot(ondol.from_numpy(a), ondol.from_numpy(b), dims=([1, 2], [1, 0]))
    np.testing.assert_allclose(result.numpy(), np.tensordot(a, b, ([1, 2], [1, 0])))


def test_tensordot_names_sizes_that_do_not_match():
    with pytest.raises(RuntimeError, match="contracted dimensions need to match"):
        ondol.tensordot(ondol.ones(2, 3), ondol.ones(4, 5), dims=1)


@pytest.mark.parametrize("shapes", [((2, 3), (2, 2)), ((3,), (2, 2)), ((2, 1, 2), (3,)), ((), (2,))])
def test_kron_agrees_with_numpy(shapes):
    a, b = (rng.standard_normal(shape) for shape in shapes)
    np.testing.assert_allclose(ondol.kron(ondol.tensor(a), ondol.tensor(b)).numpy(), np.kron(a, b))


def test_inner_is_over_the_last_dimensions():
    a, b = rng.standard_normal((2, 3)), rng.standard_normal((4, 3))
    np.testing.assert_allclose(ondol.inner(ondol.from_numpy(a), ondol.from_numpy(b)).numpy(), np.inner(a, b))


def test_inner_says_which_shapes_do_not_match():
    with pytest.raises(RuntimeError, match=r"\[2\] and \[3\]"):
        ondol.inner(ondol.ones(2), ondol.ones(3))


def test_vdot_conjugates_its_first_argument():
    assert ondol.vdot(ondol.tensor([1j, 2.0]), ondol.tensor([1j, 1.0])).item() == 3 + 0j


def test_cross_broadcasts_along_the_other_dimensions():
    a, b = rng.standard_normal((4, 3)), rng.standard_normal((1, 3))
    result = ondol.linalg.cross(ondol.from_numpy(a), ondol.from_numpy(b))
    np.testing.assert_allclose(result.numpy(), np.cross(a, b))


def test_cross_without_three_components_is_refused():
    with pytest.raises(RuntimeError, match="must have length 3"):
        ondol.linalg.cross(ondol.ones(2), ondol.ones(2))


def test_multi_dot_takes_vectors_at_both_ends():
    a, b, c = rng.standard_normal(3), rng.standard_normal((3, 4)), rng.standard_normal(4)
    result = ondol.linalg.multi_dot([ondol.from_numpy(part) for part in (a, b, c)])
    np.testing.assert_allclose(result.item(), a @ b @ c)


def test_addr_with_beta_zero_ignores_nan():
    assert ondol.addr(ondol.full((1, 1), float("nan")), ondol.ones(1), ondol.ones(1), beta=0).tolist() == [[1.0]]


def test_bilinear_is_x_w_y_plus_bias():
    x, y, w, b = (rng.standard_normal(shape) for shape in ((5, 2), (5, 3), (4, 2, 3), (4,)))
    result = ondol.bilinear(*(ondol.from_numpy(part) for part in (x, y, w, b)))
    np.testing.assert_allclose(result.numpy(), np.einsum("ni,oij,nj->no", x, w, y) + b)


def test_bilinear_is_differentiable_in_all_four():
    parts = [
        ondol.from_numpy(rng.standard_normal(shape)).requires_grad_() for shape in ((2, 2), (2, 3), (2, 2, 3), (2,))
    ]
    assert gradcheck(ondol.bilinear, parts)
