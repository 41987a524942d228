"""Label review: the rows in doubt one at a time; accept, keep, change, delete or skip, by keyboard too."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from tuneworthy.core.counting import counted
from tuneworthy.core.errors import TuneworthyError
from tuneworthy.web.pages import GO, Context, asked, opened
from tuneworthy.web.reviewing import DELETE, Review, in_words
from tuneworthy.web.views import alert, masthead, render

KEYS = "Single keys: A accept, K keep, C change, D delete, S skip, P previous"


def build(context: Context) -> None:
    """Lays the page out and says what its parts do."""
    gr.HTML(masthead("review", "Label review"), js_on_load=None)
    table_id, at, place = gr.State(""), gr.State(0), gr.Textbox(visible="hidden")
    tables = gr.Dropdown([], label="Table", elem_id="tables")
    problem = gr.HTML(js_on_load=None)
    with gr.Column(visible=False) as body:
        card = gr.HTML(elem_id="card", js_on_load=None)
        with gr.Row():
            accept = gr.Button("Accept", variant="primary", elem_id="accept", min_width=90)
            keep = gr.Button("Keep as it is", elem_id="keep", min_width=90)
            delete = gr.Button("Delete row", elem_id="delete", min_width=90)
            skip = gr.Button("Skip", elem_id="skip", min_width=90)
            previous = gr.Button("Previous", elem_id="previous", min_width=90)
        with gr.Row(equal_height=True):
            value = gr.Dropdown(
                [], allow_custom_value=True, label="Change to", elem_id="change-to", scale=3, min_width=180
            )
            change = gr.Button("Change", elem_id="change", scale=1, min_width=90)
        gr.Checkbox(True, label=KEYS, interactive=True, elem_id="keys-on")
        apply = gr.Button("Write the reviewed table", elem_id="apply")
        files = gr.HTML(elem_id="files", js_on_load=None)

    def load(request: gr.Request) -> tuple[Any, ...]:
        known = [(table.title, table.id) for table in context.workspace.tables()]
        id = asked(request, "table")
        picker = gr.Dropdown(choices=known, value=id if id in [one for _, one in known] else None)
        if not id:
            said = "" if known else alert("No table was uploaded yet: start with New run.")
            return "", 0, picker, said, gr.Column(visible=False), "", gr.skip(), gr.skip(), ""
        try:
            review = Review(context.workspace.table(id))
        except TuneworthyError as error:
            return "", 0, picker, alert(error), gr.Column(visible=False), "", gr.skip(), gr.skip(), ""
        index = review.next_open(-1)
        return (
            id,
            index,
            picker,
            "",
            gr.Column(visible=True),
            *_shown(review, index),
            files_html(review, ""),
        )

    def files_html(review: Review, told: str, cleaned: str = "") -> str:
        return _files(review, told, context.workspace.told(review.table.checked), cleaned)

    def decide(act: Callable[[Review, int, str], None]) -> Callable[[str, int, str | None], tuple[Any, ...]]:
        def decided(id: str, index: int, value: str | None) -> tuple[Any, ...]:
            try:
                review = Review(context.workspace.table(id))
                if index >= len(review):
                    return index, "", *_shown(review, index)
                act(review, index, (value or "").strip())
            except TuneworthyError as error:
                return index, alert(error), gr.skip(), gr.skip(), gr.skip()
            index = review.next_open(index)
            return index, "", *_shown(review, index)

        return decided

    def move(step: int) -> Callable[[str, int, str | None], tuple[Any, ...]]:
        def moved(id: str, index: int, value: str | None) -> tuple[Any, ...]:
            try:
                review = Review(context.workspace.table(id))
            except TuneworthyError as error:
                return index, alert(error), gr.skip(), gr.skip(), gr.skip()
            index = max(0, min(len(review), index + step))
            return index, "", *_shown(review, index)

        return moved

    def write(id: str) -> tuple[str, str]:
        try:
            review = Review(context.workspace.table(id))
            decisions, safe = review.apply()
            told = f"Written: {counted(decisions, 'decision')} and {counted(safe, 'safe change')}."
            title = f"reviewed_{review.table.path.stem}.csv"
            cleaned = context.workspace.keep(review.table.checked / "reviewed.csv", title)
        except TuneworthyError as error:
            return alert(error), gr.skip()
        return "", files_html(review, told, cleaned.id)

    hidden: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    shown = [at, problem, card, accept, value]
    given = [table_id, at, value]
    everything = [table_id, at, tables, problem, body, card, accept, value, files]
    gr.on(opened(), load, None, everything, api_visibility="private")
    tables.input(lambda id: f"/review?table={id}" if id else "", tables, place, **hidden).then(
        None, place, None, js=GO
    )
    accept.click(decide(lambda review, index, _: _accept(review, index)), given, shown, **hidden)
    keep.click(decide(lambda review, index, _: review.keep(index)), given, shown, **hidden)
    delete.click(decide(lambda review, index, _: review.decide(index, DELETE)), given, shown, **hidden)
    change.click(decide(_change), given, shown, **hidden)
    skip.click(move(1), given, shown, **hidden)
    previous.click(move(-1), given, shown, **hidden)
    apply.click(write, table_id, [problem, files], **hidden)


def _accept(review: Review, index: int) -> None:
    if not review.doubt(index).proposed:
        raise TuneworthyError("Nothing is proposed for this row: keep, change, delete or skip it.")
    review.accept(index)


def _change(review: Review, index: int, value: str) -> None:
    if not value:
        raise TuneworthyError("Choose or write what it should be changed to.")
    if not review.doubt(index).column:
        raise TuneworthyError("No single cell is in doubt here: keep, delete or skip the row.")
    review.change(index, value)


def _shown(review: Review, index: int) -> tuple[str, Any, Any]:
    """The card of a line, whether its proposal can be accepted, and what it can be changed to."""
    told = f"Row in doubt {index + 1} of {len(review)}; {review.decided} decided."
    if index >= len(review):
        left = len(review) - review.decided
        told = (
            f"That was the last of {len(review)} rows in doubt: {review.decided} decided, {left} left as is."
            if len(review)
            else "No row is in doubt."
        )
        return render("review", done=True, told=told), gr.Button(interactive=False), gr.Dropdown(value=None)
    doubt = review.doubt(index)
    others = [label for label in review.labels if label != doubt.label]
    card = render("review", done=False, told=told, row=doubt, decision=in_words(doubt.decision))
    return (
        card,
        gr.Button(interactive=bool(doubt.proposed)),
        gr.Dropdown(choices=others, value=doubt.proposed or None),
    )


def _files(review: Review, told: str, folder: Path, cleaned: str) -> str:
    id = review.table.id
    return render("files", id=id, files=review.files(), folder=folder, told=told, cleaned=cleaned)
