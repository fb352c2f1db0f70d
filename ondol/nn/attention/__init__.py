"""Which kernels `scaled_dot_product_attention` may use, and attention with patterns: `bias`, `flex_attention`."""

from __future__ import annotations

import contextlib
import enum
import importlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ondol import overrides
from ondol._native import nn as _nn
from ondol.backends import cuda as _switches

if TYPE_CHECKING:
    from ondol.nn.attention import bias as bias
    from ondol.nn.attention import flex_attention as flex_attention

__all__ = ["WARN_FOR_UNFUSED_KERNELS", "SDPBackend", "sdpa_kernel"]

WARN_FOR_UNFUSED_KERNELS = False
"""May be set, as in PyTorch; ondol has no warning that it would turn on."""


class SDPBackend(enum.Enum):
    """A kernel of scaled_dot_product_attention, by the names and numbers of PyTorch.

    A CPU has MATH and FLASH_ATTENTION; the others need a GPU.
    """

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4

    def __int__(self) -> int:
        return self.value


_SWITCHES = {
    SDPBackend.CUDNN_ATTENTION: "cudnn",
    SDPBackend.FLASH_ATTENTION: "flash",
    SDPBackend.EFFICIENT_ATTENTION: "mem_efficient",
    SDPBackend.MATH: "math",
    SDPBackend.OVERRIDEABLE: "overrideable",
}
_ON_CPU = (SDPBackend.MATH, SDPBackend.FLASH_ATTENTION)


@contextlib.contextmanager
def sdpa_kernel(backends: list[SDPBackend] | SDPBackend, set_priority: bool = False) -> Iterator[dict[str, Any]]:
    """A context, or a decorator, in which attention uses only some kernels.

    ondol chooses by the arguments: a tiled kernel that never holds all scores at once (FLASH_ATTENTION), or separate
    products (MATH) where dropout, a gradient of the mask or a second derivative needs them. Either name therefore
    allows both, and results do not change. Names of GPU kernels alone leave nothing that could compute.

    Args:
        backends: one or several; an empty list allows none.
        set_priority: accepted: there is nothing to choose between.

    Raises:
        AssertionError: not an SDPBackend, nor a list of them.
        RuntimeError: at a call of scaled_dot_product_attention inside, if no backend of a CPU is allowed.

    >>> x = ondol.ones(1, 1, 2, 4)
    >>> with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]):
    ...     ondol.nn.functional.scaled_dot_product_attention(x, x, x).shape
    torch.Size([1, 1, 2, 4])
    """
    wanted = [backends] if isinstance(backends, SDPBackend) else backends
    if not isinstance(wanted, list) or not all(isinstance(backend, SDPBackend) for backend in wanted):
        shown = [type(backend).__name__ for backend in wanted] if isinstance(wanted, list) else type(wanted).__name__
        raise AssertionError(f"sdpa_kernel takes an SDPBackend or a list of them, got {shown}")
    before = dict(_switches._attention)
    _switches._attention.update({switch: backend in wanted for backend, switch in _SWITCHES.items()})
    try:
        with contextlib.nullcontext() if any(backend in wanted for backend in _ON_CPU) else _NoKernel():
            yield {}
    finally:
        _switches._attention.update(before)


class _NoKernel(overrides.TorchFunctionMode):
    """Refuses attention; a mode, so that calls outside of such a context pay nothing for the question."""

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if func is _nn.scaled_dot_product_attention:
            raise RuntimeError(
                "No viable backend for scaled_dot_product_attention was found: sdpa_kernel allows neither "
                "SDPBackend.MATH nor SDPBackend.FLASH_ATTENTION, and a CPU has no other"
            )
        return func(*args, **(kwargs or {}))


def __getattr__(name: str) -> Any:
    if name in ("bias", "flex_attention"):
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
