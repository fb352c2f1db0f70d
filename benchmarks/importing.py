"""Time `import ondol` and `import torch`, and what they hold in memory: `python benchmarks/importing.py`.

Processes of the two take turns. The time is that of a process that imports the library less that of one that imports
nothing, with the files in the page cache. The memory is all that the process holds after the import, the interpreter
with it.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time
from typing import NamedTuple

from timing import HERE

LIBRARIES = ("ondol", "torch")
RESIDENT = """
import resource
import {library}
with open("/proc/self/statm") as numbers:
    print(int(numbers.read().split()[1]) * resource.getpagesize())
"""


class Imported(NamedTuple):
    """What an import takes, a value for each process."""

    seconds: list[float]
    resident: list[int]  # bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="processes for each library (default 5)")
    parser.add_argument("--json", type=pathlib.Path, help="write every figure to this file")
    options = parser.parse_args()
    imported = measure(options.rounds)
    if options.json:
        options.json.write_text(json.dumps({library: one._asdict() for library, one in imported.items()}, indent=1))
    seconds, held = ([statistics.median(one[i]) for one in imported.values()] for i in (0, 1))
    print("| `import` | ondol | PyTorch | ratio |\n|---|---:|---:|---:|")
    print(f"| time | {seconds[0]:.3f} s | {seconds[1]:.3f} s | **{seconds[1] / seconds[0]:.1f}** |")
    print(f"| memory of the process | {held[0] / 1e6:.0f} MB | {held[1] / 1e6:.0f} MB | **{held[1] / held[0]:.1f}** |")


def measure(rounds: int) -> dict[str, Imported]:
    """The figures of both libraries."""
    imported = {library: Imported([], []) for library in LIBRARIES}
    for _ in range(rounds):
        for library in LIBRARIES:
            imported[library].seconds.append(import_seconds(library))
            imported[library].resident.append(int(_run(RESIDENT.format(library=library))))
    return imported


def import_seconds(library: str) -> float:
    """Wall time of a process that imports the library, less that of one that imports nothing."""
    _run(f"import {library}")  # from now on its files are in the page cache
    return _wall(f"import {library}") - _wall("pass")


def _wall(program: str) -> float:
    started = time.perf_counter()
    _run(program)
    return time.perf_counter() - started


def _run(program: str) -> str:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=HERE, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
