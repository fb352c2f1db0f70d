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
import statistics
import sys
import time
from typing import NamedTuple

from importing import import_seconds
from timing import in_process, machine
from workloads import WORKLOADS, Step

LIBRARIES = ("ondol", "torch")
IMPORT = "import"
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
    parser.add_argument("--json", type=pathlib.Path, help="write every figure to this file")
    parser.add_argument("--measure", nargs=2, metavar=("LIBRARY", "WORKLOAD"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        library, workload = options.measure
        print(json.dumps(_measure(library, workload, options.threads)))
        return
    names = options.only.split(",") if options.only else [IMPORT, *WORKLOADS]
    rows = [measured(name, options.rounds, options.threads) for name in names]
    if options.json:
        options.json.write_text(json.dumps([row._asdict() for row in rows], indent=1))
    print(_table(rows, options.rounds, options.threads))


def measured(workload: str, rounds: int, threads: int) -> Row:
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
        return import_seconds(library)
    return in_process("overhead.py", "--threads", str(threads), "--measure", library, workload)


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
        f"{machine(threads)}, medians of {rounds} processes (±: half their range)",
        "",
        "| | ondol | PyTorch | ratio |",
        "|---|---:|---:|---:|",
    ]
    lines += [f"| {row.name} | {_shown(row.ondol)} | {_shown(row.torch)} | **{row.ratio:.2f}** |" for row in rows]
    return "\n".join(lines)


def _shown(seconds: list[float]) -> str:
    unit, scale = next((u, s) for u, s in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)) if max(seconds) >= s or s == 1e-6)
    spread = (max(seconds) - min(seconds)) / 2 / scale
    return f"{statistics.median(seconds) / scale:.3g} ± {f'{spread:.0f}' if spread >= 1 else f'{spread:.1g}'} {unit}"


if __name__ == "__main__":
    main()
