"""Tables of tokens and tags, and of chats, through the verbs: checked, run, predicted in the same form."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import tuneworthy as tw
from toy import WORDS, toy_rows
from tuneworthy.cli.main import app
from tuneworthy.predicting import predict_file

ROWS = toy_rows(60)
KEYWORDS = {word for words in WORDS.values() for phrase in words for word in phrase.split()} - {"my"}
TAGGED: list[dict[str, Any]] = [
    {
        "tokens": ["New", "York", *row["text"].split()],
        "ner_tags": [
            *("B-city", "I-city"),
            *(f"B-{row['label']}" if word in KEYWORDS else "O" for word in row["text"].split()),
        ],
    }
    for row in ROWS
]
CHATS: list[dict[str, Any]] = [
    {
        "messages": [
            {"role": "system", "content": "You serve customers."},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "What is it about?"},
            {"role": "user", "content": row["text"]},
            {"role": "assistant", "content": f"It is about {row['label']}."},
        ]
    }
    for row in ROWS
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def tuneworthy(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.output


def answers(run: Path, table: Path, output: Path) -> list[str]:
    predict_file(run, table, output, (), 0.0, lambda done, total, facts: None)
    with output.open(newline="", encoding="utf-8") as file:
        return [row["answer"] for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    ("task", "rows", "said"),
    [
        ("token-classification", TAGGED, "The text is column 'tokens' and the answer is column 'ner_tags'"),
        ("text-generation", CHATS, "Text and answer are in column 'messages'"),
    ],
)
def test_check_and_init_find_the_columns_and_fix_leaves_their_cells_alone(
    task: str, rows: list[dict[str, Any]], said: str, tmp_path: Path
) -> None:
    damaged = [json.loads(json.dumps(row).replace("please", "caf\u00c3\u00a9")) for row in rows]
    damaged[2] = json.loads(json.dumps(rows[2]).replace("n2", "<b>n2</b>"))  # left to the reader to mend
    table = write(tmp_path / "t.jsonl", damaged)
    found = tuneworthy("check", table, "--task", task, "--json")
    assert {item["code"]: item["outcome"] for item in json.loads(found)}["TW012"] == "issue"
    tuneworthy("check", table, "--task", task, "--fix", "--output", tmp_path / "out")
    with (tmp_path / "out" / "review.csv").open(newline="", encoding="utf-8") as file:
        assert ("TW012", "") in {(line["code"], line["column"]) for line in csv.DictReader(file)}
    assert (tmp_path / "out" / "changes.csv").read_text().splitlines() == ["row,column,before,after,rule"]
    assert said in tuneworthy("init", table, "--task", task, "--output", tmp_path / "job.yaml")
    assert said in " ".join(tuneworthy("check", tmp_path / "job.yaml").replace("\n", " ").split())


def test_tokens_and_tags_are_learned_and_tokens_predicted(quick: dict[str, Any], tmp_path: Path) -> None:
    table = write(tmp_path / "t.jsonl", TAGGED)
    run = tw.run(table, task="token-classification", arms=["majority", "nearest", "dictionary"], **quick)
    scores = {e.method: e.value for e in run.estimates if e.metric == "entity_f1" and e.label is None}
    assert scores["dictionary"] > 0.8
    assert run.verdict.recommended_method == "dictionary"
    new = write(tmp_path / "new.jsonl", [{"tokens": TAGGED[0]["tokens"]}, {"tokens": None}])
    tagged = list(zip(*TAGGED[0].values(), strict=True))[2:]
    wanted = "; ".join(["city: New York", *(f"{tag[2:]}: {token}" for token, tag in tagged if tag != "O")])
    assert answers(run.path, new, tmp_path / "out.csv") == [wanted, ""]
    assert run.predict([TAGGED[0]["tokens"]])[0].value == wanted


def test_chats_are_learned_as_turns_and_the_next_turn_predicted(
    quick: dict[str, Any], tmp_path: Path
) -> None:
    table = write(tmp_path / "t.jsonl", CHATS)
    arms = ["majority", "nearest", "few_shot", "knn_shot", "lora"]
    run = tw.run(table, task="text-generation", arms=arms, **quick)
    first = json.loads((run.path / "rows.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert first["input"].startswith("[system] You serve customers.\n[user] Hello\n[assistant] What is it")
    assert first["target"] == f"It is about {ROWS[0]['label']}."
    assert "[user] Hello" in run.report.read_text(encoding="utf-8")
    asked = [{"messages": row["messages"][:-1]} for row in CHATS[:3]]
    new = answers(run.path, write(tmp_path / "new.jsonl", asked), tmp_path / "out.csv")
    assert new == answers(run.path, write(tmp_path / "whole.jsonl", CHATS[:3]), tmp_path / "whole.csv")
    assert new == [made.value for made in run.predict([row["messages"] for row in asked])]
    again = tw.run(run.path / "job.yaml", output=run.path)
    assert again.verdict == run.verdict


def test_the_audit_shows_the_turns_of_a_chat(quick: dict[str, Any], tmp_path: Path) -> None:
    table = write(tmp_path / "t.jsonl", CHATS)
    shown = tuneworthy(
        "audit", table, "--task", "text-generation", "--set", f"base_model={quick['base_model']}"
    )
    assert "[user]" not in shown
    assert shown.index("You serve customers.") < shown.index("Hello") < shown.index("What is it about?")
    assert "60 rows passed" in shown


def test_questions_without_an_answer_are_a_run_like_any_other(quick: dict[str, Any]) -> None:
    rows = [
        {"question": f"what is {row['text']}?", "answers": row["label"] if i % 3 else None}
        for i, row in enumerate(ROWS)
    ]
    settings = {**quick, "task": "question-answering", "arms": ["majority", "nearest"]}
    run = tw.run(rows, input="question", target="answers", blank_means_none=True, **settings)
    targets = [json.loads(line)["target"] for line in (run.path / "rows.jsonl").read_text().splitlines()]
    assert len(targets) == 60 and targets.count("[]") == 20
    assert "blank_means_none: true" in (run.path / "job.yaml").read_text()
