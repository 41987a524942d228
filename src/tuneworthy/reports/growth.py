"""What more rows would buy: the learning curves as charts and sentences."""

from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.ticker import FixedLocator, MaxNLocator

from tuneworthy.core.learning import LearningCurve
from tuneworthy.reports import formats
from tuneworthy.reports.canvas import COLOURS, Canvas, house_style, write
from tuneworthy.reports.charts import NARROW, WIDE, chart_id, ticks
from tuneworthy.reports.contents import Contents

View = dict[str, Any]


def growth_view(contents: Contents) -> list[View]:
    """Every learning curve: its charts, and what it foresees or why it is silent."""
    kinds = {arm.method: arm.kind for arm in contents.arms}
    return [
        {
            "method": curve.method,
            "charts": [
                Markup(growth_chart(curve, kinds.get(curve.method, "classifier"), narrow=narrow))
                for narrow in (False, True)
            ],
            "told": growth_sentence(curve),
            "points": [
                {
                    "rows": formats.count(point.rows),
                    "value": formats.metric_value(curve.metric, point.value),
                    "range": formats.metric_range(curve.metric, point.low, point.high),
                    "fits": point.fits,
                }
                for point in curve.points
            ],
        }
        for curve in contents.evidence.curves
    ]


def growth_sentence(curve: LearningCurve) -> str:
    """ "At 600 rows instead of 300: +2.1 points (95% interval +0.4 to +3.6, as ...)." """
    growth = curve.growth
    if growth is None:
        return f"Nothing is foreseen: {curve.reason}."
    ends = formats.signed_range(growth.low, growth.high, curve.metric)
    return (
        f"At {formats.count(growth.more_rows)} rows instead of {formats.count(growth.rows)}: "
        f"{formats.points(growth.gain, curve.metric)} ({growth.confidence:.0%} interval {ends}, "
        "as the same test rows would measure it)."
    )


@house_style()
def growth_chart(curve: LearningCurve, kind: str, *, narrow: bool = False) -> str:
    """Scores by training rows on a logarithmic axis, the fitted curve, and its band at twice the rows."""
    canvas = Canvas(NARROW if narrow else WIDE, 260)
    axes = canvas.axes(56, 16, 40, 44)
    colour = COLOURS[kind]
    for point in curve.points:
        if point.low is not None and point.high is not None:
            axes.plot([point.rows] * 2, [point.low, point.high], color=colour, linewidth=2, alpha=0.45)
    rows = [point.rows for point in curve.points]
    axes.plot(rows, [point.value for point in curve.points], "o", color=colour, markersize=6, zorder=4)
    ticked = [*rows]
    if curve.growth is not None:
        ticked += [curve.growth.rows, curve.growth.more_rows]
        _foreseen(axes, curve, colour, narrow)
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.grid(True, color=COLOURS["rule"], linewidth=1, linestyle="-")
    axes.xaxis.set_major_locator(FixedLocator(_apart(ticked, 1.6 if narrow else 1.2)))
    axes.xaxis.set_major_formatter(ticks(formats.count))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(
        ticks(lambda value: formats.metric_value(curve.metric, value).replace(".0%", "%"))
    )
    axes.margins(x=0.04, y=0.12)
    axes.set_xlabel("training rows", color=COLOURS["muted"], fontsize=12)
    told = "; ".join(
        f"{point.rows} rows {formats.metric_value(curve.metric, point.value)}" for point in curve.points
    )
    name = chart_id(f"growth-{curve.method}", narrow)
    return canvas.svg(
        name, f"{formats.metric_title(curve.metric)} of {curve.method} by training rows: {told}."
    )


def _foreseen(axes: Any, curve: LearningCurve, colour: str, narrow: bool) -> None:
    """The curve, dashed where nothing was measured, and the band of the gain about its end."""
    growth = curve.growth
    assert growth is not None
    last = curve.points[-1].rows
    for start, end, style in ((curve.points[0].rows, last, "-"), (last, growth.more_rows, "--")):
        xs = np.geomspace(start, end, 60)
        axes.plot(xs, [_at(curve, x) for x in xs], style, color=colour, linewidth=1.8, zorder=3)
    now = _at(curve, growth.rows)
    axes.plot(
        [growth.more_rows] * 2,
        [now + growth.low, now + growth.high],
        color=COLOURS["target"],
        linewidth=6,
        solid_capstyle="butt",
        zorder=5,
    )
    words = formats.signed(growth.gain, curve.metric)
    write(
        axes,
        words if narrow else f"twice the rows: {words}",
        (growth.more_rows, now + max(growth.low, growth.high)),
        (0 if narrow else 4, 8),
        ha="center" if narrow else "right",
        va="bottom",
        color=COLOURS["ink"],
        fontsize=12,
    )


def _at(curve: LearningCurve, rows: float) -> float:
    """The fitted curve as the metric's own values."""
    assert curve.top is not None and curve.loss is not None and curve.unit is not None
    assert curve.exponent is not None
    value = curve.top - curve.loss * (rows / curve.unit) ** -curve.exponent
    return -value if formats.is_error(curve.metric) else float(value)


def _apart(values: list[int], ratio: float) -> list[int]:
    """Ticks so far apart that their words do not touch, the largest first."""
    kept: list[int] = []
    for value in sorted(set(values), reverse=True):
        if not kept or kept[-1] / value >= ratio:
            kept.append(value)
    return kept
