"""The charts of the page: arms, differences, curves.

Each comes in two widths, for a desk and for a phone, because a scaled-down drawing has unreadable text.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from tuneworthy.core.evidence import Arm, Comparison
from tuneworthy.metrics import METRICS, is_error
from tuneworthy.reports.canvas import COLOURS, Canvas, house_style, write
from tuneworthy.reports.contents import UnitOutput
from tuneworthy.reports.formats import (
    MINUS,
    comparison_text,
    estimate_text,
    is_share,
    metric_title,
    metric_value,
    signed,
)

WIDE, NARROW = 880, 340
LONGEST_NAME = 28

# Kind by shape as well as by colour: marker and its size in pixels.
_MARKERS = {"baseline": ("D", 7.0), "classifier": ("s", 8.0), "prompt": ("^", 9.5), "tuned": ("o", 9.5)}


@dataclass(frozen=True)
class _Dot:
    """One row of an interval chart."""

    name: str
    value: float
    low: float | None
    high: float | None
    text: str
    kind: str
    strong: bool = False


@dataclass(frozen=True)
class _Line:
    """A reference line: where, what it says, its colour and dashes."""

    value: float
    text: str
    colour: str
    dashes: tuple[int, int]


@house_style()
def arms_chart(
    arms: Sequence[Arm], metric: str, *, recommended: str, target: float | None, narrow: bool = False
) -> str:
    """The arms as dots with whiskers on one axis, in the order given; target and majority as lines."""
    dots = [
        _Dot(
            arm.method,
            arm.estimate.value,
            arm.estimate.low,
            arm.estimate.high,
            metric_value(metric, arm.estimate.value),
            arm.kind,
            arm.method == recommended,
        )
        for arm in arms
    ]
    majority = next((arm.estimate.value for arm in arms if arm.method == "majority"), None)
    lines = []
    if majority is not None:
        lines.append(_Line(majority, f"majority {metric_value(metric, majority)}", "muted", (1, 2)))
    if target is not None:
        lines.append(_Line(target, f"target {metric_value(metric, target)}", "target", (5, 3)))
    canvas, axes = _interval_chart(dots, lines, narrow, share=is_share(metric))
    axes.xaxis.set_major_formatter(ticks(lambda value: metric_value(metric, value).replace(".0%", "%")))
    told = "; ".join(f"{arm.method} {estimate_text(arm.estimate)}" for arm in arms)
    return canvas.svg(
        chart_id("arms", narrow), f"{metric_title(metric)} of each arm with its interval: {told}."
    )


@house_style()
def differences_chart(
    comparisons: Sequence[Comparison],
    metric: str,
    *,
    smallest_gain: float | None,
    kinds: Mapping[str, str],
    deciding: Comparison | None = None,
    narrow: bool = False,
) -> str:
    """One arm minus another with intervals; zero and, where it applies, the gain asked for as lines."""
    dots = [
        _Dot(
            f"{item.method} {MINUS} {item.against}",
            item.difference,
            item.low,
            item.high,
            signed(item.difference, metric),
            kinds.get(item.method, "tuned"),
            item == deciding,
        )
        for item in comparisons
    ]
    lines = [_Line(0.0, "", "muted", (1, 0))]
    if smallest_gain is not None:
        gain = f"worth having: {signed(smallest_gain, metric)} or {'more' if smallest_gain >= 0 else 'less'}"
        lines.append(_Line(smallest_gain, gain, "target", (5, 3)))
    canvas, axes = _interval_chart(dots, lines, narrow, share=False)
    if smallest_gain is not None and not narrow:
        end = axes.get_xlim()[smallest_gain >= 0]
        axes.axvspan(smallest_gain, end, color=COLOURS["gain"], linewidth=0, zorder=0)
    axes.xaxis.set_major_formatter(ticks(lambda value: signed(value, metric).removesuffix(".0")))
    told = "; ".join(f"{item.method} minus {item.against} {comparison_text(item)}" for item in comparisons)
    return canvas.svg(
        chart_id("gain", narrow), f"Differences in {metric_title(metric)} with intervals: {told}."
    )


@house_style()
def curves_chart(units: Sequence[UnitOutput], metric: str, *, narrow: bool = False) -> str:
    """Training loss and validation score of one tuned arm; a line per fold, the kept step marked."""
    canvas = Canvas(NARROW if narrow else WIDE, 560 if narrow else 300)
    if narrow:
        panels = (canvas.axes(44, 40, 10, 322), canvas.axes(44, 318, 10, 40))
    else:
        panels = (canvas.axes(52, 40, 470, 40), canvas.axes(500, 40, 22, 40))
    losses = [_series(unit.facts.get("train"), "loss") for unit in units]
    scores = [_natural(metric, _series(unit.facts.get("validation"), "score")) for unit in units]
    kept = [unit.facts.get("kept_step") for unit in units]
    faint = 0.5 if len(units) > 1 else 1.0
    for axes, title, several in zip(
        panels, ("Training loss", f"Validation {metric_title(metric)}"), (losses, scores), strict=True
    ):
        _panel(axes, title, several, faint)
    panels[0].set_ylim(bottom=0)
    if is_share(metric):
        panels[1].yaxis.set_major_formatter(ticks(lambda value: f"{100 * value:g}%"))
    for (steps, values), step in zip(scores, kept, strict=True):
        if step in steps:
            _kept(panels[1], step, values[steps.index(step)], f"kept: step {step}" if len(units) == 1 else "")
    told = f"Training loss and validation {metric_title(metric)} by step, {len(units)} fold(s)."
    name = f"curve-{units[0].address}" if units else "curve"
    return canvas.svg(chart_id(name, narrow), told)


@house_style()
def trials_chart(
    points: Sequence[tuple[float, float, float, bool]],
    setting: str,
    metric: str,
    method: str,
    *,
    narrow: bool = False,
) -> str:
    """The trials of a search: (value of the setting, score, share of its steps, whether it was chosen).

    A larger dot was trained for longer; the ring is the one that was chosen.
    """
    canvas = Canvas(NARROW if narrow else WIDE, 240)
    axes = canvas.axes(56, 40, 20, 44)
    for value, score, share, chosen in points:
        axes.plot(
            [value],
            [score],
            linestyle="none",
            marker="o",
            markersize=5 + 7 * share,
            markerfacecolor=COLOURS["paper" if chosen else "tuned"],
            markeredgecolor=COLOURS["tuned"],
            markeredgewidth=2.6 if chosen else 0,
            alpha=1.0 if chosen else 0.35 + 0.55 * share,
            zorder=5 if chosen else 3,
            clip_on=False,
        )
    axes.set_xscale("log")
    axes.grid(True, color=COLOURS["rule"], linewidth=1, linestyle="-")
    axes.minorticks_off()
    axes.xaxis.set_major_locator(LogLocator(numticks=6, subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(ticks(lambda value: f"{value:g}"))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(ticks(lambda value: metric_value(metric, value).replace(".0%", "%")))
    axes.margins(x=0.06, y=0.18)
    axes.set_xlabel(setting, color=COLOURS["muted"], fontsize=12)
    style: dict[str, Any] = {"xycoords": "axes fraction", "va": "bottom", "ha": "left"}
    title = f"{metric_title(metric)} on validation rows"
    write(axes, title, (0, 1), (0, 12), color=COLOURS["ink"], weight="bold", **style)
    told = "; ".join(f"{value:g}: {metric_value(metric, score)}" for value, score, _, _ in points)
    return canvas.svg(chart_id(f"trials-{method}", narrow), f"{title} by {setting} in the search: {told}.")


def chart_id(name: str, narrow: bool) -> str:
    return f"{name}-{'narrow' if narrow else 'wide'}"


def ticks(words: Callable[[float], str]) -> Any:
    return FuncFormatter(lambda value, _: words(value))


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _interval_chart(
    dots: Sequence[_Dot], lines: Sequence[_Line], narrow: bool, *, share: bool
) -> tuple[Canvas, Any]:
    """Rows of dots with whiskers; on a phone the name stands above its whisker instead of beside it."""
    row = 52 if narrow else 38
    longest = max((len(_short(dot.name)) for dot in dots), default=4)
    left, right = (10, 10) if narrow else (34 + 8 * longest, 96)
    width = NARROW if narrow else WIDE
    ends = [end for dot in dots for end in (dot.low, dot.value, dot.high) if end is not None]
    limits = _limits([*ends, *(line.value for line in lines)], share)
    levels = _levels(lines, limits, width - left - right)
    top, bottom = 12 + 18 * (1 + max(levels.values(), default=-1)), 34
    canvas = Canvas(width, top + row * max(len(dots), 1) + bottom)
    axes = canvas.axes(left, top, right, bottom)
    axes.set_xlim(*limits)
    axes.set_ylim(max(len(dots), 1) - 0.5, -0.5)
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(4 if narrow else 8, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.grid(True, color=COLOURS["rule"], linewidth=1, linestyle="-")
    for line in lines:
        _reference(axes, line, 3 + 18 * levels[line])
    for place, dot in enumerate(dots):
        if dot.strong:
            canvas.band(top + place * row, row)
        _dot(axes, place, dot, narrow)
    return canvas, axes


def _limits(values: Iterable[float], share: bool) -> tuple[float, float]:
    """Room for all values; a share's axis stops just past 0 and 100%."""
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    pad = 0.06 * (high - low) or 0.05
    if not share:
        return low - pad, high + pad
    return max(low - pad, -0.005), min(high + pad, 1.005)


def _levels(lines: Sequence[_Line], limits: tuple[float, float], width: int) -> dict[_Line, int]:
    """How high above the axes each line's text stands: a level up where it would touch another's."""
    low, high = limits
    taken: list[tuple[float, float, int]] = []
    levels = {}
    for line in lines:
        at, length = width * (line.value - low) / (high - low), 7.5 * len(line.text) + 12
        start, end = (at - length, at) if at > width / 2 else (at, at + length)
        level = 0
        while line.text and any(start < there[1] and there[0] < end and level == there[2] for there in taken):
            level += 1
        if line.text:
            taken.append((start, end, level))
        levels[line] = level
    return levels


def _reference(axes: Any, line: _Line, lift: float) -> None:
    axes.plot(
        [line.value, line.value],
        [0, 1 + lift / (axes.bbox.height or 1)],
        transform=axes.get_xaxis_transform(),
        color=COLOURS[line.colour],
        linewidth=1.4,
        dashes=line.dashes,
        zorder=1,
        clip_on=False,
    )
    low, high = axes.get_xlim()
    leftwards = (line.value - low) / (high - low) > 0.5
    write(
        axes,
        line.text,
        (line.value, 1.0),
        (-6 if leftwards else 6, lift),
        xycoords=axes.get_xaxis_transform(),
        ha="right" if leftwards else "left",
        va="bottom",
        color=COLOURS[line.colour],
        fontsize=12,
    )


def _dot(axes: Any, place: int, dot: _Dot, narrow: bool) -> None:
    """One row: whisker, marker (hollow where there is no interval), name and value."""
    y = place + 0.2 if narrow else float(place)
    colour = COLOURS[dot.kind]
    if dot.low is not None and dot.high is not None:
        axes.plot([dot.low, dot.high], [y, y], color=colour, linewidth=2.4, solid_capstyle="round")
    hollow = dot.low is None
    marker, size = _MARKERS[dot.kind]
    axes.plot(
        [dot.value],
        [y],
        linestyle="none",
        marker=marker,
        markersize=size,
        markerfacecolor=COLOURS["paper"] if hollow else colour,
        markeredgecolor=colour if hollow else COLOURS["paper"],
        markeredgewidth=1.8 if hollow else 1.4,
        zorder=4,
        clip_on=False,
    )
    style: dict[str, Any] = {
        "va": "center",
        "color": COLOURS["ink"],
        "weight": "bold" if dot.strong else "normal",
        "xycoords": axes.get_yaxis_transform(),
    }
    if narrow:  # names and values stand in the plot, so they blot out the lines behind them
        ground = COLOURS["band" if dot.strong else "paper"]
        style["bbox"] = {"boxstyle": "square,pad=0.18", "facecolor": ground, "edgecolor": "none"}
        write(axes, _short(dot.name), (0, place - 0.22), (0, 0), ha="left", **style)
        write(axes, dot.text, (1, place - 0.22), (0, 0), ha="right", **style)
    else:
        write(axes, _short(dot.name), (0, y), (-18, 0), ha="right", **style)
        write(axes, dot.text, (1, y), (80, 0), ha="right", **style)


def _natural(metric: str, series: tuple[list[float], list[float]]) -> tuple[list[float], list[float]]:
    """Validation scores as the metric's own values: an error's are kept negative, the higher the better."""
    error = metric in METRICS.names() and is_error(METRICS.get(metric))
    return series[0], [-value if error else value for value in series[1]]


def _series(points: object, field: str) -> tuple[list[float], list[float]]:
    """Steps and values of a list of `{step, <field>}`; points without a finite value are left out."""
    steps, values = [], []
    for point in points if isinstance(points, list) else []:
        step, value = point.get("step"), point.get(field)
        if isinstance(step, int | float) and isinstance(value, int | float) and math.isfinite(value):
            steps.append(step)
            values.append(value)
    return steps, values


def _panel(axes: Any, title: str, several: Sequence[tuple[list[float], list[float]]], alpha: float) -> None:
    for steps, values in several:
        dots = "o" if len(steps) <= 30 and title != "Training loss" else None
        axes.plot(
            steps,
            values,
            color=COLOURS["tuned"],
            linewidth=1.8,
            alpha=alpha,
            marker=dots,
            markersize=3.5,
            solid_joinstyle="round",
        )
    axes.grid(True, color=COLOURS["rule"], linewidth=1, linestyle="-")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.margins(x=0.03, y=0.12)
    style: dict[str, Any] = {"xycoords": "axes fraction", "va": "bottom", "ha": "left"}
    write(axes, title, (0, 1), (0, 12), color=COLOURS["ink"], weight="bold", **style)
    if not any(values for _, values in several):  # a fit that goes on, before its first validation
        axes.set(xticks=[], yticks=[])
        write(axes, "none yet", (0, 1), (0, -12), color=COLOURS["muted"], **{**style, "va": "top"})
        return
    axes.set_xlabel("step", color=COLOURS["muted"], fontsize=12)


def _kept(axes: Any, step: float, value: float, words: str) -> None:
    axes.plot(
        [step],
        [value],
        linestyle="none",
        marker="o",
        markersize=10,
        markerfacecolor=COLOURS["paper"],
        markeredgecolor=COLOURS["tuned"],
        markeredgewidth=2.6,
        zorder=5,
        clip_on=False,
    )
    if words:  # beside the title: a line may run anywhere below it
        axes.set_title(words, loc="right", color=COLOURS["ink"], fontsize=12)
