"""Linear algebra: defining equations, NumPy's values, first and second derivatives, and the errors."""

import numpy as np
import pytest

import ondol
from ondol import linalg
from ondol.autograd import gradcheck, gradgradcheck

DTYPES = [ondol.float32, ondol.float64, ondol.complex64, ondol.complex128]


def matrix(*shape, dtype=ondol.float64, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if dtype.is_complex else 0)
    if shift:
        values = values + shift * np.eye(*shape[-2:])
    return ondol.tensor(values, dtype=dtype)


def positive(*shape, dtype=ondol.float64):
    half = matrix(*shape, dtype=dtype)
    return half @ half.mH + ondol.eye(shape[-1], dtype=dtype)


def close(one, other):
    tolerance = 1e-3 if one.dtype in (ondol.float32, ondol.complex64) else 1e-9
    np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=tolerance, atol=tolerance)


def check_derivatives(function, *inputs):
    inputs = [value.clone().requires_grad_() for value in inputs]
    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs)


@pytest.mark.parametrize("dtype", DTYPES)
class TestEquations:
    def test_cholesky_factor_times_its_adjoint_is_the_matrix(self, dtype):
        a = positive(2, 4, 4, dtype=dtype)
        factor = linalg.cholesky(a)
        close(factor @ factor.mH, a)
        close(linalg.cholesky(a, upper=True), factor.mH.resolve_conj())

    def test_solve_satisfies_its_equation_from_either_side(self, dtype):
        a, b = matrix(2, 3, 3, dtype=dtype, shift=4), matrix(2, 3, 2, dtype=dtype, seed=1)
        close(a @ linalg.solve(a, b), b)
        close(linalg.solve(a, b.mT, left=False) @ a, b.mT)

    @pytest.mark.parametrize("size", [1, 3, 70])
    @pytest.mark.parametrize("upper", [False, True])
    def test_triangular_systems_do_not_read_the_other_triangle(self, dtype, size, upper):
        a, b = matrix(size, size, dtype=dtype, shift=size + 9.0), matrix(size, 2, dtype=dtype, seed=1)
        x = linalg.solve_triangular(a, b, upper=upper)
        close((a.triu() if upper else a.tril()) @ x, b)

    @pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5), (2, 40, 37)])
    def test_lu_factors_multiply_to_the_matrix(self, dtype, shape):
        a = matrix(*shape, dtype=dtype)
        order, lower, upper = linalg.lu(a)
        close(order @ lower @ upper, a)

    def test_lu_without_pivoting_keeps_the_rows_in_order(self, dtype):
        a = positive(2, 5, 5, dtype=dtype)
        packed, pivots = linalg.lu_factor(a, pivot=False)
        close((packed.tril(-1) + ondol.eye(5, dtype=dtype)) @ packed.triu(), a)
        assert pivots.tolist() == [[1, 2, 3, 4, 5]] * 2

    def test_lu_solve_solves_with_every_combination_of_flags(self, dtype):
        a, b = matrix(3, 3, dtype=dtype, shift=4), matrix(3, 2, dtype=dtype, seed=1)
        packed, pivots = linalg.lu_factor(a)
        close(a @ linalg.lu_solve(packed, pivots, b), b)
        close(a.mH @ linalg.lu_solve(packed, pivots, b, adjoint=True), b)
        close(linalg.lu_solve(packed, pivots, b.mT, left=False) @ a, b.mT)
        close(linalg.lu_solve(packed, pivots, b.mT, left=False, adjoint=True) @ a.mH, b.mT)

    @pytest.mark.parametrize("hermitian", [False, True])
    def test_ldl_solves_indefinite_systems(self, dtype, hermitian):
        a, b = matrix(3, 7, 7, dtype=dtype), matrix(3, 7, 2, dtype=dtype, seed=1)
        a = a + (a.mH if hermitian else a.mT)
        packed, pivots = linalg.ldl_factor(a, hermitian=hermitian)
        close(a @ linalg.ldl_solve(packed, pivots, b, hermitian=hermitian), b)
        assert (pivots < 0).any()

    @pytest.mark.parametrize("mode", ["reduced", "complete"])
    @pytest.mark.parametrize("shape", [(4, 3), (3, 4), (3, 3)])
    def test_qr_factors_multiply_to_the_matrix(self, dtype, mode, shape):
        a = matrix(*shape, dtype=dtype)
        q, r = linalg.qr(a, mode)
        close(q @ r, a)
        close(q.mH @ q, ondol.eye(q.shape[-1], dtype=dtype))

    def test_householder_product_of_geqrf_is_q(self, dtype):
        a = matrix(4, 3, dtype=dtype)
        packed, tau = ondol.geqrf(a)
        close(linalg.householder_product(packed, tau) @ packed[:3].triu(), a)
        close(ondol.ormqr(packed, tau, ondol.geqrf(a).a.triu()), a)

    def test_svd_factors_multiply_to_the_matrix(self, dtype):
        a = matrix(2, 4, 3, dtype=dtype)
        u, s, vh = linalg.svd(a, full_matrices=False)
        close((u * s.unsqueeze(-2)) @ vh, a)
        assert linalg.svd(a).U.shape == (2, 4, 4)

    def test_eigh_diagonalises(self, dtype):
        a = positive(3, 3, dtype=dtype)
        values, vectors = linalg.eigh(a)
        close(a @ vectors, vectors * values)
        close(linalg.eigvalsh(a), values)

    def test_eig_diagonalises_and_is_complex(self, dtype):
        a = matrix(3, 3, dtype=dtype)
        values, vectors = linalg.eig(a)
        assert values.is_complex()
        close(a.to(vectors.dtype) @ vectors, vectors * values)

    @pytest.mark.parametrize("size", [1, 2, 9])
    def test_eig_of_a_batch_has_vectors_of_length_one(self, dtype, size):
        a = matrix(3, size, size, dtype=dtype)
        values, vectors = linalg.eig(a)
        close(a.to(vectors.dtype) @ vectors, vectors * values.unsqueeze(-2))
        close(linalg.vector_norm(vectors, dim=-2), ondol.ones(3, size, dtype=vectors.abs().dtype))

    def test_pinv_satisfies_penrose(self, dtype):
        a = matrix(4, 2, dtype=dtype) @ matrix(2, 3, dtype=dtype, seed=1)
        inverse = linalg.pinv(a)
        close(a @ inverse @ a, a)
        close(inverse @ a @ inverse, inverse)

    def test_the_determinant_has_the_sign_and_size_of_slogdet(self, dtype):
        a = matrix(2, 3, 3, dtype=dtype)
        sign, logarithm = linalg.slogdet(a)
        close(linalg.det(a), sign * ondol.exp(logarithm))

    def test_matrix_exp_of_a_sum_of_commuting_matrices_is_the_product(self, dtype):
        a = matrix(2, 3, 3, dtype=dtype)
        close(ondol.matrix_exp(3 * a), ondol.matrix_exp(a) @ ondol.matrix_exp(2 * a))

    def test_matrix_power_agrees_with_repeated_products(self, dtype):
        a = matrix(3, 3, dtype=dtype, shift=2)
        close(linalg.matrix_power(a, 5), a @ a @ a @ a @ a)
        close(linalg.matrix_power(a, -2) @ a @ a, ondol.eye(3, dtype=dtype))


@pytest.mark.parametrize("dtype", [ondol.float64, ondol.complex128])
class TestDerivatives:
    def test_cholesky(self, dtype):
        check_derivatives(
            lambda a: linalg.cholesky(a + a.mH + 12 * ondol.eye(3, dtype=dtype)), matrix(3, 3, dtype=dtype)
        )

    def test_solve(self, dtype):
        check_derivatives(linalg.solve, matrix(3, 3, dtype=dtype, shift=4), matrix(3, 2, dtype=dtype, seed=1))

    def test_inverse(self, dtype):
        check_derivatives(linalg.inv, matrix(3, 3, dtype=dtype, shift=4))

    @pytest.mark.parametrize("upper", [False, True])
    def test_solve_triangular(self, dtype, upper):
        function = lambda a, b: linalg.solve_triangular(a, b, upper=upper)  # noqa: E731
        check_derivatives(function, matrix(3, 3, dtype=dtype, shift=4), matrix(3, 2, dtype=dtype, seed=1))

    def test_cholesky_upper(self, dtype):
        check_derivatives(
            lambda a: linalg.cholesky(a + a.mH + 12 * ondol.eye(3, dtype=dtype), upper=True), matrix(3, 3, dtype=dtype)
        )

    def test_solve_of_a_batch_that_shares_a_matrix_from_the_right(self, dtype):
        function = lambda a, b: linalg.solve(a, b, left=False)  # noqa: E731
        check_derivatives(function, matrix(3, 3, dtype=dtype, shift=4), matrix(2, 2, 3, dtype=dtype, seed=1))

    def test_solve_triangular_from_the_right_with_a_unit_diagonal(self, dtype):
        function = lambda a, b: linalg.solve_triangular(a, b, upper=True, left=False, unitriangular=True)  # noqa: E731
        check_derivatives(function, matrix(2, 3, 3, dtype=dtype), matrix(2, 3, dtype=dtype, seed=1))

    def test_determinant(self, dtype):
        check_derivatives(linalg.det, matrix(3, 3, dtype=dtype, shift=2))

    def test_phase_of_the_determinant(self, dtype):
        check_derivatives(lambda a: linalg.slogdet(a).sign, matrix(2, 3, 3, dtype=dtype, shift=2))

    def test_log_determinant(self, dtype):
        check_derivatives(lambda a: linalg.slogdet(a).logabsdet, matrix(3, 3, dtype=dtype, shift=2))

    @pytest.mark.parametrize("shape", [(4, 2), (2, 4), (3, 3)])
    def test_qr(self, dtype, shape):
        check_derivatives(lambda a: tuple(linalg.qr(a)), matrix(*shape, dtype=dtype))

    @pytest.mark.parametrize("shape", [(4, 2), (2, 4), (3, 3)])
    def test_lu(self, dtype, shape):
        check_derivatives(lambda a: linalg.lu_factor(a).LU, matrix(*shape, dtype=dtype))

    @pytest.mark.parametrize("shape", [(4, 2), (2, 4), (3, 3)])
    def test_svd_without_the_phases_of_its_vectors(self, dtype, shape):
        def function(a):
            u, s, vh = linalg.svd(a, full_matrices=False)
            return u.abs(), s, vh.abs(), u @ vh

        check_derivatives(function, matrix(*shape, dtype=dtype))

    def test_eigh_without_the_phases_of_its_vectors(self, dtype):
        def function(a):
            values, vectors = linalg.eigh(a + a.mH)
            return values, vectors.abs()

        check_derivatives(function, matrix(3, 3, dtype=dtype))

    def test_eigenvalues(self, dtype):
        check_derivatives(lambda a: ondol.view_as_real(linalg.eigvals(a)).pow(2).sum(), matrix(3, 3, dtype=dtype))

    @pytest.mark.parametrize("shape", [(4, 2), (2, 4)])
    def test_pinv(self, dtype, shape):
        check_derivatives(linalg.pinv, matrix(*shape, dtype=dtype))

    def test_pinv_of_a_matrix_of_lower_rank(self, dtype):
        function = lambda a, b: linalg.pinv(a @ b, rtol=1e-6)  # noqa: E731
        check_derivatives(function, matrix(4, 2, dtype=dtype), matrix(2, 3, dtype=dtype, seed=1))

    def test_matrix_exp(self, dtype):
        check_derivatives(ondol.matrix_exp, matrix(3, 3, dtype=dtype))

    @pytest.mark.parametrize("ord", ["fro", "nuc", 1, 2, -2, float("inf")])
    def test_matrix_norm(self, dtype, ord):
        check_derivatives(lambda a: linalg.matrix_norm(a, ord), matrix(3, 2, dtype=dtype))

    @pytest.mark.parametrize("ord", [1, 2, 3.5, -1, float("inf")])
    def test_vector_norm(self, dtype, ord):
        check_derivatives(lambda a: linalg.vector_norm(a, ord, dim=1), matrix(3, 2, dtype=dtype))


def test_a_singular_matrix_has_a_derivative_of_its_determinant():
    a = ondol.tensor([[1.0, 2.0], [2.0, 4.0]], dtype=ondol.float64, requires_grad=True)
    linalg.det(a).backward()
    np.testing.assert_allclose(a.grad.numpy(), [[4.0, -2.0], [-2.0, 1.0]], atol=1e-12)


def test_the_norm_of_zero_has_a_derivative_of_zero():
    x = ondol.zeros(3, requires_grad=True)
    linalg.norm(x).backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0]


def test_a_norm_of_nan_is_nan():
    assert np.isnan(linalg.norm(ondol.tensor([1.0, float("nan")])).item())


def test_norms_of_half_precision_are_summed_in_float32():
    x = ondol.full((10000,), 10.0, dtype=ondol.float16)
    result = linalg.vector_norm(x)
    assert result.dtype == ondol.float16
    assert result.item() == 1000.0


def test_lstsq_minimises_and_reports_residuals_by_driver():
    a, b = matrix(5, 2), matrix(5, 3, seed=1)
    expected, residuals, rank, values = np.linalg.lstsq(a.numpy(), b.numpy(), rcond=None)
    result = linalg.lstsq(a, b, driver="gelsd")
    np.testing.assert_allclose(result.solution.numpy(), expected)
    np.testing.assert_allclose(result.residuals.numpy(), residuals)
    np.testing.assert_allclose(result.singular_values.numpy(), values)
    assert result.rank.item() == rank
    assert linalg.lstsq(a, b).residuals.numel() == 0


def test_cholesky_says_which_minor_is_not_positive():
    with pytest.raises(linalg.LinAlgError, match="leading minor of order 2"):
        linalg.cholesky(ondol.tensor([[1.0, 2.0], [2.0, 1.0]]))


def test_cholesky_ex_reports_instead_of_raising():
    batch = ondol.stack([ondol.eye(2), -ondol.eye(2)])
    factor, info = linalg.cholesky_ex(batch)
    assert info.tolist() == [0, 1]
    assert factor[0].tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_a_singular_system_is_a_linalg_error_that_is_a_runtime_error():
    with pytest.raises(RuntimeError, match="singular") as caught:
        linalg.solve(ondol.zeros(2, 2), ondol.ones(2))
    assert isinstance(caught.value, linalg.LinAlgError)


def test_inv_names_the_zero_pivot():
    with pytest.raises(linalg.LinAlgError, match="diagonal element 2 is zero"):
        linalg.inv(ondol.tensor([[1.0, 1.0], [1.0, 1.0]]))


@pytest.mark.parametrize(
    "function", [linalg.inv, linalg.det, linalg.cholesky, linalg.eigh, linalg.eig, linalg.matrix_exp]
)
def test_a_matrix_that_is_not_square_is_a_runtime_error(function):
    with pytest.raises(RuntimeError, match="square"):
        function(ondol.ones(2, 3))


@pytest.mark.parametrize("function", [linalg.inv, linalg.svd, linalg.qr, linalg.norm, linalg.lu_factor])
def test_integers_are_a_runtime_error(function):
    with pytest.raises(RuntimeError, match="floating point or complex"):
        function(ondol.ones(2, 2, dtype=ondol.int64))


@pytest.mark.parametrize(
    "function", [linalg.inv, linalg.det, linalg.slogdet, linalg.cholesky, linalg.eigh, linalg.qr, linalg.svd]
)
@pytest.mark.parametrize("shape", [(0, 0), (0, 3, 3), (2, 0, 0)])
def test_empty_matrices_are_no_special_case(function, shape):
    result = function(ondol.ones(*shape))
    first = result if isinstance(result, ondol.Tensor) else result[0]
    assert first.shape[: len(shape) - 2] == shape[:-2]


def test_float32_stays_float32():
    a = positive(3, 3, dtype=ondol.float32)
    for result in (
        linalg.inv(a),
        linalg.cholesky(a),
        *linalg.svd(a),
        *linalg.qr(a),
        *linalg.eigh(a),
        ondol.matrix_exp(a),
    ):
        assert result.dtype == ondol.float32


def test_named_results_have_names():
    assert linalg.svd(ondol.eye(2)).Vh.shape == (2, 2)
    assert linalg.eigh(ondol.eye(2)).eigenvalues.tolist() == [1.0, 1.0]
    assert ondol.slogdet(ondol.eye(2)).logabsdet.item() == 0.0
    assert type(linalg.qr(ondol.eye(2))).__name__ == "linalg_qr"


@pytest.mark.parametrize("rank", [1, 2])
def test_the_determinant_of_a_singular_batch_has_the_adjugate_for_derivative(rank):
    a = matrix(2, 3, rank) @ matrix(2, rank, 3, seed=1)
    a[..., 2, :] = a[..., 0, :]  # an exact zero pivot
    a = a.detach().requires_grad_()
    linalg.det(a).sum().backward()
    cofactors = [[[(-1) ** (i + j) * np.linalg.det(np.delete(np.delete(m, i, 0), j, 1)) for j in range(3)]
                  for i in range(3)] for m in a.detach().numpy()]  # fmt: skip
    np.testing.assert_allclose(a.grad.numpy(), cofactors, atol=1e-12)


def layouts():
    """The same matrices in every order of memory."""
    a = positive(2, 5, 5)
    wide = ondol.zeros(2, 10, 10, dtype=a.dtype)
    wide[:, ::2, ::2] = a
    return a, [
        a.mT.contiguous().mT,
        wide[:, ::2, ::2],
        a.permute(1, 2, 0).contiguous().permute(2, 0, 1),
        a.flip(0).flip(0),
    ]


@pytest.mark.parametrize(
    "function",
    [
        linalg.cholesky, linalg.inv, linalg.det, lambda a: linalg.qr(a).R, linalg.eigvalsh, linalg.svdvals,
        lambda a: linalg.solve(a, a[..., :2]), lambda a: linalg.solve_triangular(a, a[..., :2], upper=True),
        lambda a: linalg.solve_triangular(a, a[..., :2, :], upper=False, left=False), lambda a: linalg.lu_factor(a).LU,
    ],
)  # fmt: skip
def test_the_order_of_memory_does_not_matter(function):
    plain, others = layouts()
    for other in others:
        close(function(other), function(plain))


def test_results_agree_with_numpy_on_a_batch_with_two_dimensions():
    a = matrix(2, 3, 4, 4, dtype=ondol.complex128, shift=3)
    b = matrix(3, 4, 2, dtype=ondol.complex128, seed=1)
    np.testing.assert_allclose(linalg.inv(a).numpy(), np.linalg.inv(a.numpy()))
    np.testing.assert_allclose(linalg.det(a).numpy(), np.linalg.det(a.numpy()))
    np.testing.assert_allclose(linalg.solve(a, b).numpy(), np.linalg.solve(a.numpy(), b.numpy()))
    np.testing.assert_allclose(linalg.svdvals(a).numpy(), np.linalg.svd(a.numpy(), compute_uv=False))
    np.testing.assert_allclose(linalg.eigvalsh(a).numpy(), np.linalg.eigvalsh(a.numpy()))
    np.testing.assert_allclose(linalg.eigvalsh(a, "U").numpy(), np.linalg.eigvalsh(a.numpy(), "U"))


def test_only_the_triangle_that_is_named_is_read():
    a = positive(4, 4)
    spoiled = a + ondol.full((4, 4), 7.0, dtype=a.dtype).triu(1)
    close(linalg.cholesky(spoiled), linalg.cholesky(a))
    close(linalg.cholesky(spoiled.mT, upper=True), linalg.cholesky(a, upper=True))
    close(linalg.eigh(spoiled).eigenvalues, linalg.eigvalsh(a))
    close(linalg.eigh(spoiled.mT, "U").eigenvalues, linalg.eigvalsh(a))


def test_info_is_that_of_each_matrix():
    a = ondol.stack([ondol.eye(3), ondol.ones(3, 3), ondol.zeros(3, 3)])
    assert linalg.inv_ex(a).info.tolist() == [0, 2, 1]
    assert linalg.solve_ex(a, ondol.ones(3, 1))[1].tolist() == [0, 2, 1]
    assert linalg.lu_factor_ex(a).info.tolist() == [0, 2, 1]
    assert linalg.cholesky_ex(ondol.tensor([[4.0, 2, 1], [2, -1, 1], [1, 1, 3]])).info.item() == 2


def test_an_error_names_the_first_matrix_of_a_batch_that_failed():
    batch = ondol.stack([ondol.eye(2), ondol.zeros(2, 2), ondol.zeros(2, 2)])
    with pytest.raises(linalg.LinAlgError, match=r"linalg.inv: \(Batch element 1\): The diagonal element 1 is zero"):
        linalg.inv(batch)
    with pytest.raises(linalg.LinAlgError, match=r"linalg.cholesky: \(Batch element 1\): .* minor of order 1 is not"):
        linalg.cholesky(batch)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("size", [3, 40])
def test_matrices_that_are_not_finite_end_in_an_error_or_nan(value, size):
    a = ondol.full((size, size), value)
    for function in (linalg.eigh, linalg.eigvalsh):
        with pytest.raises(linalg.LinAlgError, match="failed to converge"):
            function(a)
    for function in (linalg.svd, linalg.svdvals):
        with pytest.raises(linalg.LinAlgError, match="contained non-finite values"):
            function(a)
    with pytest.raises(linalg.LinAlgError, match="not positive-definite"):
        linalg.cholesky(a)
    with pytest.raises(RuntimeError, match="should not contain infs or NaNs"):
        linalg.eig(a)
    assert linalg.inv(a).isnan().any()
    assert linalg.qr(a).R.isnan().any()
    assert linalg.solve(a, ondol.ones(size)).isnan().any()
    assert linalg.lu_factor_ex(a).pivots.sub(1).clamp(0, size - 1).sub(linalg.lu_factor_ex(a).pivots).eq(-1).all()


def test_one_nan_in_a_batch_does_not_spoil_its_neighbours():
    a = ondol.stack([ondol.eye(3), ondol.eye(3)])
    a[0, 2, 2] = float("nan")
    factor, info = linalg.cholesky_ex(a)
    assert info.tolist() == [3, 0]
    assert ondol.equal(factor[1], ondol.eye(3))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 0, 3), (0, 3, 2)])
def test_factors_of_empty_rectangles_are_bases(shape):
    u, s, vh = linalg.svd(ondol.ones(*shape))
    assert ondol.equal(u, ondol.eye(shape[-2]).expand(u.shape))
    assert ondol.equal(vh, ondol.eye(shape[-1]).expand(vh.shape))
    assert s.shape == (*shape[:-2], min(shape[-2:]))
    assert linalg.qr(ondol.ones(*shape), "complete").Q.shape == (*shape[:-2], shape[-2], shape[-2])


def test_results_do_not_depend_on_the_number_of_threads():
    a, before = positive(70, 24, 24, dtype=ondol.float32), ondol.get_num_threads()
    results = []
    try:
        for count in (1, 3):
            ondol.set_num_threads(count)
            parts = (linalg.inv(a), linalg.cholesky(a), *linalg.svd(a), *linalg.qr(a), *linalg.eigh(a), linalg.det(a))
            results.append((*parts, ondol.pdist(a[0]), ondol.cdist(a[:, :, 1:], a[:, 1:, 1:])))
    finally:
        ondol.set_num_threads(before)
    assert all(ondol.equal(one, other) for one, other in zip(*results))


def test_pivots_out_of_range_are_refused():
    with pytest.raises(IndexError, match="pivot 7 is out of range"):
        ondol.lu_unpack(ondol.eye(2), ondol.tensor([7, 2], dtype=ondol.int32))


class TestDistances:
    @pytest.mark.parametrize("dtype", [ondol.float32, ondol.float64])
    @pytest.mark.parametrize("shape", [(0, 3), (1, 3), (2, 0), (5, 17), (40, 300), (70, 1)])
    def test_pdist_is_the_distance_of_each_pair(self, dtype, shape):
        x = matrix(*shape, dtype=dtype)
        first, second = np.triu_indices(shape[0], 1)
        expected = np.linalg.norm(x.numpy()[first] - x.numpy()[second], axis=-1)
        np.testing.assert_allclose(ondol.pdist(x).numpy(), expected, rtol=1e-5)
        assert ondol.equal(ondol.nn.functional.pdist(x), ondol.pdist(x))

    @pytest.mark.parametrize("p", [1.0, 2.0, 3.0, float("inf")])
    def test_pdist_has_derivatives(self, p):
        check_derivatives(lambda x: ondol.pdist(x, p), matrix(5, 3))

    @pytest.mark.parametrize("rows", [3, 27])
    def test_cdist_has_derivatives_by_product_and_by_difference(self, rows):
        check_derivatives(ondol.cdist, matrix(2, rows, 3), matrix(4, 3, seed=1))

    def test_equal_rows_have_a_derivative_of_zero(self):
        x = ondol.ones(30, 4, requires_grad=True)
        (ondol.pdist(x).sum() + ondol.cdist(x, x).sum()).backward()
        assert ondol.equal(x.grad, ondol.zeros(30, 4))

    def test_cosine_similarity_of_short_vectors_is_bounded_by_eps(self):
        x, y = ondol.tensor([[3.0, 4.0], [0.0, 0.0]]), ondol.tensor([[4.0, 3.0], [1.0, 0.0]])
        close(ondol.nn.functional.cosine_similarity(x, y), ondol.tensor([0.96, 0.0]))
