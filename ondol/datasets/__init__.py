"""Small real data sets that travel inside the package, so that the first model needs no network."""

from ondol.datasets.digits import digits
from ondol.datasets.split import train_test_split

__all__ = ["digits", "train_test_split"]
