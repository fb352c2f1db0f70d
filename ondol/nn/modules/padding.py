"""Padding layers: `nn.functional.pad` with a mode."""

from __future__ import annotations

from typing import Any

import ondol

from .. import functional as F
from .module import Module
from .utils import _ntuple, _pair, _quadruple

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d", "ConstantPad3d",
    "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d", "ReplicationPad2d", "ReplicationPad3d",
    "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip

_numbers = {1: _pair, 2: _quadruple, 3: _ntuple(6, "_sextuple")}


class _Pad(Module):
    """Padding of the last dimensions: one number, or (left, right), (left, right, top, bottom), …"""

    _dims: int
    _mode: str
    padding: tuple[int, ...]

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = _numbers[self._dims](padding)

    def _check_input_dim(self, input: ondol.Tensor) -> None:
        """Each mode's own conditions; `F.pad` has the general ones."""

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        self._check_input_dim(input)
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _CircularPadNd(_Pad):
    _mode = "circular"

    def _check_input_dim(self, input: ondol.Tensor) -> None:
        dims = self._dims + 1
        if input.dim() not in (dims, dims + 1):
            raise ValueError(f"expected {dims}D or {dims + 1}D input (got {input.dim()}D input)")


class CircularPad1d(_CircularPadNd):
    """Pad (N, C, L) with the values of the other end.

    >>> ondol.nn.CircularPad1d(1)(ondol.arange(3.0).view(1, 3))
    tensor([[2., 0., 1., 2., 0.]])
    """

    _dims = 1


class CircularPad2d(_CircularPadNd):
    """Pad (N, C, H, W) with the values of the other ends."""

    _dims = 2


class CircularPad3d(_CircularPadNd):
    """Pad (N, C, D, H, W) with the values of the other ends."""

    _dims = 3


class _ConstantPadNd(_Pad):
    _mode = "constant"
    value: float

    def __init__(self, padding: Any, value: float) -> None:
        Module.__init__(self)
        self.value = value
        self.padding = _numbers[self._dims](padding)

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """Pad the last dimension with a value.

    >>> ondol.nn.ConstantPad1d((1, 0), 9.0)(ondol.zeros(1, 2))
    tensor([[9., 0., 0.]])
    """

    _dims = 1


class ConstantPad2d(_ConstantPadNd):
    """Pad the last two dimensions with a value."""

    _dims = 2


class ConstantPad3d(_ConstantPadNd):
    """Pad the last three dimensions with a value."""

    _dims = 3


class _ReflectionPadNd(_Pad):
    _mode = "reflect"


class ReflectionPad1d(_ReflectionPadNd):
    """Pad (N, C, L) with its mirror image, the border not repeated.

    >>> ondol.nn.ReflectionPad1d(2)(ondol.arange(3.0).view(1, 3))
    tensor([[2., 1., 0., 1., 2., 1., 0.]])
    """

    _dims = 1


class ReflectionPad2d(_ReflectionPadNd):
    """Pad (N, C, H, W) with its mirror image, the border not repeated."""

    _dims = 2


class ReflectionPad3d(_ReflectionPadNd):
    """Pad (N, C, D, H, W) with its mirror image, the border not repeated."""

    _dims = 3


class _ReplicationPadNd(_Pad):
    _mode = "replicate"


class ReplicationPad1d(_ReplicationPadNd):
    """Pad (N, C, L) with its border values.

    >>> ondol.nn.ReplicationPad1d(1)(ondol.arange(3.0).view(1, 3))
    tensor([[0., 0., 1., 2., 2.]])
    """

    _dims = 1


class ReplicationPad2d(_ReplicationPadNd):
    """Pad (N, C, H, W) with its border values."""

    _dims = 2


class ReplicationPad3d(_ReplicationPadNd):
    """Pad (N, C, D, H, W) with its border values."""

    _dims = 3


class ZeroPad1d(ConstantPad1d):
    """Pad the last dimension with zeros.

    >>> ondol.nn.ZeroPad1d(1)(ondol.ones(1, 1))
    tensor([[0., 1., 0.]])
    """

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad2d(ConstantPad2d):
    """Pad the last two dimensions with zeros."""

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad3d(ConstantPad3d):
    """Pad the last three dimensions with zeros."""

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"
