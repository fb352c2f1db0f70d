"""The kernels that decide how long a model takes, on the sizes at which models call them.

A case is written once for any library with PyTorch's API. It says how much arithmetic or how many bytes the work needs
at least, so that a time becomes a rate, and which measured limit the rate is to be compared with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from operator_cases import Maker, floats, integers
from timing import Step


class Contestant(NamedTuple):
    """A library, and how its tensors lie in memory and its functions are called."""

    lib: Any
    channels_last: bool = False
    compiled: bool = False

    def tensors(self, makers: tuple[Maker, ...]) -> list[Any]:
        random = np.random.default_rng(0)
        made = [self.lib.from_numpy(maker.make(random)) for maker in makers]
        if self.channels_last:
            made = [x.to(memory_format=self.lib.channels_last) if x.dim() == 4 else x for x in made]
        return made

    def function(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*tensors: Any) -> Any:
            return call(self.lib, *tensors)

        return self.lib.compile(called) if self.compiled else called


class Case(NamedTuple):
    """A row of the table. `step` builds what is timed; `wanted` is the ratio that the project promises."""

    name: str
    group: str
    step: Callable[[Contestant], Step]
    work: float  # floating-point operations, or bytes that must be moved
    limit: str  # "product", "copy" or "read": the probe whose rate bounds this one
    wanted: float | None = None
    wanted_rate: float | None = None  # operations or bytes per second
    wanted_fraction: float | None = None  # of the limit
    layouts: bool = False  # PyTorch may lay its tensors out as it likes best
    compiles: bool = False  # torch.compile applies


# --- what a step does ---------------------------------------------------------------------------------------------


def forward(call: Callable[..., Any], *makers: Maker) -> Callable[[Contestant], Step]:
    """The call alone, no gradient recorded."""

    def build(contestant: Contestant) -> Step:
        tensors, function = contestant.tensors(makers), contestant.function(call)
        return lambda: function(*tensors)

    return build


def both(call: Callable[..., Any], *makers: Maker) -> Callable[[Contestant], Step]:
    """The call and the gradients of all floating inputs."""

    def build(contestant: Contestant) -> Step:
        lib, tensors, function = contestant.lib, contestant.tensors(makers), contestant.function(call)
        leaves = [x.requires_grad_() for x in tensors if x.is_floating_point()]
        cotangent = lib.rand_like(call(lib, *tensors).detach())

        def step() -> None:
            lib.autograd.backward(function(*tensors), cotangent)
            for leaf in leaves:
                leaf.grad = None

        return step

    return build


def gradient(which: int, call: Callable[..., Any], *makers: Maker) -> Callable[[Contestant], Step]:
    """The gradient of one input alone, of a result computed before."""

    def build(contestant: Contestant) -> Step:
        lib, tensors = contestant.lib, contestant.tensors(makers)
        leaf = tensors[which].requires_grad_()
        result = call(lib, *tensors)
        cotangent = lib.rand_like(result.detach())
        return lambda: lib.autograd.grad(result, leaf, cotangent, retain_graph=True)

    return build


def adamw(**options: Any) -> Callable[[Contestant], Step]:
    """One update of 31 million parameters, whose gradients are there."""

    def build(contestant: Contestant) -> Step:
        lib = contestant.lib
        parameters = [lib.nn.Parameter(lib.randn(shape)) for shape in ADAMW_SHAPES]
        for parameter in parameters:
            parameter.grad = lib.randn(parameter.shape)
        return lib.optim.AdamW(parameters, lr=1e-3, **options).step

    return build


# --- cases --------------------------------------------------------------------------------------------------------


def cases() -> list[Case]:
    families = (limits, products, few_rows, convolutions, depthwise, pointwise, rows, optimizers, layers)
    return [case for family in families for case in family()]


PROBE_FLOATS = 32 * 2**20  # 128 MB: several times what a cache holds


def limits() -> Iterator[Case]:
    """What bounds the rest: the fastest product, and the rates at which memory is copied, changed in place and read."""
    n = PROBE_FLOATS
    yield Case("product of 2048²", "limits", forward(_matmul, floats(2048, 2048), floats(2048, 2048)),
               2.0 * 2048**3, "product")  # fmt: skip
    yield Case("copy of 128 MB", "limits", forward(lambda t, x, y: x.copy_(y), floats(n), floats(n)), 8.0 * n, "copy")
    # Faster than a copy where a store first loads what it replaces.
    yield Case("x.add_(1) of 128 MB", "limits", forward(lambda t, x: x.add_(1.0), floats(n)), 8.0 * n, "copy")
    yield Case("sum of 128 MB", "limits", forward(lambda t, x: x.sum(), floats(n)), 4.0 * n, "read")


def _matmul(t: Any, x: Any, y: Any) -> Any:
    return t.matmul(x, y)


def products() -> Iterator[Case]:
    for n in (256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096):
        yield Case(f"{n}² × {n}²", "product", forward(_matmul, floats(n, n), floats(n, n)), 2.0 * n**3, "product",
                   wanted=2.0, wanted_rate=480e9 if n >= 1024 else None)  # fmt: skip
    n = 1024  # the layouts that the gradients of a linear layer meet
    for name, call in (
        ("A Bᵀ", lambda t, x, y: t.matmul(x, y.t())),
        ("Aᵀ B", lambda t, x, y: t.matmul(x.t(), y)),
    ):
        yield Case(f"{name}, {n}²", "product", forward(call, floats(n, n), floats(n, n)), 2.0 * n**3, "product",
                   wanted=2.0, wanted_rate=480e9)  # fmt: skip


def few_rows() -> Iterator[Case]:
    """A matrix of 64 MB times a few rows: each element is read once and used a few times."""
    n = 4096
    for count in (1, 2, 4, 8):
        yield Case(f"linear {n}², {count} rows" if count > 1 else f"linear {n}², 1 row", "few rows",
                   forward(lambda t, x, w: t.nn.functional.linear(x, w), floats(count, n), floats(n, n)),
                   4.0 * (n * n + 2 * count * n), "read", wanted=2.0, wanted_fraction=0.8)  # fmt: skip
    yield Case(f"matrix {n}² × vector", "few rows", forward(_matmul, floats(n, n), floats(n)),
               4.0 * (n * n + 2 * n), "read", wanted=2.0, wanted_fraction=0.8)  # fmt: skip
    yield Case(f"4 rows × matrix {n}²", "few rows", forward(_matmul, floats(4, n), floats(n, n)),
               4.0 * (n * n + 8 * n), "read", wanted=2.0, wanted_fraction=0.8)  # fmt: skip


class Convolution(NamedTuple):
    """A layer of a network: channels before and after, kernel, stride, the input's width, and how often it occurs."""

    before: int
    after: int
    kernel: int
    stride: int
    width: int
    occurs: int
    groups: int = 1

    @property
    def name(self) -> str:
        channels = f"{self.before}" if self.groups > 1 else f"{self.before} → {self.after}"
        stride = f" / {self.stride}" if self.stride > 1 else ""
        return f"{channels}, {self.kernel}×{self.kernel}{stride}, {self.width}²"


RESNET50 = (  # He et al. 2015, table 1, with the stride in the 3 x 3 layer; 53 layers of 23 shapes
    Convolution(3, 64, 7, 2, 224, 1),
    Convolution(64, 64, 1, 1, 56, 1), Convolution(64, 64, 3, 1, 56, 3), Convolution(64, 256, 1, 1, 56, 4),
    Convolution(256, 64, 1, 1, 56, 2),
    Convolution(256, 128, 1, 1, 56, 1), Convolution(128, 128, 3, 2, 56, 1), Convolution(128, 512, 1, 1, 28, 4),
    Convolution(256, 512, 1, 2, 56, 1), Convolution(512, 128, 1, 1, 28, 3), Convolution(128, 128, 3, 1, 28, 3),
    Convolution(512, 256, 1, 1, 28, 1), Convolution(256, 256, 3, 2, 28, 1), Convolution(256, 1024, 1, 1, 14, 6),
    Convolution(512, 1024, 1, 2, 28, 1), Convolution(1024, 256, 1, 1, 14, 5), Convolution(256, 256, 3, 1, 14, 5),
    Convolution(1024, 512, 1, 1, 14, 1), Convolution(512, 512, 3, 2, 14, 1), Convolution(512, 2048, 1, 1, 7, 3),
    Convolution(1024, 2048, 1, 2, 14, 1), Convolution(2048, 512, 1, 1, 7, 2), Convolution(512, 512, 3, 1, 7, 2),
)  # fmt: skip

DEPTHWISE_SHAPES = (  # Sandler et al. 2018, table 2: channels, stride, width, occurs; 17 layers of 10 shapes
    (32, 1, 112, 1), (96, 2, 112, 1), (144, 1, 56, 1), (144, 2, 56, 1), (192, 1, 28, 2), (192, 2, 28, 1),
    (384, 1, 14, 4), (576, 1, 14, 2), (576, 2, 14, 1), (960, 1, 7, 3),
)  # fmt: skip
MOBILENET_DEPTHWISE = tuple(
    Convolution(channels, channels, 3, stride, width, occurs, groups=channels)
    for channels, stride, width, occurs in DEPTHWISE_SHAPES
)
BATCH = 8
DIRECTIONS = ("forward", "input gradient", "weight gradient")


def convolutions() -> Iterator[Case]:
    for layer in RESNET50:
        for direction in DIRECTIONS:
            if layer.before > 3 or direction != "input gradient":  # nobody asks for the gradient of the image
                out = layer.width // layer.stride
                flops = 2.0 * BATCH * layer.after * layer.before * (layer.kernel * out) ** 2
                yield _convolution(layer, direction, "convolution", flops, "product", 1.5)


def depthwise() -> Iterator[Case]:
    """Nine multiplications for each element: the least that must be moved is the input and the output."""
    for layer in MOBILENET_DEPTHWISE:
        for direction in DIRECTIONS:
            out = layer.width // layer.stride
            moved = 4.0 * BATCH * layer.before * (layer.width**2 + out**2)
            yield _convolution(layer, direction, "depthwise", moved, "copy", 2.0)


def _convolution(layer: Convolution, direction: str, group: str, work: float, limit: str, wanted: float) -> Case:
    def call(t: Any, x: Any, w: Any) -> Any:
        return t.nn.functional.conv2d(x, w, stride=layer.stride, padding=layer.kernel // 2, groups=layer.groups)

    makers = (
        floats(BATCH, layer.before, layer.width, layer.width),
        floats(layer.after, layer.before // layer.groups, layer.kernel, layer.kernel),
    )
    if direction == "forward":
        step = forward(call, *makers)
    else:
        step = gradient(0 if direction == "input gradient" else 1, call, *makers)
    return Case(
        f"{layer.name}: {direction}", group, step, work, limit, wanted, layouts=True, compiles=direction == "forward"
    )


def pointwise() -> Iterator[Case]:
    """Tensors of 32 MB."""
    n = 8 * 2**20
    for name, call in (
        ("x + 1", lambda t, x: x + 1.0),
        ("relu", lambda t, x: t.relu(x)),
        ("exp", lambda t, x: t.exp(x)),
        ("tanh", lambda t, x: t.tanh(x)),
        ("sigmoid", lambda t, x: t.sigmoid(x)),
        ("gelu", lambda t, x: t.nn.functional.gelu(x)),
    ):
        yield Case(f"{name}, 32 MB", "pointwise", forward(call, floats(n)), 8.0 * n, "copy", 3.0, compiles=True)
    for name, call in (("x + y", lambda t, x, y: x + y), ("x * y", lambda t, x, y: x * y)):
        yield Case(f"{name}, 32 MB each", "pointwise", forward(call, floats(n), floats(n)), 12.0 * n, "copy", 3.0,
                   compiles=True)  # fmt: skip
    # Nothing is allocated here: memory alone decides, and no library can be much faster than another.
    yield Case("x.add_(1), 32 MB", "pointwise", forward(lambda t, x: x.add_(1.0), floats(n)), 8.0 * n, "copy")


def rows() -> Iterator[Case]:
    """Functions of whole rows, forward and backward; bytes as if each pass kept its row in a cache."""
    for shape in ((4096, 1024), (48, 256, 256), (512, 10_000)):
        size = float(math.prod(shape))
        yield Case(f"softmax {_shown(shape)}", "rows", both(lambda t, x: t.softmax(x, -1), floats(*shape)),
                   4 * 5 * size, "copy", 1.5, compiles=True)  # fmt: skip
    for count, width in ((2048, 384), (8192, 1024)):
        yield Case(f"layer_norm {count}×{width}", "rows",
                   both(lambda t, x, w, b: t.nn.functional.layer_norm(x, w.shape, w, b),
                        floats(count, width), floats(width), floats(width)),
                   4.0 * 5 * count * width, "copy", 1.5, compiles=True)  # fmt: skip
    for count, classes in ((2048, 65), (512, 1000), (2048, 10_000)):
        yield Case(f"cross_entropy {count}×{classes}", "rows",
                   both(lambda t, x, y: t.nn.functional.cross_entropy(x, y),
                        floats(count, classes), integers(classes, count)),
                   4.0 * 3 * count * classes, "copy", 1.5, compiles=True)  # fmt: skip


def _shown(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


# A decoder of nine layers of width 512 and its embedding: large matrices, and short vectors between them.
ADAMW_SHAPES = [
    *[(1536, 512), (1536,), (512, 512), (512,), (2048, 512), (2048,), (512, 2048), (512,), (512,), (512,)] * 9,
    (5000, 512),
]


def optimizers() -> Iterator[Case]:
    """Read parameter, gradient and two moments, write all but the gradient."""
    moved = 4.0 * 7 * sum(math.prod(shape) for shape in ADAMW_SHAPES)
    yield Case("AdamW, 31 M parameters", "optimizer", adamw(), moved, "copy", 3.5)
    yield Case("AdamW(fused=True), 31 M parameters", "optimizer", adamw(fused=True), moved, "copy", 1.0)


def layers() -> Iterator[Case]:
    """Layers without a promise of their own, shown because models spend their time there."""
    heads = (floats(8, 6, 256, 64),) * 3
    yield Case("attention 8×6×256×64, causal", "layers",
               both(lambda t, q, k, v: t.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True), *heads),
               7 * 2.0 * 8 * 6 * 256 * 256 * 64 / 2, "product", compiles=True)  # fmt: skip
    yield Case("attention 16×8×128×32", "layers",
               both(lambda t, q, k, v: t.nn.functional.scaled_dot_product_attention(q, k, v),
                    *(floats(16, 8, 128, 32),) * 3),
               7 * 2.0 * 16 * 8 * 128 * 128 * 32, "product", compiles=True)  # fmt: skip
    image = floats(8, 64, 112, 112)
    size = 8.0 * 64 * 112 * 112
    yield Case("batch_norm 8×64×112²", "layers",
               both(lambda t, x, w, b: t.nn.functional.batch_norm(x, None, None, w, b, training=True),
                    image, floats(64), floats(64)),
               4 * 8 * size, "copy", layouts=True, compiles=True)  # fmt: skip
    yield Case("max_pool2d 3×3 / 2, 8×64×112²", "layers",
               both(lambda t, x: t.nn.functional.max_pool2d(x, 3, 2, 1), image),
               4 * (1 + 0.25 + 0.25 + 1) * size, "copy", layouts=True, compiles=True)  # fmt: skip
    yield Case("lstm 200 → 200, 35×20", "layers", _lstm(35, 20, 200), 3 * 2.0 * 35 * 20 * 4 * 200 * 400, "product")


def _lstm(steps: int, batch: int, width: int) -> Callable[[Contestant], Step]:
    def build(contestant: Contestant) -> Step:
        lib = contestant.lib
        layer, x = lib.nn.LSTM(width, width), lib.randn(steps, batch, width)
        cotangent = lib.ones(steps, batch, width)

        def step() -> None:
            lib.autograd.backward(layer(x)[0], cotangent)
            layer.zero_grad()

        return step

    return build
