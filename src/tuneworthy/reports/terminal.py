"""The verdict in a terminal: one table of arms, then the decision and what to do next."""

import textwrap
from collections.abc import Iterator

from rich import box
from rich.console import Console, ConsoleOptions, Group, JustifyMethod, RenderableType, RenderResult
from rich.measure import Measurement
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tuneworthy.core.evidence import Arm
from tuneworthy.reports import formats
from tuneworthy.reports.contents import Contents
from tuneworthy.reports.growth import growth_sentence
from tuneworthy.reports.views_judge import judge_sentence
from tuneworthy.reports.views_scores import asked, metric_heading, tone
from tuneworthy.verdict.forgetting import forgetting_sentence
from tuneworthy.verdict.words import stopped

NARROWEST_HEADER = 12
LONGEST_LINE = 10_000  # columns: more than any table takes

_KIND_STYLES = {"tuned": "blue", "prompt": "yellow", "classifier": "cyan", "baseline": "dim"}
_TONE_STYLES = {"go": "green", "wait": "yellow", "stop": "red"}


class ArmsTable:
    """The arms, best first: a line each, or two where a line does not fit. Nothing is cut."""

    def __init__(self, contents: Contents) -> None:
        self._wide, self._narrow = _table(contents, stacked=False), _table(contents, stacked=True)

    def needs(self, console: Console) -> int:
        """The width of a line for each arm."""
        anything = console.options.update(width=LONGEST_LINE)
        return Measurement.get(console, anything, self._wide).maximum

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The layout that there is room for."""
        yield self._wide if self.needs(console) <= options.max_width else self._narrow


def print_verdict(contents: Contents, console: Console) -> None:
    """Prints the arms, the verdict and the report's path; a pipe or a file gets lines as long as they are."""
    if contents.arms and not console.is_terminal:
        console.width = max(console.width, ArmsTable(contents).needs(console))
    console.print(verdict_table(contents))
    console.print(_safe(f"Report: {contents.folder / 'report.html'}"), soft_wrap=True)


def verdict_table(contents: Contents) -> RenderableType:
    """The arms, best first, then the verdict; good at 80 columns."""
    parts: list[RenderableType] = []
    if contents.arms:
        parts.extend((ArmsTable(contents), *_asked(contents), *_broken(contents), *_written_again(contents)))
    parts.extend(_growth(contents))
    if contents.forgetting is not None:
        style = "yellow" if contents.forgetting.worse else "dim"
        parts.append(_safe(forgetting_sentence(contents.forgetting), style))
    parts.extend(_ended_early(contents))
    if contents.judgement is not None:
        parts.append(_safe(f"Judge, not in the verdict: {judge_sentence(contents.judgement)}", "dim"))
    parts.append(_panel(contents))
    return Group(*parts)


def _table(contents: Contents, stacked: bool) -> Table:
    """The arms' table; stacked, two cells that belong together stand in one, the second below the first."""
    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False, leading=int(stacked)
    )
    between = Text("\n" if stacked else " ")
    scores = [between.join(_score(arm)) for arm in contents.arms]
    room = max(NARROWEST_HEADER, *(len(line) for text in scores for line in text.plain.split("\n")))
    confidence = formats.percent(contents.arms[0].estimate.confidence, 0)
    heading = _safe(textwrap.fill(f"{metric_heading(contents)} ({confidence})", room))
    columns: list[tuple[str | Text, JustifyMethod]] = [
        ("arm", "left"),
        ("kind", "left"),
        (heading, "left"),
        ("vs best untuned", "left"),
        ("s/1000", "right"),
        ("training", "right"),
    ]
    if stacked:
        columns = [("arm\nkind", "left"), *columns[2:4], ("s/1000\ntraining", "right")]
    for title, justify in columns:
        table.add_column(title, justify=justify, overflow="fold")
    for arm, score in zip(contents.arms, scores, strict=True):
        name = [_safe(arm.method), Text(arm.kind, style=_KIND_STYLES.get(arm.kind, ""))]
        times = [Text(formats.brief_seconds(s)) for s in (arm.cost.seconds_per_1000, arm.cost.fit_s)]
        if stacked:
            name, times = [between.join(name)], [between.join(times)]
        cells = [*name, score, between.join(_against(contents, arm)), *times]
        table.add_row(*cells, style="bold" if arm.method == contents.verdict.recommended_method else "")
    return table


def _asked(contents: Contents) -> Iterator[Text]:
    """A line for each endpoint: its arms are another model's than the tuned one's, perhaps."""
    for title, methods in asked(contents):
        yield _safe(f"{', '.join(methods)} asked {title}", "dim")


def _growth(contents: Contents) -> Iterator[Text]:
    """A line on what more rows would buy each arm that has a learning curve with a forecast."""
    for curve in contents.evidence.curves:
        if curve.growth is not None:
            yield _safe(f"{curve.method}: {growth_sentence(curve)}", "dim")


def _ended_early(contents: Contents) -> Iterator[Text]:
    """A line for each arm that a sequential test stopped, and for what a budget left out."""
    for text in (*map(stopped, contents.evidence.stops), *contents.evidence.left_out):
        yield _safe(text, "dim")


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
        f"{arm.method} {formats.percent(arm.valid_without_constraint / arm.answers, 0)}"
        for arm in contents.arms
        if arm.valid_without_constraint is not None
    ]
    if shares:
        tail = "; the others were written again under it"
        yield _safe(f"free answers that followed the JSON Schema: {', '.join(shares)}{tail}", "dim")


def _score(arm: Arm) -> list[Text]:
    """Value and interval."""
    estimate = arm.estimate
    tail = formats.metric_range(estimate.metric, estimate.low, estimate.high)
    value = Text(f"{formats.metric_value(estimate.metric, estimate.value):>6}")
    return [value, Text(tail.removesuffix("%"), style="dim")]


def _against(contents: Contents, arm: Arm) -> list[Text]:
    """Difference and interval."""
    best = contents.best_untuned
    if best is None or arm.method == best.method:
        return [Text("best untuned", style="dim")] if best is not None else []
    comparison = contents.compared(arm.method, best.method)
    if comparison is None:
        return []
    difference = Text(f"{formats.signed(comparison.difference, comparison.metric):>5}")
    return [difference, Text(formats.difference_range(comparison), style="dim")]


def _panel(contents: Contents) -> Panel:
    verdict = contents.verdict
    body = Text()
    body.append_text(_safe(verdict.headline, "bold"))
    body.append("\n\n").append_text(_safe(verdict.paragraph))
    body.append("\n")
    if verdict.recommended_method:
        body.append("\nUse: ", style="bold").append_text(_safe(verdict.recommended_method))
    body.append("\nNext: ", style="bold").append_text(_safe(verdict.next_action))
    if contents.thrift:
        body.append("\nCost: ", style="bold").append_text(_safe(contents.thrift))
    if verdict.would_change:
        body.append("\nWhat would change it: ", style="bold").append_text(_safe(verdict.would_change))
    style = _TONE_STYLES[tone(verdict.decision)]
    title = Text(f" {formats.decision_title(verdict.decision)} ", style=f"bold {style}")
    return Panel(body, title=title, title_align="left", border_style=style, padding=(1, 2))


def _safe(words: str, style: str = "") -> Text:
    """Text that is never read as markup, with control characters made visible."""
    kept = (char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in words)
    return Text("".join(kept), style=style)
