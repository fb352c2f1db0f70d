"""Switches for oneDNN, which is not used: convolutions are ondol's own."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager

from ondol.backends._switch import Switches, switched, watch

enabled = True
deterministic = False
allow_tf32 = True
fp32_precision = "none"
matmul = Switches("backends.mkldnn.matmul", fp32_precision="none")
conv = Switches("backends.mkldnn.conv", fp32_precision="none")
rnn = Switches("backends.mkldnn.rnn", fp32_precision="none")


def is_available() -> bool:
    """False."""
    return False


def flags(
    enabled: bool = False, deterministic: bool = False, allow_tf32: bool = True, fp32_precision: str = "none"
) -> AbstractContextManager[None]:
    """Sets the switches for the time of a `with`."""
    return switched(
        sys.modules[__name__],
        {
            "enabled": enabled,
            "deterministic": deterministic,
            "allow_tf32": allow_tf32,
            "fp32_precision": fp32_precision,
        },
    )


watch(__name__)
