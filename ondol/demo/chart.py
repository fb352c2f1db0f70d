"""Line charts and small images, drawn with Pillow at twice the size and scaled down for smooth lines."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy
from PIL import Image, ImageDraw, ImageFont

SCALE = 2  # drawn so much larger than shown
INK, FAINT, GRID, PAPER = "#1f2933", "#6b7785", "#e3e8ee", "#ffffff"
TEXT_SIZE, TITLE_SIZE = 13, 16

Anchor = str  # Pillow's two letters: l, m, r across; a, m, s, d down


class Box(NamedTuple):
    """A rectangle on the page in the pixels of the finished picture."""

    left: float
    top: float
    right: float
    bottom: float


class Line(NamedTuple):
    """A curve: one value for each epoch."""

    name: str
    values: Sequence[float]
    colour: str


class Page:
    """A white page to draw on; all coordinates are pixels of the finished picture."""

    def __init__(self, width: int, height: int) -> None:
        self.size = (width, height)
        self._image = Image.new("RGB", (width * SCALE, height * SCALE), PAPER)
        self._draw = ImageDraw.Draw(self._image)

    def line(self, points: Sequence[tuple[float, float]], colour: str = INK, width: float = 1) -> None:
        self._draw.line([_scaled(point) for point in points], fill=colour, width=round(width * SCALE), joint="curve")

    def dot(self, point: tuple[float, float], colour: str, radius: float) -> None:
        x, y = point
        self._draw.ellipse([_scaled((x - radius, y - radius)), _scaled((x + radius, y + radius))], fill=colour)

    def text(
        self, point: tuple[float, float], text: str, anchor: Anchor = "la", colour: str = INK, size: int = TEXT_SIZE
    ) -> None:
        self._draw.text(_scaled(point), text, fill=colour, font=_font(size), anchor=anchor)

    def text_width(self, text: str, size: int = TEXT_SIZE) -> float:
        return self._draw.textlength(text, font=_font(size)) / SCALE

    def picture(self, box: Box, grey: numpy.ndarray, frame: str) -> None:
        """Show a float array [height, width], 0 white to 1 black, with sharp pixels and a coloured frame."""
        pixels = (255 - 255 * grey.clip(0, 1)).round().astype(numpy.uint8)
        corner, opposite = _scaled((box.left, box.top)), _scaled((box.right, box.bottom))
        size = (opposite[0] - corner[0], opposite[1] - corner[1])
        self._image.paste(Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST).convert("RGB"), corner)
        self._draw.rectangle([corner, opposite], outline=frame, width=2 * SCALE)

    def png(self) -> bytes:
        file = io.BytesIO()
        self._image.resize(self.size, Image.Resampling.LANCZOS).save(file, "PNG", optimize=True)
        return file.getvalue()


def line_chart(page: Page, box: Box, title: str, lines: Sequence[Line], percent: bool = False) -> None:
    """Draw curves over the epochs, with axes, a grid, labelled ticks and a legend."""
    page.text((box.left, box.top), title, size=TITLE_SIZE)
    plot = Box(box.left + 48, box.top + 56, box.right - 12, box.bottom - 40)
    ticks = nice_ticks([value for line in lines for value in line.values], ceiling=1.0 if percent else None)
    epochs = max(len(line.values) for line in lines)

    def place(epoch: float, value: float) -> tuple[float, float]:
        across = (epoch - 1) / max(1, epochs - 1)
        up = (value - ticks[0]) / (ticks[-1] - ticks[0])
        return plot.left + across * (plot.right - plot.left), plot.bottom - up * (plot.bottom - plot.top)

    for tick in ticks:
        _, y = place(1, tick)
        page.line([(plot.left, y), (plot.right, y)], GRID)
        page.text((plot.left - 8, y), _tick_label(tick, ticks[1] - ticks[0], percent), "rm", FAINT)
    for epoch in _epoch_ticks(epochs):
        x, _ = place(epoch, ticks[0])
        page.line([(x, plot.bottom), (x, plot.bottom + 4)], FAINT)
        page.text((x, plot.bottom + 8), str(epoch), "ma", FAINT)
    page.text(((plot.left + plot.right) / 2, plot.bottom + 25), "epoch", "ma", FAINT)
    page.line([(plot.left, plot.top), (plot.left, plot.bottom), (plot.right, plot.bottom)], FAINT)

    legend = plot.left
    for line in lines:
        points = [place(epoch, value) for epoch, value in enumerate(line.values, 1)]
        page.line(points, line.colour, 2)
        for point in points:
            page.dot(point, line.colour, 3)
        page.line([(legend, box.top + 36), (legend + 18, box.top + 36)], line.colour, 3)
        page.text((legend + 24, box.top + 36), line.name, "lm")
        legend += 24 + page.text_width(line.name) + 22


def nice_ticks(values: Sequence[float], ceiling: float | None = None) -> list[float]:
    """Three to seven round numbers (multiples of 1, 2 or 5 times a power of ten) that span the finite values.

    >>> nice_ticks([0.03, 0.47])
    [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    """
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), ceiling if ceiling is not None else max(finite)
    span = max(high - low, 1e-3)
    magnitude = 10 ** math.floor(math.log10(span))
    step = next(step for step in (magnitude * m for m in (0.2, 0.5, 1, 2)) if span / step <= 5)
    first, last = math.floor(low / step), max(math.ceil(high / step - 1e-9), math.floor(low / step) + 1)
    return [round(tick * step, 10) for tick in range(first, last + 1)]


def _epoch_ticks(epochs: int) -> list[int]:
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 10 ** len(str(epochs))) if epochs / step <= 12)
    return [epoch for epoch in range(1, epochs + 1) if epoch % step == 0 or epoch == 1]


def _tick_label(tick: float, step: float, percent: bool) -> str:
    shown, step = (tick * 100, step * 100) if percent else (tick, step)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{shown:.{decimals}f}" + ("%" if percent else "")


def _scaled(point: tuple[float, float]) -> tuple[int, int]:
    return round(point[0] * SCALE), round(point[1] * SCALE)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * SCALE)  # the typeface that Pillow carries: the same on every machine
