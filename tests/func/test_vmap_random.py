"""Random operations under vmap: randomness='error', 'different' and 'same'."""

import pytest

import ondol
from ondol import vmap
from ondol.nn import functional as F

X = ondol.zeros(4, 5)
DRAWS = [
    lambda x: x + ondol.rand(5), lambda x: x + ondol.randn(5), lambda x: ondol.rand_like(x), lambda x: x.uniform_(),
    lambda x: x.normal_(), lambda x: F.dropout(x + 1), lambda x: ondol.bernoulli(x + 0.5),
    lambda x: ondol.randperm(5) + x, lambda x: ondol.multinomial(x + 1, 5).float(),
    lambda x: ondol.normal(x, 1.0), lambda x: ondol.poisson(x + 3),
    lambda x: x.exponential_(), lambda x: F.dropout(ondol.ones(5)) + x, lambda x: ondol.randint(0, 1000, (5,)) + x,
]  # fmt: skip
EACH = pytest.mark.parametrize("draw", DRAWS)


@EACH
def test_error_refuses_to_draw(draw):
    with pytest.raises(RuntimeError, match="randomness"):
        vmap(draw)(X.clone())


@EACH
def test_same_draws_once(draw):
    ondol.manual_seed(0)
    result = vmap(draw, randomness="same")(X.clone())
    assert result.equal(result[:1].expand_as(result))


@EACH
def test_different_draws_for_each(draw):
    ondol.manual_seed(0)
    result = vmap(draw, randomness="different")(X.clone())
    assert len(result.unique(dim=0)) > 1


def test_different_cannot_fill_what_all_examples_share():
    shared = ondol.zeros(5)
    with pytest.raises(RuntimeError, match="randomness"):
        vmap(lambda x: x + shared.uniform_(), randomness="different")(X)


def test_nested_vmaps_follow_the_innermost():
    ondol.manual_seed(0)
    inner = lambda row: vmap(lambda x: x + ondol.rand(()), randomness="same")(row)  # noqa: E731
    result = vmap(inner, randomness="different")(X)
    assert result.equal(result[:, :1].expand_as(result))


def test_different_numbers_for_what_an_outer_vmap_batches():
    ondol.manual_seed(0)
    inner = lambda x: vmap(lambda _: ondol.rand_like(x), randomness="different")(ondol.zeros(3))  # noqa: E731
    result = vmap(inner, randomness="different")(X)
    assert len(result.reshape(-1, 5).unique(dim=0)) == 12


def test_an_unknown_word_is_refused():
    with pytest.raises(RuntimeError, match="randomness"):
        vmap(lambda x: x, randomness="often")


def test_drawing_works_again_afterwards():
    with pytest.raises(RuntimeError):
        vmap(lambda x: ondol.rand(1))(X)
    assert ondol.rand(2).shape == (2,)
