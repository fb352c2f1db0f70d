"""Activation layers. Unless it says otherwise, a layer works elementwise on any shape."""

from __future__ import annotations

from typing import Any

import ondol

from .. import functional as F
from .. import init
from ..parameter import Parameter
from .linear import NonDynamicallyQuantizableLinear
from .module import Module

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "MultiheadAttention",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]  # fmt: skip


class Threshold(Module):
    """x where x > threshold, else `value`.

    >>> ondol.nn.Threshold(0.1, 20.0)(ondol.tensor([0.0, 1.0]))
    tensor([20.,  1.])
    """

    threshold: float
    value: float
    inplace: bool

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold, self.value, self.inplace = threshold, value, inplace

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}{_inplace(self, ', ')}"


def _inplace(module: Any, before: str = "") -> str:
    return f"{before}inplace=True" if module.inplace else ""


class _InplaceActivation(Module):
    """An activation whose one choice is whether it overwrites its input."""

    inplace: bool

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        return _inplace(self)


class ReLU(_InplaceActivation):
    """max(0, x).

    >>> ondol.nn.ReLU()(ondol.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.relu(input, self.inplace)


class RReLU(Module):
    """x for x > 0, else a · x with a random from [lower, upper] in training, their mean otherwise (Xu et al. 2015).

    >>> ondol.nn.RReLU(0.1, 0.3).eval()(ondol.tensor([-1.0, 2.0]))
    tensor([-0.2000,  2.0000])
    """

    lower: float
    upper: float
    inplace: bool

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}{_inplace(self, ', ')}"


class Hardtanh(Module):
    """x limited to [min_val, max_val].

    >>> ondol.nn.Hardtanh(-2, 2)(ondol.tensor([-3.0, 1.0]))
    tensor([-2.,  1.])
    """

    min_val: float
    max_val: float
    inplace: bool

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        self.min_val = min_val if min_value is None else min_value  # `…_value` are the names of older versions
        self.max_val = max_val if max_value is None else max_value
        self.inplace = inplace
        if not self.max_val > self.min_val:
            raise ValueError(f"max_val {self.max_val} must be larger than min_val {self.min_val}")

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}{_inplace(self, ', ')}"


class ReLU6(Hardtanh):
    """min(max(0, x), 6).

    >>> ondol.nn.ReLU6()(ondol.tensor([-1.0, 7.0]))
    tensor([0., 6.])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        return _inplace(self)


class Sigmoid(Module):
    """1 / (1 + exp(−x)).

    >>> ondol.nn.Sigmoid()(ondol.zeros(1))
    tensor([0.5000])
    """

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return ondol.sigmoid(input)


class Hardsigmoid(_InplaceActivation):
    """min(max(x / 6 + 1/2, 0), 1).

    >>> ondol.nn.Hardsigmoid()(ondol.tensor([-4.0, 0.0]))
    tensor([0.0000, 0.5000])
    """

    def extra_repr(self) -> str:
        return ""

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.hardsigmoid(input, self.inplace)


class Tanh(Module):
    """The hyperbolic tangent.

    >>> ondol.nn.Tanh()(ondol.zeros(1))
    tensor([0.])
    """

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return ondol.tanh(input)


class SiLU(_InplaceActivation):
    """x · sigmoid(x), also known as swish (Elfwing et al. 2017).

    >>> ondol.nn.SiLU()(ondol.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7311])
    """

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.silu(input, self.inplace)


class Mish(_InplaceActivation):
    """x · tanh(softplus(x)) (Misra 2019).

    >>> ondol.nn.Mish()(ondol.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8651])
    """

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.mish(input, self.inplace)


class Hardswish(_InplaceActivation):
    """x · hardsigmoid(x) (Howard et al. 2019).

    >>> ondol.nn.Hardswish()(ondol.tensor([-3.0, 3.0]))
    tensor([-0., 3.])
    """

    def extra_repr(self) -> str:
        return ""

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.hardswish(input, self.inplace)


class ELU(Module):
    """x for x > 0, else alpha · (exp(x) − 1) (Clevert et al. 2016).

    >>> ondol.nn.ELU()(ondol.tensor([-1.0, 1.0]))
    tensor([-0.6321,  1.0000])
    """

    alpha: float
    inplace: bool

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}{_inplace(self, ', ')}"


class CELU(Module):
    """max(0, x) + min(0, alpha · (exp(x / alpha) − 1)) (Barron 2017).

    >>> ondol.nn.CELU(2.0)(ondol.tensor([-1.0, 1.0]))
    tensor([-0.7869,  1.0000])
    """

    alpha: float
    inplace: bool

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.celu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}{_inplace(self, ', ')}"


class SELU(_InplaceActivation):
    """The scaled ELU that keeps mean 0 and variance 1 (Klambauer et al. 2017).

    >>> ondol.nn.SELU()(ondol.tensor([-1.0, 1.0]))
    tensor([-1.1113,  1.0507])
    """

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.selu(input, self.inplace)


class GLU(Module):
    """a · sigmoid(b), where a and b are the halves of the input along `dim` (Dauphin et al. 2017).

    Shape: (*, 2n, *) → (*, n, *).

    >>> ondol.nn.GLU()(ondol.zeros(4, 2)).shape
    torch.Size([4, 1])
    """

    dim: int

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class GELU(Module):
    """x · Φ(x), Φ the normal distribution function; `approximate="tanh"` for its estimate (Hendrycks & Gimpel 2016).

    >>> ondol.nn.GELU()(ondol.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8413])
    """

    approximate: str

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class Hardshrink(Module):
    """x where |x| > lambd, else 0.

    >>> ondol.nn.Hardshrink()(ondol.tensor([0.3, 1.0]))
    tensor([0., 1.])
    """

    lambd: float

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)


class LeakyReLU(Module):
    """x for x > 0, else negative_slope · x.

    >>> ondol.nn.LeakyReLU(0.1)(ondol.tensor([-1.0, 1.0]))
    tensor([-0.1000,  1.0000])
    """

    inplace: bool
    negative_slope: float

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}{_inplace(self, ', ')}"


class LogSigmoid(Module):
    """log(1 / (1 + exp(−x))).

    >>> ondol.nn.LogSigmoid()(ondol.zeros(1))
    tensor([-0.6931])
    """

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.logsigmoid(input)


class Softplus(Module):
    """log(1 + exp(beta · x)) / beta; x itself where beta · x > threshold.

    >>> ondol.nn.Softplus()(ondol.zeros(1))
    tensor([0.6931])
    """

    beta: float
    threshold: float

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Softshrink(Module):
    """x moved towards 0 by lambd, and 0 where |x| ≤ lambd.

    >>> ondol.nn.Softshrink()(ondol.tensor([0.3, 1.0]))
    tensor([0.0000, 0.5000])
    """

    lambd: float

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)


class PReLU(Module):
    """x for x > 0, else a · x with a learned (He et al. 2015).

    Args:
        num_parameters: 1, or the number of channels (dimension 1 of the input).
        init: the first value of a.

    >>> ondol.nn.PReLU()(ondol.tensor([-1.0, 1.0])).tolist()
    [-0.25, 1.0]
    """

    num_parameters: int

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(ondol.empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init.constant_(self.weight, self.init)

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class Softsign(Module):
    """x / (1 + |x|).

    >>> ondol.nn.Softsign()(ondol.ones(1))
    tensor([0.5000])
    """

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.softsign(input)


class Tanhshrink(Module):
    """x − tanh(x).

    >>> ondol.nn.Tanhshrink()(ondol.ones(1))
    tensor([0.2384])
    """

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.tanhshrink(input)


class _AlongDimension(Module):
    """A softmax along a dimension."""

    dim: int | None

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("dim", None)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmin(_AlongDimension):
    """softmax(−x) along `dim`.

    >>> ondol.nn.Softmin(0)(ondol.zeros(2))
    tensor([0.5000, 0.5000])
    """

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.softmin(input, self.dim, _stacklevel=5)


class Softmax(_AlongDimension):
    """exp(x) / Σ exp(x) along `dim`.

    >>> ondol.nn.Softmax(dim=0)(ondol.zeros(2))
    tensor([0.5000, 0.5000])
    """

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.softmax(input, self.dim, _stacklevel=5)


class Softmax2d(Module):
    """Softmax over the channels of (N, C, H, W) or (C, H, W).

    >>> ondol.nn.Softmax2d()(ondol.zeros(1, 2, 1, 1)).flatten()
    tensor([0.5000, 0.5000])
    """

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        if input.dim() not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.dim()}D instead")
        return F.softmax(input, -3, _stacklevel=5)


class LogSoftmax(_AlongDimension):
    """log(softmax(x)) along `dim`.

    >>> ondol.nn.LogSoftmax(dim=0)(ondol.zeros(2))
    tensor([-0.6931, -0.6931])
    """

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.log_softmax(input, self.dim, _stacklevel=5)


class MultiheadAttention(Module):
    """Attention with several heads: concat(head₁, …, head_h) Wᴼ, head_i = softmax(q kᵀ / √d) v of the i-th projections
    (Vaswani et al. 2017, section 3.2).

    Args:
        embed_dim: features of query and output, E; divisible by `num_heads`.
        dropout: on the attention weights.
        bias: whether the projections have one.
        add_bias_kv: add one learned position to the keys and values.
        add_zero_attn: add one position of zeros.
        kdim, vdim: features of keys and values; E if `None`.
        batch_first: inputs are (N, L, E) instead of (L, N, E).

    Shape: query (L, N, E), key (S, N, kdim), value (S, N, vdim) → output (L, N, E) and weights (N, L, S), or
    (N, heads, L, S) with `average_attn_weights=False`, or `None` with `need_weights=False`. All may lack N.

    >>> attention = ondol.nn.MultiheadAttention(8, 2, batch_first=True)
    >>> x = ondol.randn(3, 5, 8)
    >>> [part.shape for part in attention(x, x, x)]
    [torch.Size([3, 5, 8]), torch.Size([3, 5, 5])]
    """

    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"embed_dim and num_heads must be greater than 0, got embed_dim={embed_dim} and num_heads={num_heads}"
            )
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads, self.dropout, self.batch_first = num_heads, dropout, batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError(f"embed_dim {embed_dim} must be divisible by num_heads {num_heads}")

        def parameter(*shape: int) -> Parameter:
            return Parameter(ondol.empty(shape, device=device, dtype=dtype))

        if self._qkv_same_embed_dim:
            self.in_proj_weight = parameter(3 * embed_dim, embed_dim)
            for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight"):
                self.register_parameter(name, None)
        else:
            self.q_proj_weight = parameter(embed_dim, embed_dim)
            self.k_proj_weight = parameter(embed_dim, self.kdim)
            self.v_proj_weight = parameter(embed_dim, self.vdim)
            self.register_parameter("in_proj_weight", None)
        self.register_parameter("in_proj_bias", parameter(3 * embed_dim) if bias else None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, device=device, dtype=dtype)
        if add_bias_kv:
            self.bias_k = parameter(1, 1, embed_dim)
            self.bias_v = parameter(1, 1, embed_dim)
        else:
            self.bias_k = self.bias_v = None
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        weights = [self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        for weight in weights:
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.constant_(self.in_proj_bias, 0.0)
            init.constant_(self.out_proj.bias, 0.0)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def __setstate__(self, state: dict) -> None:
        state.setdefault("_qkv_same_embed_dim", True)  # pickles of PyTorch before 1.1
        super().__setstate__(state)

    def forward(
        self,
        query: ondol.Tensor,
        key: ondol.Tensor,
        value: ondol.Tensor,
        key_padding_mask: ondol.Tensor | None = None,
        need_weights: bool = True,
        attn_mask: ondol.Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[ondol.Tensor, ondol.Tensor | None]:
        """Attend.

        Args:
            key_padding_mask: (N, S); true, or −∞ to add, at the positions to ignore.
            need_weights: return the attention weights too, which takes more time and memory.
            attn_mask: (L, S) or (N · heads, L, S); true, or −∞ to add, where a query must not look.
            average_attn_weights: the weights' mean over the heads.
            is_causal: a promise that `attn_mask` is the causal one.
        """
        swap = self.batch_first and query.dim() == 3
        if swap:
            same_key, same_value = key is query, value is key  # one tensor stays one: it is projected once
            query = query.transpose(1, 0)
            key = query if same_key else key.transpose(1, 0)
            value = key if same_value else value.transpose(1, 0)
        output, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return (output.transpose(1, 0) if swap else output), weights
