"""How often the whole chain, predictions to verdict, claims what is not so."""

import numpy as np

from tuneworthy.core.evidence import Arm, Cost, Evidence, Thresholds, Verdict
from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.intervals import estimate
from tuneworthy.evaluation.paired import compare
from tuneworthy.metrics import METRICS
from tuneworthy.verdict.rules import decide

ROWS = 120
KINDS = {"majority": "baseline", "tfidf": "classifier", "lora": "tuned", "full": "tuned"}
LABELS = ["a", "b"]


def verdict(accuracies: dict[str, float], seed: int, gain: float, metric_name: str = "accuracy") -> Verdict:
    """One run on fresh rows; each arm is right with its accuracy, independently of the others."""
    rng = np.random.default_rng(seed)
    metric = METRICS.get(metric_name)
    targets = [LABELS[int(draw)] for draw in rng.integers(0, 2, ROWS)]
    rows = [Example(id=f"{row:03d}", input="", target=target) for row, target in enumerate(targets)]
    answers = {
        name: [
            Prediction(
                example_id=row.id, value=row.target if rng.random() < share else LABELS[row.target == "a"]
            )
            for row in rows
        ]
        for name, share in accuracies.items()
    }
    options = {"resamples": 400}
    arms = tuple(
        Arm(
            method=name,
            kind=KINDS[name],
            estimate=estimate(metric, answers[name], rows, LABELS, method=name, **options),
            cost=Cost(method=name, fit_s=0, predict_s=0, rows_predicted=1, latency_s=0, seconds_per_1000=1),
        )
        for name in accuracies
    )
    comparisons = tuple(
        compare(metric, answers[one], answers[two], rows, LABELS, method=one, against=two, **options)
        for one in accuracies
        for two in accuracies
        if one != two and KINDS[two] != "tuned"
    )
    return decide(
        Evidence(
            metric=metric_name,
            arms=arms,
            comparisons=comparisons,
            thresholds=Thresholds(smallest_gain_worth_having=gain),
            rows=ROWS,
            test_rows=ROWS,
            protocol="crossfit",
        )
    )


def share(claim: str, runs: int, *arguments, **options) -> float:
    found = [verdict(arguments[0], seed, *arguments[1:], **options).decision == claim for seed in range(runs)]
    return sum(found) / runs


def test_arms_equal_by_construction_are_called_worth_tuning_in_at_most_5_percent_of_runs() -> None:
    equal = {"majority": 0.5, "tfidf": 0.8, "lora": 0.8, "full": 0.8}
    assert share("fine_tune", 100, equal, 0.0) <= 0.05


def test_so_are_they_under_macro_f1_and_the_permutation_test() -> None:
    equal = {"majority": 0.5, "tfidf": 0.8, "lora": 0.8}
    assert share("fine_tune", 100, equal, 0.0, metric_name="macro_f1") <= 0.05


def test_a_large_gain_is_found() -> None:
    assert share("fine_tune", 40, {"majority": 0.5, "tfidf": 0.7, "lora": 0.93}, 0.02) >= 0.9


def test_a_gain_that_is_real_is_seldom_ruled_out() -> None:
    gain = {"majority": 0.5, "tfidf": 0.75, "lora": 0.85}  # ten points, five worth having
    assert share("classifier", 60, gain, 0.05) <= 0.05
