"""Transformer layers (Vaswani et al. 2017)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import ondol

from .. import functional as F
from .. import init
from .activation import MultiheadAttention
from .container import ModuleList
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .normalization import LayerNorm

__all__ = [
    "Transformer", "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder", "TransformerEncoderLayer",
]  # fmt: skip

Activation = str | Callable[[ondol.Tensor], ondol.Tensor]
_ACTIVATIONS: dict[str, Callable] = {"relu": F.relu, "gelu": F.gelu}


def _activation(activation: Activation) -> Callable:
    if not isinstance(activation, str):
        return activation
    if activation not in _ACTIVATIONS:
        raise RuntimeError(f"activation should be relu/gelu, not {activation}")
    return _ACTIVATIONS[activation]


def _generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> ondol.Tensor:
    return ondol.triu(ondol.full((sz, sz), float("-inf"), dtype=dtype, device=device), diagonal=1)


def _is_causal(mask: ondol.Tensor | None, is_causal: bool | None) -> bool:
    """Whether a mask is the causal one: as the caller says, or else by comparing."""
    if is_causal is not None or mask is None:
        return bool(is_causal)
    rows, columns = mask.shape[-2:]
    if rows != columns:
        return False
    if mask.dtype == ondol.bool:
        causal = ondol.ones(rows, rows, dtype=ondol.bool).triu(1)
    else:
        causal = _generate_square_subsequent_mask(rows, dtype=mask.dtype)
    return bool((mask == causal).all())


def _added(mask: ondol.Tensor | None, dtype: Any) -> ondol.Tensor | None:
    """A boolean padding mask as one to add, so that it goes together with an additive attention mask."""
    if mask is None or mask.dtype != ondol.bool:
        return mask
    return ondol.zeros_like(mask, dtype=dtype).masked_fill_(mask, float("-inf"))


def _get_clones(module: Module, n: int) -> ModuleList:
    return ModuleList(copy.deepcopy(module) for _ in range(n))


class Transformer(Module):
    """Encoder and decoder (Vaswani et al. 2017).

    Args:
        d_model: features; nhead: heads; dim_feedforward: features inside the feed-forward nets.
        num_encoder_layers, num_decoder_layers: layers of each side.
        activation: `"relu"`, `"gelu"` or a function.
        custom_encoder, custom_decoder: modules in place of the two sides.
        batch_first: inputs are (N, L, E) instead of (L, N, E).
        norm_first: normalize before attention and feed-forward, not after (Xiong et al. 2020).

    Shape: src (S, N, E), tgt (T, N, E) → (T, N, E).

    >>> model = ondol.nn.Transformer(16, 4, 1, 1, 32)
    >>> model(ondol.rand(10, 2, 16), ondol.rand(20, 2, 16)).shape
    torch.Size([20, 2, 16])
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        layer = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)

        def norm() -> LayerNorm:
            return LayerNorm(d_model, eps=layer_norm_eps, bias=bias, device=device, dtype=dtype)

        if custom_encoder is None:
            encoder_layer = TransformerEncoderLayer(*layer, device, dtype)
            self.encoder: Any = TransformerEncoder(encoder_layer, num_encoder_layers, norm())
        else:
            self.encoder = custom_encoder
        if custom_decoder is None:
            decoder_layer = TransformerDecoderLayer(*layer, device, dtype)
            self.decoder: Any = TransformerDecoder(decoder_layer, num_decoder_layers, norm())
        else:
            self.decoder = custom_decoder
        self._reset_parameters()
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def forward(
        self,
        src: ondol.Tensor,
        tgt: ondol.Tensor,
        src_mask: ondol.Tensor | None = None,
        tgt_mask: ondol.Tensor | None = None,
        memory_mask: ondol.Tensor | None = None,
        src_key_padding_mask: ondol.Tensor | None = None,
        tgt_key_padding_mask: ondol.Tensor | None = None,
        memory_key_padding_mask: ondol.Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> ondol.Tensor:
        """Encode `src`, and decode `tgt` from it; masks as in `MultiheadAttention`."""
        if src.dim() == 3 and src.size(0 if self.batch_first else 1) != tgt.size(0 if self.batch_first else 1):
            raise RuntimeError("the batch number of src and tgt must be equal")
        if src.size(-1) != self.d_model or tgt.size(-1) != self.d_model:
            raise RuntimeError(
                f"the feature number of src and tgt must be equal to d_model={self.d_model}, "
                f"got {src.size(-1)} and {tgt.size(-1)}"
            )
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> ondol.Tensor:
        """The causal mask: −∞ above the diagonal, 0 elsewhere.

        >>> ondol.nn.Transformer.generate_square_subsequent_mask(2)
        tensor([[0., -inf],
                [0., 0.]])
        """
        return _generate_square_subsequent_mask(sz, device, dtype)

    def _reset_parameters(self) -> None:
        for parameter in self.parameters():
            if parameter.dim() > 1:
                init.xavier_uniform_(parameter)


class TransformerEncoder(Module):
    """Encoder layers, each a copy of `encoder_layer`, and a last normalization.

    `enable_nested_tensor` and `mask_check` concern a fast path of PyTorch and change nothing here.

    >>> layer = ondol.nn.TransformerEncoderLayer(16, 4, 32)
    >>> ondol.nn.TransformerEncoder(layer, 2)(ondol.rand(10, 2, 16)).shape
    torch.Size([10, 2, 16])
    """

    def __init__(
        self,
        encoder_layer: TransformerEncoderLayer,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _get_clones(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = self.use_nested_tensor = enable_nested_tensor
        self.mask_check = mask_check

    def forward(
        self,
        src: ondol.Tensor,
        mask: ondol.Tensor | None = None,
        src_key_padding_mask: ondol.Tensor | None = None,
        is_causal: bool | None = None,
    ) -> ondol.Tensor:
        """Run the layers; masks as in `MultiheadAttention`. `is_causal=None` looks whether `mask` is the causal one."""
        causal = _is_causal(mask, is_causal)
        padding = _added(src_key_padding_mask, src.dtype)
        output = src
        for layer in self.layers:
            output = layer(output, src_mask=mask, is_causal=causal, src_key_padding_mask=padding)
        return output if self.norm is None else self.norm(output)


class TransformerDecoder(Module):
    """Decoder layers, each a copy of `decoder_layer`, and a last normalization.

    >>> layer = ondol.nn.TransformerDecoderLayer(16, 4, 32)
    >>> ondol.nn.TransformerDecoder(layer, 2)(ondol.rand(20, 2, 16), ondol.rand(10, 2, 16)).shape
    torch.Size([20, 2, 16])
    """

    def __init__(self, decoder_layer: TransformerDecoderLayer, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _get_clones(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: ondol.Tensor,
        memory: ondol.Tensor,
        tgt_mask: ondol.Tensor | None = None,
        memory_mask: ondol.Tensor | None = None,
        tgt_key_padding_mask: ondol.Tensor | None = None,
        memory_key_padding_mask: ondol.Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> ondol.Tensor:
        """Run the layers; masks as in `MultiheadAttention`. `tgt_is_causal=None` looks at `tgt_mask`."""
        causal = _is_causal(tgt_mask, tgt_is_causal)
        output = tgt
        for layer in self.layers:
            output = layer(
                output,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=causal,
                memory_is_causal=memory_is_causal,
            )
        return output if self.norm is None else self.norm(output)


class TransformerEncoderLayer(Module):
    """Self-attention and a feed-forward net, each with a residual and a normalization; arguments as in `Transformer`.

    >>> ondol.nn.TransformerEncoderLayer(16, 4, 32)(ondol.rand(10, 2, 16)).shape
    torch.Size([10, 2, 16])
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        factory = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout=dropout, batch_first=batch_first, **factory)
        self.linear1 = Linear(d_model, dim_feedforward, **factory)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **factory)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, **factory)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, **factory)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation_relu_or_gelu = _kind_of(_activation(activation))
        self.activation = _activation(activation)

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        if not hasattr(self, "activation"):
            self.activation = F.relu

    def forward(
        self,
        src: ondol.Tensor,
        src_mask: ondol.Tensor | None = None,
        src_key_padding_mask: ondol.Tensor | None = None,
        is_causal: bool = False,
    ) -> ondol.Tensor:
        padding = _added(src_key_padding_mask, src.dtype)
        x = src
        if self.norm_first:
            x = x + self._sa_block(self.norm1(x), src_mask, padding, is_causal)
            return x + self._ff_block(self.norm2(x))
        x = self.norm1(x + self._sa_block(x, src_mask, padding, is_causal))
        return self.norm2(x + self._ff_block(x))

    def _sa_block(self, x: ondol.Tensor, mask: Any, padding: Any, is_causal: bool = False) -> ondol.Tensor:
        attended = self.self_attn(
            x, x, x, attn_mask=mask, key_padding_mask=padding, need_weights=False, is_causal=is_causal
        )[0]
        return self.dropout1(attended)

    def _ff_block(self, x: ondol.Tensor) -> ondol.Tensor:
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


def _kind_of(activation: Any) -> int:
    """1 for relu, 2 for gelu, 0 for others: an attribute that PyTorch's pickles have."""
    from .activation import GELU, ReLU

    if activation is F.relu or isinstance(activation, ReLU):
        return 1
    return 2 if activation is F.gelu or isinstance(activation, GELU) else 0


class TransformerDecoderLayer(Module):
    """Self-attention, attention to the encoder's output, and a feed-forward net; arguments as in `Transformer`.

    >>> ondol.nn.TransformerDecoderLayer(16, 4, 32)(ondol.rand(20, 2, 16), ondol.rand(10, 2, 16)).shape
    torch.Size([20, 2, 16])
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        factory = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout=dropout, batch_first=batch_first, **factory)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout=dropout, batch_first=batch_first, **factory)
        self.linear1 = Linear(d_model, dim_feedforward, **factory)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **factory)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, **factory)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, **factory)
        self.norm3 = LayerNorm(d_model, eps=layer_norm_eps, **factory)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = _activation(activation)

    def __setstate__(self, state: dict) -> None:
        state.setdefault("activation", F.relu)
        super().__setstate__(state)

    def forward(
        self,
        tgt: ondol.Tensor,
        memory: ondol.Tensor,
        tgt_mask: ondol.Tensor | None = None,
        memory_mask: ondol.Tensor | None = None,
        tgt_key_padding_mask: ondol.Tensor | None = None,
        memory_key_padding_mask: ondol.Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> ondol.Tensor:
        own = (tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        other = (memory_mask, memory_key_padding_mask, memory_is_causal)
        x = tgt
        if self.norm_first:
            x = x + self._sa_block(self.norm1(x), *own)
            x = x + self._mha_block(self.norm2(x), memory, *other)
            return x + self._ff_block(self.norm3(x))
        x = self.norm1(x + self._sa_block(x, *own))
        x = self.norm2(x + self._mha_block(x, memory, *other))
        return self.norm3(x + self._ff_block(x))

    def _sa_block(self, x: ondol.Tensor, mask: Any, padding: Any, is_causal: bool = False) -> ondol.Tensor:
        attended = self.self_attn(
            x, x, x, attn_mask=mask, key_padding_mask=padding, is_causal=is_causal, need_weights=False
        )[0]
        return self.dropout1(attended)

    def _mha_block(
        self, x: ondol.Tensor, memory: ondol.Tensor, mask: Any, padding: Any, is_causal: bool = False
    ) -> ondol.Tensor:
        attended = self.multihead_attn(
            x, memory, memory, attn_mask=mask, key_padding_mask=padding, is_causal=is_causal, need_weights=False
        )[0]
        return self.dropout2(attended)

    def _ff_block(self, x: ondol.Tensor) -> ondol.Tensor:
        return self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x)))))
