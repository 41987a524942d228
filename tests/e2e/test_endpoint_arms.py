"""Prompting arms on a model behind an endpoint: a real local server, the whole job."""

import csv
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tuneworthy as tw
from chat_server import ChatServer
from toy import WORDS, toy_rows, write_csv
from tuneworthy import pipeline
from tuneworthy.api import make_job
from tuneworthy.cli.main import main
from tuneworthy.core.errors import ConsentError, JobError, ModelError
from tuneworthy.predicting import predict_file

AWAY = "openai:clever@https://h.example/v1"
ARMS = ["majority", "tfidf", "zero_shot"]


def right_label(messages: list[dict[str, str]]) -> str:
    """The label whose keyword is in the text, most of the time; small talk for every seventh row."""
    text = messages[-1]["content"]
    if re.search(r"\bn\d*7\b", text):
        return "I would rather not say."
    return next(label for label, words in WORDS.items() if any(word in text for word in words))


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TUNEWORTHY_CACHE", str(tmp_path / "cache"))
    for name in ("TUNEWORTHY_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer(right_label) as server:
        yield server


def metrics_of(run: Path, method: str) -> dict[str, Any]:
    for folder in (run / "units").iterdir():
        unit = json.loads((folder / "unit.json").read_text())
        if (unit["method"], unit["purpose"]) == (method, "evaluate"):
            found: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
            return found
    raise AssertionError(method)


def arm_of(run: Path, method: str) -> dict[str, Any]:
    arms = json.loads((run / "evidence.json").read_text())["arms"]
    found: dict[str, Any] = next(arm for arm in arms if arm["method"] == method)
    return found


def test_an_endpoint_is_an_arm_like_any_other(
    toy_csv: Path, quick: dict[str, Any], server: ChatServer
) -> None:
    prices = {"price_per_million_input_tokens": 2.0, "price_per_million_output_tokens": 10.0}
    run = tw.run(toy_csv, **{**quick, "arms": ARMS, "prompt_model": server.name}, **prices)
    accuracy = {e.method: e for e in run.estimates if e.metric == "accuracy"}
    assert accuracy["zero_shot"].n == 15
    assert 0.5 < accuracy["zero_shot"].value < 1
    arm = arm_of(run.path, "zero_shot")
    assert arm["unparseable"] == sum("7 " in f"{r['messages'][-1]['content']} " for r in server.requests)
    facts = metrics_of(run.path, "zero_shot")["facts"]
    assert facts["requests"] == len(server.requests) == 15
    read = sum(len(turn["content"].split()) for r in server.requests for turn in r["messages"])
    written = sum(len(right_label(r["messages"]).split()) for r in server.requests)
    assert (facts["prompt_tokens"], facts["completion_tokens"]) == (read, written)
    money = (read * 2.0 + written * 10.0) / 1e6 * 1000 / 15
    assert arm["cost"]["money_per_1000"] == pytest.approx(money)
    assert arm["cost"]["latency_s"] > 0
    page = run.report.read_text(encoding="utf-8")
    assert "clever at 127.0.0.1" in page
    assert "Money per" in page


def test_the_longest_label_bounds_the_answer(
    toy_csv: Path, quick: dict[str, Any], server: ChatServer
) -> None:
    tw.run(toy_csv, **{**quick, "arms": ARMS, "prompt_model": server.name})
    assert {request["max_tokens"] for request in server.requests} == {
        8 + 4
    }  # 'delivery', two characters a token


def test_few_shot_shows_its_demonstrations_and_retrieved_ones_are_of_training_rows(
    toy_csv: Path, quick: dict[str, Any], server: ChatServer
) -> None:
    run = tw.run(toy_csv, **{**quick, "arms": ["few_shot", "knn_shot"], "prompt_model": server.name})
    turns = [len(request["messages"]) for request in server.requests]
    assert sorted(set(turns)) == [2 + 2 * 2, 2 + 2 * 3]  # system and text, and two turns a demonstration
    split = json.loads((run.path / "split.json").read_text())
    rows = [json.loads(line) for line in (run.path / "rows.jsonl").read_text().splitlines()]
    held = set(split["row_sets"][split["folds"][0]["predict"]])
    asked_about = {row["input"] for row in rows if row["id"] in held}
    shown = {turn["content"] for request in server.requests for turn in request["messages"][1:-1]}
    assert not shown & asked_about


def test_the_same_run_again_sends_nothing(toy_csv: Path, quick: dict[str, Any], server: ChatServer) -> None:
    settings = {**quick, "arms": ARMS, "prompt_model": server.name}
    first = tw.run(toy_csv, **settings)
    asked = len(server.requests)
    again = tw.run(toy_csv, **settings)
    assert again.verdict == first.verdict
    assert len(server.requests) == asked


def test_an_interrupted_run_pays_for_no_answer_twice_and_costs_the_same(
    toy_csv: Path, quick: dict[str, Any], server: ChatServer
) -> None:
    settings = {**quick, "arms": ARMS, "prompt_model": server.name}
    server.fault = lambda n, request: (401, "expired") if n >= 9 else None
    with pytest.raises(ModelError, match="refuses the key"):
        tw.run(toy_csv, **settings)
    kept = len(list(Path("runs/answers").rglob("*.json")))
    assert 0 < kept < 15
    server.requests.clear()
    server.fault = lambda n, request: None
    run = tw.run(toy_csv, **settings)
    assert len(server.requests) == 15 - kept
    assert metrics_of(run.path, "zero_shot")["facts"]["requests"] == 15


def test_rows_that_fail_are_counted_apart_and_said(
    toy_csv: Path, quick: dict[str, Any], server: ChatServer
) -> None:
    server.fault = lambda n, request: (
        (400, "filtered") if "please" in request["messages"][-1]["content"] else None
    )
    run = tw.run(toy_csv, **{**quick, "arms": ARMS, "prompt_model": server.name})
    failed = sum("please" in request["messages"][-1]["content"] for request in server.requests)
    assert arm_of(run.path, "zero_shot")["failed"] == failed > 0
    assert f"failed on {failed} row" in " ".join(run.verdict.reasons)


@pytest.mark.parametrize("status", [500, 429])
def test_a_server_that_stumbles_is_asked_again(
    toy_csv: Path, quick: dict[str, Any], server: ChatServer, status: int
) -> None:
    server.fault = lambda n, request: (status, "busy") if n % 3 == 0 else None
    run = tw.run(toy_csv, **{**quick, "arms": ARMS, "prompt_model": server.name})
    assert arm_of(run.path, "zero_shot")["failed"] == 0
    assert len(server.requests) > 15


@pytest.mark.parametrize(
    ("arms", "protocol", "sent"),
    [
        (["majority", "zero_shot"], "holdout", 15),  # the test rows
        (["zero_shot", "few_shot"], "holdout", 18),  # and three demonstrations
        (["zero_shot", "knn_shot"], "holdout", 60),  # and any training row
        (["majority", "few_shot"], "crossfit", 60),  # every row is a test row
    ],
)
def test_rows_leave_this_machine_only_with_consent(
    toy_csv: Path, quick: dict[str, Any], arms: list[str], protocol: str, sent: int
) -> None:
    for field in ("prompt_model", "base_model"):
        settings = {**quick, "arms": arms, "protocol": protocol, field: AWAY}
        with pytest.raises(ConsentError, match=rf" {sent} rows to h\.example.*send_rows=True"):
            tw.run(toy_csv, **settings)
    assert not Path("runs").exists()


def test_arms_that_ask_nobody_need_no_consent(toy_csv: Path, quick: dict[str, Any]) -> None:
    run = tw.run(toy_csv, **{**quick, "arms": ["majority", "tfidf"], "prompt_model": AWAY})
    assert run.verdict.recommended_method == "tfidf"


def test_new_texts_need_a_consent_of_their_own(
    toy_csv: Path, quick: dict[str, Any], server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tw.run(toy_csv, **{**quick, "arms": ["zero_shot"], "prompt_model": server.name})
    assert run.predict("where is my parcel")[0].value == "delivery"
    asked = len(server.requests)
    monkeypatch.setattr("tuneworthy.core.endpoint.Endpoint.is_local", False)
    with pytest.raises(ConsentError, match=r"1 row to 127\.0\.0\.1"):
        run.predict("reset my password")
    assert len(server.requests) == asked
    assert run.predict("reset my password", send_rows=True)[0].value == "account"


def test_the_command_line_asks_on_a_terminal_and_takes_no_for_no(
    toy_csv: Path, quick: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [part for key, value in quick.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    command = ["tuneworthy", "run", str(toy_csv), *flags, "--arms", ",".join(ARMS)]
    monkeypatch.setattr(sys, "argv", [*command, "--set", f"prompt_model={AWAY}"])
    asked: list[str] = []

    def no(question: str, **_: Any) -> bool:
        asked.append(question)
        return False

    monkeypatch.setattr("typer.confirm", no)
    for terminal in (False, True):
        monkeypatch.setattr(sys.stdin, "isatty", lambda terminal=terminal: terminal, raising=False)
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        assert "--send-rows" in capsys.readouterr().err
    assert asked == ["Send 15 rows to h.example?"]


def test_yes_on_the_terminal_and_the_option_both_go_on_and_are_kept_in_the_job(
    toy_csv: Path, quick: dict[str, Any], server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuneworthy.core.endpoint.Endpoint.is_local", False)
    monkeypatch.setattr("typer.confirm", lambda question, **_: True)
    flags = [part for key, value in quick.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    command = ["tuneworthy", "run", str(toy_csv), *flags, "--set", f"prompt_model={server.name}", "-q"]
    for terminal, output, more in ((True, "runs/a", []), (False, "runs/b", ["--send-rows"])):
        monkeypatch.setattr(sys.stdin, "isatty", lambda terminal=terminal: terminal, raising=False)
        monkeypatch.setattr(sys, "argv", [*command, "--arms", ",".join(ARMS), "--output", output, *more])
        main_ends_well()
        assert "send_rows: true" in Path(output, "job.yaml").read_text()
    assert len(server.requests) == 15


def main_ends_well() -> None:
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, ended.code


def test_a_refused_key_is_one_sentence_and_exit_code_2(
    toy_csv: Path,
    quick: dict[str, Any],
    server: ChatServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.fault = lambda n, request: (401, "Incorrect API key provided: sk-hush")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hush")
    flags = [part for key, value in quick.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    command = ["tuneworthy", "run", str(toy_csv), *flags, "--set", f"prompt_model={server.name}", "-q"]
    monkeypatch.setattr(sys, "argv", [*command, "--arms", ",".join(ARMS)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert "refuses the key (HTTP 401): set TUNEWORTHY_API_KEY or OPENAI_API_KEY" in said
    assert said.count("\n") == 1
    assert "sk-hush" not in said
    for file in Path().rglob("*"):
        assert not file.is_file() or b"sk-hush" not in file.read_bytes(), file


def test_an_endpoint_as_base_model_leaves_out_what_needs_weights_and_says_so(
    toy_csv: Path, quick: dict[str, Any], server: ChatServer
) -> None:
    settings = {key: value for key, value in quick.items() if key not in ("arms", "base_model")}
    run = tw.run(toy_csv, base_model=server.name, **settings)
    methods = {e.method for e in run.estimates}
    assert {"zero_shot", "few_shot", "knn_shot", "tfidf"} <= methods
    assert "lora" not in methods
    plan = json.loads((run.path / "plan.json").read_text())
    assert "weights of base_model" in plan["not_compared"]["lora"]
    with pytest.raises(JobError, match="lora needs the weights of base_model"):
        tw.run(toy_csv, base_model=server.name, arms=["tfidf", "lora"], **settings)


def test_an_endpoint_cannot_embed(toy_csv: Path, quick: dict[str, Any]) -> None:
    with pytest.raises(JobError, match="embedding_model"):
        tw.run(toy_csv, **{**quick, "embedding_model": AWAY})


def test_a_prior_correction_has_nothing_to_correct(
    toy_csv: Path, quick: dict[str, Any], server: ChatServer
) -> None:
    settings = {**quick, "arms": ARMS, "prompt_model": server.name, "zero_shot": {"correction": "batch"}}
    with pytest.raises(JobError, match="gives no label scores"):
        tw.run(toy_csv, **settings)
    assert server.requests == []


def test_a_local_prompt_model_takes_the_place_of_the_base_model(
    toy_csv: Path, quick: dict[str, Any], tmp_path: Path
) -> None:
    from tiny_models import save_decoder

    other = save_decoder(tmp_path / "other", "qwen2")
    run = tw.run(toy_csv, **{**quick, "arms": ["majority", "zero_shot", "lora"], "prompt_model": str(other)})
    digests = {}
    for folder in (run.path / "units").iterdir():
        unit = json.loads((folder / "unit.json").read_text())
        digests |= {role: ref["digest"] for role, ref in unit["models"].items()}
    assert digests["prompter"] != digests["decoder"]


def test_texts_are_written_and_measured_and_predict_adds_them(
    quick: dict[str, Any], server: ChatServer, tmp_path: Path
) -> None:
    rows = [{"text": row["text"], "answer": f"about {row['label']}"} for row in toy_rows(60)]
    server.reply = lambda messages: (
        "<think>hm</think>\nabout " + right_label([{"content": messages[-1]["content"].replace("7", "8")}])
    )
    table = write_csv(tmp_path / "t.csv", rows)
    arms = ["majority", "zero_shot"]
    settings = {**quick, "arms": arms, "prompt_model": server.name, "task": "question-answering"}
    run = tw.run(table, target="answer", input="text", **settings)
    assert run.verdict.recommended_method == "zero_shot"
    new = write_csv(
        tmp_path / "new.csv", [{"id": "1", "text": "where is my parcel"}, {"id": "2", "text": ""}]
    )
    predict_file(run.path, new, tmp_path / "out.csv", (), 0.0, lambda done, total, facts: None)
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        assert [row["answer"] for row in csv.DictReader(file)] == ["about delivery", ""]


def test_there_is_no_confidence_to_abstain_by(
    toy_csv: Path, quick: dict[str, Any], server: ChatServer, tmp_path: Path
) -> None:
    run = tw.run(toy_csv, **{**quick, "arms": ["zero_shot"], "prompt_model": server.name})
    new = write_csv(tmp_path / "new.csv", [{"text": "where is my parcel"}])
    with pytest.raises(JobError, match="no confidence to abstain by"):
        predict_file(run.path, new, tmp_path / "out.csv", (), 0.8, lambda done, total, facts: None)
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("verb", ["audit", "check"])
def test_looking_at_the_data_does_not_ask_the_endpoint(
    verb: str, toy_csv: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tuneworthy", verb, str(toy_csv), "--set", f"base_model={AWAY}"])
    if verb == "audit":
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        assert "nothing to audit" in capsys.readouterr().err
    else:
        main_ends_well()


def test_without_usage_there_is_no_price(toy_csv: Path, quick: dict[str, Any], server: ChatServer) -> None:
    server.counts = False
    settings = {**quick, "arms": ARMS, "prompt_model": server.name, "price_per_million_input_tokens": 1.0}
    run = tw.run(toy_csv, **settings)
    assert arm_of(run.path, "zero_shot")["cost"]["money_per_1000"] is None


def test_prices_and_consent_are_no_other_run(
    toy_csv: Path, quick: dict[str, Any], server: ChatServer
) -> None:
    job, table = make_job(toy_csv, {}, {**quick, "arms": ARMS, "prompt_model": server.name})
    first = pipeline.run(job, None, table)
    asked = len(server.requests)
    dearer = job.model_copy(update={"price_per_million_output_tokens": 5.0, "send_rows": True})
    assert pipeline.run(dearer, None, table) == first
    assert len(server.requests) == asked
    assert arm_of(first, "zero_shot")["cost"]["money_per_1000"] > 0
