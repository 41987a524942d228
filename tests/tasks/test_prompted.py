"""A user's own prompt: what it may do, and that everything else stays the task's."""

from pathlib import Path
from typing import Any

import pytest

import tuneworthy as tw
from toy import toy_rows, write_csv
from tuneworthy.core.errors import JobError
from tuneworthy.core.example import Example
from tuneworthy.tasks import TASKS, Structured
from tuneworthy.tasks._prompted import with_prompt

SHOWN = Example(id="1", input="late again", target="delivery")


@pytest.mark.parametrize("name", TASKS.names())
def test_every_user_turn_is_rendered_and_nothing_else_changes(name: str) -> None:
    task = TASKS.get(name)
    prompted = with_prompt(task, "Text: {{ input }} ({{ labels | join('/') }})", ["a", "b"])
    plain = task.messages("Do it.", "the text", [SHOWN])
    turns = prompted.messages("Do it.", "the text", [SHOWN])
    assert [turn["role"] for turn in turns] == [turn["role"] for turn in plain]
    for before, after in zip(plain, turns, strict=True):
        rendered = f"Text: {before['content']} (a/b)" if before["role"] == "user" else before["content"]
        assert after["content"] == rendered
    assert prompted.name == task.name and prompted.metrics == task.metrics
    assert isinstance(prompted, Structured) == isinstance(task, Structured)
    assert task.messages("Do it.", "the text", [SHOWN]) == plain  # the registry's own is as it was


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("{{ text }}", "'text' is undefined"),
        ("{% if %}", "no template that can be rendered"),
        ("Say something.", "does not show the text"),
        ("{{ input.__class__.__mro__ }}", "unsafe|does not show"),
        ("{{ ''.__class__.__base__.__subclasses__() }} {{ input }}", "no template that can be rendered"),
        ("{% for i in range(10**9) %}{% endfor %}{{ input }}", "Range too big"),
        ("{% include '/etc/passwd' %}{{ input }}", "no template that can be rendered"),
    ],
)
def test_a_template_that_cannot_be_used_is_one_sentence(template: str, sentence: str) -> None:
    with pytest.raises(JobError, match=sentence):
        with_prompt(TASKS.get("text-classification"), template, ["a"])


def test_a_prompt_may_name_a_label(quick: Any, tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", toy_rows(60))
    settings = {**quick, "arms": ["majority", "zero_shot"], "prompt": "{{ input }} ({{ labels[0] }}?)"}
    assert tw.run(table, output=tmp_path / "run", **settings).verdict.recommended_method


def test_a_prompt_that_is_neither_template_nor_file_is_said_to_be_so(quick: Any, tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", toy_rows(60))
    with pytest.raises(JobError, match=r"'godo\.txt' is neither a template, .* nor a file .*No such file"):
        tw.run(table, **{**quick, "arms": ["majority", "zero_shot"], "prompt": "godo.txt"})


def test_the_prompt_reaches_training_the_run_folder_and_predict(quick: Any, tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", toy_rows(60))
    (tmp_path / "mine.txt").write_text("Message: {{ input }}\nTopic?", encoding="utf-8")
    settings = {**quick, "arms": ["zero_shot", "lora"], "prompt": str(tmp_path / "mine.txt")}
    run = tw.run(table, output=tmp_path / "run", **settings)
    plain = tw.run(table, output=tmp_path / "plain", **{**settings, "prompt": None})
    assert "Topic?" in (run.path / "job.yaml").read_text(encoding="utf-8")
    units = {unit.name for unit in (run.path / "units").iterdir()}
    assert not units & {unit.name for unit in (plain.path / "units").iterdir()}
    assert run.predict("where is my parcel")[0].scores != plain.predict("where is my parcel")[0].scores
    (tmp_path / "mine.txt").unlink()
    again = tw.run(run.path / "job.yaml", output=run.path)
    assert {unit.name for unit in (again.path / "units").iterdir()} == units
