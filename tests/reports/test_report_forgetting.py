"""What page and terminal say of a fine-tune's forgetting."""

import io

import pytest
from rich.console import Console

from tuneworthy.core.evidence import Comparison, Estimate
from tuneworthy.core.forgetting import Capability, CapabilityChange, Forgetting, LostItem
from tuneworthy.reports.html import render_html
from tuneworthy.reports.shared import without_rows
from tuneworthy.reports.terminal import verdict_table
from tuneworthy.verdict.forgetting import with_forgetting

MARKUP = "<script>alert(1)</script>"


def change(capability: Capability, before: float, after: float, worse: bool) -> CapabilityChange:
    def estimated(method: str, value: float) -> Estimate:
        return Estimate(method=method, metric="accuracy", value=value, n=80, reason="made up")

    compared = Comparison(
        method="lora",
        against="base model",
        metric="accuracy",
        difference=after - before,
        low=after - before - 0.1,
        high=after - before + 0.1,
        p_two_sided=0.01,
        p_greater=0.99,
        wins=2,
        losses=21,
        n=80,
        test="mcnemar_exact",
    )
    return CapabilityChange(
        capability=capability,
        before=estimated("base model", before),
        after=estimated("lora", after),
        comparison=compared,
        p=0.004,
        q=0.016 if worse else 0.4,
        worse=worse,
        items_lost=21,
        lost=(LostItem(item="question-01", asked="What is ice?", before="Water", after=MARKUP),),
    )


def forgetting(*changes: CapabilityChange, reason: str | None = None) -> Forgetting:
    return Forgetting(
        method="lora",
        base="smollm2-135m",
        measured="its final fit on all rows",
        changes=changes,
        seconds_before=20.0,
        seconds_after=21.0,
        reason=reason,
    )


WORSE = forgetting(change("questions", 0.625, 0.3875, worse=True), change("texts", 1.19, 1.2, worse=False))
SAME = forgetting(change("questions", 0.625, 0.6, worse=False), change("texts", 1.19, 1.2, worse=False))


def printed(contents) -> str:
    stream = io.StringIO()
    Console(file=stream, width=100, color_system=None).print(verdict_table(contents))
    return " ".join(stream.getvalue().split())


@pytest.fixture
def contents(run_of):
    return run_of("crossfit")


def test_a_loss_is_told_in_page_and_terminal(contents):
    changed = contents.model_copy(update={"forgetting": WORSE})
    told = "38.8% of 80 general questions are answered right, 62.5% before"
    assert told in printed(changed)
    page = render_html(changed)
    assert told in page
    assert 'href="#forgetting"' in page
    assert "−23.8" in page
    assert "2 : 21" in page
    assert "<code>lora</code> (its final fit on all rows)" in page
    assert "20 s of the base model, 21 s of lora" in page


def test_what_a_model_wrote_is_never_markup(contents):
    page = render_html(contents.model_copy(update={"forgetting": WORSE}))
    assert MARKUP not in page
    assert "&lt;script&gt;" in page


def test_where_no_loss_is_shown_nothing_is_claimed_but_that(contents):
    changed = contents.model_copy(update={"forgetting": SAME})
    assert "lora is not shown to be worse than smollm2-135m (80 general questions and" in printed(changed)
    assert with_forgetting(contents.verdict, SAME) == contents.verdict


def test_a_loss_adds_a_reason_and_changes_nothing_else(contents):
    verdict = with_forgetting(contents.verdict, WORSE)
    assert verdict.reasons[:-1] == contents.verdict.reasons
    assert "Beside its task lora is worse" in verdict.reasons[-1]
    assert verdict.model_copy(update={"reasons": ()}) == contents.verdict.model_copy(update={"reasons": ()})


def test_what_was_not_measured_has_its_reason(contents):
    changed = contents.model_copy(update={"forgetting": forgetting(reason="it writes no text")})
    assert "What lora has forgotten was not measured: it writes no text." in printed(changed)
    assert "it writes no text" in render_html(changed)


def test_without_a_measurement_there_is_no_section(contents):
    assert contents.forgetting is None
    assert "has forgotten" not in render_html(contents)


def test_a_report_that_is_shown_quotes_nothing_that_a_model_wrote(contents):
    told = contents.model_copy(update={"forgetting": forgetting(change("questions", 0.6, 0.2, True))})
    assert "What is ice?" in render_html(told)
    assert "What is ice?" not in render_html(without_rows(told, {}))
