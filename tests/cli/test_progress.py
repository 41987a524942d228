"""What the display says while a job runs."""

import pytest

from tuneworthy.cli.progress import Display
from tuneworthy.core.evidence import Power


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("mae", "a true difference of 0.231 if rows differ by 0.570 (standard deviation)"),
        ("chrf", "a true difference of 23.1 points if rows differ by 57.0 points (standard deviation)"),
    ],
)
def test_what_rows_can_find_is_said_in_the_metrics_own_unit(
    metric: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    row = Power(n=48, spread=0.57, minimum_detectable_difference=0.231)
    Display(quiet=False)({"event": "power", "metric": metric, "table": [row.model_dump()]})
    assert said in capsys.readouterr().err
