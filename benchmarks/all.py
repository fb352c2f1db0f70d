"""Measure everything that the project promises about speed, and say what is kept: `python benchmarks/all.py`.

Runs the other scripts of this directory in turn and prints one table of all they find, with what is wanted beside each
line and a ✗ where it falls short. torch.compile and JAX stand beside where they are installed and work. Takes about
forty minutes on two cores with nothing else to do; `--quick`, which measures fewer cases once and leaves out
torch.compile and JAX, about ten.

`--markdown` prints the table between the marks that enclose it in `docs/figures.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
from collections.abc import Callable
from typing import NamedTuple

import accuracy
import importing
import jax_work
import kernel_report
import kernels
import models
import overhead
from kernel_report import CHANNELS_LAST, COMPILED, JAX, ONDOL, TORCH, Row, shown
from model_zoo import MODELS
from timing import machine
from workloads import WORKLOADS

MARKS = ("<!-- figures: printed by `python benchmarks/all.py --markdown` -->", "<!-- end of the figures -->")
TITLES = {TORCH: "PyTorch", CHANNELS_LAST: "channels_last", COMPILED: "compiled", JAX: "JAX"}

# What is wanted of a ratio. A model that is not named here must not be slower than PyTorch, nor need more memory.
MODELS_WANTED: dict[tuple[str, str], float] = {
    ("mlp", "train"): 5.0, ("mlp", "infer"): 3.0,
    ("cnn", "train"): 4.0, ("cnn", "infer"): 2.0,
    ("resnet18", "train"): 2.0, ("resnet18", "infer"): 2.0, ("resnet18_1", "infer"): 2.0,
    ("mobilenet", "train"): 2.0,
    ("gpt", "train"): 2.2, ("gpt", "infer"): 2.2,
    ("lstm", "train"): 2.5, ("gru", "train"): 2.5, ("encoder", "train"): 2.0, ("unet", "train"): 2.0,
    **{(name, "memory"): 1 / 0.7 for name in MODELS},
}  # fmt: skip
OVERHEAD_WANTED = {"add": 3.0, "add_grad": 2.8, "chain": 4.0, "module_call": 3.0}
IMPORT_SECONDS, IMPORT_BYTES = 0.12, 60e6

QUICK_MODELS: tuple[str, ...] = ("mlp", "cnn", "resnet18", "gpt", "lstm")
QUICK_KERNELS = (
    "^product: (512|1024|2048)|^few rows|^convolution: (3 →|64 → 64|256 → 128|128 → 128|256 → 1024|512 → 512, 3×3, 7)"
    "|^depthwise: (144|384)|^pointwise: (x|gelu)|^rows|^optimizer|^layers"
)
LIMITED_KERNELS = "^(product|few rows|convolution|depthwise|pointwise|rows|optimizer): "  # also with AVX2
SCALED_KERNELS = "^(product|convolution): "
QUICK_SCALED = "^product: (512|1024|2048)|^convolution: (3 →|64 → 64|256 → 128|128 → 128|512 → 512, 3×3, 7)"


class Plan(NamedTuple):
    """What is measured how often."""

    rounds: int
    threads: int
    quick: bool
    others: list[str]  # further contestants


class Line(NamedTuple):
    """A line of the table: a name, its cells, what is wanted, and whether it is so (None: nothing was promised)."""

    name: str
    cells: dict[str, str]  # by column
    wanted: str = ""
    met: bool | None = None


Section = tuple[str, list[Line]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="processes for each library and case (default 3)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads of each library")
    parser.add_argument(
        "--quick", action="store_true", help="fewer cases, one process each, PyTorch's eager mode alone"
    )
    parser.add_argument("--only", default="", help=f"comma-separated, of {','.join(SECTIONS)}")
    parser.add_argument("--markdown", action="store_true", help="with the marks of docs/figures.md")
    parser.add_argument("--json", type=pathlib.Path, help="write the table to this file as well")
    options = parser.parse_args()
    others = [] if options.quick else [COMPILED, *([JAX] if jax_work.is_installed() else [])]
    plan = Plan(1 if options.quick else options.rounds, options.threads, options.quick, others)
    sections: list[Section] = []
    for name in options.only.split(",") if options.only else SECTIONS:
        sections += SECTIONS[name](plan)
        if options.json:  # after each section: what took long should not be lost
            options.json.write_text(
                json.dumps([(title, [line._asdict() for line in lines]) for title, lines in sections])
            )
    text = report(sections, plan)
    print("\n".join([MARKS[0], "", text, "", MARKS[1]]) if options.markdown else text)


# --- sections -----------------------------------------------------------------------------------------------------


def model_lines(plan: Plan) -> list[Section]:
    names = list(QUICK_MODELS) if plan.quick else list(MODELS)
    figures = models.compare(names, [ONDOL, TORCH, *plan.others], plan.rounds, plan.threads)
    sections = []
    for figure, title in (
        ("train", "Models, training step"),
        ("infer", "Models, inference"),
        ("memory", "Models, peak memory of training"),
    ):
        lines = []
        for name, middle in models.medians(figures, figure).items():
            ratio, wanted = middle[TORCH] / middle[ONDOL], MODELS_WANTED.get((name, figure), 1.0)
            show = (lambda value: f"{value / 1e6:.0f} MB") if figure == "memory" else shown
            cells = _cells({library: show(value) for library, value in middle.items()}, ratio)
            lines.append(Line(MODELS[name].title, cells, f"≥ {wanted:.1f}", ratio >= wanted))
        sections.append((title, lines))
    return sections


def kernel_lines(plan: Plan) -> list[Section]:
    made = kernel_report.rows(kernels.compare(_only(plan), plan.rounds, plan.threads, others=plan.others))
    sections = _by_group("Kernels", made)
    network = [
        Line(direction, {"ratio": f"**{ratio:.2f}**"}, "≥ 1.5", ratio >= 1.5)
        for direction, ratio in kernel_report.network_ratios(made).items()
    ]
    return sections + ([("Kernels: all convolutions of ResNet-50 together", network)] if network else [])


def avx2_lines(plan: Plan) -> list[Section]:
    only = _only(plan) if plan.quick else LIMITED_KERNELS
    made = kernel_report.rows(kernels.compare(only, 1, plan.threads, avx2=True), avx2=True)
    return _by_group("With AVX2", made)


def _only(plan: Plan) -> str:
    return QUICK_KERNELS if plan.quick else ""


def _by_group(title: str, made: list[Row]) -> list[Section]:
    return [
        (f"{title}: {group}", [_kernel_line(row) for row in made if row.case.group == group])
        for group in dict.fromkeys(row.case.group for row in made)
    ]


def _kernel_line(row: Row) -> Line:
    unit = "GFLOP/s" if row.case.limit == "product" else "GB/s"
    cells = _cells({library: shown(value) for library, value in row.seconds.items()}, row.ratio)
    cells |= {"rate": f"{row.rate / 1e9:.3g} {unit}", "of the limit": f"{row.fraction:.0%}"}
    words = kernel_report.wanted(row.case, unit)
    return Line(row.case.name, cells, ", ".join(f"≥ {word}" for word in words), row.met if words else None)


def scaling_lines(plan: Plan) -> list[Section]:
    only = QUICK_SCALED if plan.quick else SCALED_KERNELS
    made = kernel_report.scaling_rows(*kernels.scaling(only, 1, plan.threads))
    wanted = f"≥ {kernel_report.SCALING}"
    lines = [
        Line(
            f"{row.case.group}: {row.case.name}",
            {ONDOL: f"**{row.ondol:.2f}**", TORCH: f"{row.torch:.2f}"},
            wanted,
            row.met,
        )
        for row in made
    ]
    return [(f"Time with one thread by time with {plan.threads}", lines)]


def overhead_lines(plan: Plan) -> list[Section]:
    lines = []
    for name in OVERHEAD_WANTED if plan.quick else WORKLOADS:
        row, wanted = overhead.measured(name, plan.rounds, plan.threads), OVERHEAD_WANTED.get(name)
        times = {ONDOL: shown(statistics.median(row.ondol)), TORCH: shown(statistics.median(row.torch))}
        cells = _cells(times, row.ratio)
        lines.append(Line(row.name, cells, f"≥ {wanted:.1f}", row.ratio >= wanted) if wanted else Line(row.name, cells))
    return [("Overhead of a call", lines)]


def import_lines(plan: Plan) -> list[Section]:
    imported = importing.measure(max(plan.rounds, 3))  # short, and the time spreads
    seconds = {library: statistics.median(one.seconds) for library, one in imported.items()}
    resident = {library: statistics.median(one.resident) for library, one in imported.items()}
    time_cells = _cells({name: f"{value:.3f} s" for name, value in seconds.items()}, seconds[TORCH] / seconds[ONDOL])
    held_cells = _cells(
        {name: f"{value / 1e6:.0f} MB" for name, value in resident.items()}, resident[TORCH] / resident[ONDOL]
    )
    lines = [
        Line("time", time_cells, f"≤ {IMPORT_SECONDS} s", seconds[ONDOL] <= IMPORT_SECONDS),
        Line("memory of the process", held_cells, f"≤ {IMPORT_BYTES / 1e6:.0f} MB", resident[ONDOL] <= IMPORT_BYTES),
    ]
    return [("Import", lines)]


def accuracy_lines(plan: Plan) -> list[Section]:
    lines = []
    for row in accuracy.rows(plan.threads):
        wanted = f"norm ≤ {accuracy.WINOGRAD_NORM:.0e}" if row.winograd else f"≤ {accuracy.TIMES_PYTORCH:.0f}"
        cells = {ONDOL: f"{row.ondol:.2g}", TORCH: f"{row.torch:.2g}", "ratio": f"**{row.ratio:.2f}**"}
        lines.append(Line(row.name, cells, wanted, row.met))
    return [("Error against float64 (ratio: ondol's by PyTorch's)", lines)]


SECTIONS: dict[str, Callable[[Plan], list[Section]]] = {
    "import": import_lines, "overhead": overhead_lines, "models": model_lines, "kernels": kernel_lines,
    "accuracy": accuracy_lines, "avx2": avx2_lines, "scaling": scaling_lines,
}  # fmt: skip


# --- the table ----------------------------------------------------------------------------------------------------


def _cells(figures: dict[str, str], ratio: float) -> dict[str, str]:
    return {**figures, "ratio": f"**{ratio:.2f}**"}


def report(sections: list[Section], plan: Plan) -> str:
    """All sections as Markdown, and what falls short."""
    processes = "one process" if plan.rounds == 1 else f"medians of {plan.rounds} processes"
    lines = [f"{machine(plan.threads)}, {processes} each. The ratio is PyTorch's time by ondol's.", ""]
    for title, found in sections:
        lines += [f"**{title}**", "", *_table(found), ""]
    promised = [(title, line) for title, found in sections for line in found if line.met is not None]
    missed = [
        f"- {title}: {line.name}: {_short(line)}, wanted {line.wanted}" for title, line in promised if not line.met
    ]
    lines.append(f"{len(promised) - len(missed)} of {len(promised)} promises kept" + ("; not kept:" if missed else "."))
    return "\n".join([*lines, *missed])


def _table(found: list[Line]) -> list[str]:
    order = [ONDOL, TORCH, CHANNELS_LAST, COMPILED, JAX, "ratio", "rate", "of the limit"]
    columns = [column for column in order if any(column in line.cells for line in found)]
    head = ["", *[TITLES.get(column, column) for column in columns], "wanted", ""]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 2) + "---|"]
    marks = {True: "✓", False: "✗", None: ""}
    for line in found:
        cells = [line.name, *[line.cells.get(column, "") for column in columns], line.wanted, marks[line.met]]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _short(line: Line) -> str:
    """What falls short: ondol's own figure, the ratio, the rate."""
    columns = [column for column in (ONDOL, "ratio", "rate", "of the limit") if column in line.cells]
    return ", ".join(("ratio " if column == "ratio" else "") + line.cells[column].strip("*") for column in columns)


if __name__ == "__main__":
    main()
