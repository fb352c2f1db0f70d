"""Samples from a dataset, put together to batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import ondol
from ondol.utils.data._utils.collate import stacks_plain_tensors
from ondol.utils.data.dataset import Subset, TensorDataset


class MapFetcher:
    """Reads the samples of given indices."""

    def __init__(self, dataset: Any, auto_collation: bool, collate_fn: Callable[[Any], Any], drop_last: bool) -> None:
        self.dataset = dataset
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self.in_one_piece = auto_collation and stacks_plain_tensors(collate_fn) and _holds_plain_tensors(dataset)

    def fetch(self, index: Any) -> Any:
        """The batch of a list of indices, or without `auto_collation` the sample of whatever the sampler gives."""
        if not self.auto_collation:
            return self.collate_fn(self.dataset[index])
        if self.in_one_piece:
            batch = _batch_in_one_piece(self.dataset, index)
            if batch is not None:
                return batch
        several = getattr(self.dataset, "__getitems__", None)
        return self.collate_fn(several(index) if several else [self.dataset[i] for i in index])


class IterableFetcher:
    """Reads the next samples; StopIteration when there are none, or with `drop_last` not enough."""

    def __init__(self, dataset: Any, auto_collation: bool, collate_fn: Callable[[Any], Any], drop_last: bool) -> None:
        self.samples = iter(dataset)
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.ended = False

    def fetch(self, places: Sequence[None]) -> Any:
        """A batch with as many samples as there are `places`, or without `auto_collation` one sample."""
        if self.ended:
            raise StopIteration
        if not self.auto_collation:
            return self.collate_fn(next(self.samples))
        batch = []
        for _ in places:
            try:
                batch.append(next(self.samples))
            except StopIteration:
                self.ended = True  # asking again might start some datasets anew
                break
        if not batch or (self.drop_last and len(batch) < len(places)):
            raise StopIteration
        return self.collate_fn(batch)


def _holds_plain_tensors(dataset: Any) -> bool:
    """Whether samples are entries of tensors and nothing else: no subclass has a say, neither of dataset nor tensor."""
    while type(dataset) is Subset:
        dataset = dataset.dataset
    return type(dataset) is TensorDataset and all(type(tensor) is ondol.Tensor for tensor in dataset.tensors)


def _batch_in_one_piece(dataset: Any, index: Iterable[Any]) -> list[Any] | None:
    """One selection from each tensor instead of one for each sample and a stack; None for unusual or wrong indices."""
    indices = list(index)
    while type(dataset) is Subset:
        indices = [dataset.indices[i] for i in indices]
        dataset = dataset.dataset
    if set(map(type, indices)) != {int} or min(indices) < 0 or max(indices) >= len(dataset):
        return None
    where = ondol.tensor(indices)
    return [tensor.index_select(0, where) for tensor in dataset.tensors]
