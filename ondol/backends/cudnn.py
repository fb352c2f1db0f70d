"""Switches for cuDNN, which is not used: `cudnn.benchmark = True` is accepted and changes nothing."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Any

from ondol.backends._switch import Switches, switched, watch

enabled = True
benchmark = False
benchmark_limit: int | None = None
deterministic = False
allow_tf32 = True
fp32_precision = "none"
conv = Switches("backends.cudnn.conv", fp32_precision="tf32")
rnn = Switches("backends.cudnn.rnn", fp32_precision="tf32")


def is_available() -> bool:
    """False."""
    return False


def version() -> int | None:
    """None: there is none."""
    return None


def is_acceptable(tensor: Any) -> bool:
    """False: cuDNN would take no tensor of a CPU."""
    return False


def flags(
    enabled: bool = False,
    benchmark: bool = False,
    benchmark_limit: int | None = 10,
    deterministic: bool = False,
    allow_tf32: bool = True,
    fp32_precision: str = "none",
) -> AbstractContextManager[None]:
    """Sets the switches for the time of a `with`."""
    return switched(
        sys.modules[__name__],
        {
            "enabled": enabled,
            "benchmark": benchmark,
            "benchmark_limit": benchmark_limit,
            "deterministic": deterministic,
            "allow_tf32": allow_tf32,
            "fp32_precision": fp32_precision,
        },
    )


watch(__name__)
