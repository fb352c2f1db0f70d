"""The memory of tensors: what is released serves the next requests, of whatever size."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from collections.abc import Iterator

import pytest

import ondol

MEGABYTE = 1 << 20


@pytest.fixture(autouse=True)
def emptied() -> Iterator[None]:
    ondol.empty_cache()
    yield
    ondol.empty_cache()


def stats(name: str) -> int:
    return ondol.memory_stats()[f"{name}_bytes"]


def of_megabytes(n: int) -> ondol.Tensor:
    return ondol.empty(n * MEGABYTE, dtype=ondol.uint8)


def test_neighbours_that_were_released_make_room_for_a_larger_tensor() -> None:
    larger = of_megabytes(64)
    reserved = stats("reserved")
    del larger
    tensors = [of_megabytes(8) for _ in range(8)]
    del tensors[::2], tensors
    larger = of_megabytes(64)
    assert stats("reserved") <= reserved
    assert larger.numel() == 64 * MEGABYTE


def test_a_larger_tensor_that_was_released_makes_room_for_several() -> None:
    larger = of_megabytes(64)
    reserved = stats("reserved")
    del larger
    tensors = [of_megabytes(3) for _ in range(21)]
    assert stats("reserved") <= reserved
    addresses = sorted(tensor.data_ptr() for tensor in tensors)
    assert all(later - earlier >= 3 * MEGABYTE for earlier, later in itertools.pairwise(addresses))


def test_what_is_mapped_continues_what_is_there() -> None:
    before = stats("reserved")
    tensors = [of_megabytes(3) for _ in range(8)]
    assert stats("reserved") <= before + (24 + 2) * MEGABYTE
    del tensors
    larger = of_megabytes(24)
    assert stats("reserved") <= before + (24 + 2) * MEGABYTE and larger.numel() == 24 * MEGABYTE


def test_with_few_addresses() -> None:
    program = """
import resource
import ondol
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (300 << 20), resource.RLIM_INFINITY))
tensors = [ondol.ones(n << 18) for n in (20, 30, 40)]
try:
    ondol.empty(1 << 30)
except RuntimeError as error:
    assert "can't allocate memory" in str(error), error
else:
    raise AssertionError("there were more addresses than allowed")
assert sum(t.sum() for t in tensors) == 90 << 18
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_the_backward_pass_of_an_activation_takes_no_memory() -> None:
    x = ondol.randn(1 << 20).requires_grad_()
    y = x.relu().tanh().relu()
    loss = (y * 3).sum()
    ondol.reset_peak_memory_stats()
    before = stats("allocated")
    loss.backward()
    assert stats("peak") - before < 1.2 * x.nbytes


def test_released_memory_is_given_back_on_demand() -> None:
    before = stats("reserved")
    tensor = of_megabytes(32)
    assert stats("reserved") >= before + 32 * MEGABYTE
    del tensor
    ondol.empty_cache()
    assert stats("reserved") <= before


def test_a_repeated_program_reserves_nothing_new() -> None:
    model = ondol.nn.Sequential(ondol.nn.Linear(512, 2048), ondol.nn.ReLU(), ondol.nn.Linear(2048, 512))
    optimizer = ondol.optim.Adam(model.parameters())
    x = ondol.randn(1024, 512)

    def step() -> None:
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()

    for _ in range(3):
        step()
    reserved = stats("reserved")
    for _ in range(5):
        step()
    assert stats("reserved") <= reserved


def test_tensors_of_random_sizes_and_lifetimes_do_not_overlap() -> None:
    choose = random.Random(0)
    live: list[tuple[ondol.Tensor, int]] = []
    for number in range(600):
        if live and choose.random() < 0.45:
            tensor, mark = live.pop(choose.randrange(len(live)))
            assert bool((tensor == mark).all())
        tensor = ondol.full((choose.randrange(1, 1 << choose.randrange(8, 23)),), number % 251, dtype=ondol.uint8)
        live.append((tensor, number % 251))
    assert all(bool((tensor == mark).all()) for tensor, mark in live)
