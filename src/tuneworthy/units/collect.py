"""Reads finished units back: predictions and costs by arm, in the order of the plan."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuneworthy.core.unit import Unit
from tuneworthy.evaluation.assemble import ArmOutput
from tuneworthy.methods import METHODS
from tuneworthy.runfolder.unit_output import read_metrics, read_predictions
from tuneworthy.units.adaptation import with_adaptation
from tuneworthy.units.failures import failed_arms
from tuneworthy.units.untrained import why_untrained


def arm_outputs(units: Sequence[Unit], run: Path) -> list[ArmOutput]:
    """One output per method, folds joined in order; fits on other seeds are its repeats.

    An arm of which a fit has failed is left out: `failures.failed_arms` says why.
    """
    outputs = []
    failed = failed_arms(units, run)
    for method in dict.fromkeys(unit.method for unit in units if unit.method not in failed):
        own = [unit for unit in units if unit.method == method]
        seeds = len(own) // len({unit.fold for unit in own})
        answers = [
            [p for unit in own[repeat::seeds] for p in read_predictions(run / "units" / unit.address)]
            for repeat in range(seeds)
        ]
        measured = [unit_metrics(unit, run) for unit in own]
        costs = with_adaptation([one["cost"] for one in measured], own[0].start, run)
        beside = None if own[0].start is None else str(own[0].parameters["then"])
        kind = METHODS.get(method).kind
        untrained = why_untrained([one["facts"] for one in measured])
        outputs.append(ArmOutput(method, kind, answers[0], costs, tuple(answers[1:]), beside, untrained))
    return outputs


def unit_metrics(unit: Unit, run: Path) -> dict[str, Any]:
    """The unit's `metrics.json`: measured cost, and the facts of its method."""
    return read_metrics(run / "units" / unit.address)
