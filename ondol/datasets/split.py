"""Parting data into what a model learns from and what it is judged by."""

from __future__ import annotations

import ondol
from ondol import Generator, Tensor


def train_test_split(
    *tensors: Tensor, test_size: float | int = 0.2, generator: Generator | None = None
) -> tuple[Tensor, ...]:
    """Shuffle tensors together along their first dimension and cut each into a training and a test part.

    Args:
        tensors: any shapes and dtypes, with the same first size n; row i of each belongs to row i of the others.
        test_size: the share of the rows (a float between 0 and 1) or their number (an int) that go to the test part.
        generator: where the shuffle draws from; without it, the default generator, which `manual_seed` sets.

    Returns:
        train_0, test_0, train_1, test_1, ...: copies, in the order of the arguments.

    Raises:
        ValueError: no tensor, first sizes that differ, or a test size that leaves one of the parts empty.

    >>> from ondol.datasets import digits
    >>> images, labels = digits()
    >>> train_images, test_images, train_labels, test_labels = train_test_split(images, labels, test_size=360)
    >>> len(train_images), len(test_labels)
    (1437, 360)
    """
    if not tensors:
        raise ValueError("train_test_split: expected at least one tensor")
    sizes = [len(tensor) for tensor in tensors]
    if len(set(sizes)) > 1:
        raise ValueError(f"train_test_split: the tensors' first sizes must be equal, but they are {sizes}")
    rows = sizes[0]
    test_rows = round(rows * test_size) if isinstance(test_size, float) else test_size
    if not 0 < test_rows < rows:
        raise ValueError(
            f"train_test_split: test_size={test_size} takes {test_rows} of {rows} rows; both parts need some"
        )
    order = ondol.randperm(rows, generator=generator)
    test, train = order[:test_rows], order[test_rows:]
    return tuple(part for tensor in tensors for part in (tensor[train], tensor[test]))
