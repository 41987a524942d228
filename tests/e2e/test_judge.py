"""A judge compares the best two arms' answers: a real local server, the whole job."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tuneworthy as tw
from chat_server import ChatServer
from toy import toy_rows, write_csv
from tuneworthy.core.errors import ConsentError, JobError

ARMS = ["majority", "nearest"]


def answers_in(messages: list[dict[str, str]]) -> tuple[str, str]:
    text = messages[-1]["content"]
    a, b = (re.search(rf"<answer_{side}>\n(.*?)\n</answer_{side}>", text, re.DOTALL) for side in "ab")
    assert a is not None and b is not None
    return a[1], b[1]


def longer(messages: list[dict[str, str]]) -> str:
    a, b = answers_in(messages)
    return "tie" if len(a) == len(b) else "A" if len(a) > len(b) else "B."


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TUNEWORTHY_CACHE", str(tmp_path / "cache"))
    for name in ("TUNEWORTHY_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer(longer) as server:
        yield server


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Answers of different lengths, so that neither arm's are always the longer ones."""
    rows = [
        {"text": row["text"], "answer": f"it is about {'some ' * (i % 4)}{row['label']}"}
        for i, row in enumerate(toy_rows(60))
    ]
    return write_csv(tmp_path / "t.csv", rows)


Judged = Callable[..., tuple[dict[str, Any], tw.Run]]


@pytest.fixture
def judged(table: Path, quick: dict[str, Any], server: ChatServer) -> Judged:
    def run(**judge: Any) -> tuple[dict[str, Any], tw.Run]:
        settings = {
            **quick,
            "arms": ARMS,
            "task": "question-answering",
            "judge": {"model": server.name, **judge},
        }
        done = tw.run(table, target="answer", input="text", **settings)
        return json.loads((done.path / "judge.json").read_text()), done

    return run


def predictions_of(run: Path) -> dict[str, dict[str, str]]:
    found = {}
    for folder in (run / "units").iterdir():
        unit = json.loads((folder / "unit.json").read_text())
        if unit["purpose"] == "evaluate":
            lines = (folder / "predictions.jsonl").read_text().splitlines()
            found[unit["method"]] = {row["example_id"]: row["value"] for row in map(json.loads, lines)}
    return found


def test_a_judge_that_prefers_the_longer_answer_is_counted_as_it_judged(
    judged: Judged, server: ChatServer
) -> None:
    found, run = judged()
    given = predictions_of(run.path)
    ours, theirs = given[found["method"]], given[found["against"]]
    wins = sum(len(ours[i]) > len(theirs[i]) for i in ours)
    losses = sum(len(ours[i]) < len(theirs[i]) for i in ours)
    assert (found["wins"], found["losses"]) == (wins, losses)
    assert wins and losses
    assert found["ties"] == len(ours) - wins - losses
    assert found["position_disagreement"] == 0
    rate = found["win_rate"]
    assert rate["value"] == pytest.approx((wins + found["ties"] / 2) / len(ours))
    assert rate["low"] < rate["value"] < rate["high"]
    assert 0 < found["p_two_sided"] <= 1
    different = sum(ours[i] != theirs[i] for i in ours)
    assert found["requests"] == len(server.requests) == 2 * different
    page = run.report.read_text(encoding="utf-8")
    assert "A judge" in page
    assert f"on {wins}, the reverse on {losses}" in page


def test_a_judge_that_always_says_a_prefers_nobody(judged: Judged, server: ChatServer) -> None:
    server.reply = lambda messages: "A"
    found, run = judged()
    said = "chose answer A on every row it was asked about (14), whichever arm wrote it"
    assert said in run.report.read_text(encoding="utf-8")
    assert (found["wins"], found["losses"], found["ties"]) == (0, 0, 15)
    assert found["position_disagreement"] == 1
    assert found["win_rate"]["value"] == 0.5
    assert found["win_rate"]["low"] is None
    assert found["p_two_sided"] == 1


def test_the_judge_sees_input_reference_and_both_answers_in_both_orders(
    judged: Judged, server: ChatServer
) -> None:
    judged(rubric="Prefer the one that rhymes.")
    shown = [answers_in(request["messages"]) for request in server.requests]
    assert sorted(shown) == sorted((b, a) for a, b in shown)
    first = server.requests[0]["messages"]
    assert "Prefer the one that rhymes." in first[0]["content"]
    assert "<reference>\nit is about " in first[1]["content"]
    assert re.search(r"<input>\n.*\bn\d+\b", first[1]["content"])


def test_agreement_with_the_metric_is_reported(judged: Judged, server: ChatServer) -> None:
    def closer(messages: list[dict[str, str]]) -> str:
        truth = re.search(r"<reference>\n(.*?)\n</reference>", messages[-1]["content"])
        assert truth is not None
        a, b = (len(set(answer.split()) & set(truth[1].split())) for answer in answers_in(messages))
        return "A" if a > b else "B" if b > a else "tie"

    server.reply = closer
    found, _ = judged()
    assert found["agreement_metric"] == "answer_f1"
    assert found["agreement"]["value"] == 1
    server.reply = lambda messages: {"A": "B", "B": "A"}.get(closer(messages), "tie")
    contrary, _ = judged(rubric="The other way round.")
    assert contrary["agreement"]["value"] == 0
    assert contrary["agreement"]["n"] == found["agreement"]["n"]


def test_the_verdict_is_the_same_with_and_without_a_judge(
    judged: Judged, table: Path, quick: dict[str, Any]
) -> None:
    settings = {**quick, "arms": ARMS, "task": "question-answering", "output": "runs/plain"}
    plain = tw.run(table, target="answer", input="text", **settings).path
    assert not (plain / "judge.json").exists()
    _, with_judge = judged()
    for file in ("verdict.json", "estimates.json", "comparisons.json"):
        assert (with_judge.path / file).read_text() == (plain / file).read_text()
    assert "judge" not in (with_judge.path / "evidence.json").read_text()


def test_a_judge_comes_later_or_goes_and_no_unit_is_redone(
    judged: Judged, table: Path, quick: dict[str, Any], server: ChatServer
) -> None:
    settings = {**quick, "arms": ARMS, "task": "question-answering"}
    plain = tw.run(table, target="answer", input="text", **settings).path
    found, run = judged()
    asked = len(server.requests)
    assert run.path == plain
    again, _ = judged()
    assert again == found
    assert len(server.requests) == asked
    tw.run(table, target="answer", input="text", **settings)
    assert not (plain / "judge.json").exists()


def test_so_many_rows_are_judged_as_asked_for_and_the_same_ones_again(
    judged: Judged, server: ChatServer
) -> None:
    found, _ = judged(rows=6)
    assert len(found["rows"]) == 6
    assert found["wins"] + found["ties"] + found["losses"] == 6
    again, _ = judged(rows=6, rubric="Another one.")
    assert [row["id"] for row in again["rows"]] == [row["id"] for row in found["rows"]]


def test_a_reply_that_is_no_opinion_is_a_tie_and_counted(judged: Judged, server: ChatServer) -> None:
    server.reply = lambda messages: "A matter of taste."
    found, _ = judged()
    assert found["wins"] == found["losses"] == 0
    assert found["unreadable"] == found["requests"] > 0


def test_rows_that_are_not_answered_are_left_out_and_counted(judged: Judged, server: ChatServer) -> None:
    server.fault = lambda n, request: (400, "no") if n == 0 else None
    found, _ = judged()
    assert found["unanswered"] == 1
    assert found["wins"] + found["ties"] + found["losses"] == 14


def test_a_judge_out_of_reach_costs_the_opinion_and_not_the_run(judged: Judged, server: ChatServer) -> None:
    server.fault = lambda n, request: (401, "no")
    found, run = judged()
    assert run.verdict.recommended_method
    assert "refuses the key" in found["reason"]
    assert found["win_rate"] is None
    assert "gave no judgement" in run.report.read_text(encoding="utf-8")


def test_what_the_judge_costs_is_counted(judged: Judged, server: ChatServer) -> None:
    found, _ = judged(price_per_million_input_tokens=3.0)
    read = sum(len(turn["content"].split()) for request in server.requests for turn in request["messages"])
    assert found["prompt_tokens"] == read
    assert found["money"] == pytest.approx(3.0 * read / 1e6)


@pytest.mark.parametrize(("rows", "sent"), [(10, 10), (20, 15)])  # of the 15 test rows
def test_judged_rows_leave_this_machine_only_with_consent(judged: Judged, rows: int, sent: int) -> None:
    with pytest.raises(ConsentError, match=rf" {sent} rows to h\.example"):
        judged(model="openai:m@https://h.example/v1", rows=rows)
    assert not Path("runs").exists()


def test_a_judge_of_labels_or_without_an_endpoint_is_refused(
    judged: Judged, toy_csv: Path, quick: dict[str, Any], server: ChatServer
) -> None:
    with pytest.raises(JobError, match="asks for labels"):
        tw.run(toy_csv, **{**quick, "arms": ["majority", "tfidf"], "judge": {"model": server.name}})
    with pytest.raises(JobError, match="openai:<model>@<url>"):
        judged(model="smollm2-135m")
    with pytest.raises(JobError, match=r"judge\.modle"):
        judged(modle="x")
    assert not Path("runs").exists()
