"""einsum against NumPy's, and where PyTorch's language goes further."""

import numpy as np
import pytest

import ondol
from ondol.autograd import gradcheck, gradgradcheck


def random(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("i,i", [(3,), (3,)]),
        ("ij,jk->ik", [(2, 3), (3, 4)]),
        ("ij->ji", [(2, 3)]),
        ("ij->", [(2, 3)]),
        ("ii", [(3, 3)]),
        ("ii->i", [(3, 3)]),
        ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)]),
        ("...ij,...jk->...ik", [(2, 1, 3, 4), (5, 4, 6)]),
        ("i...,i...->...", [(3, 2), (3, 2)]),
        ("ij,kl->ijkl", [(2, 3), (4, 5)]),
        ("ab,bc,cd->ad", [(2, 3), (3, 4), (4, 5)]),
        ("bhqd,bhkd->bhqk", [(2, 2, 3, 4), (2, 2, 5, 4)]),
        ("ijj,jk->ki", [(2, 3, 3), (3, 4)]),
        ("aB,Bc", [(2, 3), (3, 4)]),
        (" i j , j -> i ", [(2, 3), (3,)]),
    ],
)
def test_einsum_agrees_with_numpy(equation, shapes):
    arrays = [random(*shape) for shape in shapes]
    result = ondol.einsum(equation, *map(ondol.from_numpy, arrays))
    np.testing.assert_allclose(result.numpy(), np.einsum(equation.replace(" ", ""), *arrays), rtol=1e-12)


def test_a_size_of_one_broadcasts_against_another_size():
    result = ondol.einsum("ij,ij->i", ondol.ones(2, 3), ondol.ones(2, 1))
    assert result.tolist() == [3.0, 3.0]


def test_the_sublist_format_means_the_same_as_letters():
    a, b = (ondol.from_numpy(random(*shape)) for shape in ((2, 3), (3, 4)))
    assert ondol.equal(ondol.einsum(a, [0, 1], b, [1, 2], [0, 2]), ondol.einsum("ij,jk->ik", a, b))
    assert ondol.equal(ondol.einsum(a, [..., 1], [1, ...]), a.t())


def test_operands_may_come_as_one_list():
    assert ondol.einsum("i,i", [ondol.ones(2), ondol.ones(2)]).item() == 2.0


def test_einsum_of_integers_stays_exact():
    big = ondol.tensor([2**53 + 1, 1])
    assert ondol.einsum("i->", big).item() == 2**53 + 2


def test_einsum_is_differentiable_twice():
    a, b = (ondol.from_numpy(random(*shape)).requires_grad_() for shape in ((2, 3, 3), (3, 4)))
    function = lambda a, b: ondol.einsum("ijj,jk->ki", a, b)  # noqa: E731
    assert gradcheck(function, (a, b))
    assert gradgradcheck(function, (a, b))


@pytest.mark.parametrize(
    ("equation", "count"),
    [("ij", 1), ("i,j", 1), ("i->ii", 1), ("i->j", 1), ("i.->i", 1), ("i1->i", 1), ("ii", 1)],
)
def test_a_malformed_equation_is_a_runtime_error(equation, count):
    operand = ondol.ones(2, 3) if equation == "ii" else ondol.ones(2)
    with pytest.raises(RuntimeError, match="einsum"):
        ondol.einsum(equation, *[operand] * count)


def test_sizes_that_do_not_agree_are_named():
    with pytest.raises(RuntimeError, match="subscript i has size 3 for operand 1 which does not broadcast"):
        ondol.einsum("i,i", ondol.ones(2), ondol.ones(3))
