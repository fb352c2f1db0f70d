"""Shuffling of channels."""

from __future__ import annotations

import ondol

from .. import functional as F
from .module import Module

__all__ = ["ChannelShuffle"]


class ChannelShuffle(Module):
    """Interleave the channels of groups: (N, groups · k, *) → the same shape (Zhang et al. 2018).

    >>> ondol.nn.ChannelShuffle(2)(ondol.arange(4.0).view(1, 4, 1)).flatten()
    tensor([0., 2., 1., 3.])
    """

    groups: int

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
