"""Helpers around training: data loading, checkpointing, hooks, logs; each imported on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ondol.utils import benchmark as benchmark
    from ondol.utils import checkpoint as checkpoint
    from ondol.utils import data as data
    from ondol.utils import dlpack as dlpack
    from ondol.utils import hooks as hooks
    from ondol.utils import tensorboard as tensorboard

_MODULES = ("benchmark", "checkpoint", "data", "dlpack", "hooks", "tensorboard")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"ondol.utils.{name}")
    raise AttributeError(f"module 'ondol.utils' has no attribute {name!r}")
