"""Which rows become demonstrations, short texts and long; by what a prompt's correction is chosen."""

from pathlib import Path
from typing import Any

import pytest

from tuneworthy.core.example import Example
from tuneworthy.methods import METHODS, Setting
from tuneworthy.methods._prompting import CORRECTIONS, FEWEST_SHORT, answers, demonstrable
from tuneworthy.methods.few_shot import FewShotParameters, draw_demonstrations
from tuneworthy.metrics import METRICS
from tuneworthy.tasks import TASKS


def rows(short: int, long: int) -> list[Example]:
    """So many short rows, then so many of 5,000 characters; two labels in turns."""
    texts = ["brief"] * short + ["word " * 1000] * long
    return [Example(id=str(i), row=i, input=text, target="ab"[i % 2]) for i, text in enumerate(texts)]


def test_long_rows_stay_out_where_short_ones_are_at_hand() -> None:
    shown = demonstrable(rows(FEWEST_SHORT, 300), 1200, open=False)
    assert [row.id for row in shown] == [str(i) for i in range(FEWEST_SHORT)]


def test_long_rows_are_shown_by_their_beginning_where_hardly_any_row_is_short() -> None:
    shown = demonstrable(rows(3, 300), 1200, open=False)
    assert len(shown) == 303
    assert max(len(row.input) for row in shown) <= 1204
    assert shown[0].input == "brief"
    assert shown[3].input.endswith("word ...")


def test_an_answer_to_be_found_in_a_text_is_never_asked_of_its_beginning() -> None:
    assert len(demonstrable(rows(3, 300), 1200, open=True)) == 3


def test_a_few_rows_that_are_mostly_short_are_not_cut() -> None:
    assert len(demonstrable(rows(4, 3), 1200, open=False)) == 4


def test_whole_contracts_leave_few_shot_its_demonstrations() -> None:
    shown = draw_demonstrations(rows(0, 50), FewShotParameters(k=4), seed=0)
    assert sorted(row.target or "" for row in shown) == ["a", "a", "b", "b"]


def test_a_long_chat_is_no_demonstration() -> None:
    chats = [
        row.model_copy(update={"input": f"[user] {row.input}\n[assistant] yes\n[user] and now?"})
        for row in rows(0, 50)
    ]
    assert demonstrable(chats, 1200, open=False) == []


@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
def test_the_correction_of_the_prior_is_chosen_by_the_jobs_metric(decoder_folder: Path, metric: str) -> None:
    task = TASKS.get("text-classification")
    shown = [Example(id=str(i), input=f"row {i}", target="ab"[i % 3 == 0]) for i in range(18)]
    given = Setting(
        task=task,
        labels=("a", "b"),
        instruction=task.instruction(("a", "b")),
        metric=METRICS.get(metric),
        seed=0,
        dtype="float32",
        models={"prompter": decoder_folder},
        checkpoint=None,
        report=lambda done, total, facts: None,
    )
    zero_shot: Any = METHODS.get("zero_shot")
    fitted = zero_shot.fit(given, zero_shot.Parameters(), shown, [])
    found = fitted.facts["training_scores"]
    best = min if metric == "log_loss" else max
    assert fitted.correction == best(CORRECTIONS, key=lambda name: found[name])
    raw = fitted.score(shown, training=True, report=False)
    parts = given.metric.parts(
        answers(shown, raw, raw, given.labels), [str(r.target) for r in shown], ("a", "b")
    )
    assert found["none"] == pytest.approx(float(given.metric.value(parts.sum(0))), abs=1e-3)
