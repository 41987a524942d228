"""What the report says about a judge's opinion: a second view, beside the verdict and not in it."""

from tuneworthy.core.counting import counted
from tuneworthy.core.judgement import Judgement
from tuneworthy.reports import formats
from tuneworthy.reports.contents import Contents
from tuneworthy.reports.views_scores import View

MOSTLY = 0.5  # a judge that changes its mind with the order this often has no opinion of the answers


def judge_view(contents: Contents) -> View | None:
    """The section of the page; None where no judge was asked."""
    found = contents.judgement
    if found is None:
        return None
    return {"found": found, "sentence": judge_sentence(found), "facts": _facts(found)}


def judge_sentence(found: Judgement) -> str:
    """Wins, ties and losses in one sentence, or why there are none."""
    if found.win_rate is None:
        return f"{found.model} gave no judgement: {(found.reason or 'no row was judged').rstrip('.')}."
    preferred = (
        f"{found.model} prefers {found.method} to {found.against} on {found.wins}, the reverse on "
        f"{found.losses}, and neither on {counted(found.ties, 'row')}."
    )
    asked = [row for row in found.rows if not row.identical]
    share = found.position_disagreement
    places = {row.place for row in asked}
    if len(places) == 1 and None not in places:
        return (
            f"{found.model} chose answer {places.pop()} on every row it was asked about ({len(asked)}), "
            "whichever arm wrote it: it says nothing about the arms."
        )
    if share is not None and share >= MOSTLY:
        return (
            f"{preferred} Its choice changed with the order of the answers on {formats.percent(share, 0)} of "
            "the rows it was asked about: it says little about the arms."
        )
    return preferred


def _facts(found: Judgement) -> list[tuple[str, str]]:
    if found.win_rate is None:
        return []
    low, high = found.win_rate.low, found.win_rate.high
    interval = (
        formats.metric_range("accuracy", low, high)
        if low is not None
        else f"no interval: {found.win_rate.reason}"
    )
    facts = [
        ("Win rate, a tie being half a win", f"{formats.percent(found.win_rate.value)} ({interval})"),
        ("Sign test, two-sided p", formats.p_value(found.p_two_sided)),
        (
            "Opinion changed with the order of the answers",
            formats.DASH
            if found.position_disagreement is None
            else f"{formats.percent(found.position_disagreement)} of the rows it was asked about",
        ),
    ]
    if found.agreement is not None:
        title = formats.metric_title(found.agreement_metric)
        facts.append(
            (
                f"Agrees with {title}",
                f"{formats.estimate_text(found.agreement)} of {counted(found.agreement.n, 'row')} on which "
                "both prefer an answer",
            )
        )
    facts += [
        (words, formats.count(n))
        for words, n in (
            ("Equal answers, not shown", sum(row.identical for row in found.rows)),
            ("Opinions that were neither A, B nor tie", found.unreadable),
            ("Rows without an opinion", found.unanswered),
        )
        if n
    ]
    facts.append(("Questions", formats.count(found.requests)))
    if found.prompt_tokens is not None and found.completion_tokens is not None:
        read, written = formats.count(found.prompt_tokens), formats.count(found.completion_tokens)
        facts.append(("Tokens", f"{read} read, {written} written"))
    if found.money is not None:
        facts.append(("Money", formats.money(found.money)))
    return [*facts, ("Rubric", found.rubric)]
