"""Older names of what `ondol.amp` has."""

from __future__ import annotations

import ondol
from ondol.amp._former import FormerAutocast, FormerGradScaler

__all__ = ["GradScaler", "autocast"]


class autocast(FormerAutocast):
    """Deprecated: `ondol.autocast("cuda", ...)`. Warns with FutureWarning."""

    device_type = "cuda"
    usual_dtype = ondol.float16


class GradScaler(FormerGradScaler):
    """Deprecated: `ondol.amp.GradScaler("cuda", ...)`. Warns with FutureWarning."""

    device_type = "cuda"
