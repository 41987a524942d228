"""Parts of the test rows on which one arm is worse than another, though it may be better on the whole."""

from collections.abc import Iterator, Sequence
from typing import TypedDict

import numpy as np
from scipy.stats import false_discovery_control

from tuneworthy.core.evidence import Comparison
from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.paired import compare
from tuneworthy.metrics import METRICS, Metric

FEWEST = 10  # rows of a part that is looked at
MOST_GROUPS = 20  # the largest ones
QUARTERS = ("shortest quarter", "second quarter", "third quarter", "longest quarter")
RATE = 0.1  # of the parts that are named, the share expected to be named by chance alone


class Slice(TypedDict):
    """A part of the rows: where it comes from, its name, and `method` against the other arm on it.

    `low` and `high` bound the difference; `p` is one-sided, that `method` is not worse; `q` is p after
    Benjamini and Hochberg's correction over all parts that were looked at.
    """

    by: str
    name: str
    n: int
    difference: float
    low: float | None
    high: float | None
    p: float
    q: float


class Slices(TypedDict):
    """The parts, of `tested`, on which `method` is worse than `against`, the surest first."""

    method: str
    against: str
    metric: str
    tested: int
    rate: float
    worse: list[Slice]


def worse_slices(
    metric: Metric,
    ours: Sequence[Prediction],
    theirs: Sequence[Prediction],
    examples: Sequence[Example],
    labels: Sequence[str],
    *,
    method: str,
    against: str,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Slices | None:
    """The parts on which `ours` is worse, at a false discovery rate of 10% (Benjamini & Hochberg 1995).

    Parts are the rows of a label, of a quarter by length of the input, and of a group. Labels are scored by
    the share of right answers, texts by the metric itself; each test is the one-sided form of `compare`'s.
    None when fewer than two parts have ten rows.

    Raises:
        ValueError: predictions for other rows than `examples`.
    """
    deciding = metric if metric.open else METRICS.get("accuracy")
    of_ours, of_theirs = ({p.example_id: p for p in some} for some in (ours, theirs))
    found: list[tuple[str, str, Comparison]] = []
    for by, name, rows in _parts(examples, bool(labels) and not metric.open):
        lead = compare(  # of the other arm, since `p_greater` asks whether the first one is better
            deciding,
            [of_theirs[row.id] for row in rows],
            [of_ours[row.id] for row in rows],
            rows,
            labels,
            method=against,
            against=method,
            confidence=confidence,
            resamples=resamples,
            seed=seed,
        )
        found.append((by, name, lead))
    if len(found) < 2:
        return None
    q_values = false_discovery_control([lead.p_greater for _, _, lead in found], method="bh")
    slices = [
        Slice(
            by=by,
            name=name,
            n=lead.n,
            difference=-lead.difference,
            low=None if lead.high is None else -lead.high,
            high=None if lead.low is None else -lead.low,
            p=lead.p_greater,
            q=float(q),
        )
        for (by, name, lead), q in zip(found, q_values, strict=True)
        if q <= RATE
    ]
    slices.sort(key=lambda part: (part["q"], -abs(part["difference"])))
    return Slices(
        method=method, against=against, metric=deciding.name, tested=len(found), rate=RATE, worse=slices
    )


def _parts(examples: Sequence[Example], labelled: bool) -> Iterator[tuple[str, str, list[Example]]]:
    """Where a part comes from, its name and its rows; only those of ten rows and not of all."""
    for by, parts in (
        ("label", _by(examples, "target") if labelled else {}),
        ("length", _by_length(examples)),
        ("group", _alone(_largest(_by(examples, "group")))),
    ):
        for name, rows in parts.items():
            if FEWEST <= len(rows) < len(examples):
                yield by, name, rows


def _by(examples: Sequence[Example], field: str) -> dict[str, list[Example]]:
    """Rows by a field, without those that lack it."""
    parts: dict[str, list[Example]] = {}
    for row in examples:
        if (value := getattr(row, field)) is not None:
            parts.setdefault(str(value), []).append(row)
    return parts


def _alone(groups: dict[str, list[Example]]) -> dict[str, list[Example]]:
    """Rows of a group as draws of their own: the group is given, and nothing is said of others."""
    return {name: [row.model_copy(update={"group": None}) for row in rows] for name, rows in groups.items()}


def _largest(parts: dict[str, list[Example]]) -> dict[str, list[Example]]:
    """The largest parts, in the order of their size."""
    order = sorted(parts, key=lambda name: (-len(parts[name]), name))
    return {name: parts[name] for name in order[:MOST_GROUPS]}


def _by_length(examples: Sequence[Example]) -> dict[str, list[Example]]:
    """Quarters of the rows by characters of the input; rows as long as an end share the shorter quarter."""
    lengths = np.array([len(row.input) for row in examples])
    ends = np.quantile(lengths, [0.25, 0.5, 0.75])
    parts: dict[str, list[Example]] = {}
    for row, length in zip(examples, lengths, strict=True):
        parts.setdefault(QUARTERS[int(np.searchsorted(ends, length))], []).append(row)
    return {name: parts[name] for name in QUARTERS if name in parts}
