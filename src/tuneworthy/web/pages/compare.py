"""Compare: two finished runs side by side, each arm's score with its interval."""

from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr

from tuneworthy.core.errors import TuneworthyError
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
            return compared_html(*(load_contents(context.workspace.run(name)) for name in (first, second)))
        except TuneworthyError as error:
            return alert(error)

    gr.on(opened(), load, None, [first, second, table], api_visibility="private")
    both.click(compare, [first, second], table, js=KEEP_ADDRESS, api_visibility="private")


def compared_html(*several: Contents) -> str:
    """A line for each arm of either run, and what differs between the runs besides."""
    methods = list(dict.fromkeys(arm.method for one in several for arm in one.arms))
    rows = []
    for method in methods:
        cells = []
        for one in several:
            arm = one.arm(method)
            chosen = method == one.verdict.recommended_method
            text = formats.DASH if arm is None else formats.estimate_text(arm.estimate)
            cells.append({"text": text, "chosen": chosen})
        rows.append((method, cells))
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
    return render(
        "compare", runs=runs, rows=rows, caution=list(_cautions(several)), settings=_settings(several)
    )


def _cautions(several: tuple[Contents, ...]) -> Iterator[str]:
    """What forbids to read two columns as if they were measured together."""
    if len({one.evidence.metric for one in several}) > 1:
        yield "The runs are judged by different metrics: their scores cannot be compared."
    if len({one.dataset.fingerprint for one in several}) > 1:
        yield (
            "The runs are on different rows: the columns differ by the data as well. Only "
            "arms of one run are compared row by row."
        )
    elif len({(one.evidence.protocol, one.evidence.test_rows) for one in several}) > 1:
        yield (
            "The runs test on different parts of the rows: intervals say how far each score may be off, and "
            "the difference of two columns is not tested."
        )
    else:
        yield (
            "Intervals say how far each score may be off; the difference of two columns is not tested. To "
            "compare arms row by row, put them into one run."
        )


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
