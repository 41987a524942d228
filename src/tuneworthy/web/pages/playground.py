"""Playground: the recommended model of a run and its untuned base model, side by side on the same text."""

import time
from collections.abc import Iterator
from typing import Any

import gradio as gr

from tuneworthy.core.errors import TuneworthyError
from tuneworthy.core.prediction import Prediction
from tuneworthy.reports import formats
from tuneworthy.reports.contents import load_contents
from tuneworthy.tasks import TASKS
from tuneworthy.web.answering import as_in_training, base_answer, pair_of, recommended_answer
from tuneworthy.web.pages import Context, asked, opened
from tuneworthy.web.views import alert, masthead, render

BARS = 8  # labels that are drawn, the most probable first
EXAMPLES = 3  # rows of the run that can be tried
SHOWN = 90  # characters of an example on its button
RECOMMENDED, BASE = "Recommended model", "Base model, untuned"


def build(context: Context) -> None:
    """Lays the page out and says what its parts do."""
    gr.HTML(masthead("playground", "Playground"), js_on_load=None)
    run = gr.Dropdown([], label="A finished run", elem_id="run")
    hint = "Shift and Enter asks, too."
    text = gr.Textbox(lines=4, max_lines=20, label="Your text", info=hint, elem_id="text")
    example = gr.Dropdown([], label="Or a row of the run", elem_id="example")
    ask = gr.Button("Ask both", variant="primary", elem_id="ask")
    problem = gr.HTML(js_on_load=None)
    with gr.Row():
        left = gr.HTML(elem_id="recommended", js_on_load=None)
        right = gr.HTML(elem_id="base", js_on_load=None)

    def load(request: gr.Request) -> tuple[Any, ...]:
        name = asked(request, "run")
        names = context.runs.finished([name])
        chosen = name if name in names else (names[0] if names else None)
        said = "" if names else alert("There is no finished run yet: start one first.")
        return gr.Dropdown(choices=names, value=chosen), rows_of(chosen), said

    def rows_of(name: str | None) -> Any:
        try:
            rows = load_contents(context.workspace.run(name or "")).rows.values()
        except TuneworthyError:
            return gr.Dropdown(choices=[], value=None)
        inputs = [row.input for row in rows if row.part == "table"][:EXAMPLES]
        return gr.Dropdown(choices=[(_short(words), words) for words in inputs], value=None)

    def answer(name: str | None, text: str) -> Iterator[tuple[str, str, str]]:
        if not text.strip():
            yield "", "", alert("Write a text first.")
            return
        try:
            folder = context.workspace.run(name or "")
            yield _waiting(RECOMMENDED), _waiting(BASE), ""
            pair = pair_of(folder)
            words = as_in_training(pair, text)
            open = TASKS.get(pair.unit.task).open
            shown = _waiting(RECOMMENDED)
            for shown in _sides(RECOMMENDED, pair.unit.method, recommended_answer(pair, words), open):
                yield shown, _waiting(BASE), ""
            if pair.base is None:
                yield shown, _no_base(pair.why_no_base), ""
            for other in _sides(BASE, "zero-shot prompt", base_answer(pair, words), open):
                yield shown, other, ""
        except TuneworthyError as error:
            yield "", "", alert(error)

    hidden: dict[str, Any] = {"api_visibility": "private"}
    gr.on(opened(), load, None, [run, example, problem], **hidden)
    run.input(rows_of, run, example, **hidden)
    example.input(lambda words: words or "", example, text, **hidden)
    gr.on(
        [ask.click, text.submit],
        answer,
        [run, text],
        [left, right, problem],
        concurrency_limit=1,
        concurrency_id="models",
        show_progress="hidden",
        **hidden,
    )


def _short(words: str) -> str:
    flat = " ".join(words.split())
    return flat if len(flat) <= SHOWN else f"{flat[:SHOWN]}…"


def _sides(side: str, method: str, answers: Iterator[Prediction], open: bool) -> Iterator[str]:
    """One side of the page for each look at its answer."""
    began = time.perf_counter()
    for answer, last in _with_last(answers):
        took = formats.seconds(time.perf_counter() - began) if last else ""
        yield _side(side, method, answer, open, took)


def _with_last(answers: Iterator[Prediction]) -> Iterator[tuple[Prediction, bool]]:
    """Each answer, and whether it is the last one."""
    before = None
    for answer in answers:
        if before is not None:
            yield before, False
        before = answer
    if before is not None:
        yield before, True


def _side(side: str, method: str, answer: Prediction, open: bool, took: str) -> str:
    scores = sorted((answer.scores or {}).items(), key=lambda item: -item[1])
    said = answer.value if answer.value is not None else (answer.raw or "")
    unread = answer.value is None and bool(took)
    return render(
        "answer",
        side=side,
        told=method,
        problem="This could not be read as an answer to the task." if unread and said else "",
        answer=said,
        bars=[] if open else scores[:BARS],
        left=max(0, len(scores) - BARS),
        rest=sum(share for _, share in scores[BARS:]),
        nothing="an empty answer" if took else "…",
        writing=not took,
        took=f"answered in {took}" if took else "",
    )


def _waiting(side: str) -> str:
    return render("answer", side=side, told="The model is loaded, then asked…", problem="", answer=None)


def _no_base(why: str) -> str:
    return render("answer", side=BASE, told="", problem=why, answer=None)
