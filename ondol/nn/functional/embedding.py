"""Looking rows up in a table."""

from __future__ import annotations

from typing import Any, NamedTuple

import ondol
from ondol._examples import of_all_examples, one_example_at_a_time
from ondol._native import nn as _nn
from ondol.autograd import Function

__all__ = ["embedding", "embedding_bag", "one_hot"]


class _ScaleGradient(Function):
    """The identity; its gradient is multiplied by a factor."""

    @staticmethod
    def forward(ctx: Any, input: ondol.Tensor, factor: ondol.Tensor) -> ondol.Tensor:
        ctx.save_for_backward(factor)
        return input.view_as(input)

    @staticmethod
    def backward(ctx: Any, gradient: ondol.Tensor) -> tuple:
        (factor,) = ctx.saved_tensors
        return gradient * factor, None


def embedding(
    input: ondol.Tensor,
    weight: ondol.Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> ondol.Tensor:
    """The rows of `weight` that `input` names.

    Args:
        input: indices of any shape.
        padding_idx: a row that gets no gradient.
        max_norm: shorten the rows that are looked up to this norm, in place.
        scale_grad_by_freq: divide a row's gradient by how often it is looked up.
        sparse: the gradient of `weight` would be sparse; there is none, so backward raises NotImplementedError.

    Shape: (*), (rows, features) → (*, features).

    Raises:
        AssertionError: if `padding_idx` is no row.
    """
    if padding_idx is None:
        padding_idx = -1
    else:
        padding_idx = _row("Padding_idx must be within num_embeddings", padding_idx, weight, AssertionError)
    if max_norm is not None:
        _nn.embedding(weight.detach(), input, padding_idx, False, sparse)  # what cannot be looked up changes nothing
        _shorten_rows(weight, input, max_norm, norm_type)
    rows = _nn.embedding(weight, input, padding_idx, False, sparse)
    return _ScaleGradient.apply(rows, 1 / _frequency(input, weight, rows)) if scale_grad_by_freq else rows


def _row(complaint: str, index: int, weight: ondol.Tensor, error: type[Exception]) -> int:
    rows = weight.size(0)
    if not -rows <= index < rows:
        raise error(f"{complaint}: got {index} for {rows} rows")
    return index % rows


@one_example_at_a_time
def _shorten_rows(weight: ondol.Tensor, indices: ondol.Tensor, max_norm: float, norm_type: float) -> None:
    with ondol.no_grad():
        used = indices.reshape(-1).unique()
        rows = weight[used]
        norms = rows.norm(norm_type, 1, keepdim=True)
        long = (norms > max_norm).squeeze(1)
        if long.any():
            weight[used[long]] = rows[long] * (max_norm / (norms[long] + 1e-7))


def _frequency(indices: ondol.Tensor, weight: ondol.Tensor, like: ondol.Tensor) -> ondol.Tensor:
    """How often each of the indices occurs."""
    counts = ondol.bincount(indices.reshape(-1), minlength=weight.size(0))
    return counts[indices].unsqueeze(-1).to(like.dtype)


@one_example_at_a_time
def embedding_bag(
    input: ondol.Tensor,
    weight: ondol.Tensor,
    offsets: ondol.Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: ondol.Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> ondol.Tensor:
    """The sum, mean or maximum of bags of rows.

    Args:
        input: (bags, n) indices, or all bags' indices in one dimension with `offsets`.
        offsets: where each bag begins in a 1-d input.
        mode: `"sum"`, `"mean"` or `"max"`; an empty bag gives zeros.
        per_sample_weights: a factor for each index, with `"sum"` only.
        include_last_offset: the last offset is the end of the last bag.
        padding_idx: a row that is left out.

    Shape: → (bags, features).

    Raises:
        ValueError: if input and offsets do not go together, or for an unknown mode.
        RuntimeError: for an index that is no row, and for offsets that do not begin with 0, decrease, or lie beyond
            the input.
        NotImplementedError: for weights with another mode than `"sum"`; in backward with `sparse=True`.
    """
    return pool_bags(
        input, weight, offsets, max_norm, norm_type, scale_grad_by_freq, mode, sparse, per_sample_weights,
        include_last_offset, padding_idx,
    ).pooled  # fmt: skip


class Bags(NamedTuple):
    """What `embedding_bag` works out."""

    pooled: ondol.Tensor  # (bags, features)
    bag_of: ondol.Tensor  # of each index
    sizes: ondol.Tensor  # of each bag, without the padding
    largest: ondol.Tensor  # for "max": the row that each maximum comes from, 0 in an empty bag


def pool_bags(
    input: ondol.Tensor, weight: ondol.Tensor, offsets: ondol.Tensor | None, max_norm: float | None, norm_type: float,
    scale_grad_by_freq: bool, mode: str, sparse: bool, per_sample_weights: ondol.Tensor | None,
    include_last_offset: bool, padding_idx: int | None,
) -> Bags:  # fmt: skip
    """`embedding_bag`, with what its backward pass would keep."""
    _check_bags(input, weight, offsets, mode, per_sample_weights, scale_grad_by_freq)
    if padding_idx is None:
        padding_idx = -1
    else:
        padding_idx = _row("padding_idx must be within the number of embeddings", padding_idx, weight, RuntimeError)
    arguments = (
        input, offsets, mode, sparse, per_sample_weights, include_last_offset, padding_idx, scale_grad_by_freq,
    )  # fmt: skip
    if max_norm is not None:
        with ondol.no_grad():
            _nn.embedding_bag(weight, *arguments)  # so that what it refuses leaves the rows as they are
        _shorten_rows(weight, input, max_norm, norm_type)
    return Bags(*_nn.embedding_bag(weight, *arguments))


def _check_bags(
    input: ondol.Tensor, weight: ondol.Tensor, offsets: Any, mode: str, factors: Any, scale_grad_by_freq: bool
) -> None:
    if weight.dtype == ondol.int64 and input.is_floating_point():
        raise ValueError("Argument order of nn.functional.embedding_bag is (input, weight), not (weight, input)")
    if factors is not None and factors.shape != input.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({list(factors.shape)}) is not None, then it must have the same "
            f"shape as the input ({list(input.shape)})"
        )
    if weight.dim() != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.dim()}")
    if input.dim() == 2 and offsets is not None:
        raise ValueError(
            "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length "
            f"sequences. However, found offsets of type {type(offsets)}"
        )
    if input.dim() == 1 and not isinstance(offsets, ondol.Tensor):
        raise ValueError(
            "offsets has to be a 1D Tensor but got None" if offsets is None else "offsets must be a Tensor"
        )
    if input.dim() == 1 and offsets.dim() != 1:
        raise ValueError("offsets has to be a 1D Tensor")
    if input.dim() not in (1, 2):
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.dim()}")
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if factors is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' "
            f"(got mode='{mode}')."
        )


def one_hot(tensor: ondol.Tensor, num_classes: int = -1) -> ondol.Tensor:
    """Indices as vectors with a 1 at the index: (*) → (*, num_classes), of dtype int64.

    Args:
        num_classes: one more than the largest index if −1.

    Raises:
        RuntimeError: for other dtypes than int64, negative indices and ones that are too large.

    >>> ondol.nn.functional.one_hot(ondol.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    if tensor.dtype != ondol.int64:
        raise RuntimeError(f"one_hot is only applicable to index tensor of type LongTensor, got {tensor.dtype}")
    if tensor.numel() == 0:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return ondol.empty((*tensor.shape, num_classes), dtype=ondol.int64)
    known = of_all_examples(tensor)
    if int(known.min()) < 0:
        raise RuntimeError(f"Class values must be non-negative, got {int(known.min())}.")
    largest = int(known.max())
    if num_classes == -1:
        num_classes = int(tensor.max()) + 1
    elif num_classes < 1:
        raise RuntimeError(f"num_classes should be positive, got {num_classes}.")
    elif num_classes <= largest:
        raise RuntimeError(f"Class values must be smaller than num_classes: got {largest} for {num_classes} classes.")
    return tensor.new_zeros((*tensor.shape, num_classes)).scatter_(-1, tensor.unsqueeze(-1), 1)
