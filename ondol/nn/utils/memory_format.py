"""The memory layout of convolution weights."""

from __future__ import annotations

from typing import Any

import ondol

__all__ = ["convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"]


def convert_conv2d_weight_memory_format(module: Any, memory_format: Any) -> Any:
    """Lay out the weights of all `Conv2d` and `ConvTranspose2d` below a module in a memory format."""
    from ..modules import Conv2d, ConvTranspose2d

    return _convert(module, memory_format, (Conv2d, ConvTranspose2d))


def convert_conv3d_weight_memory_format(module: Any, memory_format: Any) -> Any:
    """Lay out the weights of all `Conv3d` and `ConvTranspose3d` below a module in a memory format."""
    from ..modules import Conv3d, ConvTranspose3d

    return _convert(module, memory_format, (Conv3d, ConvTranspose3d))


def _convert(root: Any, memory_format: Any, kinds: tuple) -> Any:
    for module in root.modules():
        if isinstance(module, kinds):
            with ondol.no_grad():
                module.weight.data = module.weight.detach().clone().contiguous(memory_format=memory_format)
    return root
