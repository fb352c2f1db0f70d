"""Datasets made of tensors and of other datasets."""

import pytest

import ondol
from ondol.utils.data import (
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
)


class Counting(IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self):
        return self.n


class Several(Dataset):
    """Knows how to give several samples at once, and counts how often it was asked to."""

    calls = 0

    def __getitems__(self, indices):
        self.calls += 1
        return [10 * i for i in indices]

    def __len__(self):
        return 6


def test_a_dataset_without_getitem_says_so():
    with pytest.raises(NotImplementedError, match="__getitem__"):
        Dataset()[0]


def test_tensors_of_different_lengths_make_no_dataset():
    with pytest.raises(AssertionError, match="Size mismatch between tensors"):
        TensorDataset(ondol.zeros(3), ondol.zeros(4))


def test_datasets_added_follow_one_another_and_negative_indices_count_from_the_end():
    joined = Subset("abc", [0, 1]) + Subset("xyz", [2])
    assert [joined[i] for i in range(3)] == ["a", "b", "z"] and joined[-1] == "z" and len(joined) == 3
    with pytest.raises(ValueError, match="absolute value"):
        joined[-4]
    with pytest.raises(IndexError):
        joined[3]


def test_iterable_datasets_added_are_chained():
    chained = Counting(2) + Counting(3)
    assert list(chained) == [0, 1, 0, 1, 2] and len(chained) == 5


def test_kinds_of_datasets_do_not_mix():
    with pytest.raises(AssertionError):
        ConcatDataset([Counting(2)])
    with pytest.raises(AssertionError):
        list(ChainDataset([[1, 2]]))
    with pytest.raises(AssertionError):
        ConcatDataset([])


def test_stacked_datasets_give_tuples_or_dicts():
    assert StackDataset([1, 2], "ab")[1] == (2, "b")
    assert StackDataset(n=[1, 2], s="ab")[1] == {"n": 2, "s": "b"}
    assert StackDataset([1, 2], "ab").__getitems__([1, 0]) == [(2, "b"), (1, "a")]


def test_stacked_datasets_must_have_one_length_and_one_kind_of_name():
    for make in (lambda: StackDataset([1], "ab"), lambda: StackDataset([1], a=[1]), lambda: StackDataset()):
        with pytest.raises(ValueError):
            make()


def test_batches_of_a_subset_are_read_at_once_if_the_dataset_can():
    dataset = Several()
    assert DataLoader(Subset(dataset, [5, 1, 3]), batch_size=3).__iter__().__next__().tolist() == [50, 10, 30]
    assert dataset.calls == 1


def test_a_subset_that_only_overrides_getitem_is_refused():
    class Doubled(Subset):
        def __getitem__(self, index):
            return 2 * super().__getitem__(index)

    with pytest.raises(NotImplementedError, match="__getitems__"):
        Doubled([1, 2], [0])
