"""SparseAdam, which needs what ondol does not have."""

from __future__ import annotations

from typing import Any

from ondol.optim.optimizer import Optimizer, ParamsT

__all__ = ["SparseAdam"]


class SparseAdam(Optimizer):
    """Not available: it updates from sparse gradients only, and ondol has no sparse tensors.

    Raises:
        NotImplementedError: always.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        raise NotImplementedError(
            "SparseAdam updates from sparse gradients, and ondol has no sparse tensors; use ondol.optim.Adam, "
            "and leave sparse=False in nn.Embedding"
        )
