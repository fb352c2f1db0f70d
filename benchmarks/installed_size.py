"""Print what ondol and PyTorch take on disk with all they depend on: `python benchmarks/installed_size.py`."""

from __future__ import annotations

import importlib.metadata
import pathlib
import re

LIBRARIES = ("ondol", "torch")


def main() -> None:
    ondol, torch = (sum(map(size, closure(library))) for library in LIBRARIES)
    print("| installed with all dependencies | ondol | PyTorch | ratio |")
    print("|---|---:|---:|---:|")
    print(f"| on disk | {ondol / 1e6:.0f} MB | {torch / 1e6:.0f} MB | **{torch / ondol:.1f}** |")
    print(f"| packages | {len(closure('ondol'))} | {len(closure('torch'))} | |")


def closure(library: str, seen: frozenset[str] = frozenset()) -> frozenset[str]:
    """The packages that come with the library; what other platforms would need is not installed, and so not counted."""
    seen |= {library}
    for requirement in importlib.metadata.requires(library) or []:
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()
        if "extra ==" not in requirement and name not in seen and is_installed(name):
            seen = closure(name, seen)
    return seen


def is_installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def size(package: str) -> int:
    """Bytes of the package's files, bytecode left out: it depends on what has been imported."""
    files = [file for file in importlib.metadata.files(package) or [] if "__pycache__" not in file.parts]
    paths = [pathlib.Path(file.locate()) for file in files]
    return sum(path.stat().st_size for path in paths if path.is_file())


if __name__ == "__main__":
    main()
