"""The main job's verdict on answers that are known already: its estimates, its tests, its rules."""

from collections.abc import Mapping, Sequence

from tuneworthy.core.evidence import Arm, Cost, Evidence, Thresholds, Verdict
from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ArmKind
from tuneworthy.evaluation.intervals import estimate
from tuneworthy.evaluation.paired import adjust, compare
from tuneworthy.metrics import METRICS
from tuneworthy.verdict.rules import decide

KINDS: dict[str, ArmKind] = {
    "majority": "baseline",
    "tfidf": "classifier",
    "probe": "classifier",
    "zero_shot": "prompt",
    "lora": "tuned",
}


def decided_on(right: Mapping[str, Sequence[bool]], minutes: Mapping[str, float], trained_on: int) -> Verdict:
    """The same of an accuracy, of which no more is known than the rows that each arm has right."""
    rows = [Example(id=f"{i:04d}", input="", target="yes") for i in range(len(next(iter(right.values()))))]
    given = {
        arm: [
            Prediction(example_id=row.id, value="yes" if known else "no")
            for row, known in zip(rows, column, strict=True)
        ]
        for arm, column in right.items()
    }
    return decided("accuracy", rows, given, ("no", "yes"), minutes, trained_on)


def decided(
    metric: str,
    rows: Sequence[Example],
    given: Mapping[str, Sequence[Prediction]],
    labels: Sequence[str],
    minutes: Mapping[str, float],
    trained_on: int,
    resamples: int = 100,
) -> Verdict:
    """What a crossfit would say of these answers.

    Args:
        metric: the primary one.
        rows: that were asked.
        given: each arm's answers, in their order.
        labels: the closed set of answers.
        minutes: what each arm cost, which decides between arms that are alike.
        trained_on: rows in all.
        resamples: of each bootstrap; an accuracy needs none.
    """
    found = METRICS.get(metric)
    arms = tuple(
        Arm(
            method=arm,
            kind=KINDS[arm],
            estimate=estimate(found, answers, rows, labels, method=arm, resamples=resamples),
            cost=Cost(
                method=arm,
                fit_s=60 * minutes[arm],
                predict_s=0,
                rows_predicted=len(rows),
                latency_s=0,
                seconds_per_1000=60 * minutes[arm],
            ),
        )
        for arm, answers in given.items()
    )
    comparisons = adjust(
        [
            compare(found, given[a], given[b], rows, labels, method=a, against=b, resamples=resamples)
            for a in given
            for b in given
            if (KINDS[a] == "tuned" and KINDS[b] != "tuned")
            or (KINDS[a] not in ("tuned", "baseline") and KINDS[b] == "baseline")
        ]
    )
    return decide(
        Evidence(
            metric=metric,
            arms=arms,
            comparisons=comparisons,
            thresholds=Thresholds(),
            rows=trained_on,
            test_rows=len(rows),
            protocol="crossfit",
        )
    )
