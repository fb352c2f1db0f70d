"""The picture that the demo leaves: how the learning went, and what the network reads."""

from __future__ import annotations

from collections.abc import Sequence

import ondol
from ondol import Tensor
from ondol.demo.chart import FAINT, TITLE_SIZE, Box, Line, Page, line_chart
from ondol.demo.training import Epoch

WIDTH, HEIGHT, MARGIN = 1200, 860, 32
CHART_HEIGHT = 340
COLUMNS, ROWS, TILE, GAP = 16, 4, 56, 15.2
TRAIN, TEST, PARITY = "#8aa4c8", "#1857a4", "#c2711b"
RIGHT, WRONG = "#2f8f4e", "#cc2f3b"


def draw(
    history: Sequence[Epoch], parity_history: Sequence[Epoch], images: Tensor, labels: Tensor, answers: Tensor
) -> bytes:
    """Draw loss and accuracy over the epochs and a grid of test digits, the misread ones first.

    Args:
        images: float32 [N, 1, 8, 8], 0 to 1.
        labels, answers: int64 [N], what each image shows and what the network reads.

    Returns:
        The bytes of a PNG file.
    """
    page = Page(WIDTH, HEIGHT)
    middle = WIDTH / 2
    left = Box(MARGIN, MARGIN, middle - MARGIN / 2, MARGIN + CHART_HEIGHT)
    right = Box(middle + MARGIN / 2, MARGIN, WIDTH - MARGIN, MARGIN + CHART_HEIGHT)
    line_chart(page, left, "Loss", _lines(history, parity_history, "loss"))
    line_chart(page, right, "Accuracy", _lines(history, parity_history, "accuracy"), percent=True)
    _digits(page, MARGIN + CHART_HEIGHT + 24, images, labels, answers)
    return page.png()


def _lines(history: Sequence[Epoch], parity_history: Sequence[Epoch], quantity: str) -> list[Line]:
    def values(epochs: Sequence[Epoch], part: str) -> list[float]:
        return [getattr(epoch, f"{part}_{quantity}") for epoch in epochs]

    return [
        Line("digits, training", values(history, "train"), TRAIN),
        Line("digits, test", values(history, "test"), TEST),
        Line("even or odd, test", values(parity_history, "test"), PARITY),
    ]


def _digits(page: Page, top: float, images: Tensor, labels: Tensor, answers: Tensor) -> None:
    wrong = answers != labels
    accuracy = 1 - wrong.float().mean().item()
    page.text((MARGIN, top), f"Test digits: {accuracy:.2%} of {len(labels)} read right", size=TITLE_SIZE)
    page.text((MARGIN, top + 26), "above each, what the network reads; in red, a misreading and what it should be")
    mistakes_first = ondol.argsort(wrong.int(), descending=True, stable=True)[: COLUMNS * ROWS]
    for place, index in enumerate(mistakes_first.tolist()):
        x = MARGIN + place % COLUMNS * (TILE + GAP)
        y = top + 76 + place // COLUMNS * (TILE + 38)
        label, answer = int(labels[index]), int(answers[index])
        colour = RIGHT if label == answer else WRONG
        caption = str(answer) if label == answer else f"{answer}, not {label}"
        page.text((x + TILE / 2, y - 5), caption, "ms", FAINT if label == answer else WRONG)
        page.picture(Box(x, y, x + TILE, y + TILE), images[index, 0].numpy(), colour)
