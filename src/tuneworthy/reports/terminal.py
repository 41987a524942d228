"""The verdict in a terminal: one table of arms, then the decision and what to do next."""

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tuneworthy.core.evidence import Arm
from tuneworthy.reports import formats
from tuneworthy.reports.contents import Contents
from tuneworthy.reports.views_judge import judge_sentence
from tuneworthy.reports.views_scores import asked, tone

LONGEST_ARM = 16

_KIND_STYLES = {"tuned": "blue", "prompt": "yellow", "classifier": "cyan", "baseline": "dim"}
_TONE_STYLES = {"go": "green", "wait": "yellow", "stop": "red"}


def verdict_table(contents: Contents) -> RenderableType:
    """The arms, best first, then the verdict and where the report is; good at 80 columns."""
    parts: list[RenderableType] = []
    if contents.arms:
        parts.extend((_table(contents), *_asked(contents), *_broken(contents), *_written_again(contents)))
    if contents.judgement is not None:
        parts.append(_safe(f"Judge, not in the verdict: {judge_sentence(contents.judgement)}", "dim"))
    parts.append(_panel(contents))
    return Group(*parts)


def _table(contents: Contents) -> Table:
    metric = contents.evidence.metric
    title = formats.metric_title(metric)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False)
    table.add_column("arm", no_wrap=True, overflow="ellipsis", max_width=LONGEST_ARM)
    table.add_column("kind", no_wrap=True)
    table.add_column(
        _safe(f"{title} ({formats.percent(contents.arms[0].estimate.confidence, 0)})"), no_wrap=True
    )
    table.add_column("vs best untuned", no_wrap=True)
    table.add_column("s/1000", justify="right", no_wrap=True)
    table.add_column("training", justify="right", no_wrap=True)
    for arm in contents.arms:
        chosen = arm.method == contents.verdict.recommended_method
        table.add_row(
            _safe(arm.method),
            Text(arm.kind, style=_KIND_STYLES.get(arm.kind, "")),
            _score(arm),
            _against(contents, arm),
            Text(formats.brief_seconds(arm.cost.seconds_per_1000)),
            Text(formats.brief_seconds(arm.cost.fit_s)),
            style="bold" if chosen else "",
        )
    return table


def _asked(contents: Contents) -> Iterator[Text]:
    """A line for each endpoint: its arms are another model's than the tuned one's, perhaps."""
    for title, methods in asked(contents):
        yield _safe(f"{', '.join(methods)} asked {title}", "dim")


def _broken(contents: Contents) -> Iterator[Text]:
    """A line for each arm with answers that are no label: a broken parser must not pass for a weak model."""
    for arm in contents.arms:
        for count, words in ((arm.unparseable, "could not be read"), (arm.failed, "failed")):
            if count:
                tail = f": {count} of {arm.estimate.n} answers {words} and count as wrong"
                yield _safe(arm.method + tail, "yellow")


def _written_again(contents: Contents) -> Iterator[Text]:
    """A line on how well answers followed their JSON Schema before they were held to it."""
    shares = [
        f"{arm.method} {formats.percent(arm.valid_without_constraint / arm.estimate.n, 0)}"
        for arm in contents.arms
        if arm.valid_without_constraint is not None
    ]
    if shares:
        tail = "; the others were written again under it"
        yield _safe(f"free answers that followed the JSON Schema: {', '.join(shares)}{tail}", "dim")


def _score(arm: Arm) -> Text:
    estimate = arm.estimate
    text = Text(f"{formats.metric_value(estimate.metric, estimate.value):>6}")
    tail = formats.metric_range(estimate.metric, estimate.low, estimate.high)
    return text.append(f" {tail.removesuffix('%')}", style="dim")


def _against(contents: Contents, arm: Arm) -> Text:
    best = contents.best_untuned
    if best is None or arm.method == best.method:
        return Text("best untuned", style="dim") if best is not None else Text("")
    comparison = contents.compared(arm.method, best.method)
    if comparison is None:
        return Text("")
    text = Text(f"{formats.signed(comparison.difference, comparison.metric):>5}")
    return text.append(f" {formats.difference_range(comparison)}", style="dim")


def _panel(contents: Contents) -> Panel:
    verdict = contents.verdict
    body = Text()
    body.append_text(_safe(verdict.headline, "bold"))
    body.append("\n\n").append_text(_safe(verdict.paragraph))
    body.append("\n")
    if verdict.recommended_method:
        body.append("\nUse: ", style="bold").append_text(_safe(verdict.recommended_method))
    body.append("\nNext: ", style="bold").append_text(_safe(verdict.next_action))
    body.append("\nReport: ", style="bold").append_text(_safe(str(contents.folder / "report.html")))
    style = _TONE_STYLES[tone(verdict.decision)]
    title = Text(f" {formats.decision_title(verdict.decision)} ", style=f"bold {style}")
    return Panel(body, title=title, title_align="left", border_style=style, padding=(1, 2))


def _safe(words: str, style: str = "") -> Text:
    """Text that is never read as markup, with control characters made visible."""
    kept = (char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in words)
    return Text("".join(kept), style=style)
