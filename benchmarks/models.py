"""Time whole models beside PyTorch, training and inference: `python benchmarks/models.py`.

Processes of the libraries take turns (A B A B ...), each with one model, which it trains and then runs without
gradients. A figure is the median of the steps of a process, the table shows the median over the processes; the ratio is
the other library's time by ondol's: above 1, ondol is faster. The memory is what the process holds at most beyond what
it held with library and model loaded.

`--compile` adds PyTorch with `torch.compile`, which needs a C++ compiler; `--jax` adds JAX for two of the figures.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import jax_work
from model_zoo import MODELS
from timing import in_process

WARM_UP = 3  # steps
SECONDS = 2.0  # for each figure

Figures = dict[str, float]  # of one process: seconds a step for training and inference, bytes
Compared = dict[str, dict[str, list[Figures]]]  # model -> library -> the figures of each process


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="processes for each library and model (default 3)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads of each library")
    parser.add_argument("--only", default="", help=f"comma-separated, of {','.join(MODELS)}")
    parser.add_argument("--compile", action="store_true", help="PyTorch with torch.compile as well")
    parser.add_argument("--jax", action="store_true", help="JAX as well, for what jax_work.py has, if it is installed")
    parser.add_argument("--json", type=pathlib.Path, help="write every figure to this file")
    parser.add_argument("--measure", nargs=2, metavar=("LIBRARY", "MODEL"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        library, name = options.measure
        print(json.dumps(measure(library, name, options.threads)))
        return
    libraries = ["ondol", "torch", *(["torch.compile"] if options.compile else [])]
    libraries += ["jax"] if options.jax and jax_work.is_installed() else []
    names = options.only.split(",") if options.only else list(MODELS)
    figures = compare(names, libraries, options.rounds, options.threads)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    print(table(figures, libraries))


def compare(names: list[str], libraries: list[str], rounds: int, threads: int) -> Compared:
    """The figures of each model, library and process."""
    figures: Compared = {name: {library: [] for library in libraries} for name in names}
    for name in names:
        for _ in range(rounds):
            for library in libraries:
                print(f"{name}: {library}", file=sys.stderr)
                try:
                    figures[name][library].append(_measured(library, name, threads))
                except subprocess.CalledProcessError:
                    if library != "torch.compile":
                        raise
                    print(f"{name}: torch.compile fails, its figures are left out", file=sys.stderr)
    return figures


def _measured(library: str, name: str, threads: int) -> Figures:
    return in_process("models.py", "--threads", str(threads), "--measure", library, name)


def measure(library: str, name: str, threads: int) -> Figures:
    """The figures of one model in this process."""
    if library == "jax":
        steps = jax_work.models(threads).get(name, {})
        return {figure: _seconds(build()) for figure, build in steps.items()}
    lib = importlib.import_module(library.partition(".")[0])
    lib.set_num_threads(threads)
    lib.manual_seed(0)
    chosen = MODELS[name]
    model, x, target = chosen.build(lib)
    optimizer = chosen.optimizer(lib, model.parameters())
    forward = lib.compile(model) if library == "torch.compile" else model
    loaded = _resident()

    def train() -> None:
        optimizer.zero_grad()
        lib.nn.functional.cross_entropy(forward(x).flatten(0, -2), target.flatten()).backward()
        optimizer.step()

    figures = {"train": _seconds(train)}
    figures["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - loaded
    model.eval()

    def infer() -> None:
        with lib.no_grad():
            forward(x)

    figures["infer"] = _seconds(infer)
    return figures


def _resident() -> int:
    with open("/proc/self/statm") as numbers:
        return int(numbers.read().split()[1]) * resource.getpagesize()


def _seconds(step: Callable[[], Any]) -> float:
    for _ in range(WARM_UP):
        step()
    times: list[float] = []
    ends = time.perf_counter() + SECONDS
    while time.perf_counter() < ends or len(times) < 5:
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def medians(figures: Compared, figure: str) -> dict[str, dict[str, float]]:
    """The medians of a figure over the processes, for each model and each library that has it."""
    return {
        name: {
            library: statistics.median(one[figure] for one in runs)
            for library, runs in by_library.items()
            if runs and all(figure in one for one in runs)
        }
        for name, by_library in figures.items()
    }


def table(figures: Compared, libraries: list[str]) -> str:
    """A Markdown table: a row a model and figure."""
    titles = {"torch": "PyTorch", "torch.compile": "compiled", "jax": "JAX"}
    others = libraries[1:]
    head = ["", "ondol", *[f"{titles[other]} | ratio" for other in others]]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (1 + 2 * len(others))]
    for name in figures:
        for figure, scale, unit in (("train", 1e3, "ms"), ("infer", 1e3, "ms"), ("memory", 2.0**-20, "MB")):
            middle = medians(figures, figure)[name]
            cells = [f"{MODELS[name].title}: {figure}", f"{middle['ondol'] * scale:.3g} {unit}"]
            for other in others:
                found = other in middle
                cells += [f"{middle[other] * scale:.3g} {unit}" if found else ""]
                cells += [f"{middle[other] / middle['ondol']:.2f}" if found else ""]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
