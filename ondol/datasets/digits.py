"""The UCI handwritten digits, carried in the package."""

from __future__ import annotations

import pathlib

import numpy

import ondol
from ondol import Tensor

FILE = pathlib.Path(__file__).parent / "data" / "digits.npz"
DARKEST = 16  # the file's grey levels run from 0 (paper) to 16 (ink)


def digits() -> tuple[Tensor, Tensor]:
    """Return 1,797 real handwritten digits and what they show.

    Forty-three people wrote them on forms; each was scanned to 32 x 32 dots, and each 4 x 4 block of dots became one
    of 17 grey levels. The file (45 KB) is part of the package: nothing is downloaded. Each call returns new tensors.

    Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository,
    1998, https://doi.org/10.24432/C50P49, CC BY 4.0; its test set, in the order in which scikit-learn ships it.

    Returns:
        images: float32 [1797, 1, 8, 8], from 0 (paper) to 1 (ink), ready for `Conv2d`.
        labels: int64 [1797], the digits 0 to 9, ready for `CrossEntropyLoss`.

    >>> images, labels = digits()
    >>> images.shape, labels[:10].tolist()
    (torch.Size([1797, 1, 8, 8]), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    with numpy.load(FILE, allow_pickle=False) as arrays:
        images = arrays["images"].astype(numpy.float32)[:, None] / DARKEST
        labels = arrays["labels"].astype(numpy.int64)
    return ondol.from_numpy(images), ondol.from_numpy(labels)
