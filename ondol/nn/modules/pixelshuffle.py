"""Channels to pixels, and back."""

from __future__ import annotations

import ondol

from .. import functional as F
from .module import Module

__all__ = ["PixelShuffle", "PixelUnshuffle"]


class PixelShuffle(Module):
    """(*, C · r², H, W) → (*, C, H · r, W · r) (Shi et al. 2016).

    >>> ondol.nn.PixelShuffle(3)(ondol.zeros(1, 9, 4, 4)).shape
    torch.Size([1, 1, 12, 12])
    """

    upscale_factor: int

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """(*, C, H · r, W · r) → (*, C · r², H, W): the inverse of `PixelShuffle`.

    >>> ondol.nn.PixelUnshuffle(3)(ondol.zeros(1, 1, 12, 12)).shape
    torch.Size([1, 9, 4, 4])
    """

    downscale_factor: int

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"
