"""Random operations: what `randomness` of vmap asks for.

With 'error' the native core refuses to draw. With 'different' a batch is drawn at once; calls that have no batched
argument reach these rules through a mode. With 'same' one example is drawn for all.
"""

from __future__ import annotations

from typing import Any

import ondol
from ondol._native import Tensor, _overrides
from ondol._vmap.batched import innermost_level, wrap
from ondol._vmap.call import Call, NeedsLoop, Operator, info, rule
from ondol._vmap.level import Level, stack

_LIKE = "rand_like randn_like randint_like"
_FILLS = frozenset(["uniform", "normal", "random", "exponential", "cauchy", "geometric", "log_normal", "bernoulli"])
_FROM_TENSORS = frozenset(f"{_LIKE} bernoulli dropout poisson multinomial rrelu".split())
_FACTORIES = frozenset(["rand", "randn", "randint", "randperm", "normal"])


def draws_per_example(level: Level) -> bool:
    """Whether each example has random numbers of its own; 'error' is left to the native core to say."""
    return level.randomness != "same"


@rule(f"{_LIKE} poisson binomial")
def draw(call: Call) -> Tensor:
    """A batch of draws, or one draw that is expanded."""
    if draws_per_example(call.level):
        names = call.tensor_names()
        return call.run(**{name: call.batch(name) for name in names})
    if call.name in _LIKE.split():
        return call.level.expand(call.run(self=call.values["self"].select(0, 0)))
    if call.in_place:
        return fill(call)
    raise NeedsLoop  # example by example, each from the same state of the generator


@rule("uniform random exponential cauchy geometric log_normal")
def fill(call: Call) -> Tensor:
    """x.uniform_() and the like."""
    x = call.values["self"]
    if draws_per_example(call.level):
        return call.run()
    example = call.run(self=ondol.empty(x.shape[1:], dtype=x.dtype))
    return x.copy_(call.level.expand(example))


@rule("normal")
def normal(call: Call) -> Tensor:
    """x.normal_(), or normal(mean, std) with tensors."""
    if call.in_place:
        return fill(call)
    if not draws_per_example(call.level):
        raise NeedsLoop
    from ondol._vmap.rules_pointwise import aligned

    rank = max(call.rank(name) for name in call.tensor_names())
    return call.run(**{name: aligned(call.batch(name), rank) for name in call.tensor_names()})


@rule("multinomial")
def multinomial(call: Call) -> Tensor:
    """Rows of weights: those of all examples below each other."""
    weights = call.batch("self")
    if not draws_per_example(call.level):
        raise NeedsLoop
    if call.rank("self") == 1:
        return call.run(self=weights)
    drawn = call.run(self=weights.flatten(0, 1))
    return drawn.reshape(*weights.shape[:2], -1)


class DifferentDraws:
    """The mode of a vmap with randomness='different': gives factories of random tensors a batch dimension."""

    def __init__(self, level: Level) -> None:
        self.level = level

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        shared = innermost_level(kwargs.values(), innermost_level(args)) is not self.level
        if type(func) is Operator and shared and stack() and stack()[-1] is self.level:
            facts = info(func)
            if facts.name in _FACTORIES and not facts.in_place:
                return wrap(ondol.stack([func(*args, **kwargs) for _ in range(self.level.size)]), self.level)
            if facts.name in _FROM_TENSORS and not facts.in_place:
                return self._batched_first(func, args, kwargs)
            if facts.in_place and (facts.name in _FILLS or facts.name == "dropout"):
                raise RuntimeError(
                    f"vmap: {func.__name__}() with randomness='different' on a tensor that is the same for all "
                    "examples: there is no room for different numbers. Use the form that returns a new tensor"
                )
        return func(*args, **kwargs)

    def _batched_first(self, func: Any, args: tuple, kwargs: dict) -> Any:
        if not args or not isinstance(args[0], Tensor):
            return func(*args, **kwargs)
        return func(wrap(self.level.expand(args[0]).contiguous(), self.level), *args[1:], **kwargs)


class drawing:
    """`with drawing(level)`: random operations follow the level's `randomness`."""

    def __init__(self, level: Level) -> None:
        self.level = level

    def __enter__(self) -> None:
        randomness = self.level.randomness
        self.before = ondol._native._transforms.set_random_forbidden(randomness == "error")
        if randomness == "different":
            _overrides.push_mode(DifferentDraws(self.level))

    def __exit__(self, *error: Any) -> None:
        ondol._native._transforms.set_random_forbidden(self.before)
        if self.level.randomness == "different":
            _overrides.pop_mode()
