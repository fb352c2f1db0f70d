"""Time the DataLoader beside PyTorch's and print a Markdown table: `python benchmarks/data_loading.py`.

One pass over 60,000 samples in shuffled batches of 64. Each case runs in a fresh process for each library, in turn
(A B A B ...); a process makes passes until about a second has gone, at least three, and gives the median of them; the
table shows the median over the processes in samples per second. The ratio is ondol's rate by PyTorch's.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

LIBRARIES = ("ondol", "torch")
HERE = (
    pathlib.Path(__file__).resolve().parent
)  # not the checkout's root, whose sources would hide the installed package
SAMPLES, BATCH = 60_000, 64
PASS_SECONDS, LEAST_PASSES = 1.0, 3


class Listed:
    """A dataset as most are written: what it needs at hand, one sample for each index."""

    def __init__(self, lib: Any, sample: Callable[[int], Any]) -> None:
        self.sample = sample

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> Any:
        return self.sample(index)


def images(lib: Any) -> Any:
    return lib.randn(SAMPLES, 1, 28, 28), lib.randint(10, (SAMPLES,))


def image_tensors(lib: Any) -> Any:
    return lib.utils.data.TensorDataset(*images(lib))


def feature_tensors(lib: Any) -> Any:
    return lib.utils.data.TensorDataset(lib.randn(SAMPLES, 16), lib.randint(10, (SAMPLES,)))


def listed_images(lib: Any) -> Any:
    x, y = images(lib)
    labels = y.tolist()
    return Listed(lib, lambda i: (x[i], labels[i]))


def listed_arrays(lib: Any) -> Any:
    x, y = (tensor.numpy() for tensor in images(lib))
    return Listed(lib, lambda i: (x[i], y[i]))


def listed_dicts(lib: Any) -> Any:
    x, y = lib.randn(SAMPLES, 16), np.arange(SAMPLES) / 7
    return Listed(lib, lambda i: {"x": x[i], "weight": float(y[i]), "name": "sample"})


class Case(NamedTuple):
    name: str
    dataset: Callable[[Any], Any]
    options: dict[str, Any]


CASES = {
    "tensors": Case("TensorDataset, 1x28x28 and a label", image_tensors, {}),
    "small": Case("TensorDataset, 16 features and a label", feature_tensors, {}),
    "subset": Case("Subset of it", lambda lib: lib.utils.data.Subset(feature_tensors(lib), range(SAMPLES)), {}),
    "listed": Case("`__getitem__` gives (tensor, int)", listed_images, {}),
    "arrays": Case("`__getitem__` gives NumPy (array, int64)", listed_arrays, {}),
    "dicts": Case("`__getitem__` gives {tensor, float, str}", listed_dicts, {}),
    "tensors_2": Case("TensorDataset, 2 workers", image_tensors, {"num_workers": 2}),
    "listed_2": Case("(tensor, int), 2 workers", listed_images, {"num_workers": 2}),
    "persistent_2": Case(
        "(tensor, int), 2 workers that stay", listed_images, {"num_workers": 2, "persistent_workers": True}
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="processes for each library and case (default 5)")
    parser.add_argument("--only", default="", help=f"comma-separated, of {','.join(CASES)}")
    parser.add_argument("--measure", nargs=2, metavar=("LIBRARY", "CASE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(*options.measure)))
        return
    print("| 60,000 samples, batches of 64 | ondol | PyTorch | ratio |\n|---|---:|---:|---:|")
    for name in options.only.split(",") if options.only else CASES:
        rates: dict[str, list[float]] = {library: [] for library in LIBRARIES}
        for _ in range(options.rounds):
            for library in LIBRARIES:
                rates[library].append(SAMPLES / in_process(library, name))
        medians = [statistics.median(rates[library]) for library in LIBRARIES]
        cells = " | ".join(shown(rates[library]) for library in LIBRARIES)
        print(f"| {CASES[name].name} | {cells} | **{medians[0] / medians[1]:.2f}** |", flush=True)


def in_process(library: str, case: str) -> float:
    command = [sys.executable, str(HERE / "data_loading.py"), "--measure", library, case]
    return json.loads(subprocess.run(command, cwd=HERE, check=True, stdout=subprocess.PIPE).stdout)


def measure(library: str, name: str) -> float:
    """Seconds of one pass: the median of several, after one to warm up."""
    lib = importlib.import_module(library)
    importlib.import_module(f"{library}.utils.data")
    lib.manual_seed(0)
    case = CASES[name]
    loader = lib.utils.data.DataLoader(case.dataset(lib), batch_size=BATCH, shuffle=True, **case.options)
    one_pass(loader)
    seconds: list[float] = []
    while len(seconds) < LEAST_PASSES or sum(seconds) < PASS_SECONDS:
        seconds.append(one_pass(loader))
    return statistics.median(seconds)


def one_pass(loader: Any) -> float:
    started = time.perf_counter()
    count = sum(1 for _ in loader)
    assert count == -(-SAMPLES // BATCH)
    return time.perf_counter() - started


def shown(rates: list[float]) -> str:
    """Thousands of samples per second, and half the range of the processes."""
    return f"{statistics.median(rates) / 1e3:,.0f} ± {(max(rates) - min(rates)) / 2e3:.2g} k/s"


if __name__ == "__main__":
    main()
