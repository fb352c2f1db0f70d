"""Finds the OpenBLAS of the package scipy-openblas32 and hands it to the core."""

from __future__ import annotations

import os
import sys

from ondol import _native


def _library_path() -> str:
    # Found by looking along sys.path: importing the package would cost more than loading the library.
    for entry in sys.path:
        folder = os.path.join(entry or os.curdir, "scipy_openblas32", "lib")
        if os.path.isdir(folder):
            for name in sorted(os.listdir(folder)):
                if "openblas" in name and name.endswith((".so", ".dylib", ".dll")):
                    return os.path.join(folder, name)
    raise ImportError("ondol needs the matrix library of the package scipy-openblas32: pip install scipy-openblas32")


_native.load_blas(_library_path())
