"""Two runs side by side: their arms, and paired differences where both predicted the same rows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneworthy.core.errors import JobError, RunFolderError
from tuneworthy.core.evidence import Arm, Comparison, Evidence
from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.registry import did_you_mean
from tuneworthy.core.runs import ArmPair, RunPair
from tuneworthy.evaluation.paired import adjust, compare
from tuneworthy.metrics import METRICS
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.runfolder.unit_output import read_predictions, read_unit_file

MANY = 20  # runs, that a message does not list
FEWEST_ROWS = 10  # rows that both predicted, below which a difference says nothing

Answers = dict[str, Prediction]  # by row


@dataclass(frozen=True, slots=True)
class _Side:
    """What is read of one run: `rows` are those it predicted; `answers` are an arm's, once for each seed."""

    folder: RunFolder
    evidence: Evidence
    verdict: dict[str, Any]
    data: dict[str, Any]
    rows: dict[str, Example]
    labels: tuple[str, ...]
    answers: dict[str, list[Answers]]

    @property
    def arms(self) -> dict[str, Arm]:
        return {arm.method: arm for arm in self.evidence.arms}

    @property
    def title(self) -> str:
        return f"{self.data['name']}, {self.data['rows']:,} rows, fingerprint {self.data['fingerprint']}"


def compare_runs(a: Path, b: Path) -> RunPair:
    """Compares two finished runs.

    Raises:
        RunFolderError: one of them is no finished run.
    """
    first, second = _read(a), _read(b)
    shared, note = _shared(first, second)
    names = [name for name in second.arms if name in first.arms]
    rows = {name: _answered(first, second, name, name, shared) for name in names}
    found = {
        name: _difference(first, second, name, name, own)
        for name, own in rows.items()
        if len(own) >= FEWEST_ROWS
    }
    paired = dict(zip(found, adjust(list(found.values())), strict=True))
    if fewer := [f"{name} on {len(own)}" for name, own in rows.items() if len(own) < len(shared)]:
        note += f" Not every arm answered all of them in both runs: {', '.join(fewer)}."
    ours, theirs = first.verdict["recommended_method"], second.verdict["recommended_method"]
    both = _answered(first, second, ours, theirs, shared)
    best = _difference(first, second, ours, theirs, both) if len(both) >= FEWEST_ROWS else None
    pairs = [
        ArmPair(
            method=name,
            a=first.arms[name].estimate if name in first.arms else None,
            b=second.arms[name].estimate if name in second.arms else None,
            difference=paired.get(name),
        )
        for name in dict.fromkeys([*second.arms, *first.arms])
    ]
    return RunPair(
        a=a.name,
        b=b.name,
        metrics=(first.evidence.metric, second.evidence.metric),
        verdicts=(first.verdict["headline"], second.verdict["headline"]),
        data=(first.title, second.title),
        shared_rows=len(shared),
        arms=tuple(sorted(pairs, key=lambda pair: _rank(pair, second.evidence.error))),
        recommended=best,
        note=note,
    )


def _read(run: Path) -> _Side:
    folder = RunFolder(run)
    verdict = folder.read("verdict.json")  # the last of the results: it is there in finished runs alone
    evidence = Evidence.model_validate(folder.read("evidence.json"))
    arms = {arm.method for arm in evidence.arms}
    by_arm: dict[str, list[dict[str, Any]]] = {}
    for planned in (unit for stage in folder.read("plan.json")["stages"] for unit in stage["units"]):
        if planned["method"] in arms and planned["predict_rows"]:
            unit = read_unit_file(run / "units" / planned["address"]).model_dump(mode="json")
            if unit["purpose"] == "evaluate":
                by_arm.setdefault(planned["method"], []).append({**unit, "address": planned["address"]})
    answers: dict[str, list[Answers]] = {}
    for method, units in by_arm.items():
        seeds = len(units) // len({unit["fold"] for unit in units})
        answers[method] = [
            {
                answer.example_id: answer
                for unit in units[repeat::seeds]
                for answer in read_predictions(run / "units" / unit["address"])
            }
            for repeat in range(seeds)
        ]
    predicted = {row for repeats in answers.values() for row in repeats[0]}
    return _Side(
        folder=folder,
        evidence=evidence,
        verdict=verdict,
        data=folder.read("dataset.json"),
        rows={row.id: row for row in _examples(run) if row.id in predicted},
        labels=tuple(next(iter(by_arm.values()))[0]["labels"]) if by_arm else (),
        answers=answers,
    )


def _examples(run: Path) -> list[Example]:
    text = RunFolder(run).text("rows.jsonl")
    try:
        lines = [json.loads(line) for line in text.split("\n") if line]
    except ValueError as error:
        raise RunFolderError(f"{run / 'rows.jsonl'} is damaged: run the job again.") from error
    return [Example.model_validate({key: one[key] for key in Example.model_fields}) for one in lines]


def find_run(name: Path, workspace: Path) -> Path:
    """A run's folder by its path, or by its name in the workspace.

    Raises:
        JobError: there is none; the message has the nearest name.
    """
    for place in (name, workspace / name):
        if (place / "events.jsonl").exists():
            return place
    known = sorted(one.parent.name for one in workspace.glob("*/events.jsonl"))
    hint = did_you_mean(name.name, known) if 0 < len(known) < MANY else "tuneworthy runs lists them."
    raise JobError(f"'{name}' is no run folder, nor the name of one in {workspace}: {hint}")


def _rank(pair: ArmPair, error: bool) -> tuple[int, float, str]:
    """Arms of both runs, of `b` alone, of `a` alone; the best first."""
    place = 0 if pair.a and pair.b else 1 if pair.b else 2
    estimate = pair.b or pair.a
    value = estimate.value if estimate else 0.0
    return place, value if error else -value, pair.method


def _shared(a: _Side, b: _Side) -> tuple[list[str], str]:
    """Ids of the rows on which the two are compared, in the order of `a`, and a note about them."""
    same_data = a.data["fingerprint"] == b.data["fingerprint"]
    asked = (a.evidence.metric, a.data["task"], a.labels), (b.evidence.metric, b.data["task"], b.labels)
    if asked[0] != asked[1]:
        what = next(w for w, x, y in zip(("metric", "task", "labels"), *asked, strict=True) if x != y)
        return [], f"Not comparable: the runs differ in {what}{'' if same_data else ' and in their data'}."
    if a.evidence.metric not in METRICS.names():
        return [], "Side by side only: the metric is a function of your own, and that is not run again here."
    if a.evidence.blocking or b.evidence.blocking:
        return [], "Side by side only: the data of a run has a blocking fault."
    theirs = {row for row in b.rows if b.rows[row].target == a.rows.get(row, b.rows[row]).target}
    shared = [row for row in a.rows if row in theirs]
    whole = len(shared) == len(a.rows) == len(b.rows)
    if not whole and not same_data:
        return [], "Not comparable: the data differs (see the fingerprints), and the test rows with it."
    if len(shared) < FEWEST_ROWS:
        return [], f"Side by side only: the runs share {len(shared)} test rows, fewer than {FEWEST_ROWS}."
    rows = f"the {len(shared):,} test rows that both predicted"
    if not whole:
        rows += f" (of {len(a.rows):,} and {len(b.rows):,}, which each run's own scores are over)"
    learned = "" if same_data else " What was learned from differs; the test rows do not."
    return shared, f"Differences are paired, over {rows}; p after Holm's correction.{learned}"


def _answered(a: _Side, b: _Side, ours: str, theirs: str, shared: Sequence[str]) -> list[str]:
    """The shared rows that both arms answered, on every seed: an arm that was stopped early has fewer."""
    answers = [*a.answers.get(ours, [{}]), *b.answers.get(theirs, [{}])]
    return [row for row in shared if all(row in repeat for repeat in answers)]


def _difference(a: _Side, b: _Side, ours: str, theirs: str, shared: Sequence[str]) -> Comparison:
    """The arm `theirs` of `b` minus the arm `ours` of `a`, over rows that both answered."""
    examples = [a.rows[row] for row in shared]
    answers = [
        [[repeat[row] for row in shared] for repeat in side.answers[name]]
        for side, name in ((b, theirs), (a, ours))
    ]
    return compare(
        METRICS.get(a.evidence.metric),
        answers[0][0],
        answers[1][0],
        examples,
        a.labels,
        method=theirs,
        against=ours,
        repeats=(answers[0][1:], answers[1][1:]),
        confidence=1 - a.evidence.thresholds.alpha,
    )
