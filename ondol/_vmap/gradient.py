"""autograd.grad inside of vmap: `vmap(lambda v: autograd.grad(y, x, v))` and the like."""

from __future__ import annotations

from typing import Any

import ondol
from ondol._native import Tensor
from ondol._vmap.batched import innermost_level, is_batched, wrap
from ondol._vmap.fallback import loop


def grad_of_examples(
    roots: tuple, targets: tuple, gradients: tuple, keep: bool, create_graph: bool, unused: bool, materialize: bool
) -> Any:
    """The gradients of each example; NotImplemented if nothing is batched.

    Where every target is batched the examples are independent of each other, and one pass over the batch gives the
    gradients of each. Otherwise it takes a pass for each example.
    """
    level = innermost_level((roots, targets, gradients))
    if level is None:
        return NotImplemented
    options = {"create_graph": create_graph, "allow_unused": unused, "materialize_grads": materialize}
    if not all(is_batched(target, level) for target in targets):

        def pass_for_one(*tensors: Any) -> tuple:
            one_roots, one_gradients = tensors[: len(roots)], tensors[len(roots) :]
            return ondol.autograd.grad(one_roots, targets, one_gradients, retain_graph=True, **options)

        return loop(pass_for_one, (*roots, *gradients), {}, level)

    def values(tensors: tuple) -> list:
        return [
            tensor._value if is_batched(tensor, level) else level.expand(tensor) if isinstance(tensor, Tensor) else None
            for tensor in tensors
        ]

    starts = [
        ondol.ones_like(root) if given is None and outer.numel() == 1 else given
        for root, given, outer in zip(values(roots), values(gradients), roots)
    ]
    found = ondol.autograd.grad(
        values(roots), [target._value for target in targets], starts, retain_graph=keep, **options
    )
    return tuple(None if gradient is None else wrap(gradient, level) for gradient in found)
