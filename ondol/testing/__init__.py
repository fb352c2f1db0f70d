"""Help for tests: comparison with tolerances, random tensors."""

from __future__ import annotations

from .comparison import assert_allclose, assert_close, default_tolerances
from .creation import make_tensor

__all__ = ["assert_allclose", "assert_close", "default_tolerances", "make_tensor"]
