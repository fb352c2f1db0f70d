"""Compare the rounding errors of ondol's and PyTorch's float32 kernels: `python benchmarks/accuracy.py`.

Each case is computed by ondol and by PyTorch in float32, and by PyTorch in float64, from the same numbers, and so are
the gradients of its inputs. The error is the norm of the difference from the float64 result by the norm of that result;
of functions that act on each element alone, the root mean square of the relative errors of the elements, so that small
values count as much as large ones. The last column is the largest error of an element by the largest element of the
result, or, of such functions, by the element itself, in units of 2⁻²³.

ondol must not be more than twice as far from float64 as PyTorch is. 3 x 3 convolutions are computed by Winograd's
algorithm, which needs fewer operations and rounds more: their error norm must stay below 1e-5.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import pathlib
import re
import sys
import tempfile
from typing import Any, NamedTuple

import numpy as np
from accuracy_cases import Case, cases
from timing import in_process, machine

TIMES_PYTORCH = 2.0
WINOGRAD_NORM = 1e-5
EPSILON = 2.0**-23

Arrays = dict[str, np.ndarray]


class Row(NamedTuple):
    """A result of a case: error norms, and the worst element in units of 2⁻²³."""

    name: str
    ondol: float
    torch: float
    worst: tuple[float, float]
    winograd: bool

    @property
    def ratio(self) -> float:
        """ondol's error by PyTorch's."""
        return self.ondol / self.torch if self.torch else math.inf if self.ondol else 1.0

    @property
    def met(self) -> bool:
        return self.ondol <= WINOGRAD_NORM if self.winograd else self.ratio <= TIMES_PYTORCH


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads of each library")
    parser.add_argument("--only", default="", help="cases whose name matches this regular expression")
    parser.add_argument("--json", type=pathlib.Path, help="write every figure to this file")
    parser.add_argument("--compute", nargs=3, metavar=("LIBRARY", "DTYPE", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.compute:
        library, dtype, path = options.compute
        np.savez(path, allow_pickle=False, **compute(library, dtype, options.threads, options.only))
        print(json.dumps(path))
        return
    made = rows(options.threads, options.only)
    if options.json:
        options.json.write_text(json.dumps([row._asdict() for row in made], indent=1))
    print(machine(options.threads))
    print(f"\n{table(made)}")


def rows(threads: int, only: str = "") -> list[Row]:
    """The errors of every result of the chosen cases."""
    with tempfile.TemporaryDirectory() as folder:
        results = {}
        for library, dtype in (("ondol", "float32"), ("torch", "float32"), ("torch", "float64")):
            print(f"{library}, {dtype}", file=sys.stderr)
            path = f"{folder}/{library}_{dtype}.npz"
            in_process("accuracy.py", "--threads", str(threads), "--only", only, "--compute", library, dtype, path)
            results[library, dtype] = np.load(path)
        ours, theirs, exact = results.values()
        by_name = {case.name: case for case in cases()}
        made = []
        for name in exact.files:
            case = by_name[name.partition(": ")[0]]
            ondol, torch = (_errors(found[name], exact[name], case.elementwise) for found in (ours, theirs))
            made.append(Row(name, ondol[0], torch[0], (ondol[1], torch[1]), case.winograd))
        return made


def _errors(found: np.ndarray, exact: np.ndarray, elementwise: bool) -> tuple[float, float]:
    """The error norm, and the worst element's error."""
    difference = found.astype(np.float64) - exact
    if elementwise:
        nonzero = exact != 0
        relative = difference[nonzero] / exact[nonzero]
        return float(np.sqrt(np.mean(relative**2))), float(np.abs(relative).max() / EPSILON)
    worst = np.abs(difference).max() / np.abs(exact).max()
    return float(np.linalg.norm(difference) / np.linalg.norm(exact)), float(worst / EPSILON)


def compute(library: str, dtype: str, threads: int, only: str) -> Arrays:
    """The results of the chosen cases, and the gradients of their inputs."""
    lib = importlib.import_module(library)
    lib.set_num_threads(threads)
    results = {}
    for case in cases():
        if re.search(only, case.name):
            results.update(_compute(lib, case, getattr(lib, dtype)))
    return results


def _compute(lib: Any, case: Case, dtype: Any) -> Arrays:
    random = np.random.default_rng(0)
    tensors = [lib.from_numpy(maker.make(random)) for maker in case.inputs]
    tensors = [x.to(dtype) if x.is_floating_point() else x for x in tensors]
    leaves = [x.requires_grad_(case.gradient) for x in tensors if x.is_floating_point()]
    result = case.call(lib, *tensors)
    results = {f"{case.name}: forward" if case.gradient else case.name: result.detach().numpy()}
    if case.gradient:
        cotangent = random.uniform(-1, 1, tuple(result.shape)).astype(np.float32)
        gradients = lib.autograd.grad(result, leaves, lib.from_numpy(cotangent).to(dtype))
        names = case.leaves or [f"input {i}" for i in range(len(leaves))]
        results |= {f"{case.name}: {name} gradient": g.numpy() for name, g in zip(names, gradients, strict=True)}
    return results


def table(made: list[Row]) -> str:
    """A Markdown table of all results, and the names of those that are too far off."""
    lines = ["| error against float64 | ondol | PyTorch | ratio | wanted | worst element |",
             "|---|---:|---:|---:|---:|---:|"]  # fmt: skip
    for row in made:
        wanted = f"norm ≤ {WINOGRAD_NORM:.0e}" if row.winograd else f"≤ {TIMES_PYTORCH:.0f}"
        worst = " / ".join(f"{one:.3g}" for one in row.worst)
        lines.append(
            f"| {row.name} | {row.ondol:.2g} | {row.torch:.2g} | **{row.ratio:.2f}**{'' if row.met else ' ✗'} "
            f"| {wanted} | {worst} |"
        )
    missed = sum(not row.met for row in made)
    return "\n".join([*lines, "", f"{missed} of {len(made)} results too far off."])


if __name__ == "__main__":
    main()
