"""Time ondol beside PyTorch and print a Markdown table: `python benchmarks/overhead.py`.

Each workload runs in a fresh process for each library, in turn (A B A B ...), so that a machine that grows warm or busy
slows both alike and neither library's threads disturb the other. A process warms up, then measures the median of many
short batches; the table shows the median over the processes and how far they lie apart. The ratio is PyTorch's time by
ondol's: above 1, ondol is faster.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time
from typing import NamedTuple

from workloads import WORKLOADS, Step

LIBRARIES = ("ondol", "torch")
IMPORT = "import"
HERE = (
    pathlib.Path(__file__).resolve().parent
)  # where processes start: the checkout's root would hide the installed package
BATCHES = 25  # timed batches in a process
BATCH_SECONDS = 0.02  # a batch repeats the step until it lasts about so long


class Row(NamedTuple):
    """Seconds for one step, a value for each process."""

    name: str
    ondol: list[float]
    torch: list[float]

    @property
    def ratio(self) -> float:
        return statistics.median(self.torch) / statistics.median(self.ondol)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="processes for each library and workload (default 5)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads of each library")
    parser.add_argument("--only", default="", help=f"comma-separated, of {','.join([IMPORT, *WORKLOADS])}")
    parser.add_argument("--measure", nargs=2, metavar=("LIBRARY", "WORKLOAD"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(_measure(*options.measure, options.threads)))
        return
    rows = [
        _row(name, options.rounds, options.threads)
        for name in (options.only.split(",") if options.only else [IMPORT, *WORKLOADS])
    ]
    print(_table(rows, options.rounds, options.threads))


def _row(workload: str, rounds: int, threads: int) -> Row:
    """Time both libraries in turn, each in processes of its own."""
    seconds: dict[str, list[float]] = {library: [] for library in LIBRARIES}
    for _ in range(rounds):
        for library in LIBRARIES:
            print(f"{workload}: {library}", file=sys.stderr)
            seconds[library].append(_in_process(library, workload, threads))
    name = "`import`, from a cold interpreter" if workload == IMPORT else WORKLOADS[workload].name
    return Row(name, **seconds)


def _in_process(library: str, workload: str, threads: int) -> float:
    if workload == IMPORT:
        return _import_time(library)
    command = [sys.executable, str(HERE / "overhead.py"), "--threads", str(threads), "--measure", library, workload]
    return json.loads(subprocess.run(command, cwd=HERE, check=True, stdout=subprocess.PIPE).stdout)


def _import_time(library: str) -> float:
    """Wall time of a process that imports the library, less that of one that imports nothing."""

    def wall(program: str) -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], cwd=HERE, check=True)
        return time.perf_counter() - started

    wall(f"import {library}")  # from now on its files are in the page cache
    return wall(f"import {library}") - wall("pass")


def _measure(library: str, workload: str, threads: int) -> float:
    lib = importlib.import_module(library)
    lib.set_num_threads(threads)
    lib.manual_seed(0)
    step = WORKLOADS[workload].build(lib)
    repeats = _repeats(step)
    return statistics.median(_time(step, repeats) for _ in range(BATCHES))


def _repeats(step: Step) -> int:
    """How many steps make a batch; finding out warms everything up."""
    repeats = 1
    while (seconds := _time(step, repeats) * repeats) < BATCH_SECONDS:
        repeats = max(repeats * 2, int(repeats * BATCH_SECONDS / max(seconds, 1e-9)))
    return repeats


def _time(step: Step, repeats: int) -> float:
    started = time.perf_counter()
    for _ in range(repeats):
        step()
    return (time.perf_counter() - started) / repeats


def _table(rows: list[Row], rounds: int, threads: int) -> str:
    lines = [
        f"ondol {_version('ondol')}, PyTorch {_version('torch')}, Python {platform.python_version()}, "
        f"{_processor()}, {threads} threads, medians of {rounds} processes (±: half their range)",
        "",
        "| | ondol | PyTorch | ratio |",
        "|---|---:|---:|---:|",
    ]
    lines += [f"| {row.name} | {_shown(row.ondol)} | {_shown(row.torch)} | **{row.ratio:.2f}** |" for row in rows]
    return "\n".join(lines)


def _shown(seconds: list[float]) -> str:
    unit, scale = next((u, s) for u, s in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)) if max(seconds) >= s or s == 1e-6)
    return f"{statistics.median(seconds) / scale:.3g} ± {(max(seconds) - min(seconds)) / 2 / scale:.1g} {unit}"


def _version(library: str) -> str:
    command = [sys.executable, "-c", f"import {library}; print({library}.__version__)"]
    return subprocess.run(command, cwd=HERE, check=True, capture_output=True, text=True).stdout.strip()


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
