"""vmap: a function of one example as a function of batches."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import ondol
from ondol._native import Tensor
from ondol._vmap.batched import is_batched, wrap
from ondol._vmap.level import Level, entered
from ondol._vmap.rules_random import drawing
from ondol.utils._pytree import TreeSpec, broadcast_prefix, tree_flatten, tree_unflatten

_RANDOMNESS = ("error", "different", "same")


def vmap(
    func: Callable, in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *, chunk_size: int | None = None
) -> Callable:
    """`func` as a function of batches: what it does to one example, done to all at once.

    Inside, tensors have the shape of one example. Operations are computed on the whole batch where a rule is known, and
    example by example otherwise. vmaps nest, and `ondol.func.grad` and its relatives work inside and outside of them.

    Args:
        func: takes and returns tensors, or trees (dicts, lists, tuples) of them.
        in_dims: which dimension of each argument is the batch; None for what all examples share. A number for all
            arguments, or a tuple with an entry for each, which may be a tree like the argument.
        out_dims: where the batch goes in the results: a number, or a tree like the result.
        randomness: 'error' refuses random operations, 'different' draws for each example, 'same' draws once for all.
        chunk_size: compute at most so many examples at once, to save memory.

    Raises:
        ValueError: if in_dims does not fit the arguments, or the sizes of the batch differ.
        RuntimeError: if func asks for the value of a batched tensor (`.item()`, `bool()`), or writes batched values
            into a tensor that all examples share.

    >>> dots = ondol.vmap(ondol.dot)  # [n], [n] -> [] becomes [b, n], [b, n] -> [b]
    >>> dots(ondol.ones(3, 2), ondol.ones(3, 2))
    tensor([2., 2., 2.])
    """
    if randomness not in _RANDOMNESS:
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
    if chunk_size is not None and not (chunk_size > 0):
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def batched(*args: Any, **kwargs: Any) -> Any:
        leaves, dims, spec, size = batched_inputs(func, args, kwargs, in_dims)
        if chunk_size is None or chunk_size >= size:
            return _run(func, leaves, dims, spec, size, out_dims, randomness)
        chunks = []
        for start in range(0, size, chunk_size):
            length = min(chunk_size, size - start)
            part = [leaf if dim is None else leaf.narrow(dim, start, length) for leaf, dim in zip(leaves, dims)]
            chunks.append(_run(func, part, dims, spec, length, out_dims, randomness))
        return _joined(chunks, out_dims)

    return batched


def batched_inputs(func: Callable, args: tuple, kwargs: dict, in_dims: Any) -> tuple[list, list, TreeSpec, int]:
    """The leaves of the arguments, the batch dimension of each or None, the tree, the size of the batch.

    Keyword arguments are batched along their first dimension, as in PyTorch.
    """
    name = getattr(func, "__name__", type(func).__name__)
    what = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>)"
    if not isinstance(in_dims, (int, list, tuple)):
        raise ValueError(
            f"{what}: expected `in_dims` to be int or a (potentially nested) tuple matching the structure of inputs, "
            f"got: {type(in_dims)}."
        )
    if not args and not kwargs:
        raise ValueError(f"{what}: got no inputs. Maybe you forgot to add inputs, or you are trying to vmap over a "
                         "function with no inputs. The latter is unsupported.")  # fmt: skip
    leaves, args_spec = tree_flatten(args)
    dims = broadcast_prefix(list(in_dims) if isinstance(in_dims, tuple) else in_dims, args_spec)
    if dims is None:
        raise ValueError(
            f"{what}: in_dims is not compatible with the structure of inputs. in_dims has structure {in_dims!r} but "
            f"there are {len(args)} arguments"
        )
    options, options_spec = tree_flatten(kwargs)
    dims += [0 if isinstance(leaf, Tensor) else None for leaf in options]
    leaves += options
    dims = [_checked_dim(what, leaf, dim) for leaf, dim in zip(leaves, dims)]
    sizes = {leaf.shape[dim] for leaf, dim in zip(leaves, dims) if dim is not None}
    if not sizes:
        raise ValueError(f"{what}: at least one of the inputs must be a batched tensor: all in_dims are None")
    if len(sizes) > 1:
        raise ValueError(
            f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{[leaf.shape[dim] for leaf, dim in zip(leaves, dims) if dim is not None]} for the mapped dimension"
        )
    return leaves, dims, TreeSpec(tuple, None, (args_spec, options_spec)), sizes.pop()


def _checked_dim(what: str, leaf: Any, dim: Any) -> int | None:
    if dim is None:
        return None
    if isinstance(dim, bool) or not isinstance(dim, int):
        raise ValueError(
            f"{what}: got in_dim={dim} for an input but in_dim must be either an integer dimension or None."
        )
    if not isinstance(leaf, Tensor):
        raise ValueError(
            f"{what}: got in_dim={dim} for an input but the input is of type {type(leaf)}. We cannot vmap over "
            "non-Tensor arguments, please use None as the respective in_dim"
        )
    if not -leaf.dim() <= dim < leaf.dim():
        raise ValueError(
            f"{what}: got in_dim={dim} for some input, but that input is a Tensor of dimensionality {leaf.dim()} so "
            f"expected in_dim to satisfy -{leaf.dim()} <= in_dim < {leaf.dim()}."
        )
    return dim % leaf.dim()


def _run(
    func: Callable, leaves: list, dims: list, spec: TreeSpec, size: int, out_dims: Any, randomness: str
) -> Any:  # fmt: skip
    level = Level(size, randomness)
    with entered(level), drawing(level):
        examples = [
            leaf if dim is None else wrap(leaf.movedim(dim, 0) if dim else leaf, level)
            for leaf, dim in zip(leaves, dims)
        ]
        args, kwargs = tree_unflatten(examples, spec)
        return unwrap_outputs(func, func(*args, **kwargs), out_dims, level)


def unwrap_outputs(func: Callable, outputs: Any, out_dims: Any, level: Level) -> Any:
    """The results as batches, with the batch where out_dims says."""
    name = getattr(func, "__name__", type(func).__name__)
    leaves, spec = tree_flatten(outputs)
    dims = _out_dims(out_dims, spec, name)
    batches = []
    for leaf, dim in zip(leaves, dims):
        if not isinstance(leaf, Tensor):
            if dim is None:
                batches.append(leaf)
                continue
            raise ValueError(
                f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(leaf)}. Did you mean to set "
                "out_dims= to None for output?"
            )
        mine = is_batched(leaf, level)
        if dim is None:
            if mine:
                raise ValueError(
                    f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None: its values "
                    "differ between the examples"
                )
            batches.append(leaf)
            continue
        batch = leaf._value if mine else level.expand(leaf)
        if not -batch.dim() <= dim < batch.dim():
            raise IndexError(
                f"vmap({name}, ...): out_dim={dim} is out of range for a result of {batch.dim()} dimensions"
            )
        batches.append(batch.movedim(0, dim) if dim else batch)
    return tree_unflatten(batches, spec)


def _out_dims(out_dims: Any, spec: TreeSpec, name: str) -> list:
    if isinstance(out_dims, tuple) and len(out_dims) == 1 and spec.is_leaf():
        out_dims = out_dims[0]
    dims = broadcast_prefix(out_dims, spec)
    if dims is None or any(dim is not None and not isinstance(dim, int) for dim in dims):
        raise ValueError(
            f"vmap({name}, ..., out_dims={out_dims}): out_dims is not compatible with the structure of `outputs`"
        )
    return dims


def _joined(chunks: list, out_dims: Any) -> Any:
    """The results of the chunks one after the other along the batch."""
    columns = [tree_flatten(chunk)[0] for chunk in chunks]
    spec = tree_flatten(chunks[0])[1]
    dims = _out_dims(out_dims, spec, "func")
    joined = [parts[0] if dim is None else ondol.cat(parts, dim) for parts, dim in zip(zip(*columns), dims)]
    return tree_unflatten(joined, spec)
