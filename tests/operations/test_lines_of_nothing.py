"""Tensors without elements may have any sizes: no kernel may count through them."""

import pytest

import ondol

LONGEST = 2**63 - 1


def outcome(name, shape, dtype):
    """How many elements the result has, or the class of the exception."""
    try:
        return getattr(ondol.empty(shape, dtype=dtype), name)(dim=1).numel()
    except (RuntimeError, NotImplementedError) as error:
        return type(error)


@pytest.mark.parametrize("dtype", [ondol.float32, ondol.complex64, ondol.int64, ondol.bfloat16])
@pytest.mark.parametrize("name", ["sum", "mean", "var", "amax", "argmax", "prod", "logsumexp", "norm", "any", "cumsum"])
def test_long_lines_of_nothing_are_as_short_ones(name, dtype):
    longest = 2**61 if dtype.is_complex else LONGEST  # twice as many real numbers must have strides of 64 bits
    for before, after in (((0,), ()), ((0,), (1,)), ((1,), (0,))):
        short, long = ((*before, n, *after) for n in (3, longest))
        assert outcome(name, long, dtype) == outcome(name, short, dtype)


def test_reductions_of_no_lines_have_no_results():
    for name in ("sum", "amax", "prod", "any", "cumsum"):
        assert outcome(name, (0, LONGEST), ondol.float32) == 0


def test_the_gradient_of_repeated_nothing_ends():
    x = ondol.empty(2, 0, 3, requires_grad=True)
    y = x.repeat_interleave(LONGEST)
    assert ondol.autograd.grad(y, x, ondol.zeros_like(y))[0].shape == x.shape
