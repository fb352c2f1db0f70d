"""A sampler that gives each of several processes its own part of a dataset."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import ondol
from ondol.utils.data.sampler import Sampler

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[int]):
    """Every `num_replicas`-th index, starting from `rank`, of an order that is the same in all processes.

    Args:
        dataset: to be read.
        num_replicas: how many processes there are. ondol cannot ask for it, so it must be given.
        rank: which of them this is.
        shuffle: in random order, another one for each `set_epoch`.
        seed: of that order, the same in all processes.
        drop_last: leave out what cannot be divided evenly; otherwise the first samples are read again.

    Raises:
        RuntimeError: `num_replicas` or `rank` is not given.
        ValueError: `rank` is not below `num_replicas`.

    >>> [list(DistributedSampler("abcde", num_replicas=2, rank=rank, shuffle=False)) for rank in (0, 1)]
    [[0, 2, 4], [1, 3, 0]]
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            raise RuntimeError(
                "Requires distributed package to be available, which ondol does not have: pass num_replicas and rank"
            )
        if rank >= num_replicas or rank < 0:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        rounded = len(dataset) // num_replicas if drop_last else math.ceil(len(dataset) / num_replicas)
        self.num_samples = rounded
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[int]:
        n = len(self.dataset)
        indices = list(range(n))
        if self.shuffle:
            generator = ondol.Generator()
            generator.manual_seed(self.seed + self.epoch)
            indices = ondol.randperm(n, generator=generator).tolist()
        repeated = indices * math.ceil(self.total_size / n) if n else indices
        return iter(repeated[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Choose the order; call it before each epoch, or all epochs have the same one."""
        self.epoch = epoch
