"""What the times of `kernels.py` say: ratios, rates, fractions of the limit, and which promises are kept."""

from __future__ import annotations

import statistics
from typing import NamedTuple

from kernel_cases import DIRECTIONS, RESNET50, Case, cases

ONDOL, TORCH, CHANNELS_LAST, COMPILED, JAX = "ondol", "torch", "torch.channels_last", "torch.compile", "jax"
SCALING = 1.8  # what a second thread must bring to products and convolutions
SCALED_GROUPS = ("product", "convolution")

Times = dict[str, dict[str, list[float]]]  # case -> contestant -> seconds, a value for each process


class Row(NamedTuple):
    """A case's medians, and the rate that bounds it."""

    case: Case
    seconds: dict[str, float]
    limit: float
    layouts: tuple[str, ...] = (TORCH,)  # of PyTorch: it is measured by the one that suits it best

    @property
    def eager(self) -> float:
        """Seconds of PyTorch."""
        return min(self.seconds[one] for one in self.layouts if one in self.seconds)

    @property
    def ratio(self) -> float:
        return self.eager / self.seconds[ONDOL]

    @property
    def rate(self) -> float:
        """Operations or bytes per second of ondol."""
        return self.case.work / self.seconds[ONDOL]

    @property
    def fraction(self) -> float:
        return self.rate / self.limit

    @property
    def met(self) -> bool:
        """Whether every promise about the case is kept."""
        case = self.case
        return (
            (case.wanted is None or self.ratio >= case.wanted)
            and (case.wanted_rate is None or self.rate >= case.wanted_rate)
            and (case.wanted_fraction is None or self.fraction >= case.wanted_fraction)
        )


class ScalingRow(NamedTuple):
    """How much faster a case is with several threads."""

    case: Case
    ondol: float
    torch: float

    @property
    def met(self) -> bool:
        return self.case.group not in SCALED_GROUPS or self.ondol >= SCALING


def rows(times: Times, avx2: bool = False) -> list[Row]:
    """The medians of the cases.

    What is promised is against PyTorch at its defaults, but for the convolutions of ResNet-50, which are measured by
    its better layout. With AVX2 the promise is another: not to be slower at its defaults, whatever the rate.
    """
    measured = {case.name: case for case in cases() if case.name in times}
    limits: dict[str, float] = {}
    for name, case in measured.items():
        if case.group == "limits" or (case.limit == "product" and case.group == "product"):
            best = min(statistics.median(values) for values in times[name].values())
            limits[case.limit] = max(limits.get(case.limit, 0.0), case.work / best)
    made = []
    for name, case in measured.items():
        if avx2:
            wanted = None if case.wanted is None else 1.0
            case = case._replace(wanted=wanted, wanted_rate=None, wanted_fraction=None)
        medians = {contestant: statistics.median(values) for contestant, values in times[name].items()}
        better_layout = case.group == "convolution" and not avx2
        made.append(Row(case, medians, limits[case.limit], (TORCH, CHANNELS_LAST) if better_layout else (TORCH,)))
    return made


def network_ratios(made: list[Row]) -> dict[str, float]:
    """The ratio of each direction of all convolutions of ResNet-50 together, each as often as it occurs."""
    counts = {layer.name: layer.occurs for layer in RESNET50}
    ratios = {}
    for direction in DIRECTIONS:
        chosen = [(counts[row.case.name.rpartition(": ")[0]], row) for row in made if _is_layer(row.case, direction)]
        if len(chosen) >= len(RESNET50) - 1:  # else only some were measured
            eager = sum(count * row.eager for count, row in chosen)
            ratios[direction] = eager / sum(count * row.seconds[ONDOL] for count, row in chosen)
    return ratios


def _is_layer(case: Case, direction: str) -> bool:
    return case.group == "convolution" and case.name.endswith(f": {direction}")


def table(made: list[Row], others: list[str]) -> str:
    """A Markdown table of each group, and a line for each promise that is not kept. `others` are further columns."""
    lines = []
    for group in dict.fromkeys(row.case.group for row in made):
        lines += [f"**{group}**", "", *_group([row for row in made if row.case.group == group], others), ""]
    for direction, ratio in network_ratios(made).items():
        lines += [f"ResNet-50, all layers, {direction}: ratio {ratio:.2f}", ""]
    missed = [f"{row.case.group}: {row.case.name}" for row in made if not row.met]
    lines.append(f"{len(missed)} of {len(made)} cases below what is wanted" + (":" if missed else "."))
    return "\n".join([*lines, *[f"- {name}" for name in missed]])


def _group(made: list[Row], others: list[str]) -> list[str]:
    titles = {TORCH: "PyTorch", CHANNELS_LAST: "channels_last", COMPILED: "compiled", JAX: "JAX"}
    columns = [TORCH, CHANNELS_LAST, *others]
    columns = [one for one in columns if any(one in row.seconds for row in made)]
    head = ["", "ondol", *[titles[one] for one in columns], "ratio", "wanted", "rate", "of the limit"]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    for row in made:
        unit = "GFLOP/s" if row.case.limit == "product" else "GB/s"
        cells = [
            row.case.name,
            shown(row.seconds[ONDOL]),
            *[shown(row.seconds[one]) if one in row.seconds else "" for one in columns],
            f"**{row.ratio:.2f}**" + ("" if row.met else " ✗"),
            ", ".join(wanted(row.case, unit)),
            f"{row.rate / 1e9:.3g} {unit}",
            f"{row.fraction:.0%}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def wanted(case: Case, unit: str) -> list[str]:
    """What the project promises of a case, in words."""
    words = [f"{case.wanted:.1f}"] if case.wanted else []
    words += [f"{case.wanted_rate / 1e9:.0f} {unit}"] if case.wanted_rate else []
    return words + ([f"{case.wanted_fraction:.0%}"] if case.wanted_fraction else [])


def shown(seconds: float) -> str:
    """Seconds in a unit that suits them."""
    if seconds >= 0.9995:
        return f"{seconds:.3g} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"


def scaling_rows(one: Times, several: Times) -> list[ScalingRow]:
    """How much faster each case is with several threads, for both libraries."""
    made = []
    for case in cases():
        if case.name in one and case.group != "limits":
            ondol, torch = (
                statistics.median(one[case.name][library]) / statistics.median(several[case.name][library])
                for library in (ONDOL, TORCH)
            )
            made.append(ScalingRow(case, ondol, torch))
    return made


def scaling_table(made: list[ScalingRow], threads: int) -> str:
    """A Markdown table: time with one thread by time with several."""
    lines = [f"| time with one thread by time with {threads} | ondol | PyTorch | wanted |", "|---|---:|---:|---:|"]
    for row in made:
        promise = f"{SCALING}" if row.case.group in SCALED_GROUPS else ""
        lines.append(
            f"| {row.case.group}: {row.case.name} | **{row.ondol:.2f}**{'' if row.met else ' ✗'} | {row.torch:.2f} "
            f"| {promise} |"
        )
    return "\n".join(lines)
