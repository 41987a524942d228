"""A plan of fits as a terminal shows it."""

from collections.abc import Sequence
from itertools import groupby

from rich.console import Group
from rich.table import Table
from rich.text import Text

from tuneworthy.core.counting import counted
from tuneworthy.core.forecast import FitPlan, PlannedFit, PlannedRent
from tuneworthy.reports.formats import roughly

PARTS_SHOWN = 3  # of a peak, the largest; --json has all
OPTIONS = {
    "adamw_8bit": "--set METHOD.optimizer=adamw_8bit",
    "checkpointing": "--set METHOD.gradient_checkpointing=true",
}


def plan_view(plan: FitPlan) -> Group:
    """The job's models, the largest of the catalogue that fit, and what rented machines cost."""
    heading = (
        f"{counted(plan.rows, 'row')} of up to {plan.longest} tokens; {plan.machine}, {plan.memory_gib:g} GiB"
    )
    lines: list[Text | Table] = [Text(f"{heading}.")]
    chosen = shown(plan.fits)
    for model, fits in groupby(chosen, key=lambda fit: fit.model):
        lines += [Text(), Text(model, style="bold"), _ways(list(fits))]
    lines += [Text(), Text("The largest model that fits, of the catalogue and this job", style="bold")]
    if plan.largest:
        lines.append(_largest(plan.largest))
    else:
        lines.append(Text("None can be fine-tuned there, not even with one row at a time."))
    if plan.rent:
        lines += [Text(), Text("Rented, for this job's base model", style="bold"), _rent(plan.rent)]
        lines.append(Text("Prices are of training alone, as listed on the day that is named:"))
        lines += [
            Text(f"  {date}  {source}") for source, date in sorted({(r.source, r.date) for r in plan.rent})
        ]
    notes = [*_explained([*chosen, *plan.largest]), *plan.notes]
    return Group(*lines, Text(), *map(Text, notes))


def shown(fits: Sequence[PlannedFit]) -> list[PlannedFit]:
    """Of each method the most rows at a time that fit, or the fewest; options only where they gain rows."""
    chosen = []
    for _, group in groupby(fits, key=lambda fit: (fit.model, fit.method)):
        most = -1
        ways = groupby(group, key=lambda fit: fit.options)
        for variants in sorted((list(way) for _, way in ways), key=lambda way: len(way[0].options)):
            best = max((fit for fit in variants if fit.fits), key=_rows, default=variants[0])
            if _rows(best) > most:
                chosen.append(best)
                most = _rows(best)
    return chosen


def _rows(fit: PlannedFit) -> int:
    """Rows at a time that fit; 0 for none."""
    return fit.rows_per_pass if fit.fits else 0


def _ways(fits: Sequence[PlannedFit]) -> Table:
    """A model's ways, with what their peaks are made of."""
    table = _table(("method", "weights in"), ("rows", "GiB"))
    for name in ("fits", "time", "of which (GiB)"):
        table.add_column(name)
    for fit in fits:
        parts = fit.made_of(PARTS_SHOWN)
        fits_there = "yes" if fit.fits else "no"
        size = str(fit.rows_per_pass), f"{fit.total_gib:.2f}"
        table.add_row(_way(fit), fit.precision, *size, fits_there, _time(fit.minutes), parts)
    return table


def _largest(fits: Sequence[PlannedFit]) -> Table:
    table = _table(("method", "model"), ("GiB",))
    table.add_column("time")
    for fit in fits:
        table.add_row(_way(fit), fit.model, f"{fit.total_gib:.2f}", _time(fit.minutes))
    return table


def _rent(rents: Sequence[PlannedRent]) -> Table:
    table = _table(("machine", "method"), ("cost", "an hour"))
    table.add_column("time")
    for rent in rents:
        cost = f"${rent.usd:.2f}" if rent.usd >= 0.005 else "< $0.01"
        way = ", ".join((rent.method, *rent.options))
        table.add_row(rent.offer, way, cost, f"${rent.usd_per_hour:.2f}", _time(rent.minutes))
    return table


def _table(words: Sequence[str], numbers: Sequence[str]) -> Table:
    """Columns of words, then columns of numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in words:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def _way(fit: PlannedFit) -> str:
    return ", ".join((fit.method, *fit.options))


def _time(minutes: float | None) -> str:
    return "–" if minutes is None else roughly(minutes)


def _explained(fits: Sequence[PlannedFit]) -> list[str]:
    """What the tables' words mean, as far as they occur."""
    notes = ["rows: that go through the model at a time. GiB: the peak of memory."]
    used = {option for fit in fits for option in fit.options}
    notes += [f"{option}: {how}" for option, how in OPTIONS.items() if option in used]
    beside = max((fit for fit in fits if fit.fits), key=lambda fit: fit.beside_gib, default=None)
    if beside is not None and beside.beside_gib >= 1:
        notes.append(
            "Beside a GPU the states to go back to are in main memory: up to "
            f"{beside.beside_gib:.0f} GiB of it ({beside.method} on {beside.model})."
        )
    return notes
