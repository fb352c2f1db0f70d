"""Samples from a seed: PyTorch's numbers after `manual_seed(0)`."""

from __future__ import annotations

import pytest

import ondol
from ondol import distributions as d

A = [0.5, 1.0, 3.0, 50.0]
GAMMA = [0.0007893582063475732, 0.11898370896786938, 2.937235771971711, 45.51414946033219]
DIRICHLET = [1.625158291430029e-05, 0.00244967822744198, 0.06047283768407208, 0.9370612325055716]


@pytest.mark.parametrize("draw, expected", [(ondol._standard_gamma, GAMMA), (ondol._sample_dirichlet, DIRICHLET)])
def test_gamma_and_dirichlet_numbers(draw, expected):
    ondol.manual_seed(0)
    assert draw(ondol.tensor(A)).tolist() == pytest.approx(expected, rel=1e-14)
    ondol.manual_seed(0)
    assert draw(ondol.tensor(A).float()).tolist() == pytest.approx(expected, rel=1e-6)


def test_a_generator_is_drawn_from_instead_of_the_default_one():
    own = ondol.Generator()
    own.manual_seed(0)
    before = ondol.get_rng_state()
    assert ondol._standard_gamma(ondol.tensor(A), generator=own).tolist() == pytest.approx(GAMMA, rel=1e-14)
    assert ondol.equal(ondol.get_rng_state(), before)


@pytest.mark.parametrize("make, shape, expected", [
    (lambda: d.StudentT(3.0), (2,), [9.318286800763724, -0.26108659456864225]),
    (lambda: d.VonMises(0.5, 2.0), (2,), [0.298478876088093, 0.07482232281838996]),
    (lambda: d.NegativeBinomial(5.0, 0.5), (4,), [9.0, 4.0, 2.0, 3.0]),
    (lambda: d.LKJCholesky(2, 1.0), (2,), [1.0, 0.0, 0.20728046931458396, 0.9782815581624371, 1.0, 0.0,
                                           -0.4090887492847394, 0.9124946000983499]),
])  # fmt: skip
def test_numbers_of_distributions_made_of_others(make, shape, expected):
    one = make()
    ondol.manual_seed(0)
    assert one.sample(shape).flatten().tolist() == pytest.approx(expected, rel=1e-12)


def test_samples_are_positive_where_they_underflow():
    tiny = ondol._standard_gamma(ondol.full((1000,), 1e-4))
    assert (tiny >= ondol.finfo(ondol.float64).tiny).all()
    points = ondol._sample_dirichlet(ondol.full((1000, 3), 1e-3).float())
    assert (points > 0).all() and (points < 1).all()


def test_only_real_floats_are_drawn():
    for draw in (ondol._standard_gamma, ondol._sample_dirichlet):
        with pytest.raises(NotImplementedError, match="Long"):
            draw(ondol.tensor([1]))
    with pytest.raises(RuntimeError, match="dtype Float"):
        ondol._standard_gamma_grad(ondol.ones(2), ondol.ones(2).float())
