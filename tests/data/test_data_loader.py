"""The DataLoader in one process."""

import pytest

import ondol
from ondol.utils.data import DataLoader, IterableDataset, Subset, TensorDataset, random_split


class Count(IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self):
        return self.n


def batches(*args, **kwargs):
    return [batch.tolist() for batch in DataLoader(*args, **kwargs)]


@pytest.mark.parametrize("dataset", [list(range(5)), Count(5)], ids=["map", "iterable"])
def test_batches_and_their_number(dataset):
    assert batches(dataset, batch_size=2) == [[0, 1], [2, 3], [4]]
    assert batches(dataset, batch_size=2, drop_last=True) == [[0, 1], [2, 3]]
    assert len(DataLoader(dataset, batch_size=2)) == 3
    assert len(DataLoader(dataset, batch_size=2, drop_last=True)) == 2


def test_without_batch_size_samples_come_one_by_one_and_converted():
    import numpy as np

    samples = list(DataLoader([np.ones(2), "text"], batch_size=None))
    assert samples[0].tolist() == [1.0, 1.0] and samples[1] == "text"


def test_a_batch_sampler_decides_on_the_batches():
    assert batches(list(range(5)), batch_sampler=[[4, 0], [2]]) == [[4, 0], [2]]


def test_a_sampler_decides_on_the_order():
    assert batches(list(range(4)), batch_size=3, sampler=[3, 1, 2]) == [[3, 1, 2]]


def test_collate_fn_makes_the_batch():
    assert list(DataLoader([1, 2, 3], batch_size=2, collate_fn=sum)) == [3, 3]


def test_two_iterators_of_one_loader_do_not_disturb_each_other():
    loader = DataLoader([0, 1, 2, 3], batch_size=2)
    first, second = iter(loader), iter(loader)
    assert [next(first).tolist(), next(second).tolist(), next(first).tolist()] == [[0, 1], [0, 1], [2, 3]]


def test_the_generator_decides_on_the_order():
    def order(seed):
        return batches(list(range(8)), shuffle=True, generator=ondol.Generator().manual_seed(seed))

    assert order(1) == order(1) != order(2)


def test_tensors_read_at_once_are_what_they_are_one_by_one():
    dataset = TensorDataset(ondol.arange(10), ondol.arange(20).view(10, 2), ondol.arange(10) > 4)

    class OneByOne:
        def __len__(self):
            return 10

        def __getitem__(self, index):
            return dataset[index]

    for sampler in ([3, 1, 7], [-1, 0, -10]):
        fast = list(DataLoader(dataset, batch_size=2, sampler=sampler))
        slow = list(DataLoader(OneByOne(), batch_size=2, sampler=sampler))
        assert [type(batch) for batch in fast] == [list, list]
        assert [[t.tolist() for t in b] for b in fast] == [[t.tolist() for t in b] for b in slow]
        assert [[t.dtype for t in b] for b in fast] == [[t.dtype for t in b] for b in slow]


def test_a_batch_of_tensors_is_no_view_of_the_dataset():
    tensor = ondol.zeros(4)
    [batch] = next(iter(DataLoader(TensorDataset(tensor), batch_size=4)))
    batch.fill_(1.0)
    assert tensor.tolist() == [0.0] * 4


def test_an_index_out_of_range_is_an_index_error():
    with pytest.raises(IndexError):
        list(DataLoader(TensorDataset(ondol.arange(3)), sampler=[3]))


def test_a_subclass_of_a_tensor_dataset_keeps_its_own_samples():
    class Negated(TensorDataset):
        def __getitem__(self, index):
            return tuple(-t for t in super().__getitem__(index))

    [batch] = next(iter(DataLoader(Negated(ondol.arange(3)), batch_size=3)))
    assert batch.tolist() == [0, -1, -2]


def test_parts_of_a_split_are_read_at_once_too():
    part, _ = random_split(TensorDataset(ondol.arange(10)), [6, 4])
    nested = Subset(part, [5, 0])
    [batch] = next(iter(DataLoader(nested, batch_size=2)))
    assert batch.tolist() == [part.indices[5], part.indices[0]]


def test_an_iterable_dataset_longer_than_promised_is_warned_of():
    class Liar(Count):
        def __len__(self):
            return 2

    loader = DataLoader(Liar(3), batch_size=None)
    assert len(loader) == 2
    with pytest.warns(UserWarning, match="was reported to be 2"):
        list(loader)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"num_workers": -1}, "num_workers option should be non-negative"),
        ({"timeout": -1}, "timeout option should be non-negative"),
        ({"prefetch_factor": 2}, "prefetch_factor option could only be specified in multiprocessing"),
        ({"num_workers": 1, "prefetch_factor": -1}, "prefetch_factor"),
        ({"persistent_workers": True}, "persistent_workers option needs num_workers > 0"),
        ({"sampler": [0], "shuffle": True}, "sampler option is mutually exclusive with shuffle"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler option is mutually exclusive"),
        ({"batch_size": None, "drop_last": True}, "batch_size=None option disables auto-batching"),
        ({"batch_size": 0}, "batch_size should be a positive integer value"),
        ({"multiprocessing_context": "fork"}, "can only be used with multi-process loading"),
        ({"num_workers": 1, "multiprocessing_context": "thread"}, "valid start method"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        DataLoader([1, 2], **options)


@pytest.mark.parametrize("options", [{"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}])
def test_an_iterable_dataset_has_its_own_order(options):
    with pytest.raises(ValueError, match="DataLoader with IterableDataset"):
        DataLoader(Count(3), **options)


def test_what_defines_a_loader_cannot_be_changed_later():
    loader = DataLoader([1, 2])
    with pytest.raises(ValueError, match="batch_size attribute should not be set"):
        loader.batch_size = 3


def test_pinned_memory_without_an_accelerator_is_warned_of():
    with pytest.warns(UserWarning, match="pin_memory"):
        assert batches([1, 2], batch_size=2, pin_memory=True) == [[1, 2]]
