"""Constraints, and the maps onto them."""

from __future__ import annotations

import pytest

import ondol
from ondol import distributions as d

c = d.constraints


@pytest.mark.parametrize("constraint", [
    c.real, c.positive, c.nonnegative, c.unit_interval, c.interval(-3.0, 1.0), c.half_open_interval(0.0, 2.0),
    c.less_than(2.0), c.greater_than(1.0), c.real_vector, c.simplex, c.corr_cholesky,
    c.cat([c.positive, c.unit_interval], -1, [2, 4]), c.stack([c.positive] * 2 + [c.real] * 4, -1),
], ids=repr)  # fmt: skip
def test_maps_onto_constraints_reach_them(constraint):
    numbers = ondol.randn(5, 6)
    onto = d.biject_to(constraint)
    assert onto.bijective and constraint.check(onto(numbers)).all()
    assert ondol.allclose(onto.inv(onto(numbers)), numbers)
    assert constraint.check(d.transform_to(constraint)(numbers)).all()


@pytest.mark.parametrize("name", ["positive_definite", "positive_semidefinite", "lower_cholesky"])
def test_matrices_have_maps_that_are_no_bijections(name):
    constraint = getattr(c, name)
    assert constraint.check(d.transform_to(constraint)(ondol.randn(4, 3, 3))).all()
    with pytest.raises(NotImplementedError, match="Cannot transform"):
        d.biject_to(constraint)


def test_semidefinite_matrices_may_be_singular():
    singular = ondol.tensor([[1.0, 1.0], [1.0, 1.0]])
    assert c.positive_semidefinite.check(ondol.zeros(2, 2)) and not c.positive_definite.check(singular)
    assert c.positive_semidefinite.check(ondol.stack([-ondol.eye(2), ondol.eye(2)])).tolist() == [False, True]


def test_constraints_of_parts():
    value = ondol.tensor([[1.0, -0.5, 2.0], [-1.0, 0.5, 2.0]])
    assert c.cat([c.positive, c.real], -1, [1, 2]).check(value).tolist() == [[True, True, True], [False, True, True]]
    stacked = c.stack([c.positive, c.unit_interval, c.real], -1)
    assert stacked.check(value).tolist() == [[True, False, True], [False, True, True]]
    assert c.independent(c.positive, 1).check(value).tolist() == [False, False]
    mixed = c.MixtureSameFamilyConstraint(c.positive)
    assert mixed.check(value[:, 0]).tolist() == [True, False]
    for make in (lambda: c.cat([3]), lambda: c.stack([3]), lambda: c.independent(3, 1)):
        with pytest.raises(AssertionError, match="Constraint"):
            make()


def test_what_only_an_instance_can_tell():
    assert c.is_dependent(c.dependent) and c.is_dependent(d.Uniform.support)
    with pytest.raises(NotImplementedError, match="cannot be determined statically"):
        _ = c.dependent.event_dim
    assert d.Binomial.support.is_discrete and d.Binomial.support.event_dim == 0
    with pytest.raises(ValueError, match="dependent"):
        c.dependent.check(ondol.zeros(1))


def test_text_of_constraints():
    assert repr(c.real_vector) == "IndependentConstraint(Real(), 1)"
    assert repr(c.unit_interval) == "Interval(lower_bound=0.0, upper_bound=1.0)"
    assert repr(c.MixtureSameFamilyConstraint(c.real)) == "MixtureSameFamilyConstraint(Real())"
