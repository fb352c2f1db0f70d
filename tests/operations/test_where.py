"""Selection by flags, in each dtype, of tensors and of single values."""

import pytest

import ondol


@pytest.mark.parametrize("dtype", [ondol.float32, ondol.float64, ondol.int64, ondol.float16])
@pytest.mark.parametrize("n", [0, 1, 7, 16, 37, 100_000])
def test_lengths_and_kinds_of_condition(n, dtype):
    generator = ondol.Generator().manual_seed(n)
    flags = ondol.rand(n, generator=generator) < 0.5
    a = (ondol.arange(n) % 1000).to(dtype)
    b = -a - 1
    wanted = [x if flag else y for flag, x, y in zip(flags.tolist(), a.tolist(), b.tolist())]
    assert ondol.where(flags, a, b).tolist() == wanted
    assert ondol.where(flags.to(ondol.uint8), a, b).tolist() == wanted
    zero = ondol.zeros((), dtype=dtype)
    assert ondol.equal(ondol.where(flags, a, zero), a * flags)
    assert ondol.equal(ondol.where(flags, zero, a), a * ~flags)
