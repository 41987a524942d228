"""Compare: two finished runs side by side, and paired differences where both predicted the same rows."""

from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr

from tuneworthy.comparing import compare_runs
from tuneworthy.core.errors import TuneworthyError
from tuneworthy.core.evidence import Comparison
from tuneworthy.core.runs import RunPair
from tuneworthy.data.job_yaml import parse_job_text
from tuneworthy.reports import formats
from tuneworthy.reports.contents import Contents, load_contents
from tuneworthy.reports.views_scores import metric_heading, tone
from tuneworthy.web.pages import Context, asked, opened
from tuneworthy.web.views import alert, masthead, render

KEEP_ADDRESS = """(first, second) => {
  const place = new URL(window.location);
  place.searchParams.set("first", first || ""); place.searchParams.set("second", second || "");
  window.history.replaceState(null, "", place); return [first, second]; }"""
UNTOLD = ("data.", "send_rows", "workers", "threads")  # settings that are no difference in what was measured


def build(context: Context) -> None:
    """Lays the page out and says what its parts do."""
    gr.HTML(masthead("compare", "Two runs side by side"), js_on_load=None)
    with gr.Row():
        first = gr.Dropdown([], label="First run", min_width=260, elem_id="first")
        second = gr.Dropdown([], label="Second run", min_width=260, elem_id="second")
    both = gr.Button("Compare", variant="primary", elem_id="compare")
    table = gr.HTML(elem_id="comparison", js_on_load=None)

    def load(request: gr.Request) -> tuple[Any, ...]:
        wanted = [asked(request, key) for key in ("first", "second")]
        names = context.runs.finished(wanted)
        chosen = [name for name in wanted if name in names]
        chosen += [name for name in names if name not in chosen]
        pair = [*chosen, None, None][:2]
        return (*(gr.Dropdown(choices=names, value=name) for name in pair), compare(*pair))

    def compare(first: str | None, second: str | None) -> str:
        if not first or not second:
            return alert("Two finished runs are needed for a comparison.")
        try:
            places = [context.workspace.run(name) for name in (first, second)]
            return compared_html(compare_runs(*places), *(load_contents(place) for place in places))
        except TuneworthyError as error:
            return alert(error)

    gr.on(opened(), load, None, [first, second, table], api_visibility="private")
    both.click(compare, [first, second], table, js=KEEP_ADDRESS, api_visibility="private")


def compared_html(pair: RunPair, *several: Contents) -> str:
    """A line for each arm of either run, its difference where it can be tested, and what differs besides."""
    rows = [
        {
            "method": one.method,
            "cells": [
                {
                    "text": formats.DASH if score is None else formats.estimate_text(score),
                    "chosen": one.method == run.verdict.recommended_method,
                }
                for score, run in zip((one.a, one.b), several, strict=True)
            ],
            "difference": formats.DASH if one.difference is None else _tested(one.difference),
        }
        for one in pair.arms
    ]
    runs = [
        {
            "name": one.folder.name,
            "heading": metric_heading(one),
            "n": one.evidence.test_rows,
            "badge": formats.decision_title(one.verdict.decision),
            "tone": tone(one.verdict.decision),
            "source": one.dataset.source,
            "rows": one.dataset.rows,
        }
        for one in several
    ]
    best = pair.recommended
    return render(
        "compare",
        runs=runs,
        rows=rows,
        paired=any(one.difference for one in pair.arms),
        best=best if best is not None and best.method != best.against else None,
        best_text=formats.DASH if best is None else formats.comparison_text(best),
        note=pair.note,
        settings=_settings(several),
    )


def _tested(difference: Comparison) -> str:
    return f"{formats.comparison_text(difference)}, p {formats.p_value(difference.p_adjusted)}"


def _settings(several: tuple[Contents, ...]) -> list[tuple[str, list[str]]]:
    """Fields of the jobs that differ, by name."""
    flat = [dict(_flat(parse_job_text(one.job_text, "job.yaml")[0])) for one in several]
    keys = [key for key in dict.fromkeys(key for one in flat for key in one) if not key.startswith(UNTOLD)]
    found = [(key, [formats.plain(one.get(key)) or "nothing" for one in flat]) for key in keys]
    return [(key, values) for key, values in found if len(set(values)) > 1]


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """A job's fields with dotted names."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
