"""The operators of the core tier on typical sizes, each written once for any library with PyTorch's API.

A case names the operator as PyTorch's database does, says how it is called, and which arrays it is called with. Every
operator that has a derivative is also timed forward and backward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np


class Maker(NamedTuple):
    """How an input is made, and whether its derivative is wanted where it can have one."""

    make: Callable[[np.random.Generator], np.ndarray]
    leaf: bool = True


class Case(NamedTuple):
    """`call` takes the library and the tensors made of `inputs`; with `gradient`, the floating ones are leaves."""

    name: str
    call: Callable[..., Any]
    inputs: tuple[Maker, ...]
    gradient: bool

    @property
    def operator(self) -> str:
        """The name without what tells several cases of one operator apart."""
        return self.name.partition(" ")[0]


# --- inputs -------------------------------------------------------------------------------------------------------


def floats(*shape: int, low: float = -2.0, high: float = 2.0) -> Maker:
    return Maker(lambda random: random.uniform(low, high, shape).astype(np.float32))


def positive(*shape: int) -> Maker:
    return floats(*shape, low=0.1, high=2.0)


def units(*shape: int) -> Maker:
    """Numbers strictly between 0 and 1, as probabilities are."""
    return floats(*shape, low=0.01, high=0.99)


def integers(high: int, *shape: int) -> Maker:
    return Maker(lambda random: random.integers(0, high, shape))


def truths(*shape: int) -> Maker:
    return Maker(lambda random: random.integers(0, 2, shape).astype(bool))


def signs(*shape: int) -> Maker:
    """Targets of -1 and 1."""
    return Maker(lambda random: random.choice(np.array([-1.0, 1.0], np.float32), shape), leaf=False)


def bits(*shape: int) -> Maker:
    """Targets of 0 and 1."""
    return Maker(lambda random: random.integers(0, 2, shape).astype(np.float32), leaf=False)


def complexes(*shape: int) -> Maker:
    return Maker(lambda random: (random.normal(size=shape) + 1j * random.normal(size=shape)).astype(np.complex64))


def increasing(*shape: int) -> Maker:
    return Maker(lambda random: np.sort(random.uniform(-2, 2, shape), -1).astype(np.float32))


def definite(*shape: int) -> Maker:
    """Symmetric positive definite matrices."""

    def make(random: np.random.Generator) -> np.ndarray:
        factor = random.normal(size=shape)
        return (factor @ np.swapaxes(factor, -1, -2) + shape[-1] * np.eye(shape[-1])).astype(np.float32)

    return Maker(make)


# --- cases --------------------------------------------------------------------------------------------------------


def cases() -> list[Case]:
    families = (
        pointwise, arithmetic, comparisons, reductions, creation, views, joining, indexing, ordering, products,
        decompositions, spectra, random_numbers, activations, losses, convolutions, pools, normalizations, resampling,
        layers,
    )  # fmt: skip
    return [case for family in families for case in family()]


def case(name: str, call: Callable[..., Any], *inputs: Maker, gradient: bool = True) -> Case:
    return Case(name, call, inputs, gradient)


def plain(name: str, call: Callable[..., Any], *inputs: Maker) -> Case:
    """A case that has no derivative."""
    return Case(name, call, inputs, gradient=False)


SMALL, LARGE = (64, 64), (1024, 1024)


def both_sizes(name: str, call: Callable[..., Any], *makers: Callable[..., Maker], gradient: bool = True) -> list[Case]:
    """The case on 4,096 elements, as in a small model, and on a million, where memory and arithmetic decide."""
    return [
        Case(f"{name} {shape[0]}x{shape[1]}", call, tuple(make(*shape) for make in makers), gradient)
        for shape in (SMALL, LARGE)
    ]


def function(name: str) -> Callable[..., Any]:
    """The library's function of that dotted name, called with the tensors."""

    def call(t: Any, *tensors: Any) -> Any:
        value = t
        for part in name.split("."):
            value = getattr(value, part)
        return value(*tensors)

    return call


def method(name: str) -> Callable[..., Any]:
    return lambda t, tensor, *rest: getattr(tensor, name)(*rest)


def pointwise() -> Iterator[Case]:
    for name in (
        "abs", "ceil", "cos", "erf", "exp", "floor", "neg", "round", "sigmoid", "sign", "sin", "square", "tanh",
        "trunc", "nan_to_num",
    ):  # fmt: skip
        yield from both_sizes(name, function(name), floats)
    for name in ("log", "log1p", "log2", "reciprocal", "rsqrt", "sqrt"):
        yield from both_sizes(name, function(name), positive)
    yield from both_sizes("erfinv", function("erfinv"), units)
    yield from both_sizes("clamp", lambda t, x: x.clamp(-1.0, 1.0), floats)
    yield from both_sizes("clamp_min", lambda t, x: x.clamp_min(0.0), floats)
    yield from both_sizes("clamp_max", lambda t, x: x.clamp_max(1.0), floats)
    yield from both_sizes("pow", lambda t, x: x**2.5, positive)
    yield from both_sizes("__rpow__", lambda t, x: 2.0**x, floats)
    yield from both_sizes("round.decimals_3", lambda t, x: t.round(x, decimals=3), floats)
    yield from both_sizes("bitwise_not", lambda t, x: ~x, lambda *shape: integers(99, *shape), gradient=False)
    for name in ("isfinite", "isinf", "isnan", "logical_not"):
        yield from both_sizes(name, function(name), floats, gradient=False)
    yield case("real 512x512", lambda t, z: t.real(z), complexes(512, 512))
    yield case("imag 512x512", lambda t, z: t.imag(z), complexes(512, 512))
    yield case("view_as_real 512x512", lambda t, z: t.view_as_real(z), complexes(512, 512))
    yield case("view_as_complex 512x512", lambda t, x: t.view_as_complex(x), floats(512, 512, 2))
    yield case("polar 512x512", function("polar"), positive(512, 512), floats(512, 512))
    for name in ("bool", "double", "int", "long"):
        yield from both_sizes(name, method(name), floats, gradient=False)
    for name in ("bfloat16", "half"):
        yield from both_sizes(name, method(name), floats)
    yield from both_sizes("float", lambda t, x: x.float(), lambda *shape: integers(99, *shape), gradient=False)
    yield from both_sizes("clone", method("clone"), floats)
    yield case("contiguous transposed", lambda t, x: x.t().contiguous(), floats(1024, 1024))


def arithmetic() -> Iterator[Case]:
    for name in ("add", "sub", "mul", "maximum", "minimum", "atan2"):
        yield from both_sizes(name, function(name), floats, floats)
    yield from both_sizes("div", function("div"), floats, positive)
    yield from both_sizes("true_divide", function("true_divide"), floats, positive)
    yield from both_sizes("remainder", function("remainder"), floats, positive)
    yield from both_sizes("floor_divide", function("floor_divide"), floats, positive, gradient=False)
    yield from both_sizes("div.trunc_rounding", lambda t, x, y: t.div(x, y, rounding_mode="trunc"), floats, positive)
    yield from both_sizes("div.floor_rounding", lambda t, x, y: t.div(x, y, rounding_mode="floor"), floats, positive)
    yield from both_sizes("max.binary", lambda t, x, y: t.max(x, y), floats, floats)
    yield from both_sizes("min.binary", lambda t, x, y: t.min(x, y), floats, floats)
    yield from both_sizes("__radd__", lambda t, x: 1.0 + x, floats)
    yield from both_sizes("__rsub__", lambda t, x: 1.0 - x, floats)
    yield from both_sizes("__rmul__", lambda t, x: 2.0 * x, floats)
    yield from both_sizes("__rdiv__", lambda t, x: 1.0 / x, positive)
    yield case("add broadcast", function("add"), floats(1024, 1024), floats(1024))
    yield case("mul broadcast column", function("mul"), floats(1024, 1024), floats(1024, 1))
    yield from both_sizes("addcdiv", lambda t, x, y, z: t.addcdiv(x, y, z, value=0.1), floats, floats, positive)
    yield from both_sizes("addcmul", lambda t, x, y, z: t.addcmul(x, y, z, value=0.1), floats, floats, floats)
    yield from both_sizes("lerp", lambda t, x, y: t.lerp(x, y, 0.3), floats, floats)
    yield from both_sizes("where", function("where"), truths, floats, floats)
    for name in ("bitwise_and", "bitwise_or"):
        whole = lambda *shape: integers(99, *shape)  # noqa: E731
        yield from both_sizes(name, function(name), whole, whole, gradient=False)


def comparisons() -> Iterator[Case]:
    for name in ("eq", "ge", "gt", "le", "lt", "ne"):
        yield from both_sizes(name, function(name), floats, floats, gradient=False)
    for name in ("logical_and", "logical_or"):
        yield from both_sizes(name, function(name), truths, truths, gradient=False)
    yield plain("equal 1024x1024", lambda t, x: t.equal(x, x.clone()), floats(1024, 1024))
    yield plain("allclose 512x512", lambda t, x: t.allclose(x, x.clone()), floats(512, 512))
    yield plain("isin 4096 in 64", function("isin"), integers(500, 4096), integers(500, 64))


def reductions() -> Iterator[Case]:
    for name in ("sum", "mean", "amax", "amin", "std", "var", "logsumexp"):
        for dim in (0, 1):
            yield case(f"{name} dim={dim}", lambda t, x, n=name, d=dim: getattr(t, n)(x, d), floats(1024, 1024))
    for name in ("sum", "mean", "std", "var", "norm", "linalg.norm", "linalg.vector_norm"):
        yield from both_sizes(name, function(name), floats)
    yield case("sum small", lambda t, x: x.sum(1), floats(32, 10))
    yield case("prod dim=1", lambda t, x: x.prod(1), floats(1024, 256, low=0.9, high=1.1))
    yield case("var_mean dim=1", lambda t, x: t.var_mean(x, 1), floats(1024, 1024))
    for name in ("max", "min"):
        yield case(f"{name}.reduction_no_dim", function(name), floats(1024, 1024))
        yield case(f"{name}.reduction_with_dim", lambda t, x, n=name: getattr(t, n)(x, 1), floats(1024, 1024))
    yield case("median dim=1", lambda t, x: t.median(x, 1), floats(256, 255))
    yield case("median", lambda t, x: t.median(x), floats(256, 255))
    for name in ("argmax", "argmin"):
        yield plain(f"{name} dim=1", lambda t, x, n=name: getattr(t, n)(x, 1), floats(1024, 1024))
        yield plain(f"{name} logits", lambda t, x, n=name: getattr(t, n)(x, 1), floats(64, 10))
    for name in ("all", "any"):
        yield from both_sizes(name, function(name), truths, gradient=False)
        yield plain(f"{name} dim=1", lambda t, x, n=name: getattr(t, n)(x, 1), truths(1024, 1024))
    yield plain("count_nonzero", function("count_nonzero"), floats(1024, 1024))
    yield case("cumsum dim=1", lambda t, x: x.cumsum(1), floats(1024, 1024))
    yield case("cumsum dim=0", lambda t, x: x.cumsum(0), floats(1024, 1024))
    yield case("cumprod dim=1", lambda t, x: x.cumprod(1), floats(512, 512, low=0.9, high=1.1))
    yield case("trace", function("trace"), floats(512, 512))
    yield case("norm.fro", lambda t, x: t.norm(x, "fro"), floats(512, 512))
    yield case("norm.inf", lambda t, x: t.norm(x, float("inf")), floats(512, 512))
    yield case("norm.nuc", lambda t, x: t.norm(x, "nuc"), floats(64, 64))
    yield case("linalg.vector_norm dim=1", lambda t, x: t.linalg.vector_norm(x, dim=1), floats(1024, 1024))


def creation() -> Iterator[Case]:
    for name in ("empty", "ones", "zeros"):
        yield plain(f"{name} 64x64", lambda t, n=name: getattr(t, n)(64, 64))
        yield plain(f"{name} 1024x1024", lambda t, n=name: getattr(t, n)(1024, 1024))
    for name in ("empty_like", "ones_like", "zeros_like"):
        yield from both_sizes(name, function(name), floats, gradient=False)
    for name in ("new_ones", "new_zeros"):
        yield plain(name, lambda t, x, n=name: getattr(x, n)(64, 64), floats(2))
    yield plain("full", lambda t: t.full((64, 64), 3.0))
    yield plain("new_full", lambda t, x: x.new_full((64, 64), 3.0), floats(2))
    yield plain("full_like", lambda t, x: t.full_like(x, 3.0), floats(64, 64))
    yield plain("fill", lambda t, x: t.fill(x, 3.0), floats(64, 64))
    yield plain("zero_", lambda t, x: x.zero_(), floats(64, 64))
    yield plain("arange", lambda t: t.arange(1000))
    yield plain("arange floats", lambda t: t.arange(0, 1000, 0.5))
    yield plain("linspace", lambda t: t.linspace(-1, 1, 1000))
    yield plain("eye", lambda t: t.eye(256))
    yield plain("item", lambda t, x: x.item(), floats(1))
    yield plain("meshgrid.variadic_tensors", lambda t, x, y: t.meshgrid(x, y, indexing="ij"), floats(64), floats(64))


def views() -> Iterator[Case]:
    shape = (8, 16, 32)
    for name, call in {
        "T": lambda t, x: x.select(0, 0).T,
        "as_strided": lambda t, x: x.as_strided((8, 8), (8, 1)),
        "broadcast_to": lambda t, x: t.broadcast_to(x, (4, 8, 16, 32)),
        "chunk": lambda t, x: t.chunk(x, 4, 2),
        "diagonal": lambda t, x: x.diagonal(0, 1, 2),
        "expand": lambda t, x: x.expand(4, 8, 16, 32),
        "expand_as": lambda t, x: x.select(0, 0).expand_as(x),
        "flatten": lambda t, x: x.flatten(1),
        "mT": lambda t, x: x.mT,
        "movedim": lambda t, x: t.movedim(x, 0, 2),
        "narrow": lambda t, x: x.narrow(1, 2, 6),
        "permute": lambda t, x: x.permute(2, 0, 1),
        "reshape": lambda t, x: x.reshape(8, -1),
        "select": lambda t, x: x.select(1, 3),
        "split": lambda t, x: t.split(x, 4, 1),
        "split_with_sizes": lambda t, x: x.split([4, 4, 8], 1),
        "squeeze": lambda t, x: x.narrow(0, 0, 1).squeeze(0),
        "t": lambda t, x: x.select(0, 0).t(),
        "tensor_split": lambda t, x: t.tensor_split(x, 3, 1),
        "transpose": lambda t, x: x.transpose(0, 1),
        "unbind": lambda t, x: x.unbind(0),
        "unflatten": lambda t, x: x.unflatten(2, (4, 8)),
        "unfold": lambda t, x: x.unfold(2, 4, 2),
        "unsqueeze": lambda t, x: x.unsqueeze(1),
        "view": lambda t, x: x.view(8, -1),
        "view_as": lambda t, x: x.view_as(x),
        "broadcast_tensors": lambda t, x: t.broadcast_tensors(x, x.select(0, 0)),
        "__getitem__ slice": lambda t, x: x[:, 2:8],
        "__getitem__ number": lambda t, x: x[3],
    }.items():
        yield case(name, call, floats(*shape))


def joining() -> Iterator[Case]:
    yield case("cat dim=0", lambda t, x, y: t.cat((x, y), 0), floats(512, 512), floats(512, 512))
    yield case("cat dim=1", lambda t, x, y: t.cat((x, y), 1), floats(512, 512), floats(512, 512))
    yield case("cat small", lambda t, x, y: t.cat((x, y), 1), floats(32, 16), floats(32, 16))
    yield case("stack", lambda t, x, y: t.stack((x, y), 1), floats(512, 512), floats(512, 512))
    yield case("stack small", lambda t, x, y: t.stack((x, y)), floats(64), floats(64))
    yield case("hstack", lambda t, x, y: t.hstack((x, y)), floats(64, 64), floats(64, 64))
    yield case("vstack", lambda t, x, y: t.vstack((x, y)), floats(64, 64), floats(64, 64))
    yield case("flip", lambda t, x: x.flip(1), floats(512, 512))
    yield case("roll", lambda t, x: x.roll(3, 1), floats(512, 512))
    yield case("repeat", lambda t, x: x.repeat(4, 2), floats(256, 256))
    yield case("tile", lambda t, x: x.tile(4, 2), floats(256, 256))
    yield case("repeat_interleave", lambda t, x: x.repeat_interleave(4, 0), floats(256, 256))
    yield case("diag", function("diag"), floats(256))
    yield case("diag_embed", function("diag_embed"), floats(32, 64))
    yield case("tril", function("tril"), floats(512, 512))
    yield case("triu", function("triu"), floats(512, 512))


def indexing() -> Iterator[Case]:
    rows = integers(1024, 512)
    yield case("gather", lambda t, x, i: x.gather(1, i), floats(512, 256), integers(256, 512, 256))
    yield case("take_along_dim", lambda t, x, i: t.take_along_dim(x, i, 1), floats(512, 256), integers(256, 512, 256))
    yield case("index_select dim=0", lambda t, x, i: x.index_select(0, i), floats(1024, 256), rows)
    yield case("index_select dim=1", lambda t, x, i: x.index_select(1, i), floats(256, 1024), rows)
    yield case("__getitem__ rows", lambda t, x, i: x[i], floats(1024, 256), rows)
    yield case("__getitem__ pairs", lambda t, x, i: x[t.arange(512), i], floats(512, 1024), rows)
    yield case("__getitem__ mask", lambda t, x, m: x[m], floats(512, 512), truths(512, 512))
    yield case("masked_select", lambda t, x, m: x.masked_select(m), floats(512, 512), truths(512, 512))
    yield case("masked_fill", lambda t, x, m: x.masked_fill(m, 0.0), floats(1024, 1024), truths(1024, 1024))
    yield case(
        "masked_scatter",
        lambda t, x, m, y: x.masked_scatter(m, y),
        floats(512, 512),
        truths(512, 512),
        floats(512, 512),
    )
    yield case("index_add", lambda t, x, i, y: x.index_add(0, i, y), floats(1024, 256), rows, floats(512, 256))
    yield case("index_copy", lambda t, x, i, y: x.index_copy(0, i, y), floats(1024, 256), rows, floats(512, 256))
    yield case("index_fill", lambda t, x, i: x.index_fill(0, i, 1.0), floats(1024, 256), rows)
    yield case("index_put", lambda t, x, i, y: x.index_put((i,), y), floats(1024, 256), rows, floats(512, 256))
    yield case(
        "index_put accumulate",
        lambda t, x, i, y: x.index_put((i,), y, accumulate=True),
        floats(1024, 256), rows, floats(512, 256),
    )  # fmt: skip
    grid = (floats(512, 256), integers(512, 512, 256), floats(512, 256))
    yield case("scatter", lambda t, x, i, y: x.scatter(0, i, y), *grid)
    yield case("scatter_add", lambda t, x, i, y: x.scatter_add(0, i, y), *grid)
    for reduction in ("sum", "mean", "prod", "amax", "amin"):
        yield case(
            f"scatter_reduce.{reduction}",
            lambda t, x, i, y, r=reduction: x.scatter_reduce(0, i, y, r),
            positive(512, 256), integers(512, 512, 256), positive(512, 256),
        )  # fmt: skip
    yield plain("nonzero", function("nonzero"), truths(512, 512))


def ordering() -> Iterator[Case]:
    yield case("sort dim=1", lambda t, x: t.sort(x, 1), floats(256, 1024))
    yield case("sort dim=0", lambda t, x: t.sort(x, 0), floats(1024, 256))
    yield case("sort flat", lambda t, x: t.sort(x), floats(100_000))
    yield plain("argsort", lambda t, x: t.argsort(x, 1), floats(256, 1024))
    yield case("topk 5 of 1000", lambda t, x: t.topk(x, 5), floats(64, 1000))
    yield case("topk 50 of 32000", lambda t, x: t.topk(x, 50), floats(4, 32_000))
    yield plain("unique", lambda t, x: t.unique(x), integers(1000, 20_000))
    yield plain("unique counts", lambda t, x: t.unique(x, return_counts=True), integers(1000, 20_000))
    yield plain("searchsorted", function("searchsorted"), increasing(1000), floats(10_000))
    yield plain("bucketize", function("bucketize"), floats(10_000), increasing(100))
    yield plain("bincount", function("bincount"), integers(100, 20_000))


def products() -> Iterator[Case]:
    for n in (16, 64, 256, 1024):
        yield case(f"mm {n}", lambda t, x, y: x.mm(y), floats(n, n), floats(n, n))
    yield case("matmul batch", lambda t, x, y: x @ y, floats(32, 64, 64), floats(32, 64, 64))
    yield case("matmul broadcast", lambda t, x, y: x @ y, floats(32, 64, 128), floats(128, 128))
    yield case("__rmatmul__", lambda t, x, y: y.__rmatmul__(x), floats(64, 64), floats(64, 64))
    yield case("mT product", lambda t, x, y: x.mT @ y, floats(256, 256), floats(256, 256))
    yield case("bmm", function("bmm"), floats(16, 128, 64), floats(16, 64, 128))
    yield case("baddbmm", function("baddbmm"), floats(16, 64, 64), floats(16, 64, 64), floats(16, 64, 64))
    yield case("addmm", function("addmm"), floats(256), floats(128, 256), floats(256, 256))
    yield case("addmm.decomposed", function("addmm"), floats(64), floats(32, 64), floats(64, 64))
    yield case("mv", function("mv"), floats(1024, 1024), floats(1024))
    yield case("dot", function("dot"), floats(4096), floats(4096))
    yield case("outer", function("outer"), floats(512), floats(512))
    yield case("einsum product", lambda t, x, y: t.einsum("bij,bjk->bik", x, y), floats(16, 64, 64), floats(16, 64, 64))
    heads = (floats(4, 64, 8, 32), floats(4, 64, 8, 32))
    yield case("einsum attention", lambda t, q, k: t.einsum("bqhd,bkhd->bhqk", q, k), *heads)
    yield case("tensordot", lambda t, x, y: t.tensordot(x, y, 2), floats(16, 32, 32), floats(32, 32, 64))
    yield case("cdist", function("cdist"), floats(256, 64), floats(256, 64))
    yield case("nn.functional.pdist", function("nn.functional.pdist"), floats(256, 64))
    yield case("nn.functional.pairwise_distance", function("nn.functional.pairwise_distance"), *[floats(256, 64)] * 2)
    yield case("nn.functional.cosine_similarity", function("nn.functional.cosine_similarity"), *[floats(256, 64)] * 2)


def decompositions() -> Iterator[Case]:
    yield case("linalg.cholesky", function("linalg.cholesky"), definite(128, 128))
    yield case("linalg.cholesky batch", function("linalg.cholesky"), definite(32, 8, 8))
    yield case("linalg.det", function("linalg.det"), definite(32, 8, 8))
    yield case("linalg.eigh", function("linalg.eigh"), definite(64, 64))
    yield case("linalg.inv", function("linalg.inv"), definite(128, 128))
    yield case("linalg.inv batch", function("linalg.inv"), definite(32, 8, 8))
    yield case("linalg.qr", function("linalg.qr"), floats(128, 64))
    yield case("linalg.solve", function("linalg.solve"), definite(128, 128), floats(128, 16))
    yield case(
        "linalg.solve_triangular",
        lambda t, x, y: t.linalg.solve_triangular(x, y, upper=False), definite(128, 128), floats(128, 16),
    )  # fmt: skip
    yield case("linalg.svd", lambda t, x: t.linalg.svd(x, full_matrices=False)[1], floats(64, 64))


def spectra() -> Iterator[Case]:
    yield case("fft.fft", lambda t, z: t.fft.fft(z), complexes(64, 1024))
    yield case("fft.ifft", lambda t, z: t.fft.ifft(z), complexes(64, 1024))
    yield case("fft.rfft", lambda t, x: t.fft.rfft(x), floats(64, 1024))
    yield case("fft.irfft", lambda t, z: t.fft.irfft(z), complexes(64, 513))
    yield case("fft.fft2", lambda t, z: t.fft.fft2(z), complexes(4, 128, 128))
    yield case("fft.ifft2", lambda t, z: t.fft.ifft2(z), complexes(4, 128, 128))
    yield case("fft.rfft2", lambda t, x: t.fft.rfft2(x), floats(4, 128, 128))
    yield case("fft.irfft2", lambda t, z: t.fft.irfft2(z), complexes(4, 128, 65))
    yield case(
        "stft",
        lambda t, x: t.stft(x, 400, 160, window=t.hann_window(400), return_complex=True), floats(4, 16_000),
    )  # fmt: skip
    yield case(
        "istft",
        lambda t, z: t.istft(z, 400, 160, window=t.hann_window(400)), complexes(4, 201, 101),
    )  # fmt: skip


def random_numbers() -> Iterator[Case]:
    for name in ("rand", "randn"):
        yield plain(f"{name} 64x64", lambda t, n=name: getattr(t, n)(64, 64))
        yield plain(f"{name} 512x512", lambda t, n=name: getattr(t, n)(512, 512))
    for name in ("rand_like", "randn_like"):
        yield plain(name, function(name), floats(256, 256))
    yield plain("randint", lambda t: t.randint(10, (256, 256)))
    yield plain("normal", function("normal"), floats(256, 256), positive(256, 256))
    yield plain("normal.number_mean", lambda t, s: t.normal(0.5, s), positive(256, 256))
    yield plain("uniform", lambda t, x: x.uniform_(), floats(256, 256))
    yield plain("normal.in_place", lambda t, x: x.normal_(), floats(256, 256))
    yield plain("bernoulli", function("bernoulli"), units(256, 256))
    yield plain("multinomial", lambda t, p: t.multinomial(p, 8, True), units(64, 1000))
    for name, shape in {
        "dropout": (512, 512), "dropout2d": (32, 64, 8, 8), "dropout3d": (8, 64, 4, 4, 4), "alpha_dropout": (256, 256),
    }.items():  # fmt: skip
        full = f"nn.functional.{name}"
        yield case(full, lambda t, x, n=full: function(n)(t, x, 0.3, True), floats(*shape))
    yield case(
        "nn.functional.feature_alpha_dropout.with_train",
        lambda t, x: t.nn.functional.feature_alpha_dropout(x, 0.3, True), floats(32, 64, 8, 8),
    )  # fmt: skip
    yield case("nn.functional.rrelu", lambda t, x: t.nn.functional.rrelu(x, training=True), floats(256, 256))


def activations() -> Iterator[Case]:
    for name in (
        "celu", "elu", "gelu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "logsigmoid", "mish",
        "relu", "relu6", "selu", "silu", "softplus", "softshrink", "softsign", "tanhshrink",
    ):  # fmt: skip
        yield from both_sizes(f"nn.functional.{name}", function(f"nn.functional.{name}"), floats)
    yield from both_sizes("nn.functional.threshold", lambda t, x: t.nn.functional.threshold(x, 0.1, 20.0), floats)
    yield from both_sizes("nn.functional.glu", function("nn.functional.glu"), floats)
    yield case("nn.functional.prelu", function("nn.functional.prelu"), floats(32, 64, 16, 16), floats(64))
    for size in ((64, 10), (256, 1024), (64, 32_000)):
        label = "x".join(map(str, size))
        for name in ("softmax", "log_softmax"):
            yield case(f"{name} {label}", lambda t, x, n=name: getattr(t, n)(x, -1), floats(*size))
    yield case("softmax dim=0", lambda t, x: x.softmax(0), floats(256, 1024))
    yield case("softmax channels", lambda t, x: x.softmax(1), floats(8, 21, 64, 64))
    yield case("nn.functional.softmin", lambda t, x: t.nn.functional.softmin(x, -1), floats(256, 1024))


def losses() -> Iterator[Case]:
    f = "nn.functional."
    pair = (floats(512, 256), floats(512, 256))
    for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"):
        yield case(f + name, function(f + name), *pair)
        yield case(f"{f}{name} small", function(f + name), floats(32, 10), floats(32, 10))
    yield case(f + "binary_cross_entropy", function(f + "binary_cross_entropy"), units(512, 256), bits(512, 256))
    for name in ("binary_cross_entropy_with_logits", "multilabel_soft_margin_loss"):
        yield case(f + name, function(f + name), floats(512, 256), bits(512, 256))
    yield case(f + "soft_margin_loss", function(f + "soft_margin_loss"), floats(512, 256), signs(512, 256))
    yield case(f + "hinge_embedding_loss", function(f + "hinge_embedding_loss"), floats(512, 256), signs(512, 256))
    yield case(f + "poisson_nll_loss", function(f + "poisson_nll_loss"), floats(512, 256), positive(512, 256))
    yield case(f + "gaussian_nll_loss", function(f + "gaussian_nll_loss"), *pair, positive(512, 256))
    yield case(f + "kl_div", lambda t, x, y: t.nn.functional.kl_div(x, y, reduction="batchmean"), *pair[:1],
               units(512, 256))  # fmt: skip
    for size in ((64, 10), (512, 1000), (64, 32_000)):
        label = "x".join(map(str, size))
        yield case(
            f"{f}cross_entropy {label}", function(f + "cross_entropy"), floats(*size), integers(size[1], size[0])
        )
    yield case(f + "cross_entropy smoothing", lambda t, x, y: t.nn.functional.cross_entropy(x, y, label_smoothing=0.1),
               floats(512, 1000), integers(1000, 512))  # fmt: skip
    yield case(
        f + "cross_entropy pixels", function(f + "cross_entropy"), floats(4, 21, 64, 64), integers(21, 4, 64, 64)
    )
    yield case(f + "nll_loss", function(f + "nll_loss"), floats(512, 1000), integers(1000, 512))
    yield case(f + "linear_cross_entropy",
               lambda t, x, w, y: t.nn.functional.linear_cross_entropy(x, w, y),
               floats(64, 128), floats(1000, 128), integers(1000, 64))  # fmt: skip
    yield case(f + "multi_margin_loss", function(f + "multi_margin_loss"), floats(128, 100), integers(100, 128))
    yield case(
        f + "multilabel_margin_loss", function(f + "multilabel_margin_loss"), floats(64, 50), integers(50, 64, 50)
    )
    triple = (floats(256, 128), floats(256, 128), floats(256, 128))
    yield case(f + "triplet_margin_loss", function(f + "triplet_margin_loss"), *triple)
    yield case(f + "triplet_margin_with_distance_loss", function(f + "triplet_margin_with_distance_loss"), *triple)
    yield case(f + "cosine_embedding_loss", function(f + "cosine_embedding_loss"), *triple[:2], signs(256))
    yield case(f + "margin_ranking_loss", function(f + "margin_ranking_loss"), floats(4096), floats(4096), signs(4096))
    yield case(
        f + "ctc_loss",
        lambda t, x, y: t.nn.functional.ctc_loss(
            x.log_softmax(2), y + 1, t.full((16,), 50, dtype=t.long), t.full((16,), 12, dtype=t.long)
        ),
        floats(50, 16, 20), integers(19, 16, 12),
    )  # fmt: skip


def convolutions() -> Iterator[Case]:
    f = "nn.functional."
    image = floats(8, 32, 28, 28)
    yield case(f + "conv1d", lambda t, x, w, b: t.nn.functional.conv1d(x, w, b, padding=1),
               floats(16, 32, 128), floats(64, 32, 3), floats(64))  # fmt: skip
    yield case(f + "conv2d 3x3", lambda t, x, w, b: t.nn.functional.conv2d(x, w, b, padding=1),
               image, floats(64, 32, 3, 3), floats(64))  # fmt: skip
    yield case(f + "conv2d 1x1", lambda t, x, w: t.nn.functional.conv2d(x, w), image, floats(64, 32, 1, 1))
    yield case(f + "conv2d stride 2", lambda t, x, w: t.nn.functional.conv2d(x, w, stride=2, padding=1),
               image, floats(64, 32, 3, 3))  # fmt: skip
    yield case(f + "conv2d depthwise", lambda t, x, w: t.nn.functional.conv2d(x, w, padding=1, groups=32),
               image, floats(32, 1, 3, 3))  # fmt: skip
    yield case(f + "conv2d first layer", lambda t, x, w: t.nn.functional.conv2d(x, w, stride=2, padding=3),
               floats(2, 3, 112, 112), floats(64, 3, 7, 7))  # fmt: skip
    yield case(f + "conv3d", lambda t, x, w: t.nn.functional.conv3d(x, w, padding=1),
               floats(2, 16, 8, 16, 16), floats(16, 16, 3, 3, 3))  # fmt: skip
    yield case(f + "conv_transpose1d", lambda t, x, w: t.nn.functional.conv_transpose1d(x, w, stride=2),
               floats(8, 32, 64), floats(32, 32, 4))  # fmt: skip
    yield case(f + "conv_transpose2d", lambda t, x, w: t.nn.functional.conv_transpose2d(x, w, stride=2),
               floats(4, 32, 14, 14), floats(32, 32, 2, 2))  # fmt: skip
    yield case(f + "conv_transpose3d", lambda t, x, w: t.nn.functional.conv_transpose3d(x, w, stride=2),
               floats(1, 16, 8, 8, 8), floats(16, 16, 2, 2, 2))  # fmt: skip
    yield case(f + "unfold", lambda t, x: t.nn.functional.unfold(x, 3, padding=1), floats(4, 16, 28, 28))


def pools() -> Iterator[Case]:
    f = "nn.functional."
    shapes = {1: (16, 32, 256), 2: (16, 32, 28, 28), 3: (2, 16, 16, 16, 16)}
    for rank, shape in shapes.items():
        for name in ("avg_pool", "max_pool"):
            full = f"{f}{name}{rank}d"
            yield case(full, lambda t, x, n=full: function(n)(t, x, 2), floats(*shape))
        for name in ("adaptive_avg_pool", "adaptive_max_pool"):
            full = f"{f}{name}{rank}d"
            yield case(full, lambda t, x, n=full: function(n)(t, x, 4), floats(*shape))
        yield case(
            f"{f}max_unpool{rank}d",
            lambda t, x, r=rank: getattr(t.nn.functional, f"max_unpool{r}d")(
                *getattr(t.nn.functional, f"max_pool{r}d")(x, 2, return_indices=True), 2
            ),
            floats(*shape),
        )
    yield case(
        f + "max_pool2d 3x3 stride 2", lambda t, x: t.nn.functional.max_pool2d(x, 3, 2, 1), floats(4, 64, 56, 56)
    )
    yield case(f + "adaptive_avg_pool2d to 1", lambda t, x: t.nn.functional.adaptive_avg_pool2d(x, 1),
               floats(8, 512, 7, 7))  # fmt: skip
    yield case(f + "fractional_max_pool2d",
               lambda t, x: t.nn.functional.fractional_max_pool2d(x, 2, output_ratio=(0.5, 0.5)),
               floats(*shapes[2]))  # fmt: skip
    yield case(f + "fractional_max_pool3d",
               lambda t, x: t.nn.functional.fractional_max_pool3d(x, 2, output_ratio=(0.5,) * 3),
               floats(*shapes[3]))  # fmt: skip


def normalizations() -> Iterator[Case]:
    f = "nn.functional."
    yield case(f + "batch_norm", lambda t, x, w, b: t.nn.functional.batch_norm(x, None, None, w, b, training=True),
               floats(16, 64, 28, 28), floats(64), floats(64))  # fmt: skip
    yield case(f + "batch_norm features",
               lambda t, x, w, b: t.nn.functional.batch_norm(x, None, None, w, b, training=True),
               floats(128, 256), floats(256), floats(256))  # fmt: skip
    yield case(f + "layer_norm", lambda t, x, w, b: t.nn.functional.layer_norm(x, (512,), w, b),
               floats(1024, 512), floats(512), floats(512))  # fmt: skip
    yield case(f + "layer_norm small", lambda t, x, w, b: t.nn.functional.layer_norm(x, (64,), w, b),
               floats(32, 64), floats(64), floats(64))  # fmt: skip
    yield case(f + "rms_norm", lambda t, x, w: t.nn.functional.rms_norm(x, (512,), w), floats(1024, 512), floats(512))
    yield case(f + "group_norm", lambda t, x, w, b: t.nn.functional.group_norm(x, 8, w, b),
               floats(8, 64, 28, 28), floats(64), floats(64))  # fmt: skip
    yield case(f + "instance_norm", function(f + "instance_norm"), floats(8, 64, 28, 28))
    yield case(f + "local_response_norm", lambda t, x: t.nn.functional.local_response_norm(x, 5), floats(4, 32, 28, 28))
    yield case(f + "normalize", function(f + "normalize"), floats(1024, 256))


def resampling() -> Iterator[Case]:
    f = "nn.functional."
    for mode, shape in {
        "linear": (8, 16, 256), "bilinear": (4, 16, 32, 32), "bicubic": (4, 16, 32, 32),
        "trilinear": (1, 8, 16, 16, 16),
    }.items():  # fmt: skip
        yield case(
            f"{f}interpolate.{mode}",
            lambda t, x, m=mode: t.nn.functional.interpolate(x, scale_factor=2.0, mode=m, align_corners=False),
            floats(*shape),
        )
    for mode in ("nearest", "nearest-exact"):
        yield case(
            f"{f}interpolate.{mode}",
            lambda t, x, m=mode: t.nn.functional.interpolate(x, scale_factor=2.0, mode=m),
            floats(4, 32, 32, 32),
        )
    yield case(f + "interpolate.area", lambda t, x: t.nn.functional.interpolate(x, (16, 16), mode="area"),
               floats(4, 32, 32, 32))  # fmt: skip
    yield case(f + "upsample_bilinear", lambda t, x: t.nn.functional.interpolate(
        x, scale_factor=2, mode="bilinear", align_corners=True), floats(4, 16, 32, 32))  # fmt: skip
    yield case(
        f + "upsample_nearest", lambda t, x: t.nn.functional.interpolate(x, scale_factor=2), floats(4, 16, 32, 32)
    )
    yield case(
        f + "grid_sample",
        lambda t, x, g: t.nn.functional.grid_sample(x, g, align_corners=False),
        floats(4, 16, 32, 32), floats(4, 32, 32, 2, low=-1.0, high=1.0),
    )  # fmt: skip
    for mode in ("constant", "reflect", "replicate", "circular"):
        yield case(f"{f}pad.{mode}", lambda t, x, m=mode: t.nn.functional.pad(x, (1, 1, 1, 1), mode=m),
                   floats(8, 32, 28, 28))  # fmt: skip
    yield case(f + "pixel_shuffle", lambda t, x: t.nn.functional.pixel_shuffle(x, 2), floats(4, 64, 32, 32))
    yield case(f + "pixel_unshuffle", lambda t, x: t.nn.functional.pixel_unshuffle(x, 2), floats(4, 16, 64, 64))
    yield case(f + "channel_shuffle", lambda t, x: t.nn.functional.channel_shuffle(x, 4), floats(4, 64, 32, 32))


def layers() -> Iterator[Case]:
    f = "nn.functional."
    for batch, width in ((4, 16), (32, 128), (128, 1024)):
        yield case(f"{f}linear {batch}x{width}", function(f + "linear"), floats(batch, width), floats(width, width),
                   floats(width))  # fmt: skip
    yield case(f + "bilinear", function(f + "bilinear"), floats(64, 32), floats(64, 32), floats(16, 32, 32), floats(16))
    yield case(f + "embedding", function(f + "embedding"), integers(10_000, 32, 64), floats(10_000, 128))
    yield case(f + "embedding_bag", function(f + "embedding_bag"), integers(10_000, 64, 16), floats(10_000, 64))
    yield plain(f + "one_hot", lambda t, i: t.nn.functional.one_hot(i, 100), integers(100, 1024))
    heads = [floats(4, 8, 128, 32)] * 3
    yield case(f + "scaled_dot_product_attention", function(f + "scaled_dot_product_attention"), *heads)
    yield case(f + "scaled_dot_product_attention causal",
               lambda t, q, k, v: t.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True),
               *heads)  # fmt: skip
    yield case(
        f + "multi_head_attention_forward",
        lambda t, x, w, b, o, c: t.nn.functional.multi_head_attention_forward(
            x, x, x, 64, 4, w, b, None, None, False, 0.0, o, c, need_weights=False
        )[0],
        floats(32, 8, 64), floats(192, 64), floats(192), floats(64, 64), floats(64),
    )  # fmt: skip
