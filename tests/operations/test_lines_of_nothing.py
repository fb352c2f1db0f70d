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


@pytest.mark.parametrize("name", ["sort", "argsort", "cumsum", "cumprod", "cummax", "logcumsumexp", "diff", "softmax"])
def test_any_number_of_empty_lines_is_passed_over(name):
    for shape in ((2**62, 0), (2**31, 0, 2**31), (3, 0, 2**60)):
        x = ondol.empty(shape)
        for dim in range(x.dim()):
            if name == "softmax" or shape[dim] < 2**32:  # sorted positions are of 32 bits
                result = getattr(x, name)(dim=dim)
                assert (result[0] if isinstance(result, tuple) else result).numel() == 0


def test_other_functions_pass_over_empty_lines():
    assert ondol.empty(2**60, 2, 0).mode(1).values.shape == (2**60, 0)
    assert ondol.linalg.qr(ondol.empty(2**50, 0, 3)).R.shape == (2**50, 0, 3)
    assert ondol.empty(3, 0).expand(3, 0).diff(n=LONGEST).shape == (3, 0)
    assert ondol.empty(2**61, 0).diff(n=2**60, dim=0).shape == (2**61 - 2**60, 0)
    assert ondol.nn.init.sparse_(ondol.empty(0, 2**62), 0.5).shape == (0, 2**62)


def test_views_of_nothing_may_begin_beyond_all_addresses():
    x = ondol.empty(3, 0, 2**61, dtype=ondol.float64)
    assert x[2].numel() == x[..., -1].numel() == 0
    assert ondol.empty(0, 2**59).numpy().shape == (0, 2**59)
    assert ondol.empty(2**60, 2, 0, dtype=ondol.float64)[-2, 0].tolist() == []


def test_more_views_than_memory_holds_are_refused():
    x = ondol.empty(0, 2**61)
    for many in (lambda: x.unbind(1), lambda: x.split(3, 1), lambda: ondol.chunk(ondol.empty(0, 0), 2**60)):
        with pytest.raises(ondol.OutOfMemoryError):
            many()


def test_padding_and_indexing_of_nothing_count_nothing():
    assert ondol.nn.functional.pad(ondol.empty(0, 3, 2**61), (5, 3), mode="circular").shape == (0, 3, 2**61 + 8)
    x = ondol.empty(2**30, 0, 2, 2**30)
    assert x[:, ondol.empty(1, 0, 3, dtype=ondol.int64)].shape == (2**30, 1, 0, 3, 2, 2**30)


def test_a_sequence_of_nothing_too_long_for_its_steps_is_refused():
    weights = [ondol.empty(3, 0), ondol.empty(3, 3), ondol.empty(3), ondol.empty(3)]
    with pytest.raises(ondol.OutOfMemoryError, match="allocate"):
        ondol._native.rnn_relu(
            ondol.empty(2**60, 2, 0), ondol.empty(1, 2, 3), weights, True, 1, 0.0, False, False, False
        )
