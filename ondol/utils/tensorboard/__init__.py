"""Logs for TensorBoard, through the package `tensorboard`: `pip install 'ondol[tensorboard]'`.

The module itself can be imported without the package; asking it for SummaryWriter then raises ImportError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ondol.utils.tensorboard._writer import FileWriter as FileWriter
    from ondol.utils.tensorboard._writer import SummaryWriter as SummaryWriter

__all__ = ["FileWriter", "SummaryWriter"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        import tensorboard  # noqa: F401
    except ImportError as missing:
        raise ImportError(
            f"{name} needs the package tensorboard: pip install 'ondol[tensorboard]'", name="tensorboard"
        ) from missing
    from ondol.utils.tensorboard import _writer

    return getattr(_writer, name)
