"""The processor."""

from __future__ import annotations

from ondol import _native

__all__ = ["get_cpu_capability"]


def get_cpu_capability() -> str:
    """The instructions that ondol's kernels use, in PyTorch's words: "DEFAULT", "AVX2" or "AVX512".

    The environment variable ONDOL_CPU_LEVEL chooses other kernels.
    """
    return {"v3": "AVX2", "v4": "AVX512"}.get(_native.cpu_level(), "DEFAULT")
