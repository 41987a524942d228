"""The verdict in a terminal and in a notebook."""

import io
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from rich.console import Console
from synthetic_run import VARIANTS

from tuneworthy.reports import formats
from tuneworthy.reports.notebook import verdict_card
from tuneworthy.reports.terminal import print_verdict, verdict_table


def _printed(contents, width):
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(verdict_table(contents))
    return stream.getvalue()


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("name", VARIANTS)
def test_fits_and_is_complete(name, width, run_of):
    contents = run_of(name)
    text = _printed(contents, width)
    assert max(len(line) for line in text.splitlines()) <= width
    for arm in contents.arms:
        row = next(line for line in text.splitlines() if line.startswith(arm.method))
        assert formats.metric_value(arm.estimate.metric, arm.estimate.value) in row
        assert (
            formats.metric_range(arm.estimate.metric, arm.estimate.low, arm.estimate.high).strip("%") in row
        )
        assert formats.brief_seconds(arm.cost.seconds_per_1000) in row
        assert formats.brief_seconds(arm.cost.fit_s) in row
    flat = " ".join(text.replace("│", " ").split())
    assert contents.verdict.headline in flat
    assert contents.verdict.next_action in flat


def _with_long_names(contents):
    """The run as if its arms were an outsider's, and its metric a loss of money."""

    def renamed(item):
        return f"{item}_of_mine"

    arms = tuple(
        arm.model_copy(
            update={
                "method": renamed(arm.method),
                "estimate": arm.estimate.model_copy(update={"metric": "loss_in_eur", "value": 12345.678}),
            }
        )
        for arm in contents.evidence.arms
    )
    evidence = contents.evidence.model_copy(update={"arms": arms, "metric": "loss_in_eur", "error": True})
    return contents.model_copy(update={"evidence": evidence})


@pytest.mark.parametrize("width", [60, 80])
def test_no_name_or_number_is_cut_in_a_narrow_terminal(width, run_of):
    contents = _with_long_names(run_of("holdout"))
    text = _printed(contents, width)
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    for arm in contents.arms:
        assert any(line.startswith(arm.method) and "12345.678" in line for line in text.splitlines())


def test_a_pipe_gets_a_line_for_each_arm_however_long_and_the_whole_path(run_of):
    contents = _with_long_names(run_of("holdout"))
    stream = io.StringIO()
    print_verdict(contents, Console(file=stream, width=60, color_system=None))
    lines = stream.getvalue().splitlines()
    for arm in contents.arms:
        row = next(line for line in lines if line.startswith(arm.method))
        assert arm.kind in row and row.endswith(formats.brief_seconds(arm.cost.fit_s))
    assert lines[-1] == f"Report: {contents.folder / 'report.html'}"


def test_the_table_says_which_way_is_up(run_of):
    assert "lower is" not in _printed(run_of("holdout"), 100)
    head = _printed(_with_long_names(run_of("holdout")), 200).split("\N{BOX DRAWINGS LIGHT HORIZONTAL}")[0]
    assert "lower is" in head and "better" in head


def test_tuned_arm_is_compared_with_the_best_untuned(run_of):
    contents = run_of("crossfit")
    comparison = contents.compared("lora", contents.best_untuned.method)
    row = next(line for line in _printed(contents, 80).splitlines() if line.startswith("lora"))
    assert formats.signed(comparison.difference) in row
    assert formats.difference_range(comparison) in row


def test_unparseable_answers_are_named(run_of):
    contents = run_of("holdout")
    count = contents.arm("zero_shot").unparseable
    assert f"zero_shot: {count} of 105 answers could not be read" in _printed(contents, 80)


def test_the_share_of_free_answers_that_followed_the_schema_is_named(run_of):
    contents = run_of("holdout")
    assert "JSON Schema" not in _printed(contents, 80)
    text = " ".join(_printed(_constrained(contents), 80).split())
    assert "free answers that followed the JSON Schema: zero_shot 40%; the others" in text


def _constrained(contents):
    """The run as if zero_shot had been held to a JSON Schema."""
    arms = tuple(
        arm.model_copy(update={"valid_without_constraint": 42}) if arm.method == "zero_shot" else arm
        for arm in contents.evidence.arms
    )
    return contents.model_copy(update={"evidence": contents.evidence.model_copy(update={"arms": arms})})


def test_control_characters_and_markup_are_harmless(run_of):
    contents = run_of("holdout")
    verdict = contents.verdict.model_copy(update={"headline": "[red]no[/red] \x1b[31m \u202e end"})
    text = _printed(contents.model_copy(update={"verdict": verdict}), 100)
    assert "[red]no[/red]" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_card_is_escaped_and_whole(run_of):
    contents = run_of("holdout")
    verdict = contents.verdict.model_copy(update={"headline": '<script>alert(1)</script>"><img src=x>'})
    card = verdict_card(contents.model_copy(update={"verdict": verdict}))
    tags = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: tags.append(tag)  # type: ignore[method-assign]
    parser.feed(card)
    assert not {"script", "img", "style"} & set(tags)
    assert "http" not in card
    for arm in contents.arms:
        assert arm.method in card


@pytest.mark.parametrize("name", VARIANTS)
def test_card_renders(name, run_of):
    assert formats.decision_title(run_of(name).verdict.decision) in verdict_card(run_of(name))


def test_reports_need_no_model_library():
    code = (
        "import sys, tuneworthy.reports.html, tuneworthy.reports.terminal, tuneworthy.reports.notebook\n"
        "print([name for name in ('torch', 'transformers', 'matplotlib.pyplot') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
