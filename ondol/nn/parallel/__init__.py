"""Models on several devices, on a machine that has one."""

from __future__ import annotations

from ondol.nn.parallel.data_parallel import DataParallel
from ondol.nn.parallel.distributed import DistributedDataParallel

__all__ = ["DataParallel", "DistributedDataParallel"]
