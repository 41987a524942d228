"""Watch: a run while it goes on, and its verdict and report when it is done. The folder is the state."""

from typing import Any

import gradio as gr

from tuneworthy.core.errors import TuneworthyError
from tuneworthy.reports import formats
from tuneworthy.reports.contents import Contents, load_contents
from tuneworthy.reports.views_scores import arms_view, metric_heading, tone
from tuneworthy.web.curves import curves_html
from tuneworthy.web.pages import Context, asked, opened
from tuneworthy.web.pages.listing import TONES
from tuneworthy.web.runs import STATES, Run
from tuneworthy.web.views import alert, drawing, masthead, render

EVERY_S = 1.5
LOG_LINES = 30


def build(context: Context) -> None:
    """Lays the page out and says what its parts do."""
    gr.HTML(masthead("watch", "A run"), js_on_load=None)
    name = gr.State("")
    problem = gr.HTML(js_on_load=None)
    status = gr.HTML(elem_id="status", js_on_load=None)
    with gr.Row():
        stop = gr.Button("Stop", variant="stop", visible=False, elem_id="stop", scale=0, min_width=140)
        resume = gr.Button(
            "Continue", variant="primary", visible=False, elem_id="continue", scale=0, min_width=140
        )
    verdict = gr.HTML(elem_id="verdict", js_on_load=None)
    curves = gr.HTML(js_on_load=None)
    details = gr.HTML(js_on_load=None)
    timer = gr.Timer(EVERY_S)

    def look(name: str) -> tuple[Any, ...]:
        try:
            run = context.runs.read(name)
            ended = verdict_html(run) if run.state == "finished" else ""
            drawn = curves_html(run)
        except TuneworthyError as error:
            nothing = gr.Button(visible=False)
            return alert(error), "", nothing, nothing, "", "", "", gr.Timer(active=False)
        return (
            "",
            _status(run),
            gr.Button(visible=run.ours and run.state in ("starting", "running")),
            gr.Button(visible=run.state in ("stopped", "failed")),
            ended,
            drawn,
            _details(run),
            gr.Timer(active=run.state in ("starting", "running")),
        )

    def load(request: gr.Request) -> tuple[Any, ...]:
        name = asked(request, "run")
        return name, *look(name)

    def halt(name: str) -> tuple[Any, ...]:
        try:
            context.runs.stop(name)
        except TuneworthyError as error:
            return alert(error), *look(name)[1:]
        return look(name)

    def go_on(name: str) -> tuple[Any, ...]:
        try:
            context.runs.resume(name)
        except TuneworthyError as error:
            return alert(error), *look(name)[1:]
        return look(name)

    shown = [problem, status, stop, resume, verdict, curves, details, timer]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    gr.on(opened(), load, None, [name, *shown], **quiet)
    timer.tick(look, name, shown, **quiet)
    stop.click(halt, name, shown, **quiet)
    resume.click(go_on, name, shown, **quiet)


def _status(run: Run) -> str:
    progress = run.progress
    sentence = {
        "starting": "The table is being read and checked.",
        "finished": f"{progress.done} units are done.",
        "stopped": f"{progress.done} of {progress.total} units are done and kept; the rest is to run.",
        "failed": "It could not go on; see what it said last, below.",
        "damaged": "Its events.jsonl is damaged or was edited, so that nothing is told of it: put the file "
        "back as it was, or delete the folder.",
    }.get(run.state, "")
    if run.state == "running":
        sentence = f"{progress.done} of {progress.total} units done{_left(run)}."
        if not run.ours:
            sentence += " It was started elsewhere: stop it there."
    return render(
        "status",
        name=run.name,
        state=STATES[run.state],
        tone=TONES[run.state],
        sentence=sentence,
        total=0 if run.state == "finished" else progress.total,
        done=progress.done,
    )


def _left(run: Run) -> str:
    """The time left in whole minutes: a screen reader says the sentence again whenever it changes."""
    left = run.progress.left_s
    if left is None:
        return ""
    minutes = round(left / 60)
    if run.progress.left_is_least:
        return f", at least {max(1, minutes)} min left"
    return f", about {minutes} min left" if minutes else ", less than a minute left"


def _details(run: Run) -> str:
    progress = run.progress
    log = "\n".join(run.said.splitlines()[-LOG_LINES:])
    return render(
        "details",
        now=progress.now if run.state == "running" else (),
        arms=progress.arms,
        notes=progress.notes,
        said=log if run.state == "failed" else "",
    )


def verdict_html(run: Run) -> str:
    """The verdict, the arms' table, and the report in a frame that can run nothing."""
    contents = load_contents(run.folder)
    return render(
        "verdict",
        name=run.name,
        verdict=contents.verdict,
        badge=formats.decision_title(contents.verdict.decision),
        tone=tone(contents.verdict.decision),
        table=drawing(arms_html(contents)),
    )


def arms_html(contents: Contents) -> str:
    """The arms, best first, each with its interval."""
    rows = arms_view(contents)["rows"]
    return (
        render("arms", heading=metric_heading(contents), n=contents.evidence.test_rows, rows=rows)
        if rows
        else ""
    )
