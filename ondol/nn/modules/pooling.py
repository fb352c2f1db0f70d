"""Pooling layers.

Sizes are one number, or one for each spatial dimension; the stride is the kernel's size if `None`.
"""

from __future__ import annotations

from typing import Any

import ondol

from .. import functional as F
from .module import Module
from .utils import _pair, _single, _triple

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d", "FractionalMaxPool2d", "FractionalMaxPool3d",
    "LPPool1d", "LPPool2d", "LPPool3d", "MaxPool1d", "MaxPool2d", "MaxPool3d", "MaxUnpool1d", "MaxUnpool2d",
    "MaxUnpool3d",
]  # fmt: skip


class _MaxPoolNd(Module):
    """The largest value of each window.

    Args:
        kernel_size, stride, padding, dilation: the windows; padding counts as −∞.
        return_indices: return the places of the maxima too, for `MaxUnpool`.
        ceil_mode: round the output's size up.
    """

    return_indices: bool
    ceil_mode: bool

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def _arguments(self) -> tuple:
        return self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """The largest value of each window of (N, C, L) or (C, L).

    >>> ondol.nn.MaxPool1d(3, stride=2)(ondol.randn(20, 16, 50)).shape
    torch.Size([20, 16, 24])
    """

    def forward(self, input: ondol.Tensor) -> Any:
        return F.max_pool1d(input, *self._arguments())


class MaxPool2d(_MaxPoolNd):
    """The largest value of each window of (N, C, H, W) or (C, H, W).

    >>> ondol.nn.MaxPool2d((3, 2), stride=(2, 1))(ondol.randn(20, 16, 50, 32)).shape
    torch.Size([20, 16, 24, 31])
    """

    def forward(self, input: ondol.Tensor) -> Any:
        return F.max_pool2d(input, *self._arguments())


class MaxPool3d(_MaxPoolNd):
    """The largest value of each window of (N, C, D, H, W) or (C, D, H, W).

    >>> ondol.nn.MaxPool3d(2)(ondol.randn(2, 3, 4, 4, 4)).shape
    torch.Size([2, 3, 2, 2, 2])
    """

    def forward(self, input: ondol.Tensor) -> Any:
        return F.max_pool3d(input, *self._arguments())


class _MaxUnpoolNd(Module):
    """Put the values of a max pool back to where its indices say; all other values are zero."""

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """A partial inverse of `MaxPool1d`; `forward` takes values, indices and the wanted output size.

    >>> pooled = ondol.nn.MaxPool1d(2, return_indices=True)(ondol.tensor([[1.0, 2.0, 4.0, 3.0]]))
    >>> ondol.nn.MaxUnpool1d(2)(*pooled)
    tensor([[0., 2., 4., 0.]])
    """

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size = _single(kernel_size)
        self.stride = _single(stride if stride is not None else kernel_size)
        self.padding = _single(padding)

    def forward(self, input: ondol.Tensor, indices: ondol.Tensor, output_size: Any = None) -> ondol.Tensor:
        return F.max_unpool1d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool2d(_MaxUnpoolNd):
    """A partial inverse of `MaxPool2d`; `forward` takes values, indices and the wanted output size."""

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size = _pair(kernel_size)
        self.stride = _pair(stride if stride is not None else kernel_size)
        self.padding = _pair(padding)

    def forward(self, input: ondol.Tensor, indices: ondol.Tensor, output_size: Any = None) -> ondol.Tensor:
        return F.max_unpool2d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool3d(_MaxUnpoolNd):
    """A partial inverse of `MaxPool3d`; `forward` takes values, indices and the wanted output size."""

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size = _triple(kernel_size)
        self.stride = _triple(stride if stride is not None else kernel_size)
        self.padding = _triple(padding)

    def forward(self, input: ondol.Tensor, indices: ondol.Tensor, output_size: Any = None) -> ondol.Tensor:
        return F.max_unpool3d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class _AvgPoolNd(Module):
    """The mean of each window."""

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPoolNd):
    """The mean of each window of (N, C, L) or (C, L).

    >>> ondol.nn.AvgPool1d(2)(ondol.tensor([[1.0, 3.0, 5.0, 7.0]]))
    tensor([[2., 6.]])
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = _single(kernel_size)
        self.stride = _single(stride if stride is not None else kernel_size)
        self.padding = _single(padding)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class _AvgPoolWithDivisor(_AvgPoolNd):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def _arguments(self) -> tuple:
        return (
            self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad, self.divisor_override
        )  # fmt: skip


class AvgPool2d(_AvgPoolWithDivisor):
    """The mean of each window of (N, C, H, W) or (C, H, W).

    >>> ondol.nn.AvgPool2d(3, stride=2)(ondol.randn(20, 16, 50, 32)).shape
    torch.Size([20, 16, 24, 15])
    """

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.avg_pool2d(input, *self._arguments())


class AvgPool3d(_AvgPoolWithDivisor):
    """The mean of each window of (N, C, D, H, W) or (C, D, H, W).

    >>> ondol.nn.AvgPool3d(2)(ondol.randn(2, 3, 4, 4, 4)).shape
    torch.Size([2, 3, 2, 2, 2])
    """

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.avg_pool3d(input, *self._arguments())

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        for name, value in (("padding", 0), ("ceil_mode", False), ("count_include_pad", True)):
            self.__dict__.setdefault(name, value)


class _FractionalMaxPoolNd(Module):
    """The largest values of windows at pseudo-random places (Graham 2015)."""

    def _init(
        self, each: Any, kernel_size: Any, output_size: Any, output_ratio: Any, return_indices: bool, samples: Any
    ) -> None:
        kind = type(self).__name__
        if (isinstance(kernel_size, int) and kernel_size <= 0) or (
            isinstance(kernel_size, (tuple, list)) and not all(size > 0 for size in kernel_size)
        ):
            raise ValueError(f"kernel_size must greater than zero, but got {kernel_size}")
        if output_size is None and output_ratio is None:
            raise ValueError(f"{kind} requires specifying either an output size, or a pooling ratio")
        if output_size is not None and output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        self.kernel_size = each(kernel_size)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", samples)
        self.output_size = each(output_size) if output_size is not None else None
        self.output_ratio = each(output_ratio) if output_ratio is not None else None
        if self.output_ratio is not None and not all(0 < ratio < 1 for ratio in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """The largest values of windows at pseudo-random places of (N, C, H, W) (Graham 2015).

    >>> ondol.nn.FractionalMaxPool2d(3, output_ratio=0.5)(ondol.randn(2, 3, 8, 8)).shape
    torch.Size([2, 3, 4, 4])
    """

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> None:
        super().__init__()
        self._init(_pair, kernel_size, output_size, output_ratio, return_indices, _random_samples)

    def forward(self, input: ondol.Tensor) -> Any:
        return F.fractional_max_pool2d(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices, self._random_samples
        )


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """The largest values of windows at pseudo-random places of (N, C, D, H, W) (Graham 2015)."""

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> None:
        super().__init__()
        self._init(_triple, kernel_size, output_size, output_ratio, return_indices, _random_samples)

    def forward(self, input: ondol.Tensor) -> Any:
        return F.fractional_max_pool3d(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices, self._random_samples
        )


class _LPPoolNd(Module):
    """(Σ xᵖ)^(1/p) of each window."""

    norm_type: float
    ceil_mode: bool

    def __init__(self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> None:
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
    """(Σ xᵖ)^(1/p) of each window of (N, C, L) or (C, L).

    >>> ondol.nn.LPPool1d(2, 2)(ondol.tensor([[3.0, 4.0]]))
    tensor([[5.]])
    """

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.lp_pool1d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class LPPool2d(_LPPoolNd):
    """(Σ xᵖ)^(1/p) of each window of (N, C, H, W) or (C, H, W)."""

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.lp_pool2d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class LPPool3d(_LPPoolNd):
    """(Σ xᵖ)^(1/p) of each window of (N, C, D, H, W) or (C, D, H, W)."""

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.lp_pool3d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class _AdaptiveMaxPoolNd(Module):
    """The largest value of each of `output_size` windows that cover the input."""

    return_indices: bool

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """The largest value of each of `output_size` windows of (N, C, L) or (C, L).

    >>> ondol.nn.AdaptiveMaxPool1d(5)(ondol.randn(1, 64, 8)).shape
    torch.Size([1, 64, 5])
    """

    def forward(self, input: ondol.Tensor) -> Any:
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """The largest value of each of `output_size` windows of (N, C, H, W) or (C, H, W); `None` keeps a size."""

    def forward(self, input: ondol.Tensor) -> Any:
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """The largest value of each of `output_size` windows of (N, C, D, H, W) or (C, D, H, W); `None` keeps a size."""

    def forward(self, input: ondol.Tensor) -> Any:
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)


class _AdaptiveAvgPoolNd(Module):
    """The mean of each of `output_size` windows that cover the input."""

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """The mean of each of `output_size` windows of (N, C, L) or (C, L).

    >>> ondol.nn.AdaptiveAvgPool1d(1)(ondol.tensor([[1.0, 3.0]]))
    tensor([[2.]])
    """

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """The mean of each of `output_size` windows of (N, C, H, W) or (C, H, W); `None` keeps a size."""

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """The mean of each of `output_size` windows of (N, C, D, H, W) or (C, D, H, W); `None` keeps a size."""

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.adaptive_avg_pool3d(input, self.output_size)
