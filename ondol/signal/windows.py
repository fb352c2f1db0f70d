"""Windows: PyTorch's `torch.signal.windows`. Symmetric by default; `sym=False` gives periodic ones, for spectra."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import ondol
from ondol import Tensor
from ondol._ops.window import cosine_sum, kaiser_shape, make_window, triangle

__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine", "general_hamming", "hamming", "hann",
    "kaiser", "nuttall",
]  # fmt: skip


def _made(
    name: str, shape: Callable[[Tensor, int], Tensor], M: int, sym: bool, dtype: Any, layout: Any, device: Any,
    requires_grad: bool,
) -> Tensor:  # fmt: skip
    if M < 0:
        raise ValueError(f"{name}: requires non-negative window length, got M={M}")
    if layout is not None and layout != ondol.strided:
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    dtype = dtype or ondol.get_default_dtype()
    if dtype not in (ondol.float32, ondol.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype}")
    return make_window(shape, M, sym, dtype, device, requires_grad, name)


def bartlett(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A triangle from zero to zero.

    >>> ondol.signal.windows.bartlett(5)
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    return _made("bartlett", triangle, M, sym, dtype, layout, device, requires_grad)


def blackman(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """The cosine sum 0.42, 0.5, 0.08."""
    return _made("blackman", cosine_sum((0.42, 0.5, 0.08)), M, sym, dtype, layout, device, requires_grad)


def cosine(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """sin(π (k + 1/2) / M)."""

    def shape(points: Tensor, n: int) -> Tensor:
        return ondol.sin((points + 0.5) * (math.pi / n))

    return _made("cosine", shape, M, sym, dtype, layout, device, requires_grad)


def exponential(
    M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """exp(-|k - center| / tau). A center other than the middle needs `sym=False`."""
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")

    def shape(points: Tensor, n: int) -> Tensor:
        return ondol.exp(-(points - ((n - 1) / 2 if center is None else center)).abs() / tau)

    return _made("exponential", shape, M, sym, dtype, layout, device, requires_grad)


def gaussian(
    M: int, *, std: float = 1.0, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """exp(-(k - middle)² / (2 std²))."""
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")

    def shape(points: Tensor, n: int) -> Tensor:
        return ondol.exp(-0.5 * ((points - (n - 1) / 2) / std) ** 2)

    return _made("gaussian", shape, M, sym, dtype, layout, device, requires_grad)


def general_cosine(
    M: int, *, a: Iterable[float], sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Σ (-1)^i a[i] cos(2π i k / (M - 1))."""
    if not isinstance(a, Iterable):
        raise TypeError("Coefficients must be a list/tuple")
    coefficients = list(a)
    if not coefficients:
        raise ValueError("Coefficients cannot be empty")
    return _made("general_cosine", cosine_sum(coefficients), M, sym, dtype, layout, device, requires_grad)


def general_hamming(
    M: int, *, alpha: float = 0.54, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """alpha - (1 - alpha) cos(2π k / (M - 1))."""
    shape = cosine_sum((alpha, 1 - alpha))
    return _made("general_hamming", shape, M, sym, dtype, layout, device, requires_grad)


def hamming(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`general_hamming` with alpha = 0.54."""
    return _made("hamming", cosine_sum((0.54, 0.46)), M, sym, dtype, layout, device, requires_grad)


def hann(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """sin²(π k / (M - 1))."""
    return _made("hann", cosine_sum((0.5, 0.5)), M, sym, dtype, layout, device, requires_grad)


def kaiser(
    M: int, *, beta: float = 12.0, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """I₀(β √(1 - (2k/(M - 1) - 1)²)) / I₀(β)."""
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    return _made("kaiser", kaiser_shape(beta), M, sym, dtype, layout, device, requires_grad)


def nuttall(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Nuttall's cosine sum of four terms with the lowest side lobes."""
    coefficients = (0.3635819, 0.4891775, 0.1365995, 0.0106411)
    return _made("nuttall", cosine_sum(coefficients), M, sym, dtype, layout, device, requires_grad)
