"""Time every operator of the core tier beside PyTorch: `python benchmarks/operators.py`.

Processes of the two libraries take turns (A B A B ...), each going through all cases of `operator_cases.py`, forward
and, where there is a derivative, forward and backward. A case is timed in short batches, of which the lower quartile
counts, since what else the machine does can only slow a batch. The table shows the median over the processes; the ratio
is PyTorch's time by ondol's: above 1, ondol is faster.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pathlib
import re
import statistics
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from operator_cases import Case, cases
from timing import in_process, seconds_of

LIBRARIES = ("ondol", "torch")

Times = dict[str, list[float]]  # seconds of a case, a value for each process


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="processes for each library (default 3)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads of each library")
    parser.add_argument("--only", default="", help="cases whose name matches this regular expression")
    parser.add_argument("--slowest", type=int, default=10, help="how many of the slowest to show; 0 for all")
    parser.add_argument("--json", type=pathlib.Path, help="write every figure to this file")
    parser.add_argument("--measure", choices=LIBRARIES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.threads, options.only)))
        return
    times: dict[str, Times] = {library: {} for library in LIBRARIES}
    for _ in range(options.rounds):
        for library in LIBRARIES:
            print(f"{library} ...", file=sys.stderr)
            for name, seconds in _measured(library, options.threads, options.only).items():
                times[library].setdefault(name, []).append(seconds)
    if options.json:
        options.json.write_text(json.dumps(times, indent=1))
    print(report(times, options.slowest))


def _measured(library: str, threads: int, only: str) -> dict[str, float]:
    return in_process("operators.py", "--threads", str(threads), "--only", only, "--measure", library)


def measure(library: str, threads: int, only: str) -> dict[str, float]:
    """Seconds of each case in this process."""
    lib = importlib.import_module(library)
    lib.set_num_threads(threads)
    seconds = {}
    for case in cases():
        if re.search(only, case.name):
            seconds[case.name] = seconds_of(_forward(lib, case))
            if case.gradient:
                seconds[f"{case.name}, with gradient"] = seconds_of(_forward_and_backward(lib, case))
    return seconds


def _tensors(lib: Any, case: Case) -> list[Any]:
    random = np.random.default_rng(0)
    lib.manual_seed(0)
    return [lib.from_numpy(maker.make(random)) for maker in case.inputs]


def _forward(lib: Any, case: Case) -> Callable[[], Any]:
    tensors = _tensors(lib, case)
    return lambda: case.call(lib, *tensors)


def _forward_and_backward(lib: Any, case: Case) -> Callable[[], Any]:
    """One step: the call, and its gradients with respect to all floating inputs against fixed cotangents."""
    tensors = _tensors(lib, case)
    leaves = [
        tensor.requires_grad_()
        for tensor, maker in zip(tensors, case.inputs)
        if maker.leaf and (tensor.is_floating_point() or tensor.is_complex())
    ]

    def outputs() -> list[Any]:
        result = case.call(lib, *tensors)
        results = result if isinstance(result, (tuple, list)) else [result]
        return [one for one in results if one.requires_grad]

    cotangents = [lib.ones_like(output) for output in outputs()]

    def step() -> None:
        lib.autograd.backward(outputs(), cotangents)
        for leaf in leaves:
            leaf.grad = None

    return step


def report(times: dict[str, Times], slowest: int) -> str:
    """A Markdown table of the slowest cases, and what holds for all."""
    ours, theirs = ({name: statistics.median(values) for name, values in times[lib].items()} for lib in LIBRARIES)
    ratios = {name: theirs[name] / ours[name] for name in ours}
    order = sorted(ratios, key=ratios.__getitem__)
    forward = [ratio for name, ratio in ratios.items() if not name.endswith(", with gradient")]
    lines = ["| | ondol | PyTorch | ratio |", "|---|---:|---:|---:|"]
    lines += [
        f"| `{name}` | {ours[name] * 1e6:.4g} µs | {theirs[name] * 1e6:.4g} µs | {ratios[name]:.2f} |"
        for name in (order[:slowest] if slowest else order)
    ]
    behind = sum(ratio < 1 / 1.5 for ratio in ratios.values())
    lines += [
        "",
        f"{len(ratios)} timings of {len({case.operator for case in cases()})} operators; median ratio "
        f"{statistics.median(ratios.values()):.2f} (forward {statistics.median(forward):.2f}); "
        f"{behind} slower than PyTorch by more than 1.5 times.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
