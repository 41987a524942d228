"""New run: a table in, its columns, its faults, a job to edit, and the start."""

from pathlib import Path
from typing import Any

import gradio as gr

from tuneworthy.core.errors import TuneworthyError
from tuneworthy.core.job import Job
from tuneworthy.data.readers import SUFFIXES, read_table
from tuneworthy.data.table import Table
from tuneworthy.proposing import propose_job
from tuneworthy.tasks import TASKS
from tuneworthy.web.doctoring import JOB, findings_html, known_job, remember_job
from tuneworthy.web.pages import GO, Context, asked, opened
from tuneworthy.web.views import alert, masthead, render
from tuneworthy.web.workspace import KeptTable

ROWS_SHOWN = 8
CELL_SHOWN = 300
CHOICES = [("Every arm, fine-tunes included", "run"), ("Only what needs no fine-tuning", "baseline")]
USUAL = Job.model_fields["task"].default


def build(context: Context) -> None:
    """Lays the page out and says what its parts do."""
    gr.HTML(masthead("new", "Is fine-tuning worth it on your rows?"), js_on_load=None)
    upload = gr.File(
        label="A table of labelled rows: CSV, TSV, JSONL, Parquet or XLSX",
        file_types=list(SUFFIXES),
        height=180,
        elem_id="upload",
    )
    problem = gr.HTML(elem_id="problem", js_on_load=None)
    preview = gr.HTML(js_on_load=None)
    table_id, place = gr.State(""), gr.Textbox(visible="hidden")
    with gr.Column(visible=False) as proposal:
        told = "Change it where it was read wrongly."
        gr.HTML(render("heading", title="What is asked", told=told), js_on_load=None)
        with gr.Row():
            task = gr.Dropdown(TASKS.names(), value=USUAL, label="Task", elem_id="task", min_width=240)
            input = gr.Dropdown(
                [], multiselect=True, label="Column(s) with the text", elem_id="input", min_width=240
            )
            target = gr.Dropdown([], label="Column with the label or answer", elem_id="target", min_width=240)
        again = gr.Button("Propose a job for these columns", size="sm", elem_id="again")
        findings = gr.HTML(js_on_load=None)
        job = gr.Textbox(lines=14, max_lines=40, label="The job (YAML); edit what you like", elem_id="job")
        verb = gr.Radio(CHOICES, value="run", label="What to measure", elem_id="verb")
        start = gr.Button("Start the run", variant="primary", elem_id="start")
        trouble = gr.HTML(js_on_load=None)

    def keep(path: str | None) -> tuple[str, str]:
        if not path:
            return "", ""
        try:
            table = context.workspace.keep(Path(path), Path(path).name)
        except TuneworthyError as error:
            return "", alert(error)
        return f"/?table={table.id}", ""

    def load(request: gr.Request) -> tuple[Any, ...]:
        id = asked(request, "table")
        if not id:
            return "", "", "", *[gr.skip()] * 5
        try:
            table = context.workspace.table(id)
            rows = read_table(table.path)
        except TuneworthyError as error:
            return "", "", alert(error), *[gr.skip()] * 5
        said, text, chosen = _proposed(table)
        options = list(rows.columns)
        return (
            id,
            _preview(table, rows),
            alert(said),
            gr.Column(visible=True),
            gr.Dropdown(value=chosen.task if chosen else USUAL),
            gr.Dropdown(choices=options, value=list(chosen.data.input) if chosen else []),
            gr.Dropdown(choices=options, value=chosen.data.target if chosen else None),
            text,
        )

    def propose(id: str, task: str, input: list[str], target: str | None) -> tuple[str, Any]:
        try:
            table = context.workspace.table(id)
            text, _ = propose_job(read_table(table.path), table.path.name, task, input or (), target)
            remember_job(table, text)
        except TuneworthyError as error:
            return alert(error), gr.skip()
        return "", text

    def examine(id: str) -> str:
        if not id:
            return ""
        try:
            return findings_html(context.workspace.table(id))
        except TuneworthyError as error:
            return alert(error)

    def begin(id: str, text: str, verb: str) -> tuple[str, str]:
        try:
            name = context.runs.start(context.workspace.table(id), text, verb)
        except TuneworthyError as error:
            return "", alert(error)
        return f"/watch?run={name}", ""

    hidden: dict[str, Any] = {"api_visibility": "private"}
    upload.upload(keep, upload, [place, problem], **hidden).then(None, place, None, js=GO)
    loaded = gr.on(
        opened(), load, None, [table_id, preview, problem, proposal, task, input, target, job], **hidden
    )
    loaded.then(examine, table_id, findings, **hidden)
    again.click(propose, [table_id, task, input, target], [problem, job], **hidden).then(
        examine, table_id, findings, **hidden
    )
    start.click(begin, [table_id, job, verb], [place, trouble], **hidden).then(None, place, None, js=GO)


def _proposed(table: KeptTable) -> tuple[str, str, Job | None]:
    """What keeps a job from being proposed, its text, and the job: the one before, or a first one."""
    try:
        job = known_job(table)
    except TuneworthyError as error:
        return str(error), "", None
    return "", (table.folder / JOB).read_text(encoding="utf-8"), job


def _preview(table: KeptTable, rows: Table) -> str:
    shown = [
        (number, [(row[column] or "")[:CELL_SHOWN] for column in rows.columns])
        for number, row in zip(rows.numbers[:ROWS_SHOWN], rows.rows[:ROWS_SHOWN], strict=True)
    ]
    return render(
        "table",
        title=table.title,
        rows=len(rows),
        columns=rows.columns,
        numbering=rows.numbering,
        notes=rows.notes,
        counted_in=rows.counted_in,
        shown=shown,
    )
