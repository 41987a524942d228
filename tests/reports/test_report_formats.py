"""How numbers are written."""

import math
import re
from pathlib import Path

import pytest

import tuneworthy.reports
from tuneworthy.reports import formats


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.867, "86.7%"), (1.0, "100.0%"), (0.0, "0.0%"), (math.nan, formats.DASH), (-0.00001, "0.0%")],
)
def test_percent(value, words):
    assert formats.percent(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.033, "+3.3 points"), (-0.019, "−1.9 points"), (0.0, "0.0 points"), (-0.0001, "0.0 points")],
)
def test_points(value, words):
    assert formats.points(value) == words


def test_metrics_that_are_no_share_stay_plain():
    assert formats.metric_value("log_loss", 0.4124) == "0.412"
    assert formats.points(-0.0312, "log_loss") == "−0.031"
    assert formats.metric_range("log_loss", 0.31, 0.5) == "0.310–0.500"
    assert formats.metric_range("accuracy", 0.79, 0.921) == "79.0–92.1%"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, formats.DASH),
        (0.0, "0 s"),
        (0.0001, "<1 ms"),
        (0.0412, "41 ms"),
        (0.21, "0.21 s"),
        (9.96, "10 s"),
        (99.4, "99 s"),
        (99.6, "1 min 40 s"),
        (812, "13 min 32 s"),
        (3599.6, "1 h 00 min"),
        (3900, "1 h 05 min"),
    ],
)
def test_seconds(value, words):
    assert formats.seconds(value) == words


def test_brief_seconds_fit_seven_characters():
    for value in (0, 0.0001, 0.5, 5.0, 99.4, 99.6, 812, 3599.6, 3900, 86_400 * 3):
        assert len(formats.brief_seconds(value)) <= 7


@pytest.mark.parametrize(
    ("value", "words"), [(None, "—"), (0.0004, "<0.001"), (0.012, "0.012"), (1.0, "1.000")]
)
def test_p_value(value, words):
    assert formats.p_value(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(12.5, "12.50"), (0.0, "0.00"), (0.066, "0.066"), (0.00018, "0.00018"), (1e-7, "<0.0001")],
)
def test_money(value, words):
    assert formats.money(value) == words


def test_plain_and_named():
    assert formats.plain({"a": 0.12346, "b": [1, True]}) == "a: 0.1235, b: 1, yes"
    assert formats.named("memory_gib", 23.4) == ("memory", "23.4 GiB")
    assert formats.named("fit_s", 812) == ("fit", "13 min 32 s")


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_meet_wcag_aa(scheme):
    css = Path(tuneworthy.reports.__path__[0], "templates", "report.css").read_text(encoding="utf-8")
    block = re.findall(r":root \{(.*?)\}", css, flags=re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))
    for words in (
        "ink",
        "soft",
        "muted",
        "go",
        "stop",
        "target",
        "tuned",
        "prompt",
        "classifier",
        "baseline",
    ):
        for ground in ("paper", "panel", "band"):
            assert _contrast(colours[words], colours[ground]) >= 4.5, f"{words} on {ground}"
    for tone in ("go", "wait", "stop"):
        assert _contrast(colours[tone], colours[f"{tone}-wash"]) >= 4.5, tone


@pytest.mark.parametrize(
    ("metric", "shown"),
    [
        ("accuracy", "25.0%"),
        ("f1", "25.0%"),
        ("judge_agreement_with_chrf", "25.0%"),
        ("mae", "0.250"),
        ("log_loss", "0.250"),
        ("profit", "0.250"),
    ],
)
def test_only_what_is_known_to_be_a_share_is_a_percentage(metric: str, shown: str) -> None:
    assert formats.metric_value(metric, 0.25) == shown
