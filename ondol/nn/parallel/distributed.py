"""One model in several processes: not supported."""

from __future__ import annotations

from typing import Any

from ondol.nn.modules.module import Module

__all__ = ["DistributedDataParallel"]


class DistributedDataParallel(Module):
    """Raises NotImplementedError when made. `isinstance` may ask for it."""

    def __init__(self, module: Module, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            "DistributedDataParallel is not supported: ondol trains in one process, whose operations use all cores; "
            "use the module itself"
        )
