"""Older names of what `ondol.amp` has."""

from __future__ import annotations

import ondol
from ondol.amp._former import FormerAutocast, FormerGradScaler

__all__ = ["GradScaler", "autocast"]


class autocast(FormerAutocast):
    """Deprecated: `ondol.autocast("cpu", ...)`. Warns with FutureWarning."""

    device_type = "cpu"
    usual_dtype = ondol.bfloat16


class GradScaler(FormerGradScaler):
    """Deprecated: `ondol.amp.GradScaler("cpu", ...)`. Warns with FutureWarning."""

    device_type = "cpu"
