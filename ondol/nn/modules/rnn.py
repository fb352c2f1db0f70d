"""Recurrent layers and their cells."""

from __future__ import annotations

import math
import numbers
import warnings
from typing import Any

import ondol
from ondol._native import nn as _nn

from .. import functional as F
from .. import init
from ..parameter import Parameter
from ..utils.rnn import PackedSequence
from .module import Module

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}
_KERNELS = {"LSTM": _nn.lstm, "GRU": _nn.gru, "RNN_TANH": _nn.rnn_tanh, "RNN_RELU": _nn.rnn_relu}


def _permuted(tensor: ondol.Tensor, permutation: ondol.Tensor | None) -> ondol.Tensor:
    return tensor if permutation is None else tensor.index_select(1, permutation)


class RNNBase(Module):
    """What recurrent layers share.

    Args:
        input_size, hidden_size: features of the inputs and of the hidden state.
        num_layers: layers, each fed by the one before.
        bias: whether the gates have biases.
        batch_first: inputs and outputs are (N, L, *) instead of (L, N, *); states are not concerned.
        dropout: on the outputs of all layers but the last.
        bidirectional: a second net runs backwards; outputs have both.
        proj_size: project the LSTM's hidden state to this size (Sak et al. 2014).

    Parameters are `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`, …, with the gates one below the other;
    those of the second direction end in `_reverse`. All are born uniform within ±1/√hidden_size.
    """

    mode: str
    input_size: int
    hidden_size: int
    num_layers: int
    bias: bool
    batch_first: bool
    dropout: float
    bidirectional: bool
    proj_size: int

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        _check_sizes(mode, input_size, hidden_size, num_layers, dropout, proj_size)
        self.mode, self.input_size, self.hidden_size, self.num_layers = mode, input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        self._flat_weights_names: list[str] = []
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            for suffix in ("", "_reverse") if bidirectional else ("",):
                self._add_layer(layer, suffix, device, dtype)
        self.reset_parameters()

    def _add_layer(self, layer: int, suffix: str, device: Any, dtype: Any) -> None:
        gates = _GATES[self.mode] * self.hidden_size
        outputs = self.proj_size if self.proj_size > 0 else self.hidden_size
        inputs = self.input_size if layer == 0 else outputs * (2 if self.bidirectional else 1)
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (gates, inputs), "weight_hh": (gates, outputs)}
        if self.bias:
            shapes.update(bias_ih=(gates,), bias_hh=(gates,))
        if self.proj_size > 0:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        names = [f"{name}_l{layer}{suffix}" for name in shapes]
        for name, shape in zip(names, shapes.values()):
            self.register_parameter(name, Parameter(ondol.empty(shape, device=device, dtype=dtype)))
        self._flat_weights_names += names
        self._all_weights.append(names)

    @property
    def _flat_weights(self) -> list[Parameter]:
        return [getattr(self, name) for name in self._flat_weights_names]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def flatten_parameters(self) -> None:
        """Does nothing: it lays parameters out for a GPU library."""

    def reset_parameters(self) -> None:
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def __getstate__(self) -> dict:
        return {**super().__getstate__(), "_flat_weights": self._flat_weights}  # as PyTorch's pickles have it

    def __setstate__(self, state: dict) -> None:
        state = {name: value for name, value in state.items() if name != "_flat_weights"}
        state.setdefault("proj_size", 0)
        super().__setstate__(state)

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Run over (L, N, input_size), (L, input_size) or a `PackedSequence`, from a state or from zeros.

        Returns the outputs of the last layer at all steps, and the last state of each layer.
        """
        packed = isinstance(input, PackedSequence)
        if packed:
            data, batch_sizes, sorted_indices, unsorted_indices = input
            batched, batch = True, int(batch_sizes[0])
        else:
            data, batch_sizes, sorted_indices, unsorted_indices = input, None, None, None
            batched = data.dim() == 3
            self._check_dim(data)
            if not batched:
                data = data.unsqueeze(0 if self.batch_first else 1)
            batch = data.size(0 if self.batch_first else 1)
        if data.size(-1) != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {data.size(-1)} in an "
                f"input of shape {list(data.shape)}"
            )
        states = self._states(hx, data, batch, batched, packed, sorted_indices)
        hidden = states if self.mode == "LSTM" else states[0]
        arguments = (self._flat_weights, self.bias, self.num_layers, self.dropout, self.training, self.bidirectional)
        kernel = _KERNELS[self.mode]
        if packed:
            output, *states = kernel(data, batch_sizes, hidden, *arguments)
            output = PackedSequence(output, batch_sizes, sorted_indices, unsorted_indices)
        else:
            output, *states = kernel(data, hidden, *arguments, self.batch_first)
        states = [_permuted(state, unsorted_indices) for state in states]
        if not batched:
            output = output.squeeze(0 if self.batch_first else 1)
            states = [state.squeeze(1) for state in states]
        return output, (tuple(states) if self.mode == "LSTM" else states[0])

    def _check_dim(self, input: ondol.Tensor) -> None:
        if input.dim() not in (2, 3):
            raise ValueError(f"{self._get_name()}: Expected input to be 2D or 3D, got {input.dim()}D instead")

    def _state_sizes(self) -> list[int]:
        """Features of each part of the state."""
        outputs = self.proj_size if self.proj_size > 0 else self.hidden_size
        return [outputs, self.hidden_size] if self.mode == "LSTM" else [outputs]

    def _states(
        self, hx: Any, data: ondol.Tensor, batch: int, batched: bool, packed: bool, sorted_indices: Any
    ) -> list[ondol.Tensor]:
        layers = self.num_layers * (2 if self.bidirectional else 1)
        sizes = self._state_sizes()
        if hx is None:
            return [ondol.zeros(layers, batch, size, dtype=data.dtype, device=data.device) for size in sizes]
        states = list(hx) if self.mode == "LSTM" else [hx]
        wanted_dim = 3 if batched else 2
        for i, state in enumerate(states):
            if state.dim() != wanted_dim:
                what = "hx and cx" if self.mode == "LSTM" else "hx"
                kind = "batched 3-D" if batched else "unbatched 2-D"
                raise RuntimeError(
                    f"For {kind} input, {what} should also be {wanted_dim}-D but got {state.dim()}-D for part {i}"
                )
        states = [state if batched else state.unsqueeze(1) for state in states]
        for state, size, what in zip(states, sizes, ("hidden" if len(sizes) == 1 else "hidden[0]", "hidden[1]")):
            if tuple(state.shape) != (layers, batch, size):
                raise RuntimeError(
                    f"Expected {what} size {(layers, batch, size)}, got {list(state.shape)}"
                    f"{self._state_hint(data, batch, batched, packed)}"
                )
        return [_permuted(state, sorted_indices) for state in states]

    def _state_hint(self, data: ondol.Tensor, batch: int, batched: bool, packed: bool) -> str:
        """How the size of a state comes about."""
        directions = 2 if self.bidirectional else 1
        hint = f": num_layers={self.num_layers} times {directions} direction{'s' * (directions - 1)}"
        if not packed and batched:
            steps = data.size(1 if self.batch_first else 0)
            hint += (
                f", batch {batch}, features of the state; as batch_first={self.batch_first}, the input "
                f"{list(data.shape)} has {steps} steps of {batch} sequences"
            )
        return hint

    def extra_repr(self) -> str:
        words = f"{self.input_size}, {self.hidden_size}"
        if self.proj_size != 0:
            words += f", proj_size={self.proj_size}"
        if self.num_layers != 1:
            words += f", num_layers={self.num_layers}"
        if self.bias is not True:
            words += f", bias={self.bias}"
        if self.batch_first is not False:
            words += f", batch_first={self.batch_first}"
        if self.dropout != 0:
            words += f", dropout={self.dropout}"
        if self.bidirectional is not False:
            words += f", bidirectional={self.bidirectional}"
        return words


def _check_sizes(mode: str, input_size: Any, hidden_size: Any, num_layers: int, dropout: Any, proj_size: int) -> None:
    if mode not in _GATES:
        raise ValueError("Unrecognized RNN mode: " + mode)
    if not isinstance(dropout, numbers.Number) or not 0 <= dropout <= 1 or isinstance(dropout, bool):
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element being zeroed"
        )
    if dropout > 0 and num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers "
            f"greater than 1, but got dropout={dropout} and num_layers={num_layers}"
        )
    if not isinstance(hidden_size, int):
        raise TypeError(f"hidden_size should be of type int, got: {type(hidden_size).__name__}")
    if hidden_size <= 0:
        raise ValueError("hidden_size must be greater than zero")
    if num_layers <= 0:
        raise ValueError("num_layers must be greater than zero")
    if proj_size < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if proj_size >= hidden_size:
        raise ValueError("proj_size has to be smaller than hidden_size")
    if proj_size > 0 and mode != "LSTM":
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")


class RNN(RNNBase):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_(t−1) + b_hh), or relu in tanh's place (Elman 1990).

    Arguments as in `RNNBase`; `nonlinearity` is `"tanh"` or `"relu"`.

    >>> output, h = ondol.nn.RNN(10, 20, 2)(ondol.randn(5, 3, 10))
    >>> output.shape, h.shape
    (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(
            f"RNN_{nonlinearity.upper()}", input_size, hidden_size, num_layers, bias, batch_first, dropout,
            bidirectional, device=device, dtype=dtype,
        )  # fmt: skip
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter & Schmidhuber 1997; gates in the order i, f, g, o).

    i, f, o = σ(W x_t + U h_(t−1) + b), g = tanh(…), c_t = f · c_(t−1) + i · g, h_t = o · tanh(c_t).
    Arguments as in `RNNBase`; the state is a pair (h, c).

    >>> output, (h, c) = ondol.nn.LSTM(10, 20, 2)(ondol.randn(5, 3, 10))
    >>> output.shape, h.shape, c.shape
    (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "LSTM",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device,
            dtype,
        )


class GRU(RNNBase):
    """Gated recurrent unit (Cho et al. 2014; gates in the order r, z, n).

    r, z = σ(W x_t + U h_(t−1) + b), n = tanh(W_n x_t + b + r · (U_n h_(t−1) + b)), h_t = (1 − z) · n + z · h_(t−1).
    Arguments as in `RNNBase`.

    >>> output, h = ondol.nn.GRU(10, 20, 2)(ondol.randn(5, 3, 10))
    >>> output.shape, h.shape
    (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "GRU",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            device=device,
            dtype=dtype,
        )


class RNNCellBase(Module):
    """One step of a recurrent layer."""

    input_size: int
    hidden_size: int
    bias: bool

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        gates = num_chunks * hidden_size
        self.weight_ih = Parameter(ondol.empty((gates, input_size), device=device, dtype=dtype))
        self.weight_hh = Parameter(ondol.empty((gates, hidden_size), device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            values = ondol.empty(gates, device=device, dtype=dtype) if bias else None
            self.register_parameter(name, None if values is None else Parameter(values))
        self.reset_parameters()

    reset_parameters = RNNBase.reset_parameters

    def extra_repr(self) -> str:
        words = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            words += f", bias={self.bias}"
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            words += f", nonlinearity={self.nonlinearity}"
        return words

    def _prepare(self, input: ondol.Tensor, states: Any, count: int) -> tuple[ondol.Tensor, list[ondol.Tensor], bool]:
        """Input and states with a batch dimension, and whether they had one."""
        if input.dim() not in (1, 2):
            raise ValueError(f"{self._get_name()}: Expected input to be 1D or 2D, got {input.dim()}D instead")
        for i, state in enumerate(states or ()):
            if state.dim() not in (1, 2):
                raise ValueError(f"{self._get_name()}: Expected hx[{i}] to be 1D or 2D, got {state.dim()}D instead")
        batched = input.dim() == 2
        if not batched:
            input = input.unsqueeze(0)
        if states is None:
            states = [input.new_zeros((input.size(0), self.hidden_size))] * count
        elif not batched:
            states = [state.unsqueeze(0) for state in states]
        if input.size(1) != self.input_size:
            raise RuntimeError(f"input has inconsistent input_size: got {input.size(1)} expected {self.input_size}")
        for i, state in enumerate(states):
            if tuple(state.shape) != (input.size(0), self.hidden_size):
                raise RuntimeError(
                    f"hidden{i} has inconsistent size: got {list(state.shape)}, expected "
                    f"{[input.size(0), self.hidden_size]}"
                )
        return input, states, batched

    def _gates(self, input: ondol.Tensor, hidden: ondol.Tensor) -> tuple[ondol.Tensor, ondol.Tensor]:
        return F.linear(input, self.weight_ih, self.bias_ih), F.linear(hidden, self.weight_hh, self.bias_hh)


class RNNCell(RNNCellBase):
    """One step of an `RNN`: (N, input_size) and (N, hidden_size) → (N, hidden_size).

    >>> ondol.nn.RNNCell(10, 20)(ondol.randn(3, 10)).shape
    torch.Size([3, 20])
    """

    nonlinearity: str

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: ondol.Tensor, hx: ondol.Tensor | None = None) -> ondol.Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        input, (hidden,), batched = self._prepare(input, None if hx is None else [hx], 1)
        from_input, from_hidden = self._gates(input, hidden)
        hidden = getattr(from_input + from_hidden, self.nonlinearity)()
        return hidden if batched else hidden.squeeze(0)


class LSTMCell(RNNCellBase):
    """One step of an `LSTM`: (N, input_size) and a pair of (N, hidden_size) → the new pair (h, c).

    >>> h, c = ondol.nn.LSTMCell(10, 20)(ondol.randn(3, 10))
    >>> h.shape, c.shape
    (torch.Size([3, 20]), torch.Size([3, 20]))
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(
        self, input: ondol.Tensor, hx: tuple[ondol.Tensor, ondol.Tensor] | None = None
    ) -> tuple[ondol.Tensor, ondol.Tensor]:
        input, (hidden, memory), batched = self._prepare(input, None if hx is None else list(hx), 2)
        from_input, from_hidden = self._gates(input, hidden)
        i, f, g, o = (from_input + from_hidden).chunk(4, 1)
        memory = f.sigmoid() * memory + i.sigmoid() * g.tanh()
        hidden = o.sigmoid() * memory.tanh()
        return (hidden, memory) if batched else (hidden.squeeze(0), memory.squeeze(0))


class GRUCell(RNNCellBase):
    """One step of a `GRU`: (N, input_size) and (N, hidden_size) → (N, hidden_size).

    >>> ondol.nn.GRUCell(10, 20)(ondol.randn(3, 10)).shape
    torch.Size([3, 20])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: ondol.Tensor, hx: ondol.Tensor | None = None) -> ondol.Tensor:
        input, (hidden,), batched = self._prepare(input, None if hx is None else [hx], 1)
        from_input, from_hidden = self._gates(input, hidden)
        (r_in, z_in, n_in), (r_h, z_h, n_h) = from_input.chunk(3, 1), from_hidden.chunk(3, 1)
        r, z = (r_in + r_h).sigmoid(), (z_in + z_h).sigmoid()
        n = (n_in + r * n_h).tanh()
        hidden = n + z * (hidden - n)
        return hidden if batched else hidden.squeeze(0)
