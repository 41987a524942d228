"""Runs to serve: made once a module, with the arm that a test wants as the final model."""

import json
from pathlib import Path

from tuneworthy.core.unit import Unit
from tuneworthy.data.splits import Split
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.runfolder.unit_output import read_metrics
from tuneworthy.units.executors.local import LocalExecutor
from tuneworthy.units.plan import refit_unit


def refit_as(run: Path, method: str, models: dict[str, Path]) -> Path:
    """Makes a measured arm the run's final model, whatever the verdict recommended."""
    folder = RunFolder(run)
    units = []
    for stage in folder.read("plan.json")["stages"]:
        for entry in stage["units"]:
            unit = Unit.model_validate(folder.read(f"units/{entry['address']}/unit.json"))
            if unit.method == method and unit.purpose == "evaluate":
                units.append(unit)
    stored = folder.read("split.json")
    split = Split.model_validate({key: value for key, value in stored.items() if key != "all"})
    facts = [read_metrics(run / "units" / unit.address)["facts"] for unit in units]
    unit = refit_unit(units, facts, split, threads=1)
    with folder:
        LocalExecutor(1).run([unit], folder, {role: models[role] for role in unit.models})
        folders = {role: str(models[role]) for role in unit.models}
        folder.write("model.json", {"unit": unit.address, "method": method, "folders": folders})
    return run


def labels_of(run: Path) -> list[str]:
    """The labels of a run."""
    final = json.loads((run / "model.json").read_text(encoding="utf-8"))
    unit = json.loads((run / "units" / final["unit"] / "unit.json").read_text(encoding="utf-8"))
    return list(unit["labels"])
