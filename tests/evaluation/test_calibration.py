"""The temperature that makes probabilities mean what they say, and how far off they are."""

import numpy as np
import pytest

from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.calibration import (
    calibrate,
    debiased_calibration_error,
    fit_temperature,
    log_scores,
    softened,
)

LABELS = ("a", "b", "c")


def drawn(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Log scores whose softmax is the truth, and answers drawn from it."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(rows, 3)) * 2
    shares = softened(scores, 1.0)
    return scores, np.array([rng.choice(3, p=row) for row in shares])


def answered(scores: np.ndarray, truth: np.ndarray) -> tuple[list[Prediction], list[Example]]:
    shares = softened(scores, 1.0)
    predictions = [
        Prediction(
            example_id=str(i),
            value=LABELS[int(p.argmax())],
            scores={label: round(float(v), 6) for label, v in zip(LABELS, p, strict=True)},
        )
        for i, p in enumerate(shares)
    ]
    rows = [Example(id=str(i), input="x", target=LABELS[t]) for i, t in enumerate(truth)]
    return predictions, rows


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_scores_that_were_multiplied_get_that_temperature(factor: float) -> None:
    scores, truth = drawn(4000)
    assert fit_temperature(scores * factor, truth) == pytest.approx(factor, rel=0.1)


def test_rows_that_are_all_right_do_not_make_an_arm_certain() -> None:
    scores = np.tile([2.0, 0.0, 0.0], (40, 1))
    assert fit_temperature(scores, np.zeros(40, dtype=int)) > 0.15


@pytest.mark.parametrize("temperature", [0.1, 1.0, 7.0])
def test_a_temperature_changes_no_answer(temperature: float) -> None:
    scores, _ = drawn(500)
    assert (softened(scores, temperature).argmax(1) == scores.argmax(1)).all()


def test_an_arm_that_is_too_sure_is_calibrated_on_rows_it_was_not_fitted_on() -> None:
    scores, truth = drawn(400)
    found = calibrate(*answered(scores * 3, truth), LABELS, "crossfit")
    by_name = {(one.method, one.metric): one for one in found.estimates}
    assert found.temperature == pytest.approx(3, rel=0.25) and found.rows == 400
    assert by_name["calibrated", "log_loss"].value < by_name["as it was", "log_loss"].value - 0.1
    before, after = (by_name[m, "debiased_calibration_error"].value for m in ("as it was", "calibrated"))
    assert before > 0.1 > after


def test_raw_scores_are_used_where_no_prior_was_corrected_and_probabilities_where_one_was() -> None:
    raw = {"a": -10.0, "b": -30.0, "c": -40.0}
    plain = Prediction(example_id="1", value="a", scores={"a": 1.0, "b": 0.0, "c": 0.0}, log_scores=raw)
    assert log_scores(plain, LABELS).tolist() == [0.0, -20.0, -30.0]
    corrected = plain.model_copy(update={"scores": {"a": 0.2, "b": 0.5, "c": 0.3}})
    assert np.exp(log_scores(corrected, LABELS)) == pytest.approx([0.2, 0.5, 0.3])


def test_too_few_rows_and_arms_without_probabilities_stay_as_they_are() -> None:
    scores, truth = drawn(20)
    predictions, rows = answered(scores, truth)
    few = calibrate(predictions, rows, LABELS, "holdout")
    assert few.temperature == 1 and "20 rows are too few" in str(few.reason)
    bare = [p.model_copy(update={"scores": None}) for p in predictions]
    assert "no probabilities" in str(calibrate(bare, rows, LABELS, "holdout").reason)


@pytest.mark.parametrize("factor", [1.0, 2.0, 0.5])
def test_the_interval_of_the_calibration_error_holds_the_truth(factor: float) -> None:
    held, values = 0, []
    for seed in range(100):
        scores, truth = drawn(300, seed)
        shares, said = softened(scores, 1.0), softened(scores * factor, 1.0)
        chosen, confidence = said.argmax(1), said.max(1)
        found = debiased_calibration_error(confidence, chosen == truth, method="m", split="s")
        bins = np.array_split(np.argsort(confidence), 10)
        gaps = [confidence[b].mean() - shares[b, chosen[b]].mean() for b in bins]
        true = float(np.sqrt(np.mean(np.square(gaps))))
        values.append(found.value - true)
        held += bool(found.low <= true <= found.high)  # type: ignore[operator]
    assert held >= 85  # 95 of 100 are meant; so many are lost once in a thousand at 93
    assert abs(np.mean(values)) < 0.03
