"""Every operator gives the same bits with 1, 2, 3 and 4 threads, forward and backward: the parts that threads take are
fixed, or their results do not depend on them."""

from __future__ import annotations

import pytest

import ondol
import ondol.nn.functional as F
from ondol import nn

THREADS = (2, 3, 4)


@pytest.fixture(autouse=True)
def threads_afterwards():
    before = ondol.get_num_threads()
    yield
    ondol.set_num_threads(before)


def numbers(*shape, seed=0, dtype=ondol.float32, grad=True):
    generator = ondol.Generator().manual_seed(seed)
    values = ondol.randn(*shape, generator=generator, dtype=dtype)
    return values.requires_grad_() if grad else values


def integers(high, *shape, seed=0):
    return ondol.randint(high, shape, generator=ondol.Generator().manual_seed(seed))


def results(compute):
    """The results of a function without arguments, and the gradients of the leaves that it returns beside them."""
    ondol.manual_seed(1)
    outputs, leaves = compute()
    outputs = [one for one in (outputs if isinstance(outputs, (list, tuple)) else [outputs]) if one is not None]
    roots = [one for one in outputs if one.requires_grad]
    if roots and leaves:
        weights = [ondol.randn(one.shape, generator=ondol.Generator().manual_seed(2)).to(one.dtype) for one in roots]
        outputs += ondol.autograd.grad(roots, leaves, weights, allow_unused=True)
    return [one.detach().contiguous() for one in outputs if one is not None]


def bits(tensor):
    return tensor.flatten().view(ondol.uint8)


CASES = {}


def of(make, compute):
    """A case: the tensors that `make` returns are the leaves."""

    def run():
        leaves = make()
        leaves = leaves if isinstance(leaves, tuple) else (leaves,)
        return compute(*leaves), [one for one in leaves if one.requires_grad]

    return run


# --- reductions over every layout of the dim: the last, the first, one between, several, all ----------------------

LAYOUTS = {
    "last": ((900, 777), (1,)),
    "first": ((3001, 333), (0,)),
    "between": ((37, 501, 65), (1,)),
    "outer and inner": ((41, 130, 201), (0, 2)),
    "all": ((1000003,), (0,)),
    "one long line": ((1, 700001), (1,)),
}
REDUCTIONS = {
    "sum": lambda x, d: x.sum(d),
    "mean": lambda x, d: x.mean(d),
    "nansum": lambda x, d: x.nansum(d),
    "prod": lambda x, d: (1 + x / 1000).prod(d[0]),
    "amax": lambda x, d: x.amax(d),
    "max": lambda x, d: x.max(d[0])[0],
    "argmin": lambda x, d: x.argmin(d[0]),
    "var": lambda x, d: x.var(d),
    "std_mean": lambda x, d: ondol.std_mean(x, d),
    "logsumexp": lambda x, d: x.logsumexp(d),
    "norm": lambda x, d: x.norm(2, d),
    "norm 3": lambda x, d: x.norm(3, d),
    "vector_norm inf": lambda x, d: ondol.linalg.vector_norm(x, float("inf"), d),
    "count_nonzero": lambda x, d: x.detach().count_nonzero(d),
    "any": lambda x, d: (x.detach() > 3).any(d),
    "softmax": lambda x, d: x.softmax(d[0]),
    "log_softmax": lambda x, d: x.log_softmax(d[0]),
    "cumsum": lambda x, d: x.cumsum(d[0]),
    "cumprod": lambda x, d: (1 + x / 1000).cumprod(d[0]),
    "logcumsumexp": lambda x, d: x.logcumsumexp(d[0]),
    "cummax": lambda x, d: x.cummax(d[0])[0],
    "normalize": lambda x, d: F.normalize(x, dim=d[0]),
    "sort": lambda x, d: x.sort(d[0])[0],
    "sort, stable": lambda x, d: (x.detach() * 4).round().sort(dim=d[0], stable=True)[1],
    "topk": lambda x, d: x.topk(min(20, x.size(d[0])), d[0])[0],
    "kthvalue": lambda x, d: x.kthvalue(1 + x.size(d[0]) // 3, d[0])[0],
    "median": lambda x, d: x.median(d[0])[0],
}
for layout, (shape, dims) in LAYOUTS.items():
    for name, reduce in REDUCTIONS.items():
        CASES[f"{name}, {layout}"] = of(lambda shape=shape: numbers(*shape), lambda x, f=reduce, d=dims: f(x, d))
CASES["sum, float16"] = of(lambda: numbers(500, 1999, dtype=ondol.float16), lambda x: x.sum(1))
CASES["sum, bfloat16, all"] = of(lambda: numbers(500, 1999, dtype=ondol.bfloat16), lambda x: x.sum())
CASES["sum, complex"] = of(lambda: ondol.complex(numbers(500, 999), numbers(500, 999, seed=1)), lambda x: x.sum(0))
CASES["sum, float64, transposed"] = of(lambda: numbers(999, 801, dtype=ondol.float64), lambda x: x.t().sum(0))
CASES["sum, every second"] = of(lambda: numbers(999, 1601), lambda x: x[:, ::2].sum(0))

# --- pointwise ----------------------------------------------------------------------------------------------------

POINTWISE = ["exp", "log1p", "sin", "tanh", "sigmoid", "erf", "gelu", "silu", "softplus", "mish", "rsqrt", "lgamma"]
POINTWISE += ["digamma", "atan", "expm1", "relu", "selu"]
for name in POINTWISE:
    function = getattr(ondol, name, None) or getattr(F, name)
    CASES[name] = of(lambda: numbers(301, 1013), lambda x, f=function: f(x.abs() + 0.5))
CASES["add, broadcast"] = of(lambda: (numbers(700, 803), numbers(803, seed=1)), lambda a, b: a + b)
CASES["mul, broadcast column"] = of(lambda: (numbers(700, 803), numbers(700, 1, seed=1)), lambda a, b: a * b)
CASES["div, transposed"] = of(lambda: (numbers(500, 700), numbers(700, 500, seed=1)), lambda a, b: a / (b.t() + 9))
CASES["pow"] = of(lambda: (numbers(500, 700), numbers(500, 700, seed=1)), lambda a, b: (a.abs() + 1) ** b)
CASES["where"] = of(lambda: (numbers(500, 700), numbers(500, 700, seed=1)), lambda a, b: ondol.where(a > b, a, b))
CASES["addcmul"] = of(lambda: tuple(numbers(400, 900, seed=i) for i in range(3)), lambda *t: ondol.addcmul(*t))
CASES["lerp"] = of(lambda: tuple(numbers(400, 900, seed=i) for i in range(3)), lambda *t: ondol.lerp(*t))

# --- matrices -----------------------------------------------------------------------------------------------------

PRODUCTS = {
    "mm": ((257, 301), (301, 263)),
    "mm, one row": ((1, 3001), (3001, 513)),
    "mm, tall": ((20001, 17), (17, 9)),
    "mm, long inner": ((33, 50001), (50001, 31)),
    "mv": ((2003, 1501), (1501,)),
    "dot": ((700001,), (700001,)),
    "bmm": ((37, 65, 70), (37, 70, 41)),
    "bmm, small": ((3001, 4, 5), (3001, 5, 6)),
    "bmm, broadcast": ((16, 64, 65), (65, 33)),
}
for name, (one, other) in PRODUCTS.items():
    make = lambda one=one, other=other: (numbers(*one), numbers(*other, seed=1))  # noqa: E731
    CASES[name] = of(make, ondol.matmul)
CASES["mm, float64"] = of(
    lambda: (numbers(257, 301, dtype=ondol.float64), numbers(301, 263, dtype=ondol.float64)), ondol.matmul
)
CASES["mm, transposed"] = of(lambda: (numbers(301, 257), numbers(263, 301, seed=1)), lambda a, b: a.t() @ b.t())
CASES["mm, bfloat16"] = of(
    lambda: (numbers(257, 301, dtype=ondol.bfloat16), numbers(301, 263, dtype=ondol.bfloat16)), ondol.matmul
)
CASES["mm, int64"] = of(lambda: (integers(9, 257, 301), integers(9, 301, 263)), ondol.matmul)
CASES["linear"] = of(lambda: (numbers(515, 301), numbers(260, 301, seed=1), numbers(260, seed=2)), F.linear)
CASES["addmm"] = of(lambda: (numbers(260), numbers(515, 301, seed=1), numbers(301, 260, seed=2)), ondol.addmm)
CASES["bilinear"] = of(lambda: (numbers(300, 20), numbers(300, 21), numbers(22, 20, 21)), F.bilinear)
CASES["einsum"] = of(
    lambda: (numbers(30, 40, 50), numbers(30, 50, 45)), lambda a, b: ondol.einsum("bij,bjk->bik", a, b)
)

# --- layers -------------------------------------------------------------------------------------------------------

CONVOLUTIONS = {
    "conv1d": (F.conv1d, (8, 16, 900), (24, 16, 5), {"padding": 2}),
    "conv2d 3x3": (F.conv2d, (8, 16, 45, 47), (24, 16, 3, 3), {"padding": 1}),
    "conv2d 3x3 small kernel": (F.conv2d, (9, 32, 29, 30), (48, 32, 3, 3), {}),
    "conv2d 3x3 few images": (F.conv2d, (3, 32, 45, 47), (48, 32, 3, 3), {"padding": 1}),
    "conv2d 5x5": (F.conv2d, (3, 16, 29, 30), (80, 16, 5, 5), {}),
    "conv2d 1x1": (F.conv2d, (8, 33, 45, 47), (24, 33, 1, 1), {}),
    "conv2d 7x7 stride 2": (F.conv2d, (4, 3, 93, 95), (24, 3, 7, 7), {"stride": 2, "padding": 3}),
    "conv2d dilated": (F.conv2d, (4, 8, 45, 47), (24, 8, 3, 3), {"dilation": 2}),
    "conv2d grouped": (F.conv2d, (4, 32, 45, 47), (32, 8, 3, 3), {"groups": 4}),
    "conv2d depthwise": (F.conv2d, (4, 64, 45, 47), (64, 1, 3, 3), {"groups": 64, "padding": 1}),
    "conv2d depthwise small": (F.conv2d, (5, 88, 13, 14), (88, 1, 3, 3), {"groups": 88, "padding": 1, "stride": 2}),
    "conv2d one image": (F.conv2d, (1, 64, 45, 47), (64, 64, 3, 3), {"padding": 1}),
    "conv2d small images": (F.conv2d, (2, 160, 13, 14), (128, 160, 3, 3), {"padding": 1}),
    "conv3d": (F.conv3d, (2, 8, 13, 21, 20), (12, 8, 3, 3, 3), {"padding": 1}),
    "conv_transpose1d": (F.conv_transpose1d, (8, 16, 400), (16, 12, 4), {"stride": 2}),
    "conv_transpose2d": (F.conv_transpose2d, (8, 16, 25, 27), (16, 12, 3, 3), {"stride": 2, "padding": 1}),
    "conv_transpose2d depthwise": (F.conv_transpose2d, (4, 32, 25, 27), (32, 1, 3, 3), {"stride": 2, "groups": 32}),
    "conv_transpose3d": (F.conv_transpose3d, (2, 8, 9, 11, 10), (8, 6, 3, 3, 3), {"stride": 2}),
}
for name, (function, x, weight, options) in CONVOLUTIONS.items():
    outputs = weight[1] * options.get("groups", 1) if "transpose" in name else weight[0]
    CASES[name] = of(
        lambda x=x, weight=weight, outputs=outputs: (numbers(*x), numbers(*weight, seed=1), numbers(outputs, seed=2)),
        lambda x, w, b, f=function, options=options: f(x, w, b, **options),
    )
CASES["conv2d channels_last"] = of(
    lambda: (numbers(8, 16, 45, 47), numbers(24, 16, 3, 3, seed=1)),
    lambda x, w: F.conv2d(x.to(memory_format=ondol.channels_last), w),
)
IMAGES = {
    "max_pool2d": lambda x: F.max_pool2d(x, 3, 2, 1),
    "avg_pool2d": lambda x: F.avg_pool2d(x, 3, 2, 1),
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, (7, 5)),
    "adaptive_max_pool2d": lambda x: F.adaptive_max_pool2d(x, (7, 5)),
    "lp_pool2d": lambda x: F.lp_pool2d(x.abs(), 2, 3),
    "fractional_max_pool2d": lambda x: F.fractional_max_pool2d(x, 2, output_ratio=0.5),
    "interpolate, bilinear": lambda x: F.interpolate(x, scale_factor=1.7, mode="bilinear"),
    "interpolate, nearest": lambda x: F.interpolate(x, scale_factor=2),
    "interpolate, bicubic": lambda x: F.interpolate(x, scale_factor=1.3, mode="bicubic"),
    "pad, reflect": lambda x: F.pad(x, (3, 2, 1, 4), mode="reflect"),
    "unfold": lambda x: F.unfold(x, 3, padding=1),
    "pixel_shuffle": lambda x: F.pixel_shuffle(x, 2),
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
    "instance_norm": F.instance_norm,
    "group_norm": lambda x: F.group_norm(x, 4),
    "local_response_norm": lambda x: F.local_response_norm(x, 5),
    "channels_last batch_norm": lambda x: F.batch_norm(
        x.to(memory_format=ondol.channels_last), None, None, training=True
    ),
    "dropout": F.dropout,
    "dropout2d": F.dropout2d,
}
for name, function in IMAGES.items():
    CASES[name] = of(lambda: numbers(8, 16, 61, 67), function)
CASES["affine batch_norm"] = of(
    lambda: (numbers(8, 16, 61, 67), numbers(16, seed=1), numbers(16, seed=2)),
    lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
)
CASES["layer_norm"] = of(
    lambda: (numbers(801, 513), numbers(513, seed=1), numbers(513, seed=2)),
    lambda x, w, b: F.layer_norm(x, (513,), w, b),
)
CASES["rms_norm"] = of(lambda: (numbers(801, 513), numbers(513, seed=1)), lambda x, w: F.rms_norm(x, (513,), w))
CASES["affine group_norm"] = of(
    lambda: (numbers(8, 16, 61, 67), numbers(16, seed=1), numbers(16, seed=2)),
    lambda x, w, b: F.group_norm(x, 4, w, b),
)
CASES["grid_sample"] = of(
    lambda: (numbers(4, 8, 60, 61), numbers(4, 50, 51, 2, seed=1)),
    lambda x, g: F.grid_sample(x, g.tanh(), align_corners=False),
)
for causal in (False, True):
    CASES[f"attention, causal={causal}"] = of(
        lambda: tuple(numbers(3, 4, 130, 32, seed=i) for i in range(3)),
        lambda q, k, v, causal=causal: F.scaled_dot_product_attention(q, k, v, is_causal=causal),
    )
CASES["attention, long"] = of(
    lambda: tuple(numbers(1, 2, 700, 40, seed=i) for i in range(3)), F.scaled_dot_product_attention
)
CASES["attention, masked"] = of(
    lambda: (*(numbers(3, 4, 130, 32, seed=i) for i in range(3)), numbers(130, 130, seed=4)),
    lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v, mask),
)
MODULES = {
    "LSTM": (lambda: nn.LSTM(40, 64, 2, bidirectional=True), (50, 16, 40)),
    "GRU": (lambda: nn.GRU(40, 64, 2), (50, 16, 40)),
    "RNN": (lambda: nn.RNN(40, 64), (50, 16, 40)),
    "LSTM, columns shared by threads": (lambda: nn.LSTM(40, 200), (7, 20, 40)),
    "LSTM, projected": (lambda: nn.LSTM(40, 130, proj_size=90, bidirectional=True), (9, 33, 40)),
    "GRU, one sequence": (lambda: nn.GRU(40, 300), (9, 1, 40)),
    "RNN, wide": (lambda: nn.RNN(40, 330), (9, 21, 40)),
    "TransformerEncoderLayer": (lambda: nn.TransformerEncoderLayer(64, 4, 128), (60, 8, 64)),
    "MultiheadAttention": (lambda: _SelfAttention(64, 4), (60, 8, 64)),
}


class _SelfAttention(nn.MultiheadAttention):
    def forward(self, x):
        return super().forward(x, x, x)[0]


def _module(build, shape):
    def run():
        module, x = build(), numbers(*shape)
        y = module(x)
        return y[0] if isinstance(y, tuple) else y, [x, *module.parameters()]

    return run


for name, (build, shape) in MODULES.items():
    CASES[name] = _module(build, shape)

# --- losses, tables, scatters -------------------------------------------------------------------------------------

LOSSES = {
    "mse_loss": F.mse_loss,
    "l1_loss": F.l1_loss,
    "smooth_l1_loss": F.smooth_l1_loss,
    "huber_loss": F.huber_loss,
    "kl_div": lambda a, b: F.kl_div(a.log_softmax(1), b.softmax(1), reduction="batchmean"),
    "binary_cross_entropy": lambda a, b: F.binary_cross_entropy(a.sigmoid(), b.detach().sigmoid()),
    "binary_cross_entropy_with_logits": lambda a, b: F.binary_cross_entropy_with_logits(a, b.detach().sigmoid()),
    "cosine_similarity": F.cosine_similarity,
    "poisson_nll_loss": lambda a, b: F.poisson_nll_loss(a, b.detach().abs()),
    "triplet_margin_loss": lambda a, b: F.triplet_margin_loss(a, b, a * b),
    "cdist": lambda a, b: ondol.cdist(a[:200], b[:210]),
}
for name, function in LOSSES.items():
    CASES[name] = of(lambda: (numbers(700, 803), numbers(700, 803, seed=1)), function)
for reduction in ("mean", "sum", "none"):
    CASES[f"cross_entropy, {reduction}"] = of(
        lambda: (numbers(3001, 211), integers(211, 3001)),
        lambda x, y, reduction=reduction: F.cross_entropy(x, y, reduction=reduction),
    )
CASES["cross_entropy, weighted"] = of(
    lambda: (numbers(3001, 211), integers(211, 3001), numbers(211, seed=1).detach().abs()),
    lambda x, y, w: F.cross_entropy(x, y, w, label_smoothing=0.1),
)
CASES["cross_entropy, images"] = of(lambda: (numbers(8, 21, 45, 47), integers(21, 8, 45, 47)), F.cross_entropy)
CASES["nll_loss"] = of(lambda: (numbers(3001, 211), integers(211, 3001)), lambda x, y: F.nll_loss(x, y))
CASES["ctc_loss"] = of(
    lambda: (numbers(50, 16, 20), 1 + integers(19, 16, 12)),
    lambda x, y: F.ctc_loss(x.log_softmax(2), y, [50] * 16, [12] * 16),
)
CASES["embedding"] = of(lambda: (integers(300, 5003), numbers(300, 64)), F.embedding)
CASES["embedding_bag"] = of(lambda: (integers(300, 500, 11), numbers(300, 64)), F.embedding_bag)
CASES["index_select"] = of(lambda: (numbers(300, 640), integers(300, 5003)), lambda x, i: x.index_select(0, i))
CASES["gather"] = of(lambda: (numbers(900, 640), integers(900, 1200, 640)), lambda x, i: x.gather(0, i))
CASES["advanced indexing"] = of(lambda: (numbers(900, 640), integers(900, 20003)), lambda x, i: x[i])
CASES["scatter_add"] = of(
    lambda: (numbers(50, 640), integers(50, 3001, 640), numbers(3001, 640, seed=1)),
    lambda x, i, s: x.scatter_add(0, i, s),
)
CASES["scatter_reduce, mean"] = of(
    lambda: (numbers(50, 640), integers(50, 3001, 640), numbers(3001, 640, seed=1)),
    lambda x, i, s: x.scatter_reduce(0, i, s, "mean"),
)
CASES["index_add"] = of(
    lambda: (numbers(50, 640), integers(50, 3001), numbers(3001, 640, seed=1)), lambda x, i, s: x.index_add(0, i, s)
)
CASES["index_put, accumulated"] = of(
    lambda: (numbers(50, 640), integers(50, 3001), numbers(3001, 640, seed=1)),
    lambda x, i, s: x.index_put((i,), s, accumulate=True),
)
CASES["masked_fill"] = of(lambda: numbers(900, 803), lambda x: x.masked_fill(x > 0, 1))
CASES["masked_select"] = of(lambda: numbers(900, 803), lambda x: x.masked_select(x > 0))
CASES["bincount"] = of(lambda: integers(300, 300001), lambda x: x.bincount())
CASES["bincount, weighted"] = of(
    lambda: (integers(300, 300001), numbers(300001, grad=False)), lambda x, w: x.bincount(w)
)
CASES["histc"] = of(lambda: numbers(300001, grad=False), lambda x: x.histc(50, -3, 3))
CASES["unique"] = of(lambda: integers(3000, 300001), lambda x: ondol.unique(x, return_counts=True))
CASES["searchsorted"] = of(
    lambda: (numbers(5000, grad=False), numbers(300001, grad=False)), lambda a, x: ondol.searchsorted(a.sort()[0], x)
)
CASES["cat"] = of(lambda: (numbers(500, 803), numbers(400, 803, seed=1)), lambda a, b: ondol.cat([a, b]))
CASES["fft"] = of(lambda: numbers(300, 1001), lambda x: ondol.view_as_real(ondol.fft.fft(x)))
CASES["flip and roll"] = of(lambda: numbers(900, 803), lambda x: x.flip(0).roll(5, 1))
CASES["contiguous"] = of(lambda: numbers(300, 401, 7), lambda x: x.permute(2, 0, 1).contiguous())

# --- random numbers and optimizers --------------------------------------------------------------------------------

FILLS = {
    "rand": lambda: ondol.rand(300001),
    "randn": lambda: ondol.randn(300001),
    "randn, float64": lambda: ondol.randn(300001, dtype=ondol.float64),
    "randint": lambda: ondol.randint(1000, (300001,)),
    "randperm": lambda: ondol.randperm(300001),
    "bernoulli": lambda: ondol.bernoulli(ondol.full((300001,), 0.3)),
    "exponential": lambda: ondol.empty(300001).exponential_(),
    "log_normal": lambda: ondol.empty(300001).log_normal_(),
    "cauchy": lambda: ondol.empty(300001).cauchy_(),
    "geometric": lambda: ondol.empty(300001).geometric_(0.3),
    "poisson": lambda: ondol.poisson(ondol.full((100001,), 3.0)),
    "multinomial": lambda: ondol.multinomial(ondol.ones(3, 1000), 500),
    "trunc_normal": lambda: nn.init.trunc_normal_(ondol.empty(300001)),
}
for name, fill in FILLS.items():
    CASES[name] = lambda fill=fill: (fill(), [])

OPTIMIZERS = ["SGD", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "Adagrad", "Adadelta", "RMSprop", "Rprop", "ASGD"]


def _optimizer(name):
    def run():
        parameters = [numbers(513, 601), numbers(601, seed=1), numbers(3, 3, seed=2)]
        parameters = [nn.Parameter(one.detach()) for one in parameters]
        optimizer = getattr(ondol.optim, name)(parameters, lr=0.01)
        for step in range(3):
            for i, one in enumerate(parameters):
                one.grad = numbers(*one.shape, seed=10 * step + i, grad=False)
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
        return parameters, []

    return run


for name in OPTIMIZERS:
    CASES[name] = _optimizer(name)


@pytest.mark.parametrize("name", CASES)
def test_the_same_bits(name):
    ondol.set_num_threads(1)
    expected = results(CASES[name])
    for count in THREADS:
        ondol.set_num_threads(count)
        for one, other in zip(expected, results(CASES[name]), strict=True):
            assert one.shape == other.shape and ondol.equal(bits(one), bits(other)), f"{count} threads"
