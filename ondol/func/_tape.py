"""What a differentiating transform records.

Reverse mode is ondol's ordinary autograd: a transform makes variables of its own from the inputs, calls the function
and asks for gradients by these variables. So transforms nest, each by its own variables.

Inside of vmap every variable is first expanded along the running levels: each example has a copy of its own (a view of
stride 0), the variables are ordinary tensors that hold all examples, and since no example depends on another one, the
gradient of the sum over the batch holds the gradient of each.

Forward mode is two passes of reverse mode. With y = f(x) and J = ∂y/∂x the first pass, recorded, gives Jᵀu for a dummy
u. It is linear in u, and its derivative by u along t is J t (J. Townsend, 2017, "A new trick for calculating Jacobian
vector products").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ondol
from ondol._native import Tensor, _transforms
from ondol._vmap.batched import is_batched, wrap
from ondol._vmap.level import Level, stack

depends_on_other_leaves = _transforms.depends_on_other_leaves


def spread(x: Tensor, levels: Sequence[Level]) -> Tensor:
    """The ordinary tensor of all examples of some levels, their batches in front, outermost first."""
    for level in reversed(levels):
        x = x._value if is_batched(x, level) else level.expand(x)
    return x


def gathered(x: Tensor, levels: Sequence[Level]) -> Tensor:
    """The inverse of `spread`: one example again."""
    for level in levels:
        x = wrap(x, level)
    return x


class Tape:
    """The variables of one call of a transform.

    Attributes:
        levels: the vmaps that were running when it began.
        outer_grad: whether the results may be part of a graph outside.
        leaves: variables without history; they require grad only while the transform works, so that those of a finished
            transform are constants to others.
    """

    def __init__(self) -> None:
        self.levels = tuple(stack())
        self.outer_grad = ondol.is_grad_enabled()
        self.leaves: list[Tensor] = []

    def variable(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """A variable with the value of x: as one example to compute with, and with all examples to differentiate by."""
        values = spread(x, self.levels)
        if values.requires_grad and self.outer_grad:
            variable = values.view_as(values)
        else:
            variable = values.detach().requires_grad_()
            self.leaves.append(variable)
        return gathered(variable, self.levels), variable

    def is_outer(self, tensors: Sequence[Tensor]) -> bool:
        """Whether some tensors belong to a graph that is not this transform's alone."""
        return self.outer_grad and depends_on_other_leaves(tensors, self.leaves)

    def gradients(
        self,
        outputs: Sequence[Tensor],
        variables: Sequence[Tensor],
        cotangents: Sequence[Tensor],
        *,
        create_graph: bool,
    ) -> tuple[Tensor | None, ...]:
        """Σ cotangentᵀ ∂output/∂variable, of tensors that hold all examples."""
        pairs = [(output, given) for output, given in zip(outputs, cotangents) if output.requires_grad]
        if not pairs or not variables:
            return (None,) * len(variables)
        roots, given = zip(*pairs)
        return ondol.autograd.grad(
            roots, variables, given, retain_graph=True, create_graph=create_graph, allow_unused=True
        )

    def result(self, x: Tensor) -> Tensor:
        """What a transform returns of its function's results: without this transform's own graph."""
        plain = spread(x, self.levels)
        return x if self.is_outer([plain]) else x.detach()

    def rest(self) -> None:
        """To be called when the transform is over, or waits."""
        for leaf in self.leaves:
            leaf.requires_grad_(False)

    def resume(self) -> None:
        """To be called when it works again."""
        for leaf in self.leaves:
            leaf.requires_grad_(True)


class Linear:
    """J t for any t, of outputs and variables that hold all examples; None for an output that no variable reaches."""

    def __init__(self, tape: Tape, outputs: Sequence[Tensor], variables: Sequence[Tensor]) -> None:
        self.tape, self.count = tape, len(outputs)
        self.reached = [i for i, output in enumerate(outputs) if output.requires_grad]
        roots = [outputs[i] for i in self.reached]
        self.dummies = [ondol.zeros_like(root).requires_grad_() for root in roots]
        with ondol.enable_grad():
            products = tape.gradients(roots, variables, self.dummies, create_graph=True)
        tape.leaves += self.dummies
        self.used = [i for i, product in enumerate(products) if product is not None and product.requires_grad]
        self.products = [products[i] for i in self.used]

    def __call__(self, tangents: Sequence[Tensor]) -> list[Tensor | None]:
        """One tangent for each variable."""
        result: list[Tensor | None] = [None] * self.count
        if not self.used or not self.reached:
            return result
        given = [tangents[i].to(product.dtype) for i, product in zip(self.used, self.products)]
        outer = self.tape.is_outer([*self.products, *given])
        with ondol.enable_grad():
            found = self.tape.gradients(self.products, self.dummies, given, create_graph=outer)
        for i, tangent in zip(self.reached, found):
            result[i] = tangent
        return result


def is_differentiable(x: Any) -> bool:
    """Whether x is a tensor that can have a gradient."""
    return isinstance(x, Tensor) and (x.is_floating_point() or x.is_complex())
