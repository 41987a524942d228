"""Runs in a terminal: a line each, and two of them side by side."""

from collections.abc import Sequence
from datetime import datetime

from rich import box
from rich.console import Console, ConsoleOptions, Group, JustifyMethod, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from tuneworthy.core.counting import counted
from tuneworthy.core.evidence import Comparison, Estimate
from tuneworthy.core.runs import RunPair
from tuneworthy.reports import formats
from tuneworthy.runfolder.listing import RunSummary

LONGEST_LINE = 10_000  # columns: more than any table takes
COLUMNS: tuple[tuple[str, JustifyMethod], ...] = (
    ("run", "left"),
    ("when", "left"),
    ("data", "left"),
    ("rows", "right"),
    ("task", "left"),
    ("verdict", "left"),
    ("use", "left"),
    ("score", "left"),
    ("min", "right"),
    ("state", "left"),
)
TOGETHER = ((0, 1), (2, 4, 3), (5, 6, 7), (9, 8))  # columns that share a cell where there is less room


class RunsTable:
    """The runs: a line each, or cells one below another where a line does not fit. Nothing is cut."""

    def __init__(self, runs: Sequence[RunSummary], left: int = 0) -> None:
        cells = [_cells(run) for run in runs]
        self._wide = _table([title for title, _ in COLUMNS], [justify for _, justify in COLUMNS], cells)
        self._narrow = _table(
            ["\n".join(COLUMNS[index][0] for index in group) for group in TOGETHER],
            ["left" for _ in TOGETHER],
            [
                ["\n".join(filter(None, (row[index] for index in group))) for group in TOGETHER]
                for row in cells
            ],
            leading=1,
        )
        self._left = left

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The layout that there is room for, and how many runs are not shown."""
        needs = Measurement.get(console, options.update(width=LONGEST_LINE), self._wide).maximum
        yield self._wide if needs <= options.max_width else self._narrow
        if self._left:
            yield Text(f"and {counted(self._left, 'more run')}: --limit 0 shows all", style="dim")


def _cells(run: RunSummary) -> list[str]:
    score = ""
    if run.metric is not None and run.value is not None:
        value = formats.metric_value(run.metric, run.value)
        ends = formats.metric_range(run.metric, run.low, run.high).removesuffix("%")
        score = f"{formats.metric_title(run.metric)} {value} {ends}"
    return [
        run.name,
        f"{datetime.fromisoformat(run.when).astimezone():%Y-%m-%d %H:%M}",
        run.data or formats.DASH,
        formats.DASH if run.rows is None else formats.count(run.rows),
        run.task or formats.DASH,
        "" if run.decision is None else formats.decision_title(run.decision),
        run.method or "",
        score,
        f"{run.minutes:.1f}",
        _state(run),
    ]


def _state(run: RunSummary) -> str:
    if run.state == "finished":
        return run.state
    if run.damaged is not None:
        return f"damaged: {run.damaged}"
    where = "" if run.planned is None else f" at unit {run.units} of {run.planned}"
    return f"{run.state}{where}"


def comparison_table(pair: RunPair) -> Group:
    """The arms of two runs, the differences, and on what they rest."""
    title = " / ".join(dict.fromkeys(formats.metric_title(one) for one in pair.metrics))
    shown = next(one for arm in pair.arms for one in (arm.a, arm.b) if one is not None)
    confidence = formats.percent(shown.confidence, 0)
    heads = ["arm", f"A ({confidence})", f"B ({confidence})"]
    rows = [[one.method, _score(one.a), _score(one.b)] for one in pair.arms]
    if any(one.difference for one in pair.arms):
        heads += [f"B − A ({confidence})", "p"]
        rows = [[*row, *_difference(one.difference)] for row, one in zip(rows, pair.arms, strict=True)]
    parts: list[RenderableType] = [
        Text(f"{letter}  {name}: {data}. {verdict}")
        for letter, name, data, verdict in zip("AB", (pair.a, pair.b), pair.data, pair.verdicts, strict=True)
    ]
    table = _table(heads, ["left"] * len(heads), rows)
    parts += [Text(), Text(title, style="bold"), table]
    best = pair.recommended
    if best is not None and best.method != best.against:
        parts.append(
            Text(f"Recommended: B's {best.method} minus A's {best.against}: {formats.comparison_text(best)}.")
        )
    parts.append(Text(pair.note, style="" if pair.shared_rows else "yellow"))
    return Group(*parts)


def _score(estimate: Estimate | None) -> str:
    return formats.DASH if estimate is None else formats.estimate_text(estimate)


def _difference(one: Comparison | None) -> list[str]:
    if one is None:
        return ["", ""]
    return [
        f"{formats.signed(one.difference, one.metric)} ({formats.difference_range(one)})",
        formats.p_value(one.p_adjusted),
    ]


def _table(
    heads: Sequence[str], justify: Sequence[JustifyMethod], rows: Sequence[Sequence[str]], leading: int = 0
) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False, leading=leading
    )
    for head, side in zip(heads, justify, strict=True):
        table.add_column(head, justify=side, overflow="fold")
    for row in rows:
        table.add_row(
            *(Text("".join(c if c.isprintable() or c == "\n" else "?" for c in cell)) for cell in row)
        )
    return table
