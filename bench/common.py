"""What the benches share: the closing line of JSON, and reading a run's costs."""

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tuneworthy.core.unit import ModelRole
from tuneworthy.methods import Setting
from tuneworthy.metrics import METRICS
from tuneworthy.models.hardware import cores, training_dtype
from tuneworthy.runfolder.environment import environment
from tuneworthy.tasks import TASKS

PACKAGES = ("torch", "transformers", "peft", "scikit-learn")


def figure(
    value: float, unit: str, goal: float | None = None, lower_is_better: bool = False, n: int = 1
) -> dict[str, Any]:
    """One figure with the goal we set out with, and whether it was met (None without a goal)."""
    met = None if goal is None else (value <= goal if lower_is_better else value >= goal)
    return {
        "value": round(float(value), 4),
        "unit": unit,
        "goal": goal,
        "met": met if met is None else bool(met),
        "n": n,
    }


def closing_line(figures: dict[str, Any]) -> str:
    """The bench's last line."""
    facts = environment(training_dtype(), cores())
    machine = {key: facts[key] for key in ("processor", "cores", "memory_gib", "training_dtype")}
    return json.dumps(
        {"figures": figures, "machine": machine, "versions": {name: version(name) for name in PACKAGES}}
    )


def unit_costs(run: Path) -> list[dict[str, Any]]:
    """Method, purpose and measured cost of every unit of a run, in the order of their names."""
    found = []
    for folder in sorted((run / "units").iterdir()):
        if folder.name.startswith("."):
            continue
        unit = json.loads((folder / "unit.json").read_text(encoding="utf-8"))
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        found.append({"method": unit["method"], "purpose": unit["purpose"], **metrics["cost"]})
    return sorted(found, key=lambda item: (item["purpose"], item["method"]))


def estimates(run: Path, metric: str = "accuracy") -> dict[str, dict[str, Any]]:
    """The run's estimates of one metric, by method."""
    items = json.loads((run / "estimates.json").read_text(encoding="utf-8"))
    return {item["method"]: item for item in items if item["metric"] == metric and item["label"] is None}


def parser_of(
    doc: str | None, sets: Iterable[str], rows: int = 300, test_rows: int = 300
) -> argparse.ArgumentParser:
    """The options of a bench that draws rows from public sets."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = list(sets)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="SET")
    parser.add_argument("--rows", type=int, default=rows)
    parser.add_argument("--test-rows", type=int, default=test_rows)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", action="store_true", help="measure anew what bench/results holds")
    return parser


def kept(file: Path, again: bool, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a result file holds; measured first where there is none, or when asked for again."""
    if again or not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(measure(), indent=1) + "\n", encoding="utf-8")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def setting_of(
    task: str, labels: Sequence[str], metric: str, seed: int, models: dict[ModelRole, Path]
) -> Setting:
    """What a method needs to be fitted by itself, without a job and a run folder."""
    return Setting(
        task=TASKS.get(task),
        labels=tuple(labels),
        instruction="",
        metric=METRICS.get(metric),
        seed=seed,
        dtype=training_dtype(),
        models=models,
        checkpoint=None,
        report=lambda done, total, facts: None,
        json_schema=None,
        constrain=True,
        until=1.0,
    )
