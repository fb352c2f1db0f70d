"""Time single kernels beside PyTorch, and against what the machine can do: `python benchmarks/kernels.py`.

Processes of the libraries take turns (A B A B ...), each going through the cases of one group of `kernel_cases.py`. A
case is timed in short batches, of which the lower quartile counts, since what else the machine does can only slow a
batch; the table shows the median over the processes. The ratio is PyTorch's time by ondol's: above 1, ondol is faster.
Images are also given to PyTorch laid out channels_last: its better time counts for the convolutions of ResNet-50, that
of its default layout for all else; ondol's images are contiguous.

The rate is arithmetic or bytes that the work needs at least, by ondol's time. It is set against a limit measured in the
same run, the best that any library reached in it: of products, the fastest of all; of memory, the rate at which 128 MB
are copied or changed in place or, where nothing is written, added up. So a fraction says how far a kernel is from the
best that was seen, not from the processor's data sheet. It passes 100 % where work stays in a cache, or where an
algorithm needs fewer operations than the definition (Winograd).

`--avx2` limits every library to AVX2. `--scaling` compares one thread with `--threads`. `--compile` adds PyTorch with
torch.compile, which needs a C++ compiler; `--jax` adds JAX for the products.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pathlib
import re
import sys
from collections.abc import Mapping
from typing import NamedTuple

import jax_work
from kernel_cases import Case, Contestant, cases
from kernel_report import (
    CHANNELS_LAST,
    COMPILED,
    JAX,
    ONDOL,
    TORCH,
    Times,
    rows,
    scaling_rows,
    scaling_table,
    table,
)
from timing import in_process, machine, seconds_of

AVX2 = {
    "ONDOL_CPU_LEVEL": "v3",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
}


class Turn(NamedTuple):
    """Who measures with how many threads, and where the times go."""

    contestant: str
    threads: int
    times: Times


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="processes for each library and group (default 3)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads of each library")
    parser.add_argument("--only", default="", help="cases whose 'group: name' matches this regular expression")
    parser.add_argument("--avx2", action="store_true", help="limit every library to AVX2")
    parser.add_argument("--scaling", action="store_true", help="compare one thread with --threads")
    parser.add_argument("--compile", action="store_true", help="PyTorch with torch.compile as well")
    parser.add_argument("--jax", action="store_true", help="JAX as well, for the products, if it is installed")
    parser.add_argument("--json", type=pathlib.Path, help="write every figure to this file")
    parser.add_argument("--measure", choices=(ONDOL, TORCH, CHANNELS_LAST, COMPILED, JAX), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.threads, options.only)))
        return
    others = [COMPILED] if options.compile else []
    others += [JAX] if options.jax and jax_work.is_installed() else []
    if options.scaling:
        one, several = scaling(options.only, options.rounds, options.threads)
        times, text = {"one": one, "several": several}, scaling_table(scaling_rows(one, several), options.threads)
    else:
        times = compare(options.only, options.rounds, options.threads, options.avx2, others)
        text = table(rows(times, options.avx2), others)
    if options.json:
        options.json.write_text(json.dumps(times, indent=1))
    print(machine(options.threads) + (", AVX2" if options.avx2 else "") + f", medians of {options.rounds} processes")
    print(f"\n{text}")


def compare(only: str, rounds: int, threads: int, avx2: bool = False, others: list[str] | None = None) -> Times:
    """Seconds of the chosen cases, and of the probes, for each contestant and process."""
    times: Times = {}
    turns = [Turn(one, threads, times) for one in (ONDOL, TORCH, CHANNELS_LAST, *(others or []))]
    _take_turns(turns, f"^limits: |{only}", rounds, AVX2 if avx2 else None)
    return times


def scaling(only: str, rounds: int, threads: int) -> tuple[Times, Times]:
    """Seconds of the chosen cases with one thread, and with several."""
    one: Times = {}
    several: Times = {}
    turns = [
        Turn(library, *with_threads) for library in (ONDOL, TORCH) for with_threads in ((1, one), (threads, several))
    ]
    _take_turns(turns, only, rounds, None)
    return one, several


def _take_turns(turns: list[Turn], only: str, rounds: int, environment: Mapping[str, str] | None) -> None:
    chosen = _chosen(only)
    for group in dict.fromkeys(case.group for case in chosen):
        layouts = any(case.layouts for case in chosen if case.group == group)
        expression = f"^(?={group}: )(?=.*(?:{only}))" if group != "limits" else "^limits: "
        for _ in range(rounds):
            for contestant, threads, times in turns:
                if contestant == CHANNELS_LAST and not layouts:
                    continue
                print(f"{group}: {contestant}, {threads} threads", file=sys.stderr)
                arguments = ["--measure", contestant, "--threads", str(threads), "--only", expression]
                measured = in_process("kernels.py", *arguments, environment=environment)
                for name, seconds in measured.items():
                    times.setdefault(name, {}).setdefault(contestant, []).append(seconds)


def _chosen(only: str) -> list[Case]:
    return [case for case in cases() if re.search(only, f"{case.group}: {case.name}")]


def measure(contestant: str, threads: int, only: str) -> dict[str, float]:
    """Seconds of each case in this process."""
    chosen = _chosen(only)
    if contestant == JAX:
        steps = jax_work.products(threads)
        return {case.name: seconds_of(steps[case.name]()) for case in chosen if case.name in steps}
    lib = importlib.import_module(contestant.partition(".")[0])
    lib.set_num_threads(threads)
    lib.manual_seed(0)
    if contestant == CHANNELS_LAST:
        chosen = [case for case in chosen if case.layouts]
    if contestant == COMPILED:
        chosen = [case for case in chosen if case.compiles]
    seconds = {}
    for case in chosen:
        if contestant != COMPILED:
            seconds[case.name] = seconds_of(case.step(Contestant(lib, contestant == CHANNELS_LAST)))
            continue
        try:
            seconds[case.name] = seconds_of(case.step(Contestant(lib, compiled=True)))
        except Exception as error:  # whatever a compiler may raise; the case stays without a figure
            print(f"torch.compile, {case.name}: {error}", file=sys.stderr)
        lib.compiler.reset()  # else the next case counts as a recompilation of this one
    return seconds


if __name__ == "__main__":
    main()
