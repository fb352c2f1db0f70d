"""Masks of attention given as functions of positions, and which blocks of the scores they leave over."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import ondol
from ondol import Tensor
from ondol._vmap.api import vmap

__all__ = ["BlockMask", "and_masks", "create_block_mask", "create_mask", "noop_mask", "or_masks"]

MaskMod = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
DEFAULT_BLOCK = 128


def over_positions(function: Callable[..., Tensor], scores: Tensor | None, sizes: tuple[int, ...]) -> Tensor:
    """`function` of each (batch, head, query, key), with its score in front if there are scores; of shape `sizes`."""
    front = () if scores is None else (0,)
    for place in reversed(range(4)):
        dims = tuple(0 if i == place else None for i in range(4))
        function = vmap(function, in_dims=front + dims, randomness="different")
    positions = [ondol.arange(size) for size in sizes]
    return function(*([] if scores is None else [scores]), *positions)


def noop_mask(batch: Tensor, head: Tensor, token_q: Tensor, token_kv: Tensor) -> Tensor:
    """A mask_mod that keeps everything."""
    return batch.new_ones((), dtype=ondol.bool)


def and_masks(*mask_mods: MaskMod) -> MaskMod:
    """A mask_mod that keeps what all keep.

    Raises:
        RuntimeError: one of them is not callable.
    """
    return _joined(ondol.logical_and, mask_mods)


def or_masks(*mask_mods: MaskMod) -> MaskMod:
    """A mask_mod that keeps what any keeps.

    Raises:
        RuntimeError: one of them is not callable.
    """
    return _joined(ondol.logical_or, mask_mods)


def _joined(join: Callable[[Tensor, Tensor], Tensor], mask_mods: tuple[MaskMod, ...]) -> MaskMod:
    if not all(callable(one) for one in mask_mods):
        raise RuntimeError(f"All inputs should be callable mask_mods: {mask_mods}")
    start = join is ondol.logical_and

    def joined(batch: Tensor, head: Tensor, token_q: Tensor, token_kv: Tensor) -> Tensor:
        kept = (one(batch, head, token_q, token_kv) for one in mask_mods)
        return functools.reduce(join, kept, batch.new_full((), start, dtype=ondol.bool))

    return joined


def create_mask(
    mod_fn: Callable[..., Tensor], B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device: Any = None
) -> Tensor:
    """The mask [B, H, Q_LEN, KV_LEN] of a function of positions; None for B or H means 1.

    A function of four arguments is a mask_mod: True is kept. One of five is a score_mod: kept is what it does not turn
    from 0 into minus infinity.

    >>> create_mask(lambda b, h, q, k: q >= k, 1, 1, 2, 2).int()
    tensor([[[[1, 0],
              [1, 1]]]], dtype=torch.int32)
    """
    _refuse_other_devices(device)
    sizes = (1 if B is None else B, 1 if H is None else H, Q_LEN, KV_LEN)
    if _parameters(mod_fn) == 5:
        return over_positions(mod_fn, ondol.zeros(sizes), sizes) != -float("inf")
    return over_positions(mod_fn, None, sizes)


def _parameters(function: Callable[..., Any]) -> int:
    import inspect

    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    return sum(p.kind in kinds and p.default is inspect.Parameter.empty for p in parameters)


def _refuse_other_devices(device: Any) -> None:
    if device is not None:
        ondol.empty(0, device=device)


class BlockMask:
    """A mask_mod, and for each row of blocks of the scores which blocks hold something that it keeps.

    `kv_num_blocks` [B, H, rows] counts the blocks of a row that are kept in part, `kv_indices` [B, H, rows, columns]
    names them, the kept ones in front; `full_kv_num_blocks` and `full_kv_indices` the same for blocks kept whole.
    `q_num_blocks` and its relatives say it by columns. Made by `create_block_mask`, or from known blocks by
    `from_kv_blocks`.
    """

    def __init__(
        self,
        seq_lengths: tuple[int, int],
        kv_num_blocks: Tensor,
        kv_indices: Tensor,
        full_kv_num_blocks: Tensor | None,
        full_kv_indices: Tensor | None,
        BLOCK_SIZE: tuple[int, int],
        mask_mod: MaskMod,
    ) -> None:
        if kv_indices.dim() < 2:
            raise RuntimeError("BlockMask must have at least 2 dimensions")
        if (full_kv_num_blocks is None) != (full_kv_indices is None):
            raise AssertionError("full_kv_num_blocks and full_kv_indices must be given both or neither")
        self.seq_lengths, self.BLOCK_SIZE, self.mask_mod = seq_lengths, BLOCK_SIZE, mask_mod
        self.kv_num_blocks, self.kv_indices = kv_num_blocks, kv_indices
        self.full_kv_num_blocks, self.full_kv_indices = full_kv_num_blocks, full_kv_indices
        self.q_num_blocks, self.q_indices = _by_columns(kv_num_blocks, kv_indices)
        self.full_q_num_blocks: Tensor | None = None
        self.full_q_indices: Tensor | None = None
        if full_kv_num_blocks is not None and full_kv_indices is not None:
            self.full_q_num_blocks, self.full_q_indices = _by_columns(full_kv_num_blocks, full_kv_indices)

    @classmethod
    def from_kv_blocks(
        cls,
        kv_num_blocks: Tensor,
        kv_indices: Tensor,
        full_kv_num_blocks: Tensor | None = None,
        full_kv_indices: Tensor | None = None,
        BLOCK_SIZE: int | tuple[int, int] = DEFAULT_BLOCK,
        mask_mod: MaskMod | None = None,
        seq_lengths: tuple[int, int] | None = None,
    ) -> BlockMask:
        """A mask of known blocks. As in PyTorch without a compiler, attention goes by `mask_mod` alone."""
        block = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else tuple(BLOCK_SIZE)
        if kv_indices.dim() < 2:
            raise RuntimeError("BlockMask must have at least 2 dimensions")
        rows, columns = kv_indices.shape[-2:]
        lengths = (rows * block[0], columns * block[1]) if seq_lengths is None else seq_lengths
        blocks = (kv_num_blocks, kv_indices, full_kv_num_blocks, full_kv_indices)
        return cls(lengths, *blocks, block, noop_mask if mask_mod is None else mask_mod)

    @property
    def shape(self) -> tuple[int, ...]:
        """(B, H, queries, keys)."""
        return (*self.kv_indices.shape[:-2], *self.seq_lengths)

    def numel(self) -> int:
        """The number of scores."""
        return self.kv_indices[..., 0, 0].numel() * self.seq_lengths[0] * self.seq_lengths[1]

    def sparsity(self) -> float:
        """The share of the scores, in percent, in blocks of which nothing is kept."""
        blocks = int(self.kv_num_blocks.sum())
        if self.full_kv_num_blocks is not None:
            blocks += int(self.full_kv_num_blocks.sum())
        return 100 * (1 - blocks * self.BLOCK_SIZE[0] * self.BLOCK_SIZE[1] / self.numel())

    def to_dense(self) -> Tensor:
        """[B, H, rows, columns]: 1 for a block of which something is kept, else 0."""
        dense = _dense(self.kv_num_blocks, self.kv_indices)
        if self.full_kv_num_blocks is None or self.full_kv_indices is None:
            return dense
        return dense | _dense(self.full_kv_num_blocks, self.full_kv_indices)

    def to(self, device: Any) -> BlockMask:
        """The mask itself, on the only device there is."""
        _refuse_other_devices(device)
        return self

    def __getitem__(self, index: Any) -> BlockMask:
        """Some batches, heads or rows of blocks.

        The mask_mod of a part raises RuntimeError until it is replaced; `seq_lengths` stay those of the whole, and must
        be replaced as well if rows were chosen.
        """
        index = index if isinstance(index, tuple) else (index,)
        kept = tuple(slice(i, i + 1 or None) if isinstance(i, int) else i for i in index)

        def part(blocks: Tensor | None) -> Tensor | None:
            return None if blocks is None else blocks[kept]

        return BlockMask.from_kv_blocks(
            self.kv_num_blocks[kept],
            self.kv_indices[kept],
            part(self.full_kv_num_blocks),
            part(self.full_kv_indices),
            self.BLOCK_SIZE,
            sliced_mask_mod,
            self.seq_lengths,
        )

    def __repr__(self) -> str:
        return f"BlockMask(shape={self.shape}, sparsity={self.sparsity():.2f}%)"


def sliced_mask_mod(batch: Tensor, head: Tensor, token_q: Tensor, token_kv: Tensor) -> Tensor:
    """The mask_mod of a part of a mask: positions of the whole are not those of the part."""
    raise RuntimeError(
        "Cannot use mask_mod from a sliced BlockMask: set block_mask.mask_mod to a function of the part's own positions"
    )


def _ordered(dense: Tensor) -> tuple[Tensor, Tensor]:
    """How many blocks of each row are set, and the columns, those of set blocks in front."""
    dense = dense.to(ondol.int32)
    order = ondol.argsort(dense, dim=-1, descending=True, stable=True)
    return dense.sum(-1, dtype=ondol.int32), order.to(ondol.int32).contiguous()


def _dense(counts: Tensor, indices: Tensor) -> Tensor:
    columns = indices.shape[-1]
    kept = (ondol.arange(columns) < counts.unsqueeze(-1)).to(ondol.int32)
    return ondol.zeros_like(kept).scatter_(-1, indices.long(), kept)


def _by_columns(counts: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
    return _ordered(_dense(counts, indices).transpose(-2, -1))


def create_block_mask(
    mask_mod: MaskMod,
    B: int | None,
    H: int | None,
    Q_LEN: int,
    KV_LEN: int,
    device: Any = None,
    BLOCK_SIZE: int | tuple[int, int] = DEFAULT_BLOCK,
    _compile: bool = False,
    separate_full_blocks: bool = True,
) -> BlockMask:
    """The BlockMask of a mask_mod(batch, head, query, key) of positions.

    Args:
        mask_mod: True where a query sees a key. It is called under vmap with integer tensors.
        B, H: None means 1, for all examples, all heads.
        separate_full_blocks: list blocks kept whole apart.

    Raises:
        AssertionError: `mask_mod` does not take four arguments.

    >>> mask = create_block_mask(lambda b, h, q, k: q >= k, None, None, 4, 4, BLOCK_SIZE=2)
    >>> mask.to_dense().tolist()
    [[[[1, 0], [1, 1]]]]
    >>> mask.sparsity()
    25.0
    """
    if _parameters(mask_mod) != 4:
        raise AssertionError(f"create_block_mask needs a mask_mod(batch, head, query, key), got {mask_mod}")
    block = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else tuple(BLOCK_SIZE)
    mask = create_mask(mask_mod, B, H, Q_LEN, KV_LEN, device)
    over = [-length % size for length, size in zip((Q_LEN, KV_LEN), block)]
    padded = ondol.nn.functional.pad(mask, (0, over[1], 0, over[0]))
    rows, columns = padded.shape[-2] // block[0], padded.shape[-1] // block[1]
    kept = padded.view(*mask.shape[:2], rows, block[0], columns, block[1]).sum((-3, -1))
    if not separate_full_blocks:
        return BlockMask((Q_LEN, KV_LEN), *_ordered(kept > 0), None, None, block, mask_mod)
    full = kept == block[0] * block[1]
    return BlockMask((Q_LEN, KV_LEN), *_ordered((kept > 0) & ~full), *_ordered(full), block, mask_mod)
