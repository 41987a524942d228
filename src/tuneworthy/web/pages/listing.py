"""Runs: every run of the folder with its state and verdict, and the tables that were uploaded."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr

from tuneworthy.reports import formats
from tuneworthy.reports.views_scores import tone
from tuneworthy.runfolder.listing import list_runs
from tuneworthy.web.pages import Context, opened
from tuneworthy.web.runs import MOST, STATES, Run
from tuneworthy.web.views import masthead, render

EVERY_S = 5.0
TONES = {
    "starting": "busy",
    "running": "busy",
    "finished": "go",
    "stopped": "wait",
    "failed": "stop",
    "damaged": "stop",
}


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
    told = next(iter(list_runs(folder)), None)
    if told is None or told.state != "finished" or told.decision is None:
        return {"verdict": "damaged"}
    score = ""
    if told.metric is not None and told.value is not None:
        score = formats.score_text(told.metric, told.value, told.low, told.high)
    return {
        "verdict": formats.decision_title(told.decision),
        "tone": tone(told.decision),
        "method": told.method,
        "score": score,
        "rows": formats.count(told.rows or 0),
    }
