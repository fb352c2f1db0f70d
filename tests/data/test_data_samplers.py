"""Samplers and random_split. Random ones must give PyTorch's order: the numbers here were drawn by PyTorch 2.13."""

import pytest

import ondol
from ondol.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    random_split,
)

RANDOM_FROM_SEED_0 = [6, 9, 0, 7, 3, 5, 4, 2, 1, 8]
RANDOM_FROM_GENERATOR_5 = [1, 4, 9, 6, 3, 5, 0, 2, 8, 7]
REPLACED_5 = [
    1,
    4,
    7,
    5,
    6,
    0,
    2,
    3,
    8,
    4,
    9,
    0,
    1,
    2,
    8,
    8,
    3,
    0,
    7,
    9,
    9,
    7,
    2,
    9,
    4,
    7,
    1,
    9,
    3,
    6,
    4,
    4,
    5,
    4,
    0,
    5,
    7,
    4,
    5,
    9,
]
SUBSET_5 = [10, 8, 7, 9]
WEIGHTED_5 = [2, 1, 2, 1, 1, 2, 2, 2, 2, 2, 2, 1]
LOADER_FROM_SEED_0 = [[[6, 7, 1, 4], [2, 0, 9, 8], [3, 5]], [[2, 4, 7, 0], [8, 9, 5, 3], [6, 1]]]
SPLIT_5 = [[1, 4, 9, 6, 3], [5, 0, 2], [8, 7]]


def seeded(seed):
    return ondol.Generator().manual_seed(seed)


def test_sequential_gives_all_indices_in_order():
    assert list(SequentialSampler("abcd")) == [0, 1, 2, 3]


def test_random_order_from_the_default_generator_is_pytorchs():
    ondol.manual_seed(0)
    assert list(RandomSampler(range(10))) == RANDOM_FROM_SEED_0


def test_random_order_from_a_generator_is_pytorchs():
    assert list(RandomSampler(range(10), generator=seeded(5))) == RANDOM_FROM_GENERATOR_5


def test_drawing_with_replacement_is_pytorchs():
    assert list(RandomSampler(range(10), replacement=True, num_samples=40, generator=seeded(5))) == REPLACED_5


def test_more_samples_than_there_are_come_in_several_permutations():
    order = list(RandomSampler(range(4), num_samples=10, generator=seeded(1)))
    assert sorted(order[:4]) == sorted(order[4:8]) == [0, 1, 2, 3] and len(order) == 10


def test_a_subset_in_random_order_is_pytorchs():
    assert list(SubsetRandomSampler([7, 8, 9, 10], seeded(5))) == SUBSET_5


def test_weighted_drawing_is_pytorchs():
    assert list(WeightedRandomSampler([0.1, 0.5, 1.0, 0.2], 12, generator=seeded(5))) == WEIGHTED_5


def test_weighted_drawing_without_replacement_takes_each_index_once():
    assert sorted(WeightedRandomSampler([0.1, 0.5, 1.0], 3, replacement=False)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("drop_last", "wanted"), [(False, [[0, 1, 2], [3, 4, 5], [6]]), (True, [[0, 1, 2], [3, 4, 5]])]
)
def test_batches_of_indices_end_with_a_short_one_or_without(drop_last, wanted):
    sampler = BatchSampler(range(7), 3, drop_last)
    assert list(sampler) == wanted and len(sampler) == len(wanted)


def test_a_loader_that_shuffles_draws_pytorchs_order_each_epoch():
    ondol.manual_seed(0)
    loader = DataLoader(TensorDataset(ondol.arange(10)), batch_size=4, shuffle=True)
    assert [[batch.tolist() for [batch] in loader] for _ in range(2)] == LOADER_FROM_SEED_0


def test_random_split_is_pytorchs():
    parts = random_split(range(10), [0.5, 0.3, 0.2], generator=seeded(5))
    assert [part.indices for part in parts] == SPLIT_5


def test_random_split_by_lengths_divides_everything():
    parts = random_split(range(10), [7, 3])
    assert sorted(parts[0].indices + parts[1].indices) == list(range(10))


def test_what_rounding_leaves_over_goes_to_the_first_parts():
    assert [len(part) for part in random_split(range(11), [1 / 3, 1 / 3, 1 / 3])] == [4, 4, 3]


def test_an_empty_part_is_warned_of_and_lengths_that_do_not_add_up_are_refused():
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        random_split(range(3), [0.9, 0.1])
    with pytest.raises(ValueError, match="Sum of input lengths"):
        random_split(range(3), [1, 1])


def test_processes_share_a_dataset_evenly():
    parts = [list(DistributedSampler(range(10), num_replicas=3, rank=rank, seed=1)) for rank in range(3)]
    assert {len(part) for part in parts} == {4} and set().union(*parts) == set(range(10))
    dropped = [list(DistributedSampler(range(10), 3, rank, shuffle=False, drop_last=True)) for rank in range(3)]
    assert dropped == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: RandomSampler([]), ValueError),
        (lambda: RandomSampler([1], replacement=1), TypeError),
        (lambda: RandomSampler([1], num_samples=0), ValueError),
        (lambda: WeightedRandomSampler([1.0], 0), ValueError),
        (lambda: WeightedRandomSampler([[1.0]], 1), ValueError),
        (lambda: BatchSampler([1], 0, False), ValueError),
        (lambda: BatchSampler([1], True, False), ValueError),
        (lambda: BatchSampler([1], 1, 0), ValueError),
        (lambda: DistributedSampler([1], 2, 2), ValueError),
        (lambda: DistributedSampler([1]), RuntimeError),
    ],
)
def test_arguments_that_make_no_sampler_are_refused(make, error):
    with pytest.raises(error):
        make()
