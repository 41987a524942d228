"""The parity gate: does the exported model answer as the very fit that it was made from?

It compares with that fit in this process, never with predictions of folds, whose models are others. Causes
that have a name (base model, labels, special tokens, template, stop token, prompts, tokens) are looked at
first; then the distance of log-probabilities, which sees other weights where answers happen to agree; then
the answers, paired on the rows.
"""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from tuneworthy.core.errors import ModelError
from tuneworthy.core.evidence import Comparison
from tuneworthy.core.example import Example
from tuneworthy.core.parity import Difference, Parity
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.paired import compare
from tuneworthy.evaluation.resolution import whole_of
from tuneworthy.exporters import Exporter, Given, Inspecting, Side, Subject, Tolerance, named
from tuneworthy.metrics import METRICS, Metric, oriented
from tuneworthy.units.refit import Refit

USUAL_ROWS = 64  # an exact test sees five rows lost and none won: 8% of them
SIGNIFICANT = 0.05  # one-sided: only a drop fails an export
FLOOR = -30.0  # nats: below it a log-probability says "impossible", and how impossible does not count
RESAMPLES = 2_000
OF_PROBABILITIES = ("log_loss", "calibration_error", "auroc")  # not every export gives those of all labels
AROUND = 40  # characters shown on each side of the place where two prompts part
TRAITS = {
    "base_model": "the base model is another one",
    "labels": "the labels differ",
    "special_tokens": "the special tokens differ",
    "template": "the chat template differs",
    "stop_token": "the stop token is missing",
}


def choose_rows(refit: Refit, count: int, seed: int = 0) -> list[Example]:
    """So many of the run's labelled rows, drawn without replacement, in the order of the table."""
    rows = refit.rows()
    picked = np.random.default_rng(seed).permutation(len(rows))[:count]
    return [rows[i] for i in sorted(picked)]


def examine(
    subject: Subject, exporter: Exporter, folder: Any, rows: Sequence[Example], known: Sequence[str] = ()
) -> Parity:
    """Asks the fit and the artefact the same rows and says whether the artefact may leave.

    Args:
        subject: the fit.
        exporter: of the artefact.
        folder: where the artefact lies.
        rows: labelled rows of the run.
        known: causes that are known already, such as files that have changed since the export.
    """
    expected = exporter.expected(subject, rows)
    subject.refit.release()  # two models at a time are one too many
    started = time.perf_counter()
    try:
        found = exporter.found(subject, folder, rows)
    except ModelError as error:
        return _unasked(subject, exporter, rows, (*known, str(error).rstrip(".")))
    seconds = time.perf_counter() - started
    allowed = exporter.tolerance(subject, found.precision)
    metric = _metric_of(subject.refit)
    nats = _distance(expected, found)
    drop = _drop(metric, expected, found, rows, subject)
    margin = allowed.drop * _size(metric, subject, rows)
    same = sum(a.value == b.value for a, b in zip(expected.given, found.given, strict=True))
    causes = [*known, *_traits(expected, found), *_prompts(expected, found, rows)]
    if allowed.nats is not None and nats is not None and nats > allowed.nats:
        causes += _weights(subject, exporter, folder)
        causes.append(
            f"its log-probabilities are {nats:.3g} nats from the fit's on average, and {found.precision} "
            f"explains {allowed.nats:g}: these are other weights"
        )
    causes += _answers(metric, drop, margin, same, len(rows))
    return Parity(
        artefact=named(exporter.name, subject.variant),
        method=subject.refit.unit.method,
        unit=subject.refit.unit.address,
        rows=len(rows),
        same=same,
        metric=metric.name,
        expected=_value(metric, expected, rows, subject),
        found=_value(metric, found, rows, subject),
        drop=drop,
        tolerance=margin,
        nats=nats,
        most_nats=allowed.nats,
        precision=found.precision,
        causes=tuple(causes),
        notes=_notes(same, len(rows), causes),
        first=_first(expected, found, rows, bool(causes)),
        seconds=round(seconds, 2),
    )


def _unasked(
    subject: Subject, exporter: Exporter, rows: Sequence[Example], causes: tuple[str, ...]
) -> Parity:
    """The gate's word on an artefact that answers nothing."""
    return Parity(
        artefact=named(exporter.name, subject.variant),
        method=subject.refit.unit.method,
        unit=subject.refit.unit.address,
        rows=len(rows),
        same=0,
        metric=_metric_of(subject.refit).name,
        expected=None,
        found=None,
        drop=None,
        tolerance=Tolerance().drop,
        causes=causes,
    )


def _metric_of(refit: Refit) -> Metric:
    """The run's metric, or the task's first in place of one of the user's own, or of probabilities."""
    known = refit.unit.metric in METRICS.names() and refit.unit.metric not in OF_PROBABILITIES
    return METRICS.get(refit.unit.metric) if known else refit.setting.metric


def _size(metric: Metric, subject: Subject, rows: Sequence[Example]) -> float:
    """What a tolerance is a share of: the metric's range, or where it has none the error of a constant."""
    if np.isfinite(metric.best) and np.isfinite(metric.worst):
        return abs(metric.best - metric.worst)
    return whole_of(metric, subject.refit.setting.task, rows)


def _predictions(side: Side, rows: Sequence[Example]) -> list[Prediction]:
    return [
        Prediction(
            example_id=row.id,
            value=given.value,
            status="unparseable" if given.value is None else "parsed",
            scores=_probabilities(given),
        )
        for given, row in zip(side.given, rows, strict=True)
    ]


def _probabilities(given: Given) -> dict[str, float] | None:
    """The answers' log-probabilities as shares of one, where one of them was chosen."""
    if given.value is None or given.value not in given.scores:
        return None
    logs = np.array([given.scores[name] for name in given.scores])
    shares = np.exp(logs - logs.max())
    return dict(zip(given.scores, (shares / shares.sum()).tolist(), strict=True))


def _value(metric: Metric, side: Side, rows: Sequence[Example], subject: Subject) -> float:
    targets = [str(row.target) for row in rows]
    parts = metric.parts(_predictions(side, rows), targets, subject.refit.unit.labels)
    return float(metric.value(parts.sum(axis=0)))


def _drop(
    metric: Metric, expected: Side, found: Side, rows: Sequence[Example], subject: Subject
) -> Comparison:
    """The fit minus the exported model, paired."""
    return compare(
        metric,
        _predictions(expected, rows),
        _predictions(found, rows),
        rows,
        subject.refit.unit.labels,
        method="fit",
        against="exported",
        resamples=RESAMPLES,
    )


def _distance(expected: Side, found: Side) -> float | None:
    """Mean absolute difference of log-probabilities, in nats, over rows and what both sides score."""
    pairs = [
        (max(ours.scores[name], FLOOR), max(theirs.scores[name], FLOOR))
        for ours, theirs in zip(expected.given, found.given, strict=True)
        for name in ours.scores
        if name in theirs.scores
    ]
    return float(np.mean([abs(a - b) for a, b in pairs])) if pairs else None


def _traits(expected: Side, found: Side) -> list[str]:
    """What differs of that which has to be equal."""
    causes = []
    for trait, words in TRAITS.items():
        if trait not in expected.traits or trait not in found.traits:
            continue
        ours, theirs = expected.traits[trait], found.traits[trait]
        if trait == "stop_token":
            if ours not in theirs:
                stops = ", ".join(map(repr, theirs)) or "nothing"
                causes.append(
                    f"{words}: the fit ends its answers with {ours!r}, and this one stops at {stops}"
                )
        elif ours != theirs:
            causes.append(f"{words}: {_apart(ours, theirs)}")
    return causes


def _apart(ours: Any, theirs: Any) -> str:
    """Where two values part, each shown from a little before that place."""
    if not isinstance(ours, str) or not isinstance(theirs, str):
        return f"the fit has {ours!r}, this one {theirs!r}"
    pairs = zip(ours, theirs, strict=False)
    place = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(ours), len(theirs)))
    start, end = max(0, place - AROUND), place + AROUND
    return f"from character {place + 1} on the fit has {ours[start:end]!r}, this one {theirs[start:end]!r}"


def _prompts(expected: Side, found: Side, rows: Sequence[Example]) -> list[str]:
    """The first row that is asked otherwise, or whose prompt becomes other tokens."""
    for ours, theirs, row in zip(expected.given, found.given, rows, strict=True):
        if ours.prompt is not None and theirs.prompt is not None and ours.prompt != theirs.prompt:
            return [f"row {row.row} is asked otherwise: {_apart(ours.prompt, theirs.prompt)}"]
        if ours.tokens is not None and theirs.tokens is not None and ours.tokens != theirs.tokens:
            pairs = zip(ours.tokens, theirs.tokens, strict=False)
            place = next(
                (i for i, (a, b) in enumerate(pairs) if a != b), min(len(ours.tokens), len(theirs.tokens))
            )
            return [
                f"the tokenizer differs: the prompt of row {row.row} becomes other tokens from number "
                f"{place + 1} on ({list(ours.tokens[place : place + 3])} in the fit, "
                f"{list(theirs.tokens[place : place + 3])} in this one)"
            ]
    return []


def _weights(subject: Subject, exporter: Exporter, folder: Any) -> list[str]:
    return exporter.weights(subject, folder) if isinstance(exporter, Inspecting) else []


def _answers(metric: Metric, drop: Comparison, margin: float, same: int, rows: int) -> list[str]:
    """A drop that is significant, or larger than the tolerance."""
    worse = float(oriented(metric, np.array(drop.difference)))
    p = drop.p_greater
    if same == rows or worse <= 0:
        return []
    lost = f"{metric.title} falls by {worse:.3g} on {rows} rows"
    if p < SIGNIFICANT:
        return [f"{lost}, which is no chance (one-sided p {p:.2g})"]
    return [f"{lost}, and {margin:.3g} is allowed"] if worse > margin + 1e-12 else []


def _notes(same: int, rows: int, causes: Sequence[str]) -> tuple[str, ...]:
    if causes or same == rows:
        return ()
    return (f"{rows - same} of {rows} answers differ, within the tolerance",)


def _first(expected: Side, found: Side, rows: Sequence[Example], failed: bool) -> Difference | None:
    """The first row that is answered otherwise; where none is, the first that is asked otherwise.

    Where the gate fails and neither is so, the row whose log-probabilities are furthest apart.
    """
    triples = list(zip(expected.given, found.given, rows, strict=True))
    different = [t for t in triples if t[0].value != t[1].value]
    different += [t for t in triples if None not in (t[0].prompt, t[1].prompt) and t[0].prompt != t[1].prompt]
    if not different and failed:
        different = sorted(triples, key=lambda t: _furthest(t[0], t[1]) or 0.0, reverse=True)
    if not different:
        return None
    ours, theirs, row = different[0]
    return Difference(
        example_id=row.id,
        row=row.row,
        expected=ours.value,
        found=theirs.value,
        expected_prompt=ours.prompt,
        found_prompt=theirs.prompt,
        expected_tokens=ours.tokens,
        found_tokens=theirs.tokens,
        nats=_furthest(ours, theirs),
    )


def _furthest(ours: Given, theirs: Given) -> float | None:
    """The largest distance of two log-probabilities of one row, in nats."""
    shared = [name for name in ours.scores if name in theirs.scores]
    return max((abs(max(ours.scores[k], FLOOR) - max(theirs.scores[k], FLOOR)) for k in shared), default=None)
