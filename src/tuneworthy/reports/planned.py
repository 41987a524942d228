"""A plan of fits as a terminal shows it."""

from collections.abc import Sequence
from itertools import groupby

from tuneworthy.core.counting import counted
from tuneworthy.core.forecast import FitPlan, PlannedFit, PlannedRent
from tuneworthy.reports.formats import roughly

PARTS = ("weights", "adapters", "gradients", "optimiser", "copies", "activations", "logits", "runtime")


def plan_text(plan: FitPlan) -> str:
    """The table of ways, the largest model that fits, and what rented machines cost."""
    heading = (
        f"{counted(plan.rows, 'row')}, up to {plan.longest} tokens; {plan.machine}, {plan.memory_gib:g} GiB. "
        "Peak memory in GiB:"
    )
    names = ("model", "method", "weights in", "rows a pass", *PARTS, "peak", "fits", "time")
    parts = [heading, *_aligned([names, *map(_cells, shown(plan.fits))])]
    if plan.largest is None:
        parts.append("No model of this plan can be fine-tuned there: name smaller ones with --model.")
    else:
        best = plan.largest
        parts.append(
            f"Largest that can be fine-tuned there: {best.model}, by {_way(best)}, {best.total_gib:.1f} GiB."
        )
    if plan.rent:
        parts += ["", "Rented, for this job's model:", *_aligned([_price(each) for each in plan.rent])]
        sources = ", ".join(sorted({rent.source for rent in plan.rent}))
        parts.append(f"Prices as listed on the dates shown; sources: {sources}")
    return "\n".join([*parts, "", *plan.notes])


def shown(fits: Sequence[PlannedFit]) -> list[PlannedFit]:
    """Of each way the most rows at a time that fit; where none does, the fewest."""
    chosen = []
    for _, group in groupby(fits, key=lambda fit: (fit.model, fit.method, fit.precision, fit.options)):
        variants = list(group)
        holding = [fit for fit in variants if fit.fits]
        chosen.append(max(holding, key=lambda fit: fit.rows_per_pass) if holding else variants[0])
    return chosen


def _cells(fit: PlannedFit) -> tuple[str, ...]:
    minutes = "" if fit.minutes is None else roughly(fit.minutes)
    way = " ".join((fit.method, *fit.options))
    parts = [f"{fit.memory_gib[name]:.2f}" for name in PARTS]
    fits = "yes" if fit.fits else "no"
    return (
        fit.model,
        way,
        fit.precision,
        str(fit.rows_per_pass),
        *parts,
        f"{fit.total_gib:.2f}",
        fits,
        minutes,
    )


def _way(fit: PlannedFit) -> str:
    options = f" with {' and '.join(fit.options)}" if fit.options else ""
    return f"{fit.method} in {fit.precision}{options}, {counted(fit.rows_per_pass, 'row')} a pass"


def _price(rent: PlannedRent) -> tuple[str, ...]:
    return (
        rent.offer,
        " ".join((rent.method, *rent.options)),
        rent.precision,
        roughly(rent.minutes),
        f"${rent.usd:.2f}",
        f"at ${rent.usd_per_hour:.2f} an hour on {rent.date}",
    )


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
