"""Sequences of different lengths: padded in one tensor, or packed without padding."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import ondol

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence",
    "pad_sequence", "unpack_sequence", "unpad_sequence",
]  # fmt: skip

PackedSequence_ = namedtuple("PackedSequence_", ["data", "batch_sizes", "sorted_indices", "unsorted_indices"])
PackedSequence_.__new__.__defaults__ = (None, None)


class PackedSequence(PackedSequence_):
    """A batch of sequences without padding: the first steps of all, then the second steps, and so on.

    Made by `pack_padded_sequence` and `pack_sequence`.

    Attributes:
        data: all steps, (sum of lengths, *).
        batch_sizes: how many sequences have each step; int64 on the CPU.
        sorted_indices, unsorted_indices: how the sequences were sorted by length, and the way back.
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Any,
        batch_sizes: Any = None,
        sorted_indices: ondol.Tensor | None = None,
        unsorted_indices: ondol.Tensor | None = None,
    ) -> PackedSequence:
        if batch_sizes is None:  # the older form: one pair
            if not isinstance(data, (list, tuple)) or len(data) != 2:
                raise AssertionError("data must be a pair of data and batch_sizes where batch_sizes is absent")
            data, batch_sizes = data
        elif batch_sizes.device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU. Instances of PackedSequence should never be created manually; "
                f"got batch_sizes on {batch_sizes.device}"
            )
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same sequences with their data moved or converted, as `Tensor.to` does."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else type(self)(data, *self[1:])

    def cpu(self) -> PackedSequence:
        return self.to("cpu")

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        return self.to("cuda" if not args else args[0], **kwargs)

    def double(self) -> PackedSequence:
        return self.to(dtype=ondol.float64)

    def float(self) -> PackedSequence:
        return self.to(dtype=ondol.float32)

    def half(self) -> PackedSequence:
        return self.to(dtype=ondol.float16)

    def long(self) -> PackedSequence:
        return self.to(dtype=ondol.int64)

    def int(self) -> PackedSequence:
        return self.to(dtype=ondol.int32)

    def short(self) -> PackedSequence:
        return self.to(dtype=ondol.int16)

    def char(self) -> PackedSequence:
        return self.to(dtype=ondol.int8)

    def byte(self) -> PackedSequence:
        return self.to(dtype=ondol.uint8)

    def pin_memory(self) -> PackedSequence:
        return type(self)(self.data.pin_memory(), *self[1:])

    @property
    def is_cuda(self) -> bool:
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        return self.data.is_pinned()


def invert_permutation(permutation: ondol.Tensor | None) -> ondol.Tensor | None:
    """The permutation that undoes another.

    >>> ondol.nn.utils.rnn.invert_permutation(ondol.tensor([2, 0, 1]))
    tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    output = ondol.empty_like(permutation)
    output.scatter_(0, permutation, ondol.arange(permutation.numel(), dtype=permutation.dtype))
    return output


def pack_padded_sequence(
    input: ondol.Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Leave the padding out of (T, B, *), or (B, T, *) with `batch_first`.

    Args:
        lengths: of the sequences, each at least 1.
        enforce_sorted: the lengths must fall; otherwise the sequences are sorted here.

    Raises:
        RuntimeError: if a length is below 1 or above T, or they are not sorted though they must be.
    """
    lengths = ondol.as_tensor(lengths, dtype=ondol.int64)
    sorted_indices = None
    if not enforce_sorted:
        lengths, sorted_indices = ondol.sort(lengths, descending=True)
        input = input.index_select(0 if batch_first else 1, sorted_indices)
    if batch_first:
        input = input.transpose(0, 1)
    sizes = _checked_lengths(lengths.tolist(), input)
    steps = sizes[0]
    batch_sizes = [0] * steps
    for length in sizes:
        batch_sizes[length - 1] += 1
    for step in range(steps - 2, -1, -1):
        batch_sizes[step] += batch_sizes[step + 1]
    data = ondol.cat([input[step, :size] for step, size in enumerate(batch_sizes)])
    return PackedSequence(data, ondol.tensor(batch_sizes, dtype=ondol.int64), sorted_indices, None)


def _checked_lengths(lengths: list[int], input: ondol.Tensor) -> list[int]:
    if len(lengths) != input.size(1):
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(lengths)} (batch_size={input.size(1)})"
        )
    if not lengths or min(lengths) <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if any(next_ > this for this, next_ in pairwise(lengths)):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement."
        )
    if lengths[0] > input.size(0):
        raise RuntimeError(f"Expected lengths of at most {input.size(0)}, the padded size, but got {lengths[0]}")
    return lengths


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[ondol.Tensor, ondol.Tensor]:
    """The sequences padded to the longest one, or to `total_length`, and their lengths: the inverse of packing."""
    sizes = sequence.batch_sizes.tolist()
    steps = len(sizes)
    if total_length is not None:
        if total_length < steps:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, but got "
                f"total_length={total_length} and max sequence length being {steps}"
            )
        steps = total_length
    rows = []
    begin = 0
    for size in sizes:
        row = sequence.data[begin : begin + size]
        begin += size
        if size < sizes[0]:
            row = ondol.cat([row, row.new_full((sizes[0] - size, *row.shape[1:]), padding_value)])
        rows.append(row)
    padded = ondol.stack(rows)
    if steps > len(sizes):
        padded = ondol.cat([padded, padded.new_full((steps - len(sizes), *padded.shape[1:]), padding_value)])
    lengths = ondol.tensor([sum(size > i for size in sizes) for i in range(sizes[0])], dtype=ondol.int64)
    if batch_first:
        padded = padded.transpose(0, 1)
    if sequence.unsorted_indices is not None:
        padded = padded.index_select(0 if batch_first else 1, sequence.unsorted_indices)
        lengths = lengths[sequence.unsorted_indices]
    return padded, lengths


def pad_sequence(
    sequences: Any, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> ondol.Tensor:
    """Stack sequences (L_i, *) to (T, B, *), or (B, T, *) with `batch_first`, padded to the longest.

    >>> ondol.nn.utils.rnn.pad_sequence([ondol.ones(2), ondol.ones(1)], batch_first=True)
    tensor([[1., 1.],
            [1., 0.]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    rows = list(sequences.unbind(0)) if isinstance(sequences, ondol.Tensor) else list(sequences)
    if not rows:
        raise RuntimeError("received an empty list of sequences")
    longest = max(row.size(0) for row in rows)
    padded = []
    for row in rows:
        if row.size(0) < longest:
            filler = row.new_full((longest - row.size(0), *row.shape[1:]), padding_value)
            row = ondol.cat([row, filler] if padding_side == "right" else [filler, row])
        padded.append(row)
    return ondol.stack(padded, dim=0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: ondol.Tensor, lengths: ondol.Tensor, batch_first: bool = False
) -> list[ondol.Tensor]:
    """The sequences of a padded batch, without padding: the inverse of `pad_sequence`."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    return [row[: int(length)] for row, length in zip(padded_sequences, lengths)]


def pack_sequence(sequences: list[ondol.Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences (L_i, *); they must be sorted by falling length, unless `enforce_sorted` is false."""
    lengths = ondol.tensor([sequence.size(0) for sequence in sequences], dtype=ondol.int64)
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[ondol.Tensor]:
    """The sequences that were packed: the inverse of `pack_sequence`."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
