"""lobpcg: the extreme eigenpairs of symmetric matrices, against numpy.linalg.eigh."""

import numpy as np
import pytest

import ondol


def symmetric(*shape):
    a = ondol.randn(*shape, dtype=ondol.float64, generator=ondol.Generator().manual_seed(0))
    return a + a.mT


@pytest.mark.parametrize("largest", [True, False])
def test_eigenvalues_at_either_end(largest):
    a = symmetric(2, 30, 30)
    values, vectors = ondol.lobpcg(a, 3, largest=largest, tol=1e-10)
    every = np.linalg.eigvalsh(a.numpy())
    assert np.allclose(values.numpy(), every[:, ::-1][:, :3] if largest else every[:, :3])
    assert ondol.allclose(a @ vectors, vectors * values.unsqueeze(1), atol=1e-6)


def test_the_generalized_problem():
    a, b = symmetric(40, 40), symmetric(40, 40)
    b = b @ b + ondol.eye(40, dtype=ondol.float64)
    values, x = ondol.lobpcg(a, 2, B=b, tol=1e-10)
    assert ondol.allclose(a @ x, b @ x * values, atol=1e-6)
    assert ondol.allclose(x.mT @ b @ x, ondol.eye(2, dtype=ondol.float64))


def test_the_gradient_of_eigenvalues_and_vectors():
    def pairs(a):
        start = ondol.eye(12, dtype=ondol.float64)[:, :2]
        values, vectors = ondol.lobpcg(a, X=start, tol=1e-13)
        return values, vectors**2

    assert ondol.autograd.gradcheck(pairs, symmetric(12, 12).requires_grad_())


def test_a_tracker_sees_every_step_and_may_stop():
    steps = []

    def stop_after_two(state):
        steps.append(state.ivars["istep"])
        state.bvars["force_stop"] = len(steps) == 2

    ondol.lobpcg(symmetric(30, 30), 1, tol=0.0, tracker=stop_after_two)
    assert steps == [1, 2]


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match="smaller than 3 x"):
        ondol.lobpcg(symmetric(5, 5), 2)


def test_without_a_limit_it_ends_where_rounding_lets_it_go_no_further():
    a = ondol.diag(ondol.arange(1.0, 13.0))
    values, _ = ondol.lobpcg(a, k=2, niter=-1, tol=0.0)
    assert np.allclose(values.numpy(), [12.0, 11.0])
    a[3, 3] = float("nan")
    with pytest.raises(RuntimeError):
        ondol.lobpcg(a, k=2, niter=-1)


def test_any_number_of_steps_ends_where_nothing_is_gained():
    a = symmetric(5, 5)
    values, _ = ondol.lobpcg(a, niter=2**40, tol=0.0)
    assert ondol.allclose(values, ondol.linalg.eigvalsh(a)[-1:])
    ondol.lobpcg(a.tril(), niter=2**40, tol=0.0)  # not symmetric: there is nothing to come near to
