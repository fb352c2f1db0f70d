"""Claims that the demo makes only after it has checked them."""

from __future__ import annotations

from rich.console import Console

from ondol import Tensor


class ProofFailed(Exception):
    """Something that the demo claims did not hold."""


def prove(console: Console, claim: str, holds: bool) -> None:
    """Print the claim if it holds, and end the demo if it does not."""
    if not holds:
        raise ProofFailed(claim)
    console.print(f"[green]proved:[/green] {claim}", soft_wrap=True)


def same_bits(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors agree in dtype, shape and every bit; unlike `==`, this tells 0 from -0 and accepts NaN.

    >>> import ondol
    >>> same_bits(ondol.tensor(0.0), ondol.tensor(-0.0))
    False
    """
    if first.dtype != second.dtype or first.shape != second.shape:
        return False
    return first.detach().numpy().tobytes() == second.detach().numpy().tobytes()
