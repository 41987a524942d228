"""What the page puts on record: the data, the curves, the lockbox, what methods chose, the machine."""

from collections.abc import Iterable, Sequence
from typing import Any

from tuneworthy.reports import formats
from tuneworthy.reports.charts import curves_chart
from tuneworthy.reports.contents import Contents, UnitOutput
from tuneworthy.reports.views_scores import View

SHOWN_LABELS = 20
SHOWN_SOURCE_ROWS = 20
LONG_FACT = 120
LISTED = 5  # values of as many fits are listed one by one

_OUTCOMES = {
    "issue": ("\N{MULTIPLICATION SIGN}", "issue"),
    "tip": ("!", "tip"),
    "passed": ("\N{CHECK MARK}", "passed"),
    "not_applicable": (formats.RANGE, "not applicable"),
    "skipped": (formats.RANGE, "skipped"),
    "muted": (formats.RANGE, "muted"),
}
_ARITHMETIC = (
    ("steps", "steps"),
    ("batch", "rows a step"),
    ("epochs", "epochs"),
    ("learning_rate", "learning rate"),
    ("rank", "rank"),
    ("tokens_per_step", "tokens a step"),
    ("trained_tokens", "trained tokens"),
)
_ELSEWHERE = {"train", "validation", "kept_because", "metric", "parameters_trained", "parameters"}


def data_view(contents: Contents) -> View:
    """The table's facts and its labels as bars."""
    data = contents.dataset
    largest = max(data.labels.values(), default=1)
    bars = [
        {"label": label, "n": n, "width": round(100 * n / largest, 1)} for label, n in data.labels.items()
    ]
    facts: list[tuple[str, str]] = [
        ("Source", data.source),
        ("Rows", formats.count(data.rows)),
        ("Text columns", ", ".join(data.input_columns)),
        ("Label column", data.target_column or formats.DASH),
    ]
    if data.group_column:
        facts.append(("Group column", data.group_column))
    if data.words is not None:
        mean, most = formats.count(data.words.mean), formats.count(data.words.max)
        facts.append(("Words a row", f"{mean} on average, {most} at most"))
    facts.append(("Fingerprint", data.fingerprint))
    if data.test is not None:
        rows = formats.count(data.test.rows)
        facts.append(("Test file", f"{data.test.source}, {rows} rows, fingerprint {data.test.fingerprint}"))
    return {"facts": facts, "bars": bars[:SHOWN_LABELS], "more": bars[SHOWN_LABELS:]}


def findings_view(contents: Contents) -> View:
    """The data doctor's findings: what needs attention, and the rest."""
    views: list[View] = [
        {
            "finding": finding,
            "icon": _OUTCOMES.get(finding.outcome, ("", ""))[0],
            "outcome": _OUTCOMES.get(finding.outcome, ("", finding.outcome))[1],
            "rows": _source_rows(finding.rows),
        }
        for finding in contents.findings
    ]
    loud = ("issue", "tip")
    first = sorted(
        (view for view in views if view["finding"].outcome in loud),
        key=lambda view: (not view["finding"].blocking, loud.index(view["finding"].outcome)),
    )
    return {"loud": first, "quiet": [view for view in views if view["finding"].outcome not in loud]}


def _source_rows(rows: Sequence[int]) -> str:
    shown = ", ".join(str(row) for row in rows[:SHOWN_SOURCE_ROWS])
    more = len(rows) - SHOWN_SOURCE_ROWS
    return f"{shown} and {formats.count(more)} more" if more > 0 else shown


def curves_view(contents: Contents) -> list[View]:
    """The curves of every tuned arm that kept a training record."""
    views = []
    for arm in contents.arms:
        units = [unit for unit in contents.units_of(arm.method) if unit.facts.get("train")]
        if arm.kind != "tuned" or not units:
            continue
        metric = str(units[0].facts.get("metric") or contents.evidence.metric)
        views.append(
            {
                "method": arm.method,
                "charts": [curves_chart(units, metric, narrow=narrow) for narrow in (False, True)],
                "folds": len(units),
                "arithmetic": [
                    (words, _varying([unit.facts[key] for unit in units if key in unit.facts]))
                    for key, words in _ARITHMETIC
                    if any(key in unit.facts for unit in units)
                ],
                "kept": [
                    (_place(unit, units), str(unit.facts["kept_because"]))
                    for unit in units
                    if unit.facts.get("kept_because")
                ],
                "undone": list(_undone(units)),
            }
        )
    return views


def _undone(units: Sequence[UnitOutput]) -> Iterable[tuple[str, str]]:
    for unit in units:
        for turn in unit.facts.get("rollbacks", ()):
            yield (
                _place(unit, units),
                f"Step {turn['step']} was undone: {turn['why']}. Training went back to step "
                f"{turn['back_to']} with a lower learning rate.",
            )


def _place(unit: UnitOutput, units: Sequence[UnitOutput]) -> str:
    """Which of an arm's fits it is; nothing where there is one."""
    fold = "" if unit.fold is None else f"Fold {unit.fold + 1}"
    several = len({other.seed for other in units if other.fold == unit.fold}) > 1
    return f"{fold}, seed {unit.seed}".removeprefix(", ").capitalize() if several else fold


def _varying(values: Sequence[Any]) -> str:
    """One value when all fits agree, else each one's in order; of many numbers the lowest and the highest."""
    texts = [formats.count(value) if _whole(value) else formats.plain(value) for value in values]
    if len(set(texts)) == 1:
        return texts[0]
    if len(texts) > LISTED and all(_number(value) for value in values):
        low, high = (texts[values.index(end)] for end in (min(values), max(values)))
        return f"{low} to {high}"
    return " \N{MIDDLE DOT} ".join(texts)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def chosen_view(contents: Contents) -> list[View]:
    """What each method chose and saw, fold by fold where folds differ."""
    views = []
    for arm in contents.arms:
        units = contents.units_of(arm.method)
        keys = dict.fromkeys(key for unit in units for key in unit.facts if key not in _ELSEWHERE)
        facts = [
            (key.replace("_", " "), _varying([unit.facts[key] for unit in units if key in unit.facts]))
            for key in keys
        ]
        views.append(
            {
                "method": arm.method,
                "kind": arm.kind,
                "folds": len(units),
                "short": [fact for fact in facts if len(fact[1]) <= LONG_FACT],
                "long": [fact for fact in facts if len(fact[1]) > LONG_FACT],
            }
        )
    return views


def lockbox_view(contents: Contents) -> View:
    """How often these test rows were handed out, and what was scored on them."""
    openings: list[View] = [
        {
            "time": _time(opening.time),
            "run": opening.run,
            "plan": opening.plan,
            "arms": ", ".join(opening.arms)
            if isinstance(opening.arms, tuple)
            else formats.count(opening.arms),
            "count": len(opening.arms) if isinstance(opening.arms, tuple) else opening.arms,
        }
        for opening in contents.openings
    ]
    return {
        "openings": openings,
        "arms": sum(opening["count"] for opening in openings),
        "fingerprints": sorted({opening.fingerprint for opening in contents.openings if opening.fingerprint}),
    }


def _time(stamp: str) -> str:
    """'2026-11-21T11:34:56.1+00:00' -> '2026-11-21 11:34 UTC'; anything else as it is."""
    if len(stamp) >= 16 and stamp[10:11] == "T" and stamp.endswith(("Z", "+00:00")):
        return f"{stamp[:10]} {stamp[11:16]} UTC"
    return stamp


def record_view(contents: Contents) -> View:
    """Where and when: the machine and versions, and the plan's stages."""
    return {
        "environment": list(_flat(contents.environment)),
        "stages": [
            {
                "name": stage.name,
                "units": len(stage.units),
                "methods": ", ".join(dict.fromkeys(unit.method for unit in stage.units)),
            }
            for stage in contents.plan.stages
        ],
        "folder": contents.folder.resolve().name,
        "opened": _time(contents.openings[-1].time) if contents.openings else "",
        "folds": 1 + max((unit.fold or 0 for unit in contents.units), default=0),
    }


def _flat(values: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for key, value in values.items():
        name, words = formats.named(key, value)
        if isinstance(value, dict):
            yield from _flat(value, "" if key == "versions" else f"{prefix}{name}: ")
        else:
            yield f"{prefix}{name}", words
