"""Maps: inverses, slopes against autograd, shapes and parts."""

from __future__ import annotations

import pytest

import ondol
from ondol import distributions as d

MAPS = {
    "exp": d.ExpTransform(),
    "affine": d.AffineTransform(0.5, -2.0),
    "sigmoid": d.SigmoidTransform(),
    "tanh": d.TanhTransform(),
    "softplus": d.SoftplusTransform(),
    "composed": d.ComposeTransform([d.AffineTransform(1.0, 2.0), d.ExpTransform(), d.PowerTransform(0.7)]),
    "distribution": d.CumulativeDistributionTransform(d.Normal(0.2, 1.3)),
}


@pytest.mark.parametrize("name", MAPS)
def test_maps_invert_and_know_their_slope(name):
    one, x = MAPS[name], ondol.linspace(-1.5, 1.5, 7, requires_grad=True)
    y = one(x)
    assert ondol.allclose(one.inv(y), x)
    (slope,) = ondol.autograd.grad(y.sum(), x, retain_graph=True)
    assert ondol.allclose(one.log_abs_det_jacobian(x, y), slope.abs().log())
    assert ondol.allclose(one.inv.log_abs_det_jacobian(y, x), -slope.abs().log())
    assert (one.sign == slope.sign()).all()


def test_stick_breaking_density():
    one, x = d.StickBreakingTransform(), ondol.tensor([0.3, -0.2])
    y = one(x)
    assert abs(y.sum() - 1) < 1e-12 and ondol.allclose(one.inv(y), x)
    jacobian = ondol.autograd.functional.jacobian(lambda x: one(x)[:-1], x)
    assert ondol.allclose(one.log_abs_det_jacobian(x, y), jacobian.det().abs().log())


@pytest.mark.parametrize("size", [2, 3, 4])
def test_correlation_factor_density(size):
    one, x = d.CorrCholeskyTransform(), ondol.randn(size * (size - 1) // 2)
    y = one(x)
    assert d.constraints.corr_cholesky.check(y) and ondol.allclose(one.inv(y), x)
    below = d.utils.tril_matrix_to_vec
    jacobian = ondol.autograd.functional.jacobian(lambda x: below(one(x), diag=-1), x)
    assert ondol.allclose(one.log_abs_det_jacobian(x, y), jacobian.det().abs().log())
    assert one(ondol.zeros(2, x.shape[0])).tolist() == [ondol.eye(size).tolist()] * 2


def test_shapes_before_and_after():
    stick, factor = d.StickBreakingTransform(), d.CorrCholeskyTransform()
    assert stick.forward_shape((5, 3)) == (5, 4) and stick.inverse_shape((5, 4)) == (5, 3)
    assert factor.forward_shape((5, 6)) == (5, 4, 4) and factor.inverse_shape((5, 4, 4)) == (5, 6)
    with pytest.raises(ValueError, match="lower-diagonal"):
        factor.forward_shape((5,))
    with pytest.raises(ValueError, match="not square"):
        factor.inverse_shape((4, 3))
    for one in (stick, d.SoftmaxTransform(), factor):
        with pytest.raises(ValueError, match="Too few dimensions"):
            one.forward_shape(())


def test_concatenated_maps_treat_stretches():
    one = d.CatTransform([d.ExpTransform(), d.TanhTransform()], dim=-1, lengths=[1, 2])
    x = ondol.randn(4, 3)
    y = one(x)
    assert ondol.allclose(y, ondol.cat([x[:, :1].exp(), x[:, 1:].tanh()], -1))
    assert ondol.allclose(one.inv(y), x) and one.length == 3
    parts = [
        d.ExpTransform().log_abs_det_jacobian(x[:, :1], y[:, :1]),
        d.TanhTransform().log_abs_det_jacobian(x[:, 1:], y[:, 1:]),
    ]
    assert ondol.allclose(one.log_abs_det_jacobian(x, y), ondol.cat(parts, -1))
    joint = d.CatTransform([d.IndependentTransform(part, 1) for part in one.transforms], -1, [1, 2])
    assert ondol.allclose(joint.log_abs_det_jacobian(x, y), ondol.cat(parts, -1).sum(-1))
    assert one.codomain.check(y).all()
    with pytest.raises(AssertionError, match="3 elements"):
        one(ondol.zeros(4))


def test_stacked_maps_treat_slices():
    one, x = d.StackTransform([d.ExpTransform(), d.TanhTransform()], dim=1), ondol.randn(4, 2)
    y = one(x)
    assert ondol.allclose(y, ondol.stack([x[:, 0].exp(), x[:, 1].tanh()], 1))
    assert ondol.allclose(one.inv(y), x) and one.codomain.check(y).all()
    with pytest.raises(AssertionError, match="2 elements"):
        one(ondol.zeros(4, 3))


def test_a_cache_gives_back_the_very_same_tensor():
    one, x = d.ExpTransform(cache_size=1), ondol.randn(3)
    assert one.inv(one(x)) is x
    assert d.ExpTransform().with_cache(1)._cache_size == 1
    with pytest.raises(ValueError, match="cache_size"):
        d.ExpTransform(cache_size=2)


def test_transformed_distribution_by_its_density():
    one = d.TransformedDistribution(d.Normal(0.0, 1.0), [d.AffineTransform(1.0, 2.0), d.ExpTransform()])
    x = ondol.tensor([0.5, 3.0])
    assert ondol.allclose(one.log_prob(x), d.LogNormal(1.0, 2.0).log_prob(x))
    assert ondol.allclose(one.cdf(x), d.Normal(1.0, 2.0).cdf(x.log()))
    with pytest.raises(ValueError, match="transforms must be"):
        d.TransformedDistribution(d.Normal(0.0, 1.0), 3)


def test_triangles_as_vectors():
    to_vector, to_matrix = d.utils.tril_matrix_to_vec, d.utils.vec_to_tril_matrix
    for size in range(1, 5):
        for diagonal in range(-size + 1, size):
            matrix = ondol.randn(2, size, size).tril(diagonal)
            assert ondol.equal(to_matrix(to_vector(matrix, diagonal), diagonal), matrix)
    with pytest.raises(ValueError, match="outside"):
        to_vector(ondol.zeros(3, 3), 4)
    with pytest.raises(ValueError, match="4 which cannot"):
        to_matrix(ondol.zeros(4))
