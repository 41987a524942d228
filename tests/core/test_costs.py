"""When a fit has paid for itself."""

import pytest

from tuneworthy.core.evidence import Cost


def cost(fit_s: float, seconds_per_1000: float, threads: int = 1, endpoint: bool = False) -> Cost:
    """An arm's cost; what is not asked about here is arbitrary."""
    return Cost(
        method="x",
        fit_s=fit_s,
        predict_s=1.0,
        rows_predicted=100,
        latency_s=0.1,
        seconds_per_1000=seconds_per_1000,
        threads=threads,
        endpoint=endpoint,
    )


def test_a_fit_is_earned_back_once_faster_predictions_saved_its_core_time() -> None:
    assert cost(120, 200, threads=2).earned_back_after(cost(0, 1000)) == 300  # 240 core-s at 0.8 s a row


@pytest.mark.parametrize("other", [cost(0, 200), cost(0, 100), cost(0, 1000, endpoint=True)])
def test_a_fit_that_predicts_no_faster_is_never_earned_back(other: Cost) -> None:
    assert cost(120, 200).earned_back_after(other) is None
