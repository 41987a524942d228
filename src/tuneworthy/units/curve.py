"""Fits of an arm on nested parts of each fold's training rows: the points of its learning curve.

Which rows a part has is drawn once, before anything runs. The rows predicted are the arm's own test rows, so
that the points differ in nothing but how much was learned from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tuneworthy.core.errors import JobError
from tuneworthy.core.example import Example, RowSet
from tuneworthy.core.job import Job
from tuneworthy.core.unit import Unit
from tuneworthy.data.repeats import group_keys
from tuneworthy.data.splits import CROSSFIT_BELOW, Split
from tuneworthy.evaluation.assemble import ArmOutput
from tuneworthy.methods import METHODS
from tuneworthy.units.collect import arm_outputs, unit_metrics
from tuneworthy.units.plan import Plan, Stage

STAGE = "curve"
FEWEST_ROWS = 20  # training rows of the smallest part (ours): below them a score is mostly luck
FEWEST_SIZES = 3  # parts, beside all rows: a power law has three unknowns
FITS = 5  # parts of each size: one in each fold of a crossfit, several draws under holdout
TUNED_SHARES = (0.25, 0.5)  # of an arm each fit of which takes minutes; one draw a fold
APART = 7919  # between the seeds of two draws


@dataclass(frozen=True)
class Part:
    """A part of one fold's training rows: its share of them, and where its rows are."""

    fold: int
    share: float
    draw: int
    fit: str
    validation: str


@dataclass(frozen=True)
class Parts:
    """All parts of a run, and the split that holds their rows."""

    parts: tuple[Part, ...]
    split: Split


def draw_parts(job: Job, split: Split, rows: Sequence[Example]) -> Parts:
    """Nested parts of every fold's rows to fit and to validate on; none where the rows are too few.

    Whole groups are left out, in an order drawn for each fold and draw. From 1,000 rows on one draw is
    enough: fits on so many hardly differ, and take their time.
    """
    shares = _shares(job, split)
    row_sets, parts = dict(split.row_sets), []
    by_id = {row.id: row for row in rows}

    def keep(ids: Sequence[str]) -> str:
        chosen = RowSet.of(ids)
        row_sets[chosen.address] = chosen.ids
        return chosen.address

    draws = max(1, FITS // len(split.folds)) if len(rows) < CROSSFIT_BELOW else 1
    for number, fold in enumerate(split.folds if shares else ()):
        for draw in range(draws):
            rng = np.random.default_rng([job.seed, number, APART + draw])
            sides = [_in_drawn_order(split.rows(side), by_id, rng) for side in (fold.fit, fold.validation)]
            for share in shares:
                fit, validation = (keep(_first(ordered, share)) for ordered in sides)
                parts.append(Part(number, share, draw, fit, validation))
    return Parts(tuple(parts), split.model_copy(update={"row_sets": row_sets}))


def _shares(job: Job, split: Split) -> tuple[float, ...]:
    """The shares that leave enough rows; none where they are too few for a curve."""
    fewest = min(len(split.rows(fold.fit)) + len(split.rows(fold.validation)) for fold in split.folds)
    found = tuple(share for share in sorted(set(job.curve.shares)) if share * fewest >= FEWEST_ROWS)
    return found if len(found) >= FEWEST_SIZES else ()


def _in_drawn_order(
    ids: Sequence[str], by_id: dict[str, Example], rng: np.random.Generator
) -> list[tuple[int, str]]:
    """The rows with their places, group after group, the groups in random order."""
    groups = np.array(group_keys([by_id[row] for row in ids]), dtype=int)
    rank = rng.permutation(len(ids))[groups] if len(ids) else groups
    return [(int(i), ids[i]) for i in np.lexsort((np.arange(len(ids)), rank))]


def _first(ordered: Sequence[tuple[int, str]], share: float) -> list[str]:
    """The first rows of an order, as many as the share says, in their own order."""
    return [row for _, row in sorted(ordered[: round(share * len(ordered))])]


def curved(plan: Plan, parts: Parts, job: Job) -> Plan:
    """The plan with a stage for the learning curves of the arms that have one."""
    units = [unit for stage in plan.stages for unit in stage.units if unit.purpose == "evaluate"]
    found: list[Unit] = []
    for arm in dict.fromkeys(unit.method for unit in units):
        if not has_curve(arm, job):
            continue
        firsts: dict[int, Unit] = {}
        for unit in units:
            if unit.method == arm:
                firsts.setdefault(unit.fold or 0, unit)
        found += [_unit(firsts[part.fold], part) for part in _parts_of(arm, parts)]
    return Plan(stages=(*plan.stages, Stage(name=STAGE, units=tuple(found)))) if found else plan


def check_curve(job: Job) -> None:
    """Raises JobError for an arm that is not compared, or that learns from no rows, or for too few parts."""
    if job.curve.arms != () and len(set(job.curve.shares)) < FEWEST_SIZES:
        raise JobError(
            f"curve.shares names {len(set(job.curve.shares))} parts of the rows, and a learning curve needs "
            f"{FEWEST_SIZES}: name more, or no arms (curve.arms=[])."
        )
    for arm in job.curve.arms or ():
        if arm not in job.arms:
            raise JobError(f"curve.arms names {arm}, which is not compared: {', '.join(job.arms)}.")
        if METHODS.get(arm).kind not in ("classifier", "tuned"):
            raise JobError(f"curve.arms names {arm}, which is fitted on no rows: name a classifier or lora.")


def why_none(job: Job, parts: Parts) -> list[str]:
    """Why the arms that would have a learning curve have none, in a sentence; empty where they have one."""
    arms = [arm for arm in job.arms if has_curve(arm, job)]
    if parts.parts or not arms:
        return []
    return [
        f"No learning curve of {', '.join(arms)}: there are too few rows, since fewer than {FEWEST_SIZES} of "
        f"curve.shares leave {FEWEST_ROWS} rows to learn from."
    ]


def has_curve(arm: str, job: Job) -> bool:
    """Whether the arm is measured on fewer rows: those that the job names, else the cheap classifiers."""
    if job.curve.arms is not None:
        return arm in job.curve.arms
    method = METHODS.get(arm)
    return method.kind == "classifier" and set(method.models) <= {"embedder"}


def _parts_of(arm: str, parts: Parts) -> list[Part]:
    """All parts, or of an arm whose fits take minutes those nearest to `TUNED_SHARES`, drawn once."""
    if METHODS.get(arm).kind != "tuned":
        return list(parts.parts)
    left, taken = sorted({part.share for part in parts.parts}), set[float]()
    for wanted in TUNED_SHARES if left else ():
        nearest = min(left, key=lambda share: abs(share - wanted))
        left.remove(nearest)
        taken.add(nearest)
    return [part for part in parts.parts if part.share in taken and part.draw == 0]


def _unit(whole: Unit, part: Part) -> Unit:
    return whole.model_copy(
        update={
            "purpose": "curve",
            "share": part.share,
            "seed": whole.seed + APART * part.draw,
            "fit": part.fit,
            "validation": part.validation,
        }
    )


def curve_outputs(units: Sequence[Unit], split: Split, run: Path) -> dict[str, list[tuple[int, ArmOutput]]]:
    """What each arm answered after how many training rows, ascending.

    A size at which a fit failed is left out; it is the mean over folds, and counts the rows that validate,
    which the cheap arms fit as well.
    """
    found: dict[str, list[tuple[int, ArmOutput]]] = {}
    for arm, share in sorted({(unit.method, unit.share) for unit in units}):
        own = [unit for unit in units if (unit.method, unit.share) == (arm, share)]
        if any("failed" in unit_metrics(unit, run)["facts"] for unit in own):
            continue
        (output,) = arm_outputs(own, run)
        found.setdefault(arm, []).append((learned_rows(own, split), output))
    return found


def learned_rows(units: Sequence[Unit], split: Split) -> int:
    """Rows that a fit learned from, the mean over units."""
    counts = [len(split.rows(unit.fit)) + len(split.rows(unit.validation)) for unit in units]
    return round(sum(counts) / len(counts))
