"""Convolution layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ondol

from .. import functional as F
from .. import init
from ..parameter import Parameter, UninitializedParameter
from .lazy import LazyModuleMixin
from .module import Module
from .utils import _pair, _reverse_repeat_tuple, _single, _triple

__all__ = [
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "LazyConv1d", "LazyConv2d",
    "LazyConv3d", "LazyConvTranspose1d", "LazyConvTranspose2d", "LazyConvTranspose3d",
]  # fmt: skip

_ARGUMENTS = """
    Args:
        in_channels, out_channels: channels of input and output; both divisible by `groups`.
        kernel_size, stride, dilation: one number, or one for each spatial dimension.
        padding: numbers, or `"valid"` for none, or `"same"` for an output of the input's size (stride 1 only).
        groups: the channels are split into so many groups, each with kernels of its own.
        bias: whether there is a bias for each output channel.
        padding_mode: `"zeros"`, `"reflect"`, `"replicate"` or `"circular"`.
"""


class _ConvNd(Module):
    """What all convolutions share: arguments, parameters and how they are born."""

    in_channels: int
    out_channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: str | tuple[int, ...]
    dilation: tuple[int, ...]
    transposed: bool
    output_padding: tuple[int, ...]
    groups: int
    padding_mode: str
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: str | tuple[int, ...],
        dilation: tuple[int, ...],
        transposed: bool,
        output_padding: tuple[int, ...],
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        _check_arguments(in_channels, out_channels, groups, padding, stride, padding_mode)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride, self.padding, self.dilation = kernel_size, stride, padding, dilation
        self.transposed, self.output_padding = transposed, output_padding
        self.groups, self.padding_mode = groups, padding_mode
        self._reversed_padding_repeated_twice = self._paddings_for_pad()
        channels = (in_channels, out_channels // groups) if transposed else (out_channels, in_channels // groups)
        self.weight = Parameter(ondol.empty((*channels, *kernel_size), device=device, dtype=dtype))
        self.register_parameter(
            "bias", Parameter(ondol.empty(out_channels, device=device, dtype=dtype)) if bias else None
        )
        self.reset_parameters()

    def _paddings_for_pad(self) -> list[int] | tuple[int, ...]:
        """The padding as `F.pad` takes it, for the modes other than zeros."""
        if not isinstance(self.padding, str):
            return _reverse_repeat_tuple(self.padding, 2)
        paddings = [0] * (2 * len(self.kernel_size))
        if self.padding == "same":
            for i, (dilation, size) in enumerate(zip(self.dilation[::-1], self.kernel_size[::-1])):
                total = dilation * (size - 1)
                paddings[2 * i], paddings[2 * i + 1] = total // 2, total - total // 2
        return paddings

    def reset_parameters(self) -> None:
        """Draw fresh values: uniform within ±1/√k, k the number of inputs of one output."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in != 0:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        ones, zeros = (1,) * len(self.kernel_size), (0,) * len(self.kernel_size)
        words = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != zeros:
            words += f", padding={self.padding}"
        if self.dilation != ones:
            words += f", dilation={self.dilation}"
        if self.output_padding != zeros:
            words += f", output_padding={self.output_padding}"
        if self.groups != 1:
            words += f", groups={self.groups}"
        if self.bias is None:
            words += ", bias=False"
        if self.padding_mode != "zeros":
            words += f", padding_mode={self.padding_mode}"
        return words

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("padding_mode", "zeros")

    def _convolve(
        self, function: Callable, input: ondol.Tensor, weight: ondol.Tensor, bias: ondol.Tensor | None
    ) -> ondol.Tensor:
        if self.padding_mode == "zeros":
            return function(input, weight, bias, self.stride, self.padding, self.dilation, self.groups)
        padded = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
        return function(padded, weight, bias, self.stride, 0, self.dilation, self.groups)


def _check_arguments(
    in_channels: int, out_channels: int, groups: int, padding: Any, stride: tuple, padding_mode: str
) -> None:
    if groups <= 0:
        raise ValueError("groups must be a positive integer")
    if in_channels % groups != 0:
        raise ValueError("in_channels must be divisible by groups")
    if out_channels % groups != 0:
        raise ValueError("out_channels must be divisible by groups")
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(f"Invalid padding string {padding!r}, should be one of ('same', 'valid')")
        if padding == "same" and any(step != 1 for step in stride):
            raise ValueError("padding='same' is not supported for strided convolutions")
    if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
        raise ValueError(
            "padding_mode must be one of ('zeros', 'reflect', 'replicate', 'circular'), "
            f"but got padding_mode='{padding_mode}'"
        )


class Conv1d(_ConvNd):
    """Convolve (N, C_in, L) or (C_in, L) to (N, C_out, L') or (C_out, L').
    {arguments}
    L' = ⌊(L + 2 · padding − dilation · (kernel_size − 1) − 1) / stride⌋ + 1.

    >>> ondol.nn.Conv1d(16, 33, 3, stride=2)(ondol.randn(20, 16, 50)).shape
    torch.Size([20, 33, 24])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] = 1,
        padding: str | int | tuple[int] = 0,
        dilation: int | tuple[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        padding = padding if isinstance(padding, str) else _single(padding)
        sizes = (_single(kernel_size), _single(stride), padding, _single(dilation))
        super().__init__(
            in_channels, out_channels, *sizes, False, _single(0), groups, bias, padding_mode, device, dtype
        )

    def _conv_forward(self, input: ondol.Tensor, weight: ondol.Tensor, bias: ondol.Tensor | None) -> ondol.Tensor:
        return self._convolve(F.conv1d, input, weight, bias)

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return self._conv_forward(input, self.weight, self.bias)


class Conv2d(_ConvNd):
    """Convolve (N, C_in, H, W) or (C_in, H, W) to (N, C_out, H', W') or (C_out, H', W').
    {arguments}
    H' = ⌊(H + 2 · padding − dilation · (kernel_size − 1) − 1) / stride⌋ + 1, and W' in the same way.

    >>> ondol.nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2))(ondol.randn(20, 16, 50, 100)).shape
    torch.Size([20, 33, 28, 100])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: str | int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        padding = padding if isinstance(padding, str) else _pair(padding)
        sizes = (_pair(kernel_size), _pair(stride), padding, _pair(dilation))
        super().__init__(in_channels, out_channels, *sizes, False, _pair(0), groups, bias, padding_mode, device, dtype)

    def _conv_forward(self, input: ondol.Tensor, weight: ondol.Tensor, bias: ondol.Tensor | None) -> ondol.Tensor:
        return self._convolve(F.conv2d, input, weight, bias)

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return self._conv_forward(input, self.weight, self.bias)


class Conv3d(_ConvNd):
    """Convolve (N, C_in, D, H, W) or (C_in, D, H, W) to (N, C_out, D', H', W') or (C_out, D', H', W').
    {arguments}
    D' = ⌊(D + 2 · padding − dilation · (kernel_size − 1) − 1) / stride⌋ + 1; H' and W' in the same way.

    >>> ondol.nn.Conv3d(4, 8, 3, stride=2)(ondol.randn(2, 4, 9, 9, 9)).shape
    torch.Size([2, 8, 4, 4, 4])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int, int],
        stride: int | tuple[int, int, int] = 1,
        padding: str | int | tuple[int, int, int] = 0,
        dilation: int | tuple[int, int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        padding = padding if isinstance(padding, str) else _triple(padding)
        sizes = (_triple(kernel_size), _triple(stride), padding, _triple(dilation))
        super().__init__(
            in_channels, out_channels, *sizes, False, _triple(0), groups, bias, padding_mode, device, dtype
        )

    def _conv_forward(self, input: ondol.Tensor, weight: ondol.Tensor, bias: ondol.Tensor | None) -> ondol.Tensor:
        return self._convolve(F.conv3d, input, weight, bias)

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return self._conv_forward(input, self.weight, self.bias)


class _ConvTransposeNd(_ConvNd):
    """What the transposed convolutions share."""

    _spatial_dims: int
    _function: Callable
    _tuple: Callable

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        output_padding: int | tuple[int, ...] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, ...] = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        each = {1: _single, 2: _pair, 3: _triple}[self._spatial_dims]
        sizes = (each(kernel_size), each(stride), each(padding), each(dilation))
        super().__init__(
            in_channels, out_channels, *sizes, True, each(output_padding), groups, bias, padding_mode, device, dtype
        )

    def _transpose(self, function: Callable, input: ondol.Tensor, output_size: list[int] | None) -> ondol.Tensor:
        output_padding = self._output_padding(input, output_size)
        return function(
            input, self.weight, self.bias, self.stride, self.padding, output_padding, self.groups, self.dilation
        )

    def _output_padding(self, input: ondol.Tensor, output_size: list[int] | None) -> tuple[int, ...] | list[int]:
        """The padding that makes the output as large as asked; several input sizes would fit it."""
        if output_size is None:
            return self.output_padding
        dims = self._spatial_dims
        first_spatial = input.dim() - dims
        if len(output_size) == first_spatial + dims:
            output_size = output_size[first_spatial:]
        if len(output_size) != dims:
            raise ValueError(
                f"ConvTranspose{dims}D: for {input.dim()}D input, output_size must have {dims} or {input.dim()} "
                f"elements (got {len(output_size)})"
            )
        smallest = [
            (input.size(first_spatial + d) - 1) * self.stride[d]
            - 2 * self.padding[d]  # type: ignore[operator]
            + self.dilation[d] * (self.kernel_size[d] - 1)
            + 1
            for d in range(dims)
        ]
        largest = [low + self.stride[d] - 1 for d, low in enumerate(smallest)]
        if any(not low <= size <= high for low, size, high in zip(smallest, output_size, largest)):
            raise ValueError(
                f"requested an output size of {output_size}, but valid sizes range from {smallest} to {largest} "
                f"(for an input of {input.size()[2:]})"
            )
        return [size - low for size, low in zip(output_size, smallest)]


class ConvTranspose1d(_ConvTransposeNd):
    """The gradient of a `Conv1d` with respect to its input, as a layer: (N, C_in, L) → (N, C_out, L').
    {arguments}
        output_padding: added to one side of the output.

    L' = (L − 1) · stride − 2 · padding + dilation · (kernel_size − 1) + output_padding + 1.

    >>> ondol.nn.ConvTranspose1d(16, 33, 3, stride=2)(ondol.randn(20, 16, 50)).shape
    torch.Size([20, 33, 101])
    """

    _spatial_dims = 1

    def forward(self, input: ondol.Tensor, output_size: list[int] | None = None) -> ondol.Tensor:
        return self._transpose(F.conv_transpose1d, input, output_size)


class ConvTranspose2d(_ConvTransposeNd):
    """The gradient of a `Conv2d` with respect to its input, as a layer: (N, C_in, H, W) → (N, C_out, H', W').
    {arguments}
        output_padding: added to one side of the output.

    H' = (H − 1) · stride − 2 · padding + dilation · (kernel_size − 1) + output_padding + 1, W' in the same way.

    >>> up = ondol.nn.ConvTranspose2d(16, 16, 3, stride=2, padding=1)
    >>> up(ondol.randn(1, 16, 6, 6), output_size=[12, 12]).shape
    torch.Size([1, 16, 12, 12])
    """

    _spatial_dims = 2

    def forward(self, input: ondol.Tensor, output_size: list[int] | None = None) -> ondol.Tensor:
        return self._transpose(F.conv_transpose2d, input, output_size)


class ConvTranspose3d(_ConvTransposeNd):
    """The gradient of a `Conv3d` with respect to its input, as a layer: (N, C_in, D, H, W) → (N, C_out, D', H', W').
    {arguments}
        output_padding: added to one side of the output.

    D' = (D − 1) · stride − 2 · padding + dilation · (kernel_size − 1) + output_padding + 1; H' and W' in the same way.

    >>> ondol.nn.ConvTranspose3d(4, 8, 3, stride=2)(ondol.randn(2, 4, 3, 3, 3)).shape
    torch.Size([2, 8, 7, 7, 7])
    """

    _spatial_dims = 3

    def forward(self, input: ondol.Tensor, output_size: list[int] | None = None) -> ondol.Tensor:
        return self._transpose(F.conv_transpose3d, input, output_size)


for _class in (Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d):
    if _class.__doc__:  # absent under `python -OO`
        _class.__doc__ = _class.__doc__.replace("    {arguments}\n", _ARGUMENTS)


class _LazyConvXdMixin(LazyModuleMixin):
    """Takes `in_channels` from the first input."""

    def _make_lazy(self, out_channels: int, bias: bool, device: Any, dtype: Any) -> None:
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self, input: ondol.Tensor, *args: Any, **kwargs: Any) -> None:
        if not self.has_uninitialized_params():
            return
        self.in_channels = self._get_in_channels(input)
        if self.in_channels % self.groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if self.transposed:
            channels = (self.in_channels, self.out_channels // self.groups)
        else:
            channels = (self.out_channels, self.in_channels // self.groups)
        self.weight.materialize((*channels, *self.kernel_size))
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()

    def _get_in_channels(self, input: ondol.Tensor) -> int:
        dims = len(self.kernel_size)
        if input.dim() not in (dims + 1, dims + 2):
            raise RuntimeError(
                f"Expected {dims + 1}D (unbatched) or {dims + 2}D (batched) input to {type(self).__name__}, "
                f"but got input of size: {input.shape}"
            )
        return input.shape[input.dim() - dims - 1]


class LazyConv1d(_LazyConvXdMixin, Conv1d):  # type: ignore[misc]
    """A `Conv1d` that takes `in_channels` from its first input, and is a `Conv1d` from then on.

    >>> ondol.nn.LazyConv1d(4, 1)(ondol.zeros(1, 1, 1)).shape[1]
    4
    """

    cls_to_become = Conv1d

    def __init__(
        self,
        out_channels: int,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] = 1,
        padding: str | int | tuple[int] = 0,
        dilation: int | tuple[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode)
        self._make_lazy(out_channels, bias, device, dtype)


class LazyConv2d(_LazyConvXdMixin, Conv2d):  # type: ignore[misc]
    """A `Conv2d` that takes `in_channels` from its first input, and is a `Conv2d` from then on.

    >>> ondol.nn.LazyConv2d(4, 1)(ondol.zeros(1, 1, 1, 1)).shape[1]
    4
    """

    cls_to_become = Conv2d

    def __init__(
        self,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: str | int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode)
        self._make_lazy(out_channels, bias, device, dtype)


class LazyConv3d(_LazyConvXdMixin, Conv3d):  # type: ignore[misc]
    """A `Conv3d` that takes `in_channels` from its first input, and is a `Conv3d` from then on.

    >>> ondol.nn.LazyConv3d(4, 1)(ondol.zeros(1, 1, 1, 1, 1)).shape[1]
    4
    """

    cls_to_become = Conv3d

    def __init__(
        self,
        out_channels: int,
        kernel_size: int | tuple[int, int, int],
        stride: int | tuple[int, int, int] = 1,
        padding: str | int | tuple[int, int, int] = 0,
        dilation: int | tuple[int, int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode)
        self._make_lazy(out_channels, bias, device, dtype)


class LazyConvTranspose1d(_LazyConvXdMixin, ConvTranspose1d):  # type: ignore[misc]
    """A `ConvTranspose1d` that takes `in_channels` from its first input, and is a `ConvTranspose1d` from then on.

    >>> ondol.nn.LazyConvTranspose1d(4, 1)(ondol.zeros(1, 1, 1)).shape[1]
    4
    """

    cls_to_become = ConvTranspose1d

    def __init__(
        self,
        out_channels: int,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] = 1,
        padding: int | tuple[int] = 0,
        output_padding: int | tuple[int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int] = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation, padding_mode)
        self._make_lazy(out_channels, bias, device, dtype)


class LazyConvTranspose2d(_LazyConvXdMixin, ConvTranspose2d):  # type: ignore[misc]
    """A `ConvTranspose2d` that takes `in_channels` from its first input, and is a `ConvTranspose2d` from then on.

    >>> ondol.nn.LazyConvTranspose2d(4, 1)(ondol.zeros(1, 1, 1, 1)).shape[1]
    4
    """

    cls_to_become = ConvTranspose2d

    def __init__(
        self,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        output_padding: int | tuple[int, int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, int] = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation, padding_mode)
        self._make_lazy(out_channels, bias, device, dtype)


class LazyConvTranspose3d(_LazyConvXdMixin, ConvTranspose3d):  # type: ignore[misc]
    """A `ConvTranspose3d` that takes `in_channels` from its first input, and is a `ConvTranspose3d` from then on.

    >>> ondol.nn.LazyConvTranspose3d(4, 1)(ondol.zeros(1, 1, 1, 1, 1)).shape[1]
    4
    """

    cls_to_become = ConvTranspose3d

    def __init__(
        self,
        out_channels: int,
        kernel_size: int | tuple[int, int, int],
        stride: int | tuple[int, int, int] = 1,
        padding: int | tuple[int, int, int] = 0,
        output_padding: int | tuple[int, int, int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, int, int] = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation, padding_mode)
        self._make_lazy(out_channels, bias, device, dtype)
