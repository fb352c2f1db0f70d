"""Adaptive softmax."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

import ondol

from .. import functional as F
from .container import ModuleList, Sequential
from .linear import Linear
from .module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Module):
    """Softmax over very many classes: a head for the frequent ones, small tails for the rest (Grave et al. 2017).

    Args:
        in_features: features of the input.
        n_classes: number of classes, sorted by falling frequency.
        cutoffs: where the tails begin, rising.
        div_value: each tail works with so many times fewer features than the one before.
        head_bias: whether the head has a bias.

    Shape: input (N, in_features) and target (N) → output (N), the targets' log probabilities, and the mean loss.

    >>> layer = ondol.nn.AdaptiveLogSoftmaxWithLoss(8, 10, [4, 7])
    >>> layer(ondol.randn(5, 8), ondol.tensor([0, 3, 5, 7, 9])).output.shape
    torch.Size([5])
    """

    in_features: int
    n_classes: int
    cutoffs: list[int]
    div_value: float
    head_bias: bool
    head: Linear
    tail: ModuleList

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        rising = cutoffs == sorted(set(cutoffs)) and all(int(cutoff) == cutoff for cutoff in cutoffs)
        if not rising or cutoffs[0] <= 0 or cutoffs[-1] > n_classes - 1:
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each "
                "value is between 1 and n_classes-1"
            )
        self.in_features, self.n_classes = in_features, n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, device=device, dtype=dtype)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            hidden = int(in_features // div_value ** (i + 1))
            classes = self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(
                Sequential(
                    Linear(in_features, hidden, bias=False, device=device, dtype=dtype),
                    Linear(hidden, classes, bias=False, device=device, dtype=dtype),
                )
            )

    def reset_parameters(self) -> None:
        self.head.reset_parameters()
        for to_hidden, to_classes in self.tail:
            to_hidden.reset_parameters()
            to_classes.reset_parameters()

    def forward(self, input_: ondol.Tensor, target_: ondol.Tensor) -> _ASMoutput:
        if target_.dim() not in (0, 1):
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        batched = target_.dim() == 1
        if batched and input_.shape[0] != target_.shape[0]:
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        if input_.dim() != (2 if batched else 1):
            raise RuntimeError(
                f"{int(batched)}D target tensor expects {2 if batched else 1}D input tensors, but found inputs with "
                f"size {input_.size()}"
            )
        input, target = (input_, target_) if batched else (input_.unsqueeze(0), target_.unsqueeze(0))
        if target.numel() and not (int(target.min()) >= 0 and int(target.max()) < self.n_classes):
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range "
                f"[{int(target.min())}, {int(target.max())}] were found. "
            )
        head_index = target.clone()
        in_tail = input.new_zeros(target.shape)
        for i in range(self.n_clusters):
            low, high = self.cutoffs[i], self.cutoffs[i + 1]
            rows = ((target >= low) & (target < high)).nonzero().squeeze(1)
            if rows.numel():
                head_index[rows] = self.shortlist_size + i
                log_probs = F.log_softmax(self.tail[i](input.index_select(0, rows)), dim=1)
                chosen = log_probs.gather(1, (target[rows] - low).unsqueeze(1)).squeeze(1)
                in_tail = in_tail.index_add(0, rows, chosen)
        in_head = F.log_softmax(self.head(input), dim=1).gather(1, head_index.unsqueeze(1)).squeeze(1)
        output = in_tail + in_head
        loss = (-output).mean()
        return _ASMoutput(output if batched else output.squeeze(0), loss)

    def log_prob(self, input: ondol.Tensor) -> ondol.Tensor:
        """The log probabilities of all classes: (N, in_features) → (N, n_classes)."""
        return self._get_full_log_prob(input, self.head(input))

    def _get_full_log_prob(self, input: ondol.Tensor, head_output: ondol.Tensor) -> ondol.Tensor:
        head = F.log_softmax(head_output, dim=1)
        parts = [head[:, : self.shortlist_size]]
        for i, tail in enumerate(self.tail):
            cluster = head[:, self.shortlist_size + i].unsqueeze(1)
            parts.append(F.log_softmax(tail(input), dim=1) + cluster)
        return ondol.cat(parts, dim=1)

    def predict(self, input: ondol.Tensor) -> ondol.Tensor:
        """The most probable class of each row: (N, in_features) → (N). Tails are computed only where one may win."""
        head_output = self.head(input)
        best = head_output.argmax(dim=1)
        in_tail = best >= self.shortlist_size
        if in_tail.any():
            rows = in_tail.nonzero().squeeze(1)
            best[rows] = self._get_full_log_prob(input[rows], head_output[rows]).argmax(dim=1)
        return best
