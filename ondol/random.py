"""The state of the default generator."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ondol._native import Generator, Tensor, default_generator

__all__ = [
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
]


def manual_seed(seed: int) -> Generator:
    """Starts the default generator over; the numbers that follow are those of PyTorch after the same call.

    >>> _ = ondol.manual_seed(0)
    >>> ondol.rand(2)
    tensor([0.4963, 0.7682])
    """
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Starts over from a number of the system's entropy, and returns it."""
    return default_generator.seed()


def initial_seed() -> int:
    """The number of the last `manual_seed` or `seed`."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state as a uint8 tensor, in PyTorch's layout."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Takes up a state of `get_rng_state`."""
    default_generator.set_state(new_state)


@contextlib.contextmanager
def fork_rng(devices: Any = None, enabled: bool = True, device_type: str = "cuda", **kwargs: Any) -> Iterator[None]:
    """What is drawn inside does not change what is drawn after."""
    state = get_rng_state()
    try:
        yield
    finally:
        if enabled:
            set_rng_state(state)


def _rebuild_generator(state: Tensor) -> Generator:
    generator = Generator()
    generator.set_state(state)
    return generator
