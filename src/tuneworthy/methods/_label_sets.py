"""From probabilities of labels to sets of labels: a label is given from its threshold on.

Thresholds are chosen by the primary metric on rows that were not fitted. First the one that all labels share,
which is what micro-F1 asks for where probabilities are calibrated (half of the best F1: Lipton et al. 2014).
They seldom are, so each label then gets a threshold of its own where that is better, label after label with
the others' held, until none changes (cyclic optimisation: Fan & Lin 2007). A rare label keeps the shared one:
a threshold chosen on a handful of rows fits those rows alone. Fan & Lin counter that with a fall-back rule
(SCutFBR: the label is hardly given), we by asking for `FEWEST_ROWS` and lending it the others' threshold.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tuneworthy.core.errors import JobError
from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.methods import Setting
from tuneworthy.metrics import Parts, oriented
from tuneworthy.metrics._sets import labels_of, written

Table = NDArray[np.float64]  # probabilities, [rows, labels]
Flags = NDArray[np.bool_]  # [rows, labels]
Chance = Annotated[float, Field(gt=0, lt=1)]
Threshold = Chance | dict[str, Chance]

GRID = tuple(step / 20 for step in range(1, 15))  # 0.05 to 0.7
UNCHOSEN = 0.5
# Chosen on 100 and on 250 rows of snips (39 slot names; TF-IDF, probe) and wnut17 (6 types; TF-IDF), three
# draws each, scored on 500 others. Micro-F1 and macro-F1: 51.4% and 38.6% with 10, 51.1% and 38.2% with 1,
# 51.4% and 38.7% with 20, 51.5% and 38.1% with one threshold for all; micro-F1 40.9% with 0.5 for all.
FEWEST_ROWS = 10
PASSES = 3  # over the labels; the last ones seldom change anything
TIE = 1e-12


def threshold_field(chosen_on: str) -> Any:
    """The parameter `threshold` of a method that chooses it on such rows."""
    return Field(
        None,
        description="multi-label: probability from which a label is given, one for all or one for each; "
        f"default: chosen on {chosen_on}, for a label with {FEWEST_ROWS} of them its own (Fan & Lin 2007)",
    )


def truth_of(rows: Sequence[Example], labels: Sequence[str]) -> Flags:
    """Which labels each row has."""
    found = [set(labels_of(str(row.target))) for row in rows]
    return np.array([[label in own for label in labels] for own in found], dtype=bool).reshape(
        -1, len(labels)
    )


def answers(rows: Sequence[Example], given: Flags, labels: Sequence[str]) -> list[Prediction]:
    """Flags as answers."""
    return [
        Prediction(
            example_id=row.id,
            value=written([label for label, flag in zip(labels, flags, strict=True) if flag]),
        )
        for row, flags in zip(rows, given, strict=True)
    ]


def log_loss(table: Table, truth: Flags) -> float:
    """Mean binary cross-entropy over rows and labels, in nats."""
    right = np.where(truth, table, 1 - table)
    return float(-np.log(np.clip(right, 1e-12, 1)).mean())


def unchosen(labels: Sequence[str]) -> Table:
    """One half for each label, where there is nothing to choose on."""
    return np.full(len(labels), UNCHOSEN)


def asked_thresholds(asked: Threshold | None, labels: Sequence[str]) -> Table | None:
    """The user's threshold for each label, [labels]; None where they are to be chosen.

    Raises:
        JobError: some labels have one and others have none.
    """
    if asked is None:
        return None
    if isinstance(asked, float):
        return np.full(len(labels), asked)
    missing = [label for label in labels if label not in asked]
    if missing:
        raise JobError(
            f"threshold has no number for the label '{missing[0]}': name every label, or one number for all."
        )
    return np.array([asked[label] for label in labels])


def shared_threshold(setting: Setting, rows: Sequence[Example], table: Table) -> tuple[float, float]:
    """The best threshold for all labels together, and its oriented score: the higher the better."""
    scored = [(_score(setting, _parts(setting, rows, table >= one).sum(0)), one) for one in GRID]
    best = max(score for score, _ in scored)
    return _middle([one for score, one in scored if score >= best - TIE]), best


def choose_thresholds(setting: Setting, rows: Sequence[Example], table: Table) -> Table:
    """A threshold for each label, [labels], from probabilities of rows that were not fitted."""
    start, score = shared_threshold(setting, rows, table)
    chosen = np.full(len(setting.labels), start)
    given = table >= chosen
    parts = _parts(setting, rows, given)
    counts = truth_of(rows, setting.labels).sum(0)
    common = [i for i in np.argsort(-counts, kind="stable") if counts[i] >= FEWEST_ROWS]

    def score_at(label: int, threshold: float) -> float:
        """With another threshold for one label: only rows whose answer it changes are counted anew."""
        flips = np.flatnonzero((table[:, label] >= threshold) != given[:, label])
        if not len(flips):
            return score
        flipped = given[flips]
        flipped[:, label] ^= True
        own = _parts(setting, [rows[i] for i in flips.tolist()], flipped)
        return _score(setting, parts.sum(0) - parts[flips].sum(0) + own.sum(0))

    for _ in range(PASSES):
        before = score
        for label in common:
            scored = [(score_at(label, threshold), threshold) for threshold in GRID]
            best = max(found for found, _ in scored)
            if best > score + TIE:
                score, chosen[label] = best, _middle([one for found, one in scored if found >= best - TIE])
                given[:, label] = table[:, label] >= chosen[label]
                parts = _parts(setting, rows, given)
        if score <= before + TIE:
            break
    return chosen


def _parts(setting: Setting, rows: Sequence[Example], given: Flags) -> Parts:
    targets = [str(row.target) for row in rows]
    return setting.metric.parts(answers(rows, given, setting.labels), targets, setting.labels)


def _score(setting: Setting, sums: Parts) -> float:
    return float(oriented(setting.metric, setting.metric.value(sums)))


def _middle(equal: Sequence[float]) -> float:
    """Of thresholds that score the same the middle one: the ends are where rows begin to change."""
    return equal[len(equal) // 2]


def named(thresholds: Table, labels: Sequence[str]) -> dict[str, float]:
    """Thresholds by label, for facts and files."""
    return {label: round(float(one), 6) for label, one in zip(labels, thresholds, strict=True)}


def frozen_thresholds(facts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the refit takes over: each label's median over the folds; nothing where answers are no sets."""
    folds = [fact["threshold"] for fact in facts if "threshold" in fact]
    if not folds:
        return {}
    return {"threshold": {label: float(np.median([fold[label] for fold in folds])) for label in folds[0]}}
