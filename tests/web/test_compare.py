"""The page Compare says of two runs what `tuneworthy runs --compare` says."""

from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape

import tuneworthy as tw
from toy import toy_rows, write_csv
from tuneworthy.comparing import compare_runs
from tuneworthy.reports import formats
from tuneworthy.reports.contents import load_contents

pytest.importorskip("gradio", reason="gradio is not installed")

from tuneworthy.web.pages.compare import compared_html

QUICK: dict[str, Any] = {"workers": 1, "threads": 1, "resamples": 200, "curve": {"arms": []}}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs on the same test rows, and one on other data."""
    folder = tmp_path_factory.mktemp("runs")
    for name, rows, arms in (
        ("one", 60, ["majority"]),
        ("two", 60, ["majority", "tfidf"]),
        ("other", 45, ["majority"]),
    ):
        table = write_csv(folder / f"{rows}.csv", toy_rows(rows))
        tw.run(table, arms=arms, protocol="holdout", output=folder / name, **QUICK)
    return folder


def compared(runs: Path, *names: str) -> str:
    places = [runs / name for name in names]
    return compared_html(compare_runs(*places), *(load_contents(place) for place in places))


def test_runs_on_the_same_rows_show_their_paired_differences(runs: Path) -> None:
    pair = compare_runs(runs / "one", runs / "two")
    page = compared(runs, "one", "two")
    assert pair.recommended is not None
    assert f"recommends tfidf, the first majority: {formats.comparison_text(pair.recommended)}" in page
    same = pair.arms[0].difference
    assert same is not None
    assert f"{formats.comparison_text(same)}, p {formats.p_value(same.p_adjusted)}" in page
    assert escape(pair.note) in page


def test_runs_on_other_rows_show_scores_alone_and_why(runs: Path) -> None:
    page = compared(runs, "one", "other")
    assert "Not comparable: the data differs" in page
    assert "Difference" not in page
