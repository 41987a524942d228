"""What the page says about scores: verdict, thresholds, arms, differences, power, cost.

Each function picks and words numbers that stand in the run folder; the template lays them out.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from tuneworthy.core.counting import about
from tuneworthy.core.evidence import Arm, Comparison, Estimate
from tuneworthy.reports import formats
from tuneworthy.reports.contents import Contents

View = dict[str, Any]

_TONES = {"fine_tune": "go", "prompt": "go", "classifier": "go", "fix_data": "stop", "not_worth_it": "stop"}


class Notes:
    """Footnotes of one table: the same reason gets the same letter."""

    def __init__(self) -> None:
        self._marks: dict[str, str] = {}

    def mark(self, reason: str | None) -> str:
        """The letter of a reason; nothing for no reason."""
        if not reason:
            return ""
        return self._marks.setdefault(reason, _letters(len(self._marks)))

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Letter and reason, in order of appearance."""
        return [(mark, reason) for reason, mark in self._marks.items()]


def _letters(number: int) -> str:
    """0 -> 'a', 25 -> 'z', 26 -> 'aa'."""
    return ("" if number < 26 else _letters(number // 26 - 1)) + chr(ord("a") + number % 26)


def score(estimate: Estimate, notes: Notes) -> View:
    """A table cell with value, interval and, where that is absent, the mark of its reason."""
    return {
        "value": formats.metric_value(estimate.metric, estimate.value),
        "range": formats.metric_range(estimate.metric, estimate.low, estimate.high),
        "mark": notes.mark(estimate.reason) if estimate.low is None else "",
        "n": estimate.n,
    }


def metric_heading(contents: Contents) -> str:
    """The metric over a column of its values, with which way is up where that is not up."""
    lower = ", lower is better" if contents.evidence.error else ""
    return formats.metric_title(contents.evidence.metric) + lower


def verdict_view(contents: Contents) -> View:
    """Badge, figures and thresholds of the section on top."""
    verdict = contents.verdict
    return {
        "badge": formats.decision_title(verdict.decision),
        "tone": tone(verdict.decision),
        "figures": list(_key_figures(contents)),
        "reasons": [reason for reason in verdict.reasons if reason not in verdict.paragraph],
        "thresholds": _thresholds(contents),
    }


def tone(decision: str) -> str:
    """How a decision is coloured: "go", "wait" or "stop"."""
    return _TONES.get(decision, "wait")


def _key_figures(contents: Contents) -> Iterable[View]:
    evidence = contents.evidence
    chosen = contents.arm(contents.verdict.recommended_method)
    if chosen is not None:
        estimate = chosen.estimate
        yield {
            "title": "Recommended method",
            "value": chosen.method,
            "note": formats.kind_title(chosen.kind),
            "code": True,
        }
        tail = formats.metric_range(estimate.metric, estimate.low, estimate.high)
        confidence = formats.percent(estimate.confidence, 0)
        yield {
            "title": f"Its {formats.metric_title(estimate.metric)}",
            "value": formats.metric_value(estimate.metric, estimate.value),
            "note": f"{tail}, {confidence} interval" if estimate.low is not None else str(estimate.reason),
        }
    deciding = deciding_comparison(contents)
    if deciding is not None:
        tail = formats.difference_range(deciding)
        yield {
            "title": "Tuned over best untuned",
            "value": formats.signed(deciding.difference, deciding.metric),
            "unit": "points" if formats.is_share(deciding.metric) else "",
            "note": f"{tail}, on the same rows" if deciding.low is not None else str(deciding.reason),
        }
    elif (untuned := contents.best_untuned) is not None and untuned != chosen:
        yield {
            "title": f"Best untuned arm, {untuned.method}",
            "value": formats.metric_value(evidence.metric, untuned.estimate.value),
            "note": formats.metric_range(evidence.metric, untuned.estimate.low, untuned.estimate.high),
        }
    if chosen is not None:
        money = chosen.cost.money_per_1000
        paid = f", {formats.money(money)} in your currency" if money is not None else ""
        yield {
            "title": "Core time for 1,000 rows",
            "value": formats.seconds(chosen.cost.seconds_per_1000),
            "note": f"on this machine{paid}",
        }


def deciding_comparison(contents: Contents) -> Comparison | None:
    """The best tuned arm against the best untuned one, where both ran and were compared."""
    tuned, untuned = contents.best_tuned, contents.best_untuned
    if tuned is None or untuned is None:
        return None
    return contents.compared(tuned.method, untuned.method)


def _thresholds(contents: Contents) -> list[View]:
    """Every number the verdict compared with, beside what was measured."""
    asked, evidence = contents.verdict.thresholds, contents.evidence
    deciding = deciding_comparison(contents)
    if deciding is not None:
        gain = f"{deciding.method} {formats.MINUS} {deciding.against}: {formats.comparison_text(deciding)}"
        family = [contents.compared(deciding.method, arm.method) for arm in contents.arms]
        largest = max(item.p_greater for item in family if item is not None)
        chance = f"{deciding.method}: largest one-sided p against another arm {formats.p_value(largest)}"
    else:
        gain = evidence.tuned_skipped or "no tuned arm was compared"
        chance = "no claim was tested"
    reached = "; ".join(
        f"{arm.method}: {formats.estimate_text(arm.estimate)}" for arm in _front_runners(contents)
    )
    target = asked.target_score
    return [
        {
            "name": "Smallest gain worth having",
            "field": "smallest_gain_worth_having",
            "asked": formats.size(asked.smallest_gain_worth_having * evidence.whole, evidence.metric),
            "measured": gain,
        },
        {
            "name": "Error rate of each claim",
            "field": "alpha",
            "asked": f"{asked.alpha:g}",
            "measured": chance,
        },
        {
            "name": "Target score",
            "field": "target_score",
            "asked": "none set" if target is None else formats.metric_value(evidence.metric, target),
            "measured": reached or formats.DASH,
        },
        {
            "name": "Fewest rows to train on",
            "field": "fewest_rows_to_train",
            "asked": f"{formats.count(asked.fewest_rows_to_train)} rows",
            "measured": f"{formats.count(evidence.rows)} rows",
        },
    ]


def _front_runners(contents: Contents) -> list[Arm]:
    """The recommended arm, the best tuned and the best untuned one, each once."""
    named = (contents.arm(contents.verdict.recommended_method), contents.best_tuned, contents.best_untuned)
    return [arm for place, arm in enumerate(named) if arm is not None and arm not in named[:place]]


def _earned_back(contents: Contents) -> View | None:
    """When the best fine-tune has cost less core time than the best prompt; None: never, or unknown."""
    tuned = contents.best_tuned
    prompt = next((arm for arm in contents.arms if arm.kind == "prompt"), None)
    if tuned is None or prompt is None:
        return None
    after = tuned.cost.earned_back_after(prompt.cost)
    faster = prompt.cost.seconds_per_1000 / max(tuned.cost.seconds_per_1000, 1e-9)
    return (
        None
        if after is None
        else {
            "tuned": tuned.method,
            "prompt": prompt.method,
            "after": about(after),
            "faster": f"{faster:.1f}",
        }
    )


def _by_seed(arm: Arm) -> str:
    """What each seed came to: '80.0%, 81.0% and 81.3%'."""
    *most, last = (formats.metric_value(arm.estimate.metric, value) for value in arm.by_seed)
    return f"{', '.join(most)} and {last}"


def arms_view(contents: Contents) -> View:
    """The table of arms, best first."""
    notes = Notes()
    rows = [
        {
            "method": arm.method,
            "kind": arm.kind,
            "chosen": arm.method == contents.verdict.recommended_method,
            "score": score(arm.estimate, notes),
            "unparseable": arm.unparseable,
            "failed": arm.failed,
            "valid_freely": None
            if arm.valid_without_constraint is None
            else formats.percent(arm.valid_without_constraint / arm.answers),
            "cost": arm.cost,
        }
        for arm in contents.arms
    ]
    return {
        "rows": rows,
        "notes": notes.lines,
        "kinds": [kind for kind in ("tuned", "prompt", "classifier", "baseline") if _has(contents, kind)],
        "earned_back": _earned_back(contents),
        "money": any(arm.cost.money_per_1000 is not None for arm in contents.arms),
        "failed": any(arm.failed for arm in contents.arms),
        "constrained": any(arm.valid_without_constraint is not None for arm in contents.arms),
        "hollow": any(arm.estimate.low is None for arm in contents.arms),
        "intervals": _procedures(arm.estimate.interval for arm in contents.arms),
        "seeds": [(arm.method, _by_seed(arm)) for arm in contents.arms if arm.by_seed],
        "others": _other_metrics(contents),
        "absent": sorted(contents.plan.not_compared.items()),
        "asked": asked(contents),
    }


def asked(contents: Contents) -> list[tuple[str, list[str]]]:
    """Each endpoint, and the arms that asked it, best first."""
    found: dict[str, list[str]] = {}
    for arm in contents.arms:
        for title in {
            str(unit.facts["endpoint"]) for unit in contents.units_of(arm.method) if "endpoint" in unit.facts
        }:
            found.setdefault(title, []).append(arm.method)
    return list(found.items())


def _procedures(names: Iterable[str]) -> list[str]:
    """Tests or intervals in words, each once."""
    return [formats.procedure_title(name) for name in dict.fromkeys(names) if name]


def _has(contents: Contents, kind: str) -> bool:
    return any(arm.kind == kind for arm in contents.arms)


def _other_metrics(contents: Contents) -> View:
    """All scores over all rows, every metric and split: one column each."""
    notes = Notes()
    overall = [estimate for estimate in contents.estimates if estimate.label is None]
    columns = list(dict.fromkeys((estimate.metric, estimate.split) for estimate in overall))
    splits = {split for _, split in columns}
    cells: dict[str, dict[tuple[str, str], View]] = {}
    for estimate in overall:
        cells.setdefault(estimate.method, {})[estimate.metric, estimate.split] = score(estimate, notes)
    order = {arm.method: place for place, arm in enumerate(contents.arms)}
    methods = sorted(cells, key=lambda method: (order.get(method, len(order)), method))
    return {
        "columns": [
            formats.metric_title(metric)
            + (", lower is better" if formats.is_error(metric) else "")
            + (f" ({split})" if len(splits) > 1 else "")
            for metric, split in columns
        ],
        "rows": [(method, [cells[method].get(column) for column in columns]) for method in methods],
        "notes": notes.lines,
    }


def comparisons_view(contents: Contents) -> View:
    """Differences on the primary metric, those of tuned arms first, and those on other metrics.

    Where nothing was tuned, the untuned arms' differences take the first place.
    """
    metric = contents.evidence.metric
    place = {arm.method: number for number, arm in enumerate(contents.arms)}
    kinds = {arm.method: arm.kind for arm in contents.arms}
    last = len(place)
    ranked = sorted(
        contents.comparisons, key=lambda item: (place.get(item.method, last), place.get(item.against, last))
    )
    primary = [item for item in ranked if item.metric == metric]
    tuned = [item for item in primary if kinds.get(item.method) == "tuned"]
    first = tuned or primary
    deciding = deciding_comparison(contents)
    return {
        "tuned": bool(tuned),
        "first": _comparison_table(first, deciding),
        "second": _comparison_table([item for item in primary if item not in first], None),
        "others": _comparison_table([item for item in ranked if item.metric != metric], None),
        "drawn": [item for item in tuned if kinds.get(item.against) != "baseline"] or first,
        "kinds": kinds,
        "deciding": deciding,
    }


def _comparison_table(comparisons: Sequence[Comparison], deciding: Comparison | None) -> View:
    notes = Notes()
    rows = [
        {
            "item": item,
            "chosen": item == deciding,
            "difference": formats.points(item.difference, item.metric),
            "range": formats.difference_range(item),
            "mark": notes.mark(item.reason) if item.low is None else "",
            "tally": f"{formats.count(item.wins)} : {formats.count(item.losses)}"
            if item.wins is not None and item.losses is not None
            else formats.DASH,
        }
        for item in comparisons
    ]
    tests = _procedures(item.test for item in comparisons)
    intervals = _procedures(item.interval for item in comparisons)
    return {"rows": rows, "notes": notes.lines, "tests": tests, "intervals": intervals}
