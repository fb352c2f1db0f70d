"""Linear algebra and transforms under vmap take the whole batch at once, with the results of each example."""

import pytest

import ondol
from ondol import vmap


def matrices(*shape):
    ondol.manual_seed(0)
    return ondol.randn(*shape, dtype=ondol.float64) + 3 * ondol.eye(shape[-1], dtype=ondol.float64)


FUNCTIONS = {
    "cholesky": lambda a: ondol.linalg.cholesky(a @ a.T),
    "det": ondol.linalg.det,
    "inv": ondol.linalg.inv,
    "qr": lambda a: ondol.linalg.qr(a)[1].abs(),
    "svdvals": ondol.linalg.svdvals,
    "eigvalsh": lambda a: ondol.linalg.eigvalsh(a + a.T),
    "fft": lambda a: ondol.fft.fft2(a),
    "norm": ondol.linalg.norm,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_batch_gives_what_each_example_gives(name):
    batch = matrices(5, 3, 3)
    expected = ondol.stack([FUNCTIONS[name](one) for one in batch])
    assert ondol.allclose(vmap(FUNCTIONS[name])(batch), expected)


@pytest.mark.parametrize("in_dims", [(0, 0), (0, None), (None, 0)])
def test_systems_may_share_a_side(in_dims):
    a, b = matrices(5, 3, 3), matrices(5, 3, 3)
    chosen = [tensor if dim == 0 else tensor[0] for tensor, dim in zip((a, b), in_dims)]
    found = vmap(ondol.linalg.solve, in_dims=in_dims)(*chosen)
    expected = ondol.stack(
        [ondol.linalg.solve(*(t[i] if d == 0 else t for t, d in zip(chosen, in_dims))) for i in range(5)]
    )
    assert ondol.allclose(found, expected)
