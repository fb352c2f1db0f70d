"""Embeddings."""

from __future__ import annotations

from typing import Any

import ondol

from .. import functional as F
from .. import init
from ..parameter import Parameter
from .module import Module

__all__ = ["Embedding", "EmbeddingBag"]


def _padding_row(padding_idx: int | None, rows: int, complaint: str) -> int | None:
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise AssertionError(f"{complaint} within num_embeddings: got {padding_idx} for {rows} rows")
    return padding_idx % rows


class Embedding(Module):
    """A table of vectors that are looked up by index.

    Args:
        num_embeddings, embedding_dim: rows and columns of the table.
        padding_idx: a row that is born zero and gets no gradient.
        max_norm, norm_type: shorten the rows that are looked up to this norm.
        scale_grad_by_freq: divide a row's gradient by how often it is looked up.

    Shape: indices (*) → (*, embedding_dim). The rows are born normal.

    >>> ondol.nn.Embedding(10, 3)(ondol.tensor([[1, 2, 4, 5]])).shape
    torch.Size([1, 4, 3])
    """

    num_embeddings: int
    embedding_dim: int
    padding_idx: int | None
    max_norm: float | None
    norm_type: float
    scale_grad_by_freq: bool
    weight: Parameter
    freeze: bool
    sparse: bool

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: ondol.Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = _padding_row(padding_idx, num_embeddings, "Padding_idx must be")
        self.max_norm, self.norm_type, self.scale_grad_by_freq = max_norm, norm_type, scale_grad_by_freq
        if _weight is None:
            values = ondol.empty((num_embeddings, embedding_dim), device=device, dtype=dtype)
            self.weight = Parameter(values, requires_grad=not _freeze)
            self.reset_parameters()
        else:
            if list(_weight.shape) != [num_embeddings, embedding_dim]:
                raise AssertionError("Shape of weight does not match num_embeddings and embedding_dim")
            self.weight = Parameter(_weight, requires_grad=not _freeze)
        self.sparse = sparse

    def reset_parameters(self) -> None:
        init.normal_(self.weight)
        self._fill_padding_idx_with_zero()

    def _fill_padding_idx_with_zero(self) -> None:
        if self.padding_idx is not None:
            with ondol.no_grad():
                self.weight[self.padding_idx].fill_(0)

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )

    def extra_repr(self) -> str:
        words = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.padding_idx is not None:
            words += f", padding_idx={self.padding_idx}"
        return words + _choices(self)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: ondol.Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """An embedding with the rows of a matrix, which are not learned unless `freeze=False`."""
        if embeddings.dim() != 2:
            raise AssertionError("Embeddings parameter is expected to be 2-dimensional")
        rows, columns = embeddings.shape
        return cls(
            rows,
            columns,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            _weight=embeddings,
            _freeze=freeze,
        )


def _choices(module: Any) -> str:
    """The arguments that differ from their defaults."""
    words = ""
    if module.max_norm is not None:
        words += f", max_norm={module.max_norm}"
    if module.norm_type != 2:
        words += f", norm_type={module.norm_type}"
    if module.scale_grad_by_freq is not False:
        words += f", scale_grad_by_freq={module.scale_grad_by_freq}"
    if module.sparse is not False:
        words += ", sparse=True"
    return words


class EmbeddingBag(Module):
    """The sum, mean or maximum of the rows of bags of indices, without the rows in between.

    Args:
        mode: `"mean"`, `"sum"` or `"max"`.
        include_last_offset: offsets have one more entry, the end of the last bag.
        padding_idx: a row that is left out.
        others: as in `Embedding`.

    Shape: indices (B, n), or all bags' in one dimension with offsets (B) → (B, embedding_dim).

    >>> bag = ondol.nn.EmbeddingBag(10, 3, mode="sum")
    >>> bag(ondol.tensor([1, 2, 4, 5]), ondol.tensor([0, 3])).shape
    torch.Size([2, 3])
    """

    num_embeddings: int
    embedding_dim: int
    max_norm: float | None
    norm_type: float
    scale_grad_by_freq: bool
    weight: Parameter
    mode: str
    sparse: bool
    include_last_offset: bool
    padding_idx: int | None

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: ondol.Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.max_norm, self.norm_type, self.scale_grad_by_freq = max_norm, norm_type, scale_grad_by_freq
        self.padding_idx = _padding_row(padding_idx, num_embeddings, "padding_idx must be")
        if _weight is None:
            self.weight = Parameter(ondol.empty((num_embeddings, embedding_dim), device=device, dtype=dtype))
            self.reset_parameters()
        else:
            if list(_weight.shape) != [num_embeddings, embedding_dim]:
                raise AssertionError("Shape of weight does not match num_embeddings and embedding_dim")
            self.weight = Parameter(_weight)
        self.mode, self.sparse, self.include_last_offset = mode, sparse, include_last_offset

    reset_parameters = Embedding.reset_parameters
    _fill_padding_idx_with_zero = Embedding._fill_padding_idx_with_zero

    def forward(
        self,
        input: ondol.Tensor,
        offsets: ondol.Tensor | None = None,
        per_sample_weights: ondol.Tensor | None = None,
    ) -> ondol.Tensor:
        return F.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self) -> str:
        words = f"{self.num_embeddings}, {self.embedding_dim}{_choices(self)}, mode={self.mode!r}"
        return words + (f", padding_idx={self.padding_idx}" if self.padding_idx is not None else "")

    @classmethod
    def from_pretrained(
        cls,
        embeddings: ondol.Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """An embedding bag with the rows of a matrix, which are not learned unless `freeze=False`."""
        if embeddings.dim() != 2:
            raise AssertionError("Embeddings parameter is expected to be 2-dimensional")
        rows, columns = embeddings.shape
        bag = cls(
            rows,
            columns,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            mode,
            sparse,
            embeddings,
            include_last_offset,
            padding_idx,
        )
        bag.weight.requires_grad = not freeze
        return bag
