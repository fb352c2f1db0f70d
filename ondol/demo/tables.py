"""What the demo shows in the terminal as tables."""

from __future__ import annotations

from rich import box
from rich.table import Table

from ondol import nn
from ondol.demo.inspection import Inspection


def parameter_table(model: nn.Module) -> Table:
    """One row for each parameter: name, shape, count, requires_grad; and what they sum to."""
    parameters = list(model.named_parameters())
    total = sum(parameter.numel() for _, parameter in parameters)
    learning = sum(parameter.numel() for _, parameter in parameters if parameter.requires_grad)

    table = _table(footer=True)
    table.add_column("parameter", footer="all")
    table.add_column("shape")
    table.add_column("count", justify="right", footer=f"{total:,}")
    table.add_column("requires_grad", footer=f"{learning:,} learn")
    for name, parameter in parameters:
        table.add_row(name, _shape(parameter.shape), f"{parameter.numel():,}", _flag(parameter.requires_grad))
    return table


def flag_table(columns: dict[str, dict[str, bool]]) -> Table:
    """The `requires_grad` flags of several models side by side; `columns` maps a heading to flags by name."""
    table = _table()
    table.add_column("requires_grad of")
    for heading in columns:
        table.add_column(heading)
    for name in next(iter(columns.values())):
        table.add_row(name, *(_flag(flags[name]) for flags in columns.values()))
    return table


def inspection_table(inspection: Inspection) -> Table:
    """What the hooks saw, a row for each layer."""
    table = _table()
    table.add_column("layer")
    table.add_column("output")
    for heading in ("mean", "std", "zeros", "gradient std", "largest"):
        table.add_column(heading, justify="right")
    for name, seen in inspection.activations.items():
        gradient = inspection.gradients[name]
        table.add_row(
            name,
            _shape(seen.shape),
            f"{seen.mean:+.3f}",
            f"{seen.std:.3f}",
            f"{seen.zeros:.0%}",
            f"{gradient.std:.1e}",
            f"{gradient.largest:.1e}",
        )
    return table


def _table(footer: bool = False) -> Table:
    return Table(box=box.SIMPLE_HEAD, show_footer=footer, pad_edge=False)


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(str(size) for size in shape)


def _flag(value: bool) -> str:
    return "[green]True[/green]" if value else "[red]False[/red]"
