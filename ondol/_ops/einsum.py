"""Einstein summation, contracted pair by pair from left to right through batched matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ondol
from ondol import Tensor
from ondol._ops.registry import operation

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

Label = str | int
"""A letter, or for a dimension under an ellipsis its distance from the right (-1 is the last one)."""


@operation
def einsum(*args: Any) -> Tensor:
    """Sum products of operands over the subscripts that the output does not name.

    Two formats: `einsum("ij,jk->ik", a, b)` and `einsum(a, [0, 1], b, [1, 2], [0, 2])`. All of PyTorch's language is
    understood: implicit output, ellipsis, repeated subscripts (diagonals), sizes of 1 that broadcast. Products that sum
    over something are `bmm` calls, so dtypes are those of `bmm`; the result is differentiable.

    Raises RuntimeError for a malformed equation and for sizes that do not agree.

    >>> ondol.einsum("ij,j->i", ondol.tensor([[1.0, 2.0], [3.0, 4.0]]), ondol.tensor([1.0, 10.0]))
    tensor([21., 43.])
    """
    subscripts, output, operands = _arguments(args)
    ellipsis_ndim = _ellipsis_ndim(subscripts, operands)
    labels = [_operand_labels(text, operand) for text, operand in zip(subscripts, operands)]
    outgoing = _output_labels(output, labels, ellipsis_ndim)
    sizes = _sizes(labels, operands)
    summed = [label for label in sizes if label not in outgoing]
    order = [*outgoing, *summed]
    last_use = {label: max(at for at, used in enumerate(labels) if label in used) for label in summed}

    aligned = [_aligned(operand, own, order) for operand, own in zip(operands, labels)]
    result = aligned[0]
    result = _sum_over(result, [order.index(label) for label in summed if last_use[label] == 0])
    for at, operand in enumerate(aligned[1:], start=1):
        result = contract(result, operand, [order.index(label) for label in summed if last_use[label] == at])
    return result.reshape(result.shape[: len(outgoing)])


def contract(left: Tensor, right: Tensor, dims: Sequence[int]) -> Tensor:
    """Sum the broadcast product of two tensors of equal rank over `dims`, which stay with size 1."""
    if not dims:
        return left * right
    for dim in dims:  # a dimension that only one of them really has is summed there, before the product
        if left.shape[dim] == 1 and right.shape[dim] != 1:
            right = right.sum(dim, keepdim=True)
        elif right.shape[dim] == 1 and left.shape[dim] != 1:
            left = left.sum(dim, keepdim=True)
    ndim = left.dim()
    kept = [dim for dim in range(ndim) if dim not in dims]
    batch = [dim for dim in kept if left.shape[dim] != 1 and right.shape[dim] != 1]
    rows = [dim for dim in kept if dim not in batch and left.shape[dim] != 1]
    columns = [dim for dim in kept if dim not in batch and dim not in rows]
    dims = list(dims)

    def sizes(tensor: Tensor, group: list[int]) -> list[int]:
        return [tensor.shape[dim] for dim in group]

    def count(tensor: Tensor, group: list[int]) -> int:
        return ondol.Size(sizes(tensor, group)).numel()

    batches, inner = count(left, batch), count(left, dims)
    one = left.permute([*batch, *rows, *dims, *columns]).reshape(batches, count(left, rows), inner)
    other = right.permute([*batch, *dims, *columns, *rows]).reshape(batches, inner, count(right, columns))
    product = ondol.bmm(one, other)

    order = [*batch, *rows, *columns, *dims]
    product = product.reshape([*sizes(left, batch), *sizes(left, rows), *sizes(right, columns), *([1] * len(dims))])
    return product.permute([order.index(dim) for dim in range(ndim)])


def _sum_over(tensor: Tensor, dims: list[int]) -> Tensor:
    return tensor.sum(dims, keepdim=True) if dims else tensor


def _arguments(args: tuple[Any, ...]) -> tuple[list[list[str]], list[str] | None, list[Tensor]]:
    """The subscripts of every operand and of the output (None if not given), and the operands."""
    if len(args) < 2:
        raise ValueError("einsum(): must specify the equation string and at least one operand, or at least one operand "
                         "and its subscripts list")  # fmt: skip
    if isinstance(args[0], str):
        operands = list(args[1]) if len(args) == 2 and isinstance(args[1], (list, tuple)) else list(args[1:])
        incoming, arrow, outgoing = args[0].replace(" ", "").partition("->")
        subscripts = [_split(text) for text in incoming.split(",")]
        output = _split(outgoing) if arrow else None
    else:
        operands = list(args[: len(args) - len(args) % 2 : 2])
        subscripts = [_from_numbers(numbers) for numbers in args[1::2]]
        output = _from_numbers(args[-1]) if len(args) % 2 else None
    if len(subscripts) != len(operands):
        fault = "fewer" if len(operands) < len(subscripts) else "more"
        raise RuntimeError(f"einsum(): {fault} operands were provided than specified in the equation: "
                           f"{len(operands)} operands, {len(subscripts)} lists of subscripts")  # fmt: skip
    for operand in operands:
        if not isinstance(operand, Tensor):
            raise TypeError(f"einsum(): operands must be tensors, got {type(operand).__name__}")
    return subscripts, output, operands


def _split(text: str) -> list[str]:
    """The subscripts of one operand, with `...` as one item."""
    items: list[str] = []
    while text:
        item = "..." if text.startswith("...") else text[0]
        if item == ".":
            raise RuntimeError('einsum(): found "." that is not part of an ellipsis ("...")')
        if item != "..." and item not in _LETTERS:
            raise RuntimeError(f"einsum(): invalid subscript given: {item}, subscripts must be in [a-zA-Z]")
        if item == "..." and "..." in items:
            raise RuntimeError('einsum(): found "..." more than once in one term')
        items.append(item)
        text = text[len(item) :]
    return items


def _from_numbers(numbers: Sequence[Any]) -> list[str]:
    """A sublist of numbers in [0, 52) and at most one Ellipsis, as letters."""
    items: list[str] = []
    for number in numbers:
        if number is not Ellipsis and not 0 <= number < len(_LETTERS):
            raise ValueError(f"einsum(): subscript {number} is not within the valid range [0, 52)")
        items.extend(_split("..." if number is Ellipsis else _LETTERS[number]))
    if items.count("...") > 1:
        raise RuntimeError('einsum(): found "..." more than once in one sublist')
    return items


def _ellipsis_ndim(subscripts: list[list[str]], operands: list[Tensor]) -> int:
    """How many dimensions `...` stands for: the most that any operand puts there."""
    most = 0
    for at, (items, operand) in enumerate(zip(subscripts, operands)):
        named = len(items) - items.count("...")
        covered = operand.dim() - named
        if covered < 0 or (covered > 0 and "..." not in items):
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({named}) does not match the number of dimensions "
                f"({operand.dim()}) for operand {at}{'' if covered > 0 else ' and no ellipsis can make up for it'}"
                f": '{''.join(items)}' for a tensor of shape {list(operand.shape)}"
            )
        most = max(most, covered)
    return most


def _operand_labels(items: list[str], operand: Tensor) -> list[Label]:
    covered = operand.dim() - (len(items) - items.count("..."))
    labels: list[Label] = []
    for item in items:
        labels.extend(range(-covered, 0) if item == "..." else [item])
    return labels


def _output_labels(output: list[str] | None, labels: list[list[Label]], ellipsis_ndim: int) -> list[Label]:
    """Given, or by NumPy's rule: the ellipsis, then every letter that occurs once, in alphabetical order."""
    everything = [label for own in labels for label in own]
    covered: list[Label] = list(range(-ellipsis_ndim, 0))
    if output is None:
        return [*covered, *(letter for letter in _LETTERS if everything.count(letter) == 1)]
    outgoing: list[Label] = []
    for item in output:
        if item in outgoing:
            raise RuntimeError(f"einsum(): output subscript {item} appears more than once in the output")
        if item != "..." and item not in everything:
            raise RuntimeError(
                f"einsum(): output subscript {item} does not appear in the equation for any input operand"
            )
        outgoing.extend(covered if item == "..." else [item])
    return outgoing


def _sizes(labels: list[list[Label]], operands: list[Tensor]) -> dict[Label, int]:
    """The broadcast size of every label, in the order of their first appearance."""
    sizes: dict[Label, int] = {}
    for at, (own, operand) in enumerate(zip(labels, operands)):
        within: dict[Label, int] = {}
        for label, size in zip(own, operand.shape):
            if within.setdefault(label, size) != size:
                raise RuntimeError(f"einsum(): subscript {label} is repeated for operand {at} but the sizes don't "
                                   f"match, {size} != {within[label]}")  # fmt: skip
            if sizes.get(label, 1) == 1:
                sizes[label] = size
            elif size not in (1, sizes[label]):
                raise RuntimeError(f"einsum(): subscript {label} has size {size} for operand {at} which does not "
                                   f"broadcast with previously seen size {sizes[label]} (operands of shapes "
                                   f"{', '.join(str(list(one.shape)) for one in operands)})")  # fmt: skip
    return sizes


def _aligned(operand: Tensor, own: list[Label], order: list[Label]) -> Tensor:
    """The operand with one dimension for every label of `order`: repeated ones as diagonals, absent ones of size 1."""
    own = list(own)
    for label in dict.fromkeys(own):
        while own.count(label) > 1:
            first = own.index(label)
            second = own.index(label, first + 1)
            operand = operand.diagonal(0, first, second)
            del own[second], own[first]
            own.append(label)
    operand = operand.permute([own.index(label) for label in order if label in own])
    for at, label in enumerate(order):
        if label not in own:
            operand = operand.unsqueeze(at)
    return operand
