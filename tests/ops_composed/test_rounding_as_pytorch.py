"""Where PyTorch rounds between the steps of a formula, so that results agree to the last bits that matter."""

import math

import ondol
from ondol.nn import functional as F


def test_bilinear_interpolation_of_half_precision_rounds_once():
    x = ondol.randn(1, 2, 4, 4, generator=ondol.Generator().manual_seed(0)).to(ondol.bfloat16)
    exact = F.interpolate(x.double(), (5, 5), mode="bilinear")
    rounded = F.interpolate(x, (5, 5), mode="bilinear")
    assert (rounded.double() - exact).abs().max() <= exact.abs().max() * 2**-8


def test_addr_of_bfloat16_rounds_every_step():
    def half(x):
        return ondol.tensor(x, dtype=ondol.bfloat16).item()

    result = ondol.addr(ondol.tensor([[1.3]]).bfloat16(), ondol.tensor([0.7]).bfloat16(),
                        ondol.tensor([1.9]).bfloat16(), beta=0.6, alpha=0.2)  # fmt: skip
    product = half(half(half(0.2) * half(0.7)) * half(1.9))
    assert result.item() == half(half(half(0.6) * half(1.3)) + product)


def test_running_statistics_of_half_precision_move_towards_rounded_ones():
    x = ondol.tensor([[0.1015625], [0.1025390625]], dtype=ondol.bfloat16)
    running = ondol.tensor([-0.1], dtype=ondol.bfloat16)
    F.batch_norm(x, running, ondol.ones(1, dtype=ondol.bfloat16), training=True, momentum=0.5)
    mean = x.float().mean().bfloat16().float()
    assert running.item() == (0.5 * ondol.tensor(-0.1).bfloat16().float() + 0.5 * mean).bfloat16().item()


def test_complex_sinc_rounds_its_angle_to_the_dtype():
    z = ondol.tensor([1 + 7j], dtype=ondol.complex64)
    exact = ondol.sinc(z.to(ondol.complex128))
    assert (ondol.sinc(z).to(ondol.complex128) - exact).abs().item() <= exact.abs().item() * 22 * 2**-23


def test_logcumsumexp_of_complex_numbers():
    z = ondol.tensor([0.5 + 1j, -2 - 3j, 1 + 0.25j], dtype=ondol.complex128, requires_grad=True)
    expected = ondol.cumsum(z.exp(), 0)
    result = ondol.logcumsumexp(z, 0)
    assert ondol.allclose(result.exp(), expected)
    assert ondol.autograd.gradcheck(lambda x: ondol.logcumsumexp(x, 0), z)


def test_logcumsumexp_of_complex_minus_infinity():
    z = ondol.tensor([-math.inf, 0.0], dtype=ondol.complex64)
    assert ondol.logcumsumexp(z, 0)[1].item() == 0


def test_embedding_bag_of_half_precision_rounds_its_sums_once():
    weight = ondol.tensor([[1.0], [2.0**-9], [2.0**-9]], dtype=ondol.bfloat16)
    bag = F.embedding_bag(ondol.tensor([[0, 1, 1, 2, 2]]), weight, mode="sum")
    assert bag.item() == 1 + 2**-7  # one by one, each of the four would be rounded away


def test_chunked_linear_cross_entropy_keeps_its_logits_in_float():
    generator = ondol.Generator().manual_seed(1)
    x, w = (ondol.randn(*shape, generator=generator).bfloat16() for shape in ((8,), (8, 8)))
    options = ondol.nn.LinearCrossEntropyOptions()
    exact = F.linear_cross_entropy(x.double(), w.double(), ondol.tensor(3))
    assert F.linear_cross_entropy(x, w, ondol.tensor(3), options=options) == exact.float().bfloat16()
