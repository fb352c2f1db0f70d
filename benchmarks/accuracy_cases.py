"""The kernels whose rounding errors are compared, each called on numbers of the sizes that models hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from operator_cases import Maker, floats, function, integers, positive, units


class Case(NamedTuple):
    """`call` takes the library and the tensors made of `inputs`; `leaves` names the floating ones."""

    name: str
    call: Callable[..., Any]
    inputs: tuple[Maker, ...]
    gradient: bool = False
    leaves: tuple[str, ...] = ()
    elementwise: bool = False
    winograd: bool = False


def cases() -> list[Case]:
    families = (elementwise, products, convolutions, rows, reductions, layers, losses, spectra)
    return [case for family in families for case in family()]


def elementwise() -> Iterator[Case]:
    n = 200_000
    for name in ("sin", "cos", "tan", "tanh", "sigmoid", "exp", "expm1", "erf", "erfc", "asinh", "atan", "sinh"):
        yield Case(name, function(name), (floats(n, low=-8.0, high=8.0),), elementwise=True)
    for name in ("log", "log1p", "log2", "log10", "sqrt", "rsqrt", "reciprocal", "lgamma", "digamma"):
        yield Case(name, function(name), (positive(n),), elementwise=True)
    for name in ("asin", "acos", "erfinv", "logit"):
        yield Case(name, function(name), (units(n),), elementwise=True)
    for name in ("gelu", "silu", "softplus", "mish", "elu", "logsigmoid"):
        yield Case(name, function(f"nn.functional.{name}"), (floats(n, low=-5.0, high=5.0),), elementwise=True)
    yield Case("gelu, tanh", lambda t, x: t.nn.functional.gelu(x, approximate="tanh"), (floats(n),), elementwise=True)
    yield Case("pow", function("pow"), (positive(n), floats(n)), elementwise=True)
    yield Case("atan2", function("atan2"), (floats(n), floats(n)), elementwise=True)
    yield Case("div", function("div"), (floats(n), positive(n)), elementwise=True)
    for name in ("gelu", "silu"):
        yield Case(f"{name} backward", _slope(name), (floats(n, low=-5.0, high=5.0),), elementwise=True)


def _slope(name: str) -> Callable[..., Any]:
    def call(t: Any, x: Any) -> Any:
        leaf = x.detach().requires_grad_()
        return t.autograd.grad(getattr(t.nn.functional, name)(leaf).sum(), leaf)[0]

    return call


def products() -> Iterator[Case]:
    for rows, inner, columns in ((64, 64, 64), (256, 1024, 256), (512, 4096, 512), (1, 4096, 1024), (4, 4096, 1024)):
        yield Case(f"matmul {rows}×{inner}×{columns}", function("matmul"),
                   (floats(rows, inner), floats(inner, columns)), gradient=True, leaves=("left", "right"))  # fmt: skip
    yield Case("bmm 32×64×256×64", function("bmm"), (floats(32, 64, 256), floats(32, 256, 64)),
               gradient=True, leaves=("left", "right"))  # fmt: skip
    yield Case("linear 128×512×512", function("nn.functional.linear"),
               (floats(128, 512), floats(512, 512), floats(512)), gradient=True,
               leaves=("input", "weight", "bias"))  # fmt: skip
    yield Case("mv 1024×4096", function("mv"), (floats(1024, 4096), floats(4096)))


def convolutions() -> Iterator[Case]:
    leaves = ("input", "weight", "bias")
    for before, after, kernel, stride, width, groups in (
        (3, 64, 7, 2, 112, 1), (64, 256, 1, 1, 28, 1), (256, 64, 1, 1, 14, 1), (64, 128, 3, 2, 28, 1),
        (128, 256, 1, 2, 28, 1), (64, 64, 5, 1, 14, 1), (96, 96, 3, 1, 28, 96), (96, 96, 3, 2, 28, 96),
        (64, 64, 3, 1, 28, 4), (384, 384, 3, 1, 14, 384), (576, 576, 3, 2, 14, 576),
    ):  # fmt: skip
        name = f"conv2d {before} → {after}, {kernel}×{kernel} / {stride}, {width}², groups {groups}"
        yield Case(name, _convolution(stride, kernel // 2, groups),
                   (floats(2, before, width, width), floats(after, before // groups, kernel, kernel), floats(after)),
                   gradient=True, leaves=leaves)  # fmt: skip
    for before, after, width in ((64, 64, 56), (128, 128, 28), (256, 256, 14), (512, 512, 7), (32, 96, 33)):
        yield Case(f"conv2d {before} → {after}, 3×3, {width}²", _convolution(1, 1, 1),
                   (floats(2, before, width, width), floats(after, before, 3, 3), floats(after)),
                   gradient=True, leaves=leaves, winograd=True)  # fmt: skip
    yield Case("conv1d 64 → 64, 3", lambda t, x, w, b: t.nn.functional.conv1d(x, w, b, padding=1),
               (floats(4, 64, 256), floats(64, 64, 3), floats(64)), gradient=True, leaves=leaves)  # fmt: skip
    yield Case("conv3d 16 → 32, 3", lambda t, x, w, b: t.nn.functional.conv3d(x, w, b, padding=1),
               (floats(1, 16, 8, 16, 16), floats(32, 16, 3, 3, 3), floats(32)),
               gradient=True, leaves=leaves)  # fmt: skip
    yield Case("conv_transpose2d 64 → 32, 2 / 2",
               lambda t, x, w, b: t.nn.functional.conv_transpose2d(x, w, b, stride=2),
               (floats(2, 64, 28, 28), floats(64, 32, 2, 2), floats(32)), gradient=True, leaves=leaves)  # fmt: skip


def _convolution(stride: int, padding: int, groups: int) -> Callable[..., Any]:
    return lambda t, x, w, b: t.nn.functional.conv2d(x, w, b, stride, padding, 1, groups)


def rows() -> Iterator[Case]:
    for shape in ((256, 1000), (64, 8192), (512, 16)):
        size = "×".join(map(str, shape))
        x = floats(*shape, low=-8.0, high=8.0)
        yield Case(f"softmax {size}", lambda t, x: t.softmax(x, -1), (x,), gradient=True, leaves=("input",))
        yield Case(f"log_softmax {size}", lambda t, x: t.log_softmax(x, -1), (x,), gradient=True, leaves=("input",))
        yield Case(f"logsumexp {size}", lambda t, x: t.logsumexp(x, -1), (x,), gradient=True, leaves=("input",))
        yield Case(f"layer_norm {size}", lambda t, x, w, b: t.nn.functional.layer_norm(x, w.shape, w, b),
                   (floats(*shape), floats(shape[-1]), floats(shape[-1])), gradient=True,
                   leaves=("input", "weight", "bias"))  # fmt: skip
        yield Case(f"rms_norm {size}", lambda t, x, w: t.nn.functional.rms_norm(x, w.shape, w),
                   (floats(*shape), floats(shape[-1])), gradient=True, leaves=("input", "weight"))  # fmt: skip
    affine = (floats(16, 64, 28, 28), floats(64), floats(64))
    leaves = ("input", "weight", "bias")
    yield Case("batch_norm 16×64×28²",
               lambda t, x, w, b: t.nn.functional.batch_norm(x, None, None, w, b, training=True),
               affine, gradient=True, leaves=leaves)  # fmt: skip
    yield Case("group_norm 16×64×28²", lambda t, x, w, b: t.nn.functional.group_norm(x, 8, w, b),
               affine, gradient=True, leaves=leaves)  # fmt: skip


def reductions() -> Iterator[Case]:
    for name in ("sum", "mean", "var", "std"):
        for dim in (0, 1):
            yield Case(f"{name} of 1000×1000 along {dim}", _reduction(name, dim), (floats(1000, 1000),))
    yield Case("sum of 64 rows of 100,000", _reduction("sum", 1), (positive(64, 100_000),))
    yield Case("sum to one, 1000 times 10×1000", lambda t, x: t.stack([one.sum() for one in x]),
               (positive(200, 10, 1000),))  # fmt: skip
    yield Case("norm of 64 rows of 100,000", lambda t, x: t.linalg.vector_norm(x, dim=1), (floats(64, 100_000),))
    yield Case("prod of 1000×30", _reduction("prod", 1), (positive(1000, 30),), elementwise=True)
    yield Case("cumsum of 64×10,000", lambda t, x: t.cumsum(x, 1), (positive(64, 10_000),))


def _reduction(name: str, dim: int) -> Callable[..., Any]:
    return lambda t, x: getattr(t, name)(x, dim)


def layers() -> Iterator[Case]:
    heads = (floats(2, 4, 256, 64),) * 3
    leaves = ("query", "key", "value")
    yield Case("attention 2×4×256×64", function("nn.functional.scaled_dot_product_attention"), heads,
               gradient=True, leaves=leaves)  # fmt: skip
    yield Case("attention 2×4×256×64, causal",
               lambda t, q, k, v: t.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True),
               heads, gradient=True, leaves=leaves)  # fmt: skip
    for name, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
        width, small = 64, 0.125  # the layers' own initial weights lie within 1/sqrt(width)
        yield Case(f"{name} 64, 35×20", _recurrent(name, width),
                   (floats(35, 20, width), floats(gates * width, width, low=-small, high=small),
                    floats(gates * width, width, low=-small, high=small)),
                   gradient=True, leaves=("input", "input weight", "hidden weight"))  # fmt: skip
    yield Case("avg_pool2d 3×3 / 2", lambda t, x: t.nn.functional.avg_pool2d(x, 3, 2, 1), (floats(4, 32, 28, 28),),
               gradient=True, leaves=("input",))  # fmt: skip
    yield Case("interpolate, bilinear",
               lambda t, x: t.nn.functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False),
               (floats(4, 16, 32, 32),), gradient=True, leaves=("input",))  # fmt: skip
    yield Case("embedding, 100 words 20,000 times", lambda t, i, w: t.nn.functional.embedding(i, w),
               (integers(100, 20_000), floats(100, 64)), gradient=True, leaves=("weight",))  # fmt: skip


def _recurrent(name: str, width: int) -> Callable[..., Any]:
    def call(t: Any, x: Any, w_input: Any, w_hidden: Any) -> Any:
        layer = getattr(t.nn, name)(width, width, bias=False)
        weights = {"weight_ih_l0": w_input, "weight_hh_l0": w_hidden}
        return t.func.functional_call(layer, weights, (x,))[0]

    return call


def losses() -> Iterator[Case]:
    for count, classes in ((512, 10), (256, 1000), (64, 10_000)):
        yield Case(f"cross_entropy {count}×{classes}",
                   lambda t, x, y: t.nn.functional.cross_entropy(x, y, reduction="none"),
                   (floats(count, classes, low=-8.0, high=8.0), integers(classes, count)),
                   gradient=True, leaves=("input",))  # fmt: skip
    for name in ("mse_loss", "smooth_l1_loss", "binary_cross_entropy"):
        yield Case(name, _loss(name), (units(1000, 100), units(1000, 100)), gradient=True, leaves=("input", "target"))


def _loss(name: str) -> Callable[..., Any]:
    return lambda t, x, y: getattr(t.nn.functional, name)(x, y, reduction="none").mean(1)


def spectra() -> Iterator[Case]:
    for n in (256, 1000, 4096, 1009):
        yield Case(f"rfft of 64×{n}", lambda t, x: t.view_as_real(t.fft.rfft(x)), (floats(64, n),))
