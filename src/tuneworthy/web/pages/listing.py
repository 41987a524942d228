"""Runs: every run of the folder with its state and verdict, and the tables that were uploaded."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr

from tuneworthy.core.errors import TuneworthyError
from tuneworthy.reports import formats
from tuneworthy.reports.contents import load_contents
from tuneworthy.reports.views_scores import tone
from tuneworthy.web.pages import Context, opened
from tuneworthy.web.runs import MOST, STATES, Run
from tuneworthy.web.views import masthead, render

EVERY_S = 5.0
TONES = {"starting": "busy", "running": "busy", "finished": "go", "stopped": "wait", "failed": "stop"}


def build(context: Context) -> None:
    """Lays the page out."""
    gr.HTML(masthead("runs", "Runs"), js_on_load=None)
    listing = gr.HTML(js_on_load=None)
    timer = gr.Timer(EVERY_S)

    def show() -> str:
        latest, more = context.runs.latest()
        return render(
            "runs",
            runs=[_row(run) for run in latest],
            more=formats.count(more) if more else "",
            tables=context.workspace.tables(),
            folder=context.workspace.runs,
        )

    gr.on([opened(), timer.tick], show, None, listing, show_progress="hidden", api_visibility="private")


def _row(run: Run) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": run.name,
        "state": STATES[run.state],
        "tone": TONES[run.state],
        "started": "" if run.progress.started is None else f"{run.progress.started:%Y-%m-%d %H:%M} UTC",
        "verdict": f"{run.progress.done} of {run.progress.total} units" if run.state == "running" else "",
        "method": "",
        "score": "",
        "rows": "",
    }
    if run.state != "finished":
        return row
    return {**row, **_ended(run.folder, (run.folder / "model.json").stat().st_mtime_ns)}


@lru_cache(maxsize=MOST)
def _ended(folder: Path, version: int) -> dict[str, Any]:
    """What a finished run says, read once for as long as it stays as it is."""
    try:
        contents = load_contents(folder)
    except TuneworthyError:
        return {"verdict": "damaged"}
    best = contents.arm(contents.verdict.recommended_method)
    return {
        "verdict": formats.decision_title(contents.verdict.decision),
        "tone": tone(contents.verdict.decision),
        "method": contents.verdict.recommended_method,
        "score": "" if best is None else formats.estimate_text(best.estimate),
        "rows": formats.count(contents.dataset.rows),
    }
