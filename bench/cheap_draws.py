"""Draws of a public set's rows, answered by the cheap arms: crossfitted, and on rows that no draw has.

What `bench/calibration.py` measures is computed from these answers. They stay in `.bench/calibration`, a file
a draw, so that a run that was stopped goes on. Both files of a set are one pool, and drawn from it are the
rows to learn from and the others: a set's own test file need not be of the same population (that of trec
is not), and what an interval says is about rows like those it was computed from.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from common import setting_of
from tasks import SETS, read
from tuneworthy.core.example import Example
from tuneworthy.core.job import CurveSpec, DataSpec, Job
from tuneworthy.core.unit import ModelRole
from tuneworthy.data.splits import make_split
from tuneworthy.methods import METHODS
from tuneworthy.models.resolve import resolve
from tuneworthy.tasks import TASKS
from tuneworthy.units.curve import Parts, draw_parts

PLACE = Path(__file__).parent.parent / ".bench" / "calibration"
FITTED = ("majority", "tfidf", "probe")  # on the rows of a draw
ONCE, CORRECTED_ON = "zero_shot", 100  # asked every row of a set once; rows that choose its correction
MOST = 300  # rows of the largest draw: the others of the pool tell what is true of every draw
MODELS: dict[str, tuple[ModelRole, str]] = {
    "probe": ("embedder", "minilm"),
    ONCE: ("prompter", "smollm2-135m"),
}
Row = dict[str, Any]


@cache
def parts(name: str, data: Path) -> dict[str, list[Example]]:
    """A set's rows as examples, by file."""
    given = SETS[name]
    found: dict[str, list[Example]] = {}
    for part in ("train", "test"):
        found[part] = [
            Example(
                id=f"{part}-{i}",
                input=row[given.input[0]]
                if len(given.input) == 1
                else "\n".join(f"{column}: {row[column]}" for column in given.input),
                target=str(row[given.target]),
                row=i,
            )
            for i, row in enumerate(read(data / name, part))
        ]
    return found


def pool(name: str, data: Path) -> list[Example]:
    """The rows of both files."""
    return [row for rows in parts(name, data).values() for row in rows]


def drawn_rows(name: str, data: Path, count: int, draw: int) -> tuple[list[Example], list[Example]]:
    """So many rows by the draw's own seed, in the order of the files; and those that no size of it has."""
    rows = pool(name, data)
    order = np.random.default_rng(100 + draw).permutation(len(rows))
    return [rows[int(i)] for i in sorted(order[:count])], [rows[int(i)] for i in sorted(order[MOST:])]


def answers(
    arm: str, metric: str, labels: tuple[str, ...], seed: int, fit: Sequence[Example], ask: Sequence[Example]
) -> list[str]:
    """What an arm fitted on some rows answers to others."""
    method = METHODS.get(arm)
    models = {role: resolve(model, print) for role, model in [MODELS[arm]]} if arm in MODELS else {}
    setting = setting_of("text-classification", labels, metric, seed, models)
    fitted = method.fit(setting, method.Parameters(), fit, [])
    return [str(given.value) for given in fitted.predict([row.without_target() for row in ask])]


def outcomes(name: str, data: Path, count: int, draw: int, curve: bool) -> Row:
    """Answers of one draw, with fits on parts of its rows where it has a curve.

    Returns:
        `arms`: by arm and share of each fold's training rows, crossfitted answers in the order `order`;
        `test`: by arm and share, a list of answers to the other rows for each fold's model; `sizes`: training
        rows by share; `metric`, `labels`.
    """
    file = PLACE / f"{name}-{count}-{draw}{'-curve' if curve else ''}.json"
    if file.exists():
        stored: Row = json.loads(file.read_text(encoding="utf-8"))
        return stored
    rows, others = drawn_rows(name, data, count, draw)
    task = TASKS.get("text-classification")
    metric, labels = task.primary_metric(rows), task.labels(rows)
    job = Job(data=DataSpec(path=""), seed=draw, curve=CurveSpec())
    split = make_split(rows, "crossfit", job.folds, job.test_fraction, job.validation_fraction, draw)
    drawn = draw_parts(job, split, rows) if curve else Parts((), split)
    split, by_id = drawn.split, {row.id: row for row in rows}
    inside: dict[str, dict[str, list[str]]] = {}
    outside: dict[str, dict[str, list[list[str]]]] = {}
    for arm in FITTED:
        shares, tested = inside.setdefault(arm, {}), outside.setdefault(arm, {})
        for number, fold in enumerate(split.folds):
            asked = [*(by_id[row] for row in split.rows(fold.predict)), *others]
            held = len(asked) - len(others)
            whole = [(1.0, fold.fit, fold.validation)]
            own = [(p.share, p.fit, p.validation) for p in drawn.parts if p.fold == number]
            for share, fit, validation in [*whole, *(own if arm != "majority" else [])]:
                learned = [by_id[row] for row in (*split.rows(fit), *split.rows(validation))]
                if share < 1 and len({row.target for row in learned}) < 2:
                    continue  # such a size is left out; all rows of a fold are learned from, as in the job
                told = answers(arm, metric, labels, draw + number, learned, asked)
                shares.setdefault(str(share), []).extend(told[:held])
                tested.setdefault(str(share), []).append(told[held:])
        inside[arm] = {share: told for share, told in shares.items() if len(told) == count}
    kept_here = {
        "metric": metric,
        "labels": labels,
        "order": list(split.test_ids),
        "sizes": {share: round(float(share) * 0.8 * count) for share in inside["tfidf"]},
        "arms": inside,
        "test": outside,
    }
    PLACE.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(kept_here))
    return kept_here


def asked_once(name: str, data: Path) -> dict[str, dict[str, float]]:
    """Log-probability of each label by row, of every row of a set, by the untrained model alone."""
    file = PLACE / f"{name}-{ONCE}.json"
    if not file.exists():
        rows = pool(name, data)
        task, method = TASKS.get("text-classification"), METHODS.get(ONCE)
        labels, metric = task.labels(rows), task.primary_metric(rows)
        role, model = MODELS[ONCE]
        setting = replace(
            setting_of("text-classification", labels, metric, 0, {role: resolve(model, print)}),
            instruction=task.instruction(labels),
        )
        fitted = method.fit(setting, method.Parameters(), drawn_rows(name, data, CORRECTED_ON, 0)[0], [])
        told = fitted.predict([row.without_target() for row in rows])
        PLACE.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({given.example_id: given.scores for given in told}))
    found: dict[str, dict[str, float]] = json.loads(file.read_text(encoding="utf-8"))
    return found


def likeliest(scores: dict[str, float], labels: Sequence[str]) -> str:
    """The label of the draw with the highest score: one that no row of it has is no answer."""
    return max(labels, key=lambda label: scores[label])
