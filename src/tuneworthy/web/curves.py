"""Training curves of a run: from its events while a fit goes on, from the unit's facts when it is done."""

import json
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

from tuneworthy.reports.charts import curves_chart
from tuneworthy.reports.contents import UnitOutput
from tuneworthy.web.runs import Run
from tuneworthy.web.views import drawing, render

LINE = 2  # points
_drawing = threading.Lock()  # matplotlib's settings are the process's, and pages are shown by several threads


def curves_html(run: Run) -> str:
    """A drawing for each arm that trains by steps; nothing where none does."""
    units = run.progress.curves
    if not units:
        return ""
    plan = _read(run.folder / "plan.json")
    described = {unit["address"]: unit for stage in plan.get("stages", []) for unit in stage["units"]}
    by_method: dict[str, list[UnitOutput]] = {}
    for address, points in units.items():
        unit = described.get(address)
        if unit is None or len(points["train"]) < LINE:
            continue  # nothing to draw yet; a search's trial; the final fit, which has no validation
        facts = _read(run.folder / "units" / address / "metrics.json").get("facts", {})
        done = {key: facts[key] for key in ("train", "validation", "kept_step") if key in facts}
        by_method.setdefault(unit["method"], []).append(
            UnitOutput(address=address, method=unit["method"], fold=unit["fold"], facts={**points, **done})
        )
    metric = _metric(run.folder)
    curves = []
    for method, several in by_method.items():
        told = json.dumps([unit.model_dump(mode="json") for unit in several])
        wide, narrow = _drawn(told, metric)
        curves.append((method, drawing(wide), drawing(narrow), _told(several)))
    return render("curves", curves=curves)


@lru_cache(maxsize=32)
def _drawn(units: str, metric: str) -> tuple[str, str]:
    """The drawing for a wide and for a narrow screen; the same points are drawn once."""
    several = [UnitOutput.model_validate(unit) for unit in json.loads(units)]
    with _drawing:
        return curves_chart(several, metric), curves_chart(several, metric, narrow=True)


def _told(units: list[UnitOutput]) -> str:
    last = units[-1].facts
    steps = len(last["train"])
    told = f"loss {last['train'][-1]['loss']:.3f} after {steps} step{'' if steps == 1 else 's'}"
    several = f"{len(units)} fits, the last one: " if len(units) > 1 else ""
    waits = "" if last["validation"] else "; no validation score yet"
    return several + told + waits


def _metric(run: Path) -> str:
    """The deciding metric, which every unit names."""
    for path in sorted((run / "units").glob("[!.]*/unit.json"))[:1]:
        return str(_read(path).get("metric", "accuracy"))
    return "accuracy"


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
