"""Reads finished units back: predictions and costs by arm, in the order of the plan."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuneworthy.core.unit import Unit
from tuneworthy.evaluation.assemble import ArmOutput
from tuneworthy.methods import METHODS
from tuneworthy.runfolder.unit_output import read_predictions


def arm_outputs(units: Sequence[Unit], run: Path) -> list[ArmOutput]:
    """One output per method, folds joined in order."""
    methods = list(dict.fromkeys(unit.method for unit in units))
    return [
        ArmOutput(
            method=method,
            kind=METHODS.get(method).kind,
            predictions=[p for unit in own for p in read_predictions(run / "units" / unit.address)],
            costs=[unit_metrics(unit, run)["cost"] for unit in own],
        )
        for method in methods
        for own in [[unit for unit in units if unit.method == method]]
    ]


def unit_metrics(unit: Unit, run: Path) -> dict[str, Any]:
    """The unit's `metrics.json`: measured cost, and the facts of its method."""
    text = (run / "units" / unit.address / "metrics.json").read_text(encoding="utf-8")
    metrics: dict[str, Any] = json.loads(text)
    return metrics
