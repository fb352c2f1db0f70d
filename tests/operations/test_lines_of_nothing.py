"""Tensors without elements may have any sizes: no kernel may count through them."""

import pytest

import ondol

LONGEST = 2**63 - 1


@pytest.mark.parametrize("dtype", [ondol.float32, ondol.complex64, ondol.int64, ondol.bfloat16])
@pytest.mark.parametrize("name", ["sum", "mean", "var", "amax", "argmax", "prod", "logsumexp", "norm", "any", "cumsum"])
def test_reductions_of_no_lines_end(name, dtype):
    for shape in ((0, LONGEST), (0, LONGEST, 1), (1, LONGEST, 0)):
        x = ondol.empty(shape, dtype=dtype)
        try:
            result = getattr(x, name)(dim=1)
        except (RuntimeError, NotImplementedError):
            continue  # for instance a mean of integers
        assert result.numel() == 0


def test_the_gradient_of_repeated_nothing_ends():
    x = ondol.empty(2, 0, 3, requires_grad=True)
    y = x.repeat_interleave(LONGEST)
    assert ondol.autograd.grad(y, x, ondol.zeros_like(y))[0].shape == x.shape
