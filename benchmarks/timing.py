"""How a step is timed, and how processes of several libraries take turns."""

from __future__ import annotations

import json
import os
import pathlib
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
BATCHES = 12
BATCH_SECONDS = 0.004
LONG_SECONDS, LEAST_BATCHES = 1.5, 5  # a step that takes long is timed less often

Step = Callable[[], Any]


def seconds_of(step: Step) -> float:
    """Seconds of one step: the lower quartile of short batches, since what else the machine does can only slow one."""
    step()  # what is made once, at the first call, is no part of it
    repeats = 1
    while (elapsed := _batch(step, repeats)) < BATCH_SECONDS:
        repeats = max(repeats * 2, int(repeats * BATCH_SECONDS / max(elapsed, 1e-9)))
    batches: list[float] = []
    while len(batches) < BATCHES and (len(batches) < LEAST_BATCHES or sum(batches) < LONG_SECONDS):
        batches.append(_batch(step, repeats))
    return sorted(batches)[len(batches) // 4] / repeats


def _batch(step: Step, repeats: int) -> float:
    started = time.perf_counter()
    for _ in range(repeats):
        step()
    return time.perf_counter() - started


def in_process(script: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Any:
    """What a script of this directory prints as JSON, run in a process of its own."""
    command = [sys.executable, str(HERE / script), *arguments]
    # Started here, not in the checkout's root, whose sources would hide the installed package.
    finished = subprocess.run(
        command, cwd=HERE, check=True, stdout=subprocess.PIPE, env={**os.environ, **(environment or {})}
    )
    return json.loads(finished.stdout)


def machine(threads: int) -> str:
    """What was measured with what: the line above a table."""
    libraries = ", ".join(f"{title} {version}" for title, version in _versions().items())
    return f"{libraries}, Python {platform.python_version()}, {processor()}, {threads} threads"


def _versions() -> dict[str, str]:
    titles = {"ondol": "ondol", "torch": "PyTorch"}
    program = "import {0}; print({0}.__version__)"
    return {
        title: subprocess.run(
            [sys.executable, "-c", program.format(library)], cwd=HERE, check=True, capture_output=True, text=True
        ).stdout.strip()
        for library, title in titles.items()
    }


def processor() -> str:
    """The processor's name."""
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
