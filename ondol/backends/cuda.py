"""Switches for NVIDIA's libraries, of which none is used."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

from ondol.backends._switch import Switches, check

__all__ = [
    "allow_fp16_bf16_reduction_math_sdp", "cudnn_sdp_enabled", "enable_cudnn_sdp", "enable_flash_sdp",
    "enable_math_sdp", "enable_mem_efficient_sdp", "flash_sdp_enabled", "fp16_bf16_reduction_math_sdp_allowed",
    "is_built", "is_flash_attention_available", "math_sdp_enabled", "matmul", "mem_efficient_sdp_enabled", "sdp_kernel",
]  # fmt: skip

matmul = Switches(
    "backends.cuda.matmul",
    allow_tf32=False,
    allow_fp16_reduced_precision_reduction=True,
    allow_bf16_reduced_precision_reduction=True,
    allow_fp16_accumulation=False,
    fp32_precision="none",
)

# Shared with nn.attention.sdpa_kernel.
_attention = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True, "overrideable": True}
_reduction = {"allowed": False}


def is_built() -> bool:
    """False."""
    return False


def is_flash_attention_available() -> bool:
    """False: this asks about CUDA's."""
    return False


def flash_sdp_enabled() -> bool:
    """What `enable_flash_sdp` was told."""
    return _attention["flash"]


def mem_efficient_sdp_enabled() -> bool:
    """What `enable_mem_efficient_sdp` was told."""
    return _attention["mem_efficient"]


def math_sdp_enabled() -> bool:
    """What `enable_math_sdp` was told."""
    return _attention["math"]


def cudnn_sdp_enabled() -> bool:
    """What `enable_cudnn_sdp` was told."""
    return _attention["cudnn"]


def enable_flash_sdp(enabled: bool) -> None:
    """Accepted: ondol chooses the kernel of attention by its arguments."""
    _set(_attention, "flash", enabled)


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Accepted, as `enable_flash_sdp`."""
    _set(_attention, "mem_efficient", enabled)


def enable_math_sdp(enabled: bool) -> None:
    """Accepted, as `enable_flash_sdp`."""
    _set(_attention, "math", enabled)


def enable_cudnn_sdp(enabled: bool) -> None:
    """Accepted, as `enable_flash_sdp`."""
    _set(_attention, "cudnn", enabled)


def allow_fp16_bf16_reduction_math_sdp(enabled: bool) -> None:
    """Accepted: attention in half precision is computed in float32."""
    _set(_reduction, "allowed", enabled)


def fp16_bf16_reduction_math_sdp_allowed() -> bool:
    """What `allow_fp16_bf16_reduction_math_sdp` was told."""
    return _reduction["allowed"]


def _set(switches: dict[str, bool], name: str, enabled: bool) -> None:
    check(f"the switch {name!r} of attention", switches[name], enabled)
    switches[name] = enabled


@contextlib.contextmanager
def sdp_kernel(
    enable_flash: bool = True, enable_math: bool = True, enable_mem_efficient: bool = True, enable_cudnn: bool = True
) -> Iterator[dict[str, Any]]:
    """Sets the switches of attention for the time of a `with`. Deprecated: use `nn.attention.sdpa_kernel`."""
    warnings.warn(
        "backends.cuda.sdp_kernel() is deprecated: use nn.attention.sdpa_kernel()", FutureWarning, stacklevel=3
    )
    before = dict(_attention)
    wanted = {
        "flash": enable_flash, "math": enable_math, "mem_efficient": enable_mem_efficient, "cudnn": enable_cudnn,
    }  # fmt: skip
    try:
        for name, enabled in wanted.items():
            _set(_attention, name, enabled)
        yield {}
    finally:
        _attention.update(before)
