"""Pictures for summaries, as arrays [height, width, channels] of bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

_COLUMNS = 8
"""Pictures of a batch in one row, as in PyTorch."""


def picture(array: np.ndarray, dataformats: str) -> np.ndarray:
    """The picture, or the batch of pictures side by side, that an array of these axes holds.

    Values of another dtype than uint8 are taken to lie between 0 and 1.

    Raises:
        ValueError: `dataformats` does not name each axis of the array once, or names others than N, C, H and W.
    """
    axes = dataformats.upper()
    if len(axes) != array.ndim or len(set(axes)) != len(axes) or not {"H", "W"} <= set(axes) <= set("NCHW"):
        raise ValueError(f"dataformats={dataformats!r} does not name the {array.ndim} axes of shape {array.shape}")
    whole = array.transpose([axes.index(axis) for axis in "NHWC" if axis in axes])
    whole = whole if "C" in axes else whole[..., None]
    whole = _side_by_side(whole) if "N" in axes else whole
    if whole.shape[-1] not in (1, 3, 4):
        raise ValueError(f"a picture has 1, 3 or 4 channels, got {whole.shape[-1]} (dataformats={dataformats!r})")
    whole = np.repeat(whole, 3, axis=-1) if whole.shape[-1] == 1 else whole
    scale = 1 if array.dtype == np.uint8 else 255
    return (whole.astype(np.float32) * scale).clip(0, 255).astype(np.uint8)


def _side_by_side(batch: np.ndarray) -> np.ndarray:
    count, height, width, channels = batch.shape
    columns = max(min(count, _COLUMNS), 1)
    rows = -(-count // columns)
    filled = np.zeros((rows * columns, height, width, channels), batch.dtype)
    filled[:count] = batch
    grid = filled.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return grid.reshape(rows * height, columns * width, channels)


def drawn(figure: Any, close: bool) -> np.ndarray:
    """What a Matplotlib figure shows, [height, width, 4]; several figures of one size as a batch [N, ...]."""
    if isinstance(figure, Sequence):
        return np.stack([drawn(one, close) for one in figure])
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    shown = np.array(canvas.buffer_rgba())
    if close:
        from matplotlib import pyplot

        pyplot.close(figure)
    return shown


def png(picture: np.ndarray) -> bytes:
    """The picture as a PNG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="PNG")
    return file.getvalue()
