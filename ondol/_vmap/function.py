"""autograd.Function inside of vmap."""

from __future__ import annotations

from typing import Any, NamedTuple

from ondol._native import Tensor
from ondol._vmap.batched import innermost_level, is_batched, wrap
from ondol._vmap.fallback import loop
from ondol._vmap.level import Level
from ondol._vmap.rules_pointwise import aligned
from ondol.utils._pytree import tree_flatten, tree_map, tree_unflatten


class VmapInfo(NamedTuple):
    """What a Function's `vmap` is told."""

    batch_size: int
    randomness: str


def apply_batched(cls: Any, args: tuple, kwargs: dict) -> Any:
    """`cls.apply` on batched tensors; NotImplemented if there are none.

    A Function says how: by a static method `vmap(info, in_dims, *args)` that returns outputs and their batch
    dimensions, or by `generate_vmap_rule = True`, with which its forward is computed example by example. ondol's own
    Functions have `_for_batch`, which turns the arguments for one matrix into those for a batch of them.
    """
    level = innermost_level(tree_flatten((args, kwargs))[0])
    if level is None:
        return NotImplemented
    if cls._for_batch is not None:
        return _wrapped(cls.apply(*cls._for_batch(*_as_batches(args, level))), level)
    if cls.vmap is not None:
        return _by_own_rule(cls, args, level)
    if cls.generate_vmap_rule or cls.__module__.startswith("ondol."):
        return loop(cls.apply, args, kwargs, level)
    raise RuntimeError(
        f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Set generate_vmap_rule=True in the "
        "class if its methods consist of tensor operations, or give it a static method vmap(info, in_dims, *args)"
    )


def _as_batches(args: tuple, level: Level) -> list:
    """The arguments with every tensor as a batch, of as many dimensions each."""
    rank = max(argument.dim() for argument in args if isinstance(argument, Tensor))
    batches = []
    for argument in args:
        if isinstance(argument, Tensor):
            value = argument._value if is_batched(argument, level) else level.expand(argument)
            argument = aligned(value, rank)
        batches.append(argument)
    return batches


def _wrapped(outputs: Any, level: Level) -> Any:
    return tree_map(lambda output: wrap(output, level) if isinstance(output, Tensor) else output, outputs)


def _by_own_rule(cls: Any, args: tuple, level: Level) -> Any:
    leaves, spec = tree_flatten(args)
    in_dims = tree_unflatten([0 if is_batched(leaf, level) else None for leaf in leaves], spec)
    values = tree_unflatten([leaf._value if is_batched(leaf, level) else leaf for leaf in leaves], spec)
    result = cls.vmap(VmapInfo(level.size, level.randomness), in_dims, *values)
    if not isinstance(result, tuple) or len(result) != 2:
        raise RuntimeError(f"{cls.__name__}.vmap() must return two things: the outputs and their batch dimensions")
    outputs, out_dims = result
    leaves, spec = tree_flatten(outputs)
    single = isinstance(out_dims, int) or out_dims is None
    dims = [out_dims] * len(leaves) if single else list(out_dims)
    if len(dims) != len(leaves):
        raise RuntimeError(f"{cls.__name__}.vmap() returned {len(leaves)} outputs and {len(dims)} batch dimensions")
    made = [leaf if dim is None else wrap(leaf.movedim(dim, 0), level) for leaf, dim in zip(leaves, dims)]
    return tree_unflatten(made, spec)
