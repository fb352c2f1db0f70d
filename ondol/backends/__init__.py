"""Switches of the libraries that PyTorch computes with, and questions about them; each module imported on first use.

ondol computes with its own kernels and OpenBLAS, in the precision of the dtype, with the same result each time. So
what scripts set here is accepted, kept and given back, and changes nothing; a value of the wrong type is refused, as
in PyTorch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ondol.backends import cpu as cpu
    from ondol.backends import cuda as cuda
    from ondol.backends import cudnn as cudnn
    from ondol.backends import mha as mha
    from ondol.backends import mkl as mkl
    from ondol.backends import mkldnn as mkldnn
    from ondol.backends import mps as mps
    from ondol.backends import openmp as openmp
    from ondol.backends import opt_einsum as opt_einsum

_MODULES = ("cpu", "cuda", "cudnn", "mha", "mkl", "mkldnn", "mps", "openmp", "opt_einsum")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
