"""Automatic mixed precision: products in bfloat16 or float16, what needs the digits in float32 (Micikevicius 2018)."""

from .autocast_mode import autocast, custom_bwd, custom_fwd, is_autocast_available
from .grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]
