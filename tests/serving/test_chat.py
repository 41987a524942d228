"""A run that writes texts, behind `transformers serve`, asked by OpenAI's client and LangChain's."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openai
import psutil
import pytest

import tuneworthy as tw
from serving.conftest import Served, client_of
from toy import toy_rows, write_csv
from tuneworthy.core.errors import JobError, MissingExtraError
from tuneworthy.exporters import EXPORTERS, Subject
from tuneworthy.hosting import chat_run, host, writes
from tuneworthy.refitting import final_fit
from tuneworthy.serving.engines import Engine
from tuneworthy.serving.server import Settings, listen, serving
from tuneworthy.units.predictor import Predictor

TEXTS = [row["text"] for row in toy_rows(4, seed=5)]


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory, decoder_folder: Path) -> Iterator[Served]:
    """A server of one run, and the engine behind it."""
    place = tmp_path_factory.mktemp("chat")
    rows = [{"text": row["text"], "answer": f"about {row['label']}"} for row in toy_rows(60)]
    run = tw.run(
        write_csv(place / "toy.csv", rows),
        target="answer",
        task="text-generation",
        output=place / "run",
        arms=["lead", "lora"],
        base_model=str(decoder_folder),
        protocol="holdout",
        workers=1,
        threads=1,
        resamples=200,
        train_anyway=True,
        lora={"max_steps": 25, "learning_rate": 0.02},
        curve={"arms": []},
    )
    fit = final_fit(run.path, "lora")
    assert writes(fit)
    artefact = place / "merged"
    artefact.mkdir()
    EXPORTERS.get("merged").write(Subject(fit), artefact)
    behind = chat_run("writer", fit, artefact, "transformers")
    try:
        with serving({}, {"writer": behind}, Settings(port=0), None) as server:
            behind.engine.wait()
            listener = listen("127.0.0.1", 0)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
            thread.start()
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            served = Served(url, server, client_of(url))
            served.own = {
                text: one.raw
                for text, one in zip(TEXTS, Predictor(run.path, refit=fit).predict(TEXTS), strict=True)
            }
            yield served
            server.should_exit = True
            thread.join(10)
    finally:
        behind.engine.stop()


@pytest.fixture
def client(chat: Served) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{chat.url}/v1", api_key="none", max_retries=0)


def test_a_lone_text_is_asked_in_the_runs_own_prompt_and_answered_as_the_run_does(
    chat: Any, client: openai.OpenAI
) -> None:
    assert any(chat.own.values())
    for text, expected in chat.own.items():
        found = client.chat.completions.create(model="writer", messages=[{"role": "user", "content": text}])
        assert found.choices[0].message.content == expected
        assert found.model == "writer" and found.usage and found.usage.completion_tokens > 0


def test_streamed_pieces_are_the_whole_answer(chat: Any, client: openai.OpenAI) -> None:
    pieces = client.chat.completions.create(
        model="writer",
        messages=[{"role": "user", "content": TEXTS[0]}],
        stream=True,
        stream_options={"include_usage": True},
        user="somebody",
    )
    chunks = list(pieces)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == chat.own[TEXTS[0]]
    assert {chunk.model for chunk in chunks} == {"writer"}
    body = {"messages": [{"role": "user", "content": TEXTS[0]}], "stream": True}
    assert chat.post("/v1/chat/completions", body).text.endswith("data: [DONE]\n\n")


def test_langchain_asks_and_streams(chat: Any) -> None:
    langchain = pytest.importorskip("langchain_openai")
    model = langchain.ChatOpenAI(base_url=f"{chat.url}/v1", api_key="none", model="writer", max_retries=0)
    assert model.invoke(TEXTS[0]).content == chat.own[TEXTS[0]]
    assert "".join(chunk.content for chunk in model.stream(TEXTS[0])) == chat.own[TEXTS[0]]


def test_turns_of_the_clients_own_are_left_as_they_are(chat: Any) -> None:
    run = chat.server.service.chats.runs["writer"]
    turns = [{"role": "developer", "content": "be brief"}, {"role": "user", "content": "hello"}]
    assert run.turns(turns) == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "hello"},
    ]
    assert run.turns(turns[1:]) == run.task.messages(run.instruction, "hello")


@pytest.mark.parametrize(
    ("changed", "kind", "param"),
    [
        ({"model": "gpt"}, openai.NotFoundError, "model"),
        ({"max_tokens": 5000}, openai.BadRequestError, "messages"),
        ({"n": 2}, openai.BadRequestError, "n"),
        ({"messages": [{"role": "robot", "content": "x"}]}, openai.BadRequestError, "messages[0]"),
        ({"messages": []}, openai.UnprocessableEntityError, "messages"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            openai.BadRequestError,
            "messages[0].content",
        ),
    ],
)
def test_errors_have_openais_shape(
    changed: dict[str, Any], kind: type[openai.APIStatusError], param: str, client: openai.OpenAI
) -> None:
    asked: Any = {"model": "writer", "messages": [{"role": "user", "content": "x"}], **changed}
    with pytest.raises(kind) as error:
        client.chat.completions.create(**asked)
    assert error.value.param == param and error.value.type == "invalid_request_error"


def test_what_the_engine_refuses_is_passed_on_in_that_shape(client: openai.OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError, match="Unexpected fields") as error:
        client.chat.completions.create(
            model="writer", messages=[{"role": "user", "content": "x"}], extra_body={"unheard_of": 1}
        )
    assert error.value.code == "engine_error"


@pytest.fixture
def slow_engine(chat: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A port that takes connections and says nothing, in the engine's place."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        silent = SimpleNamespace(kind="vllm", url=url, alive=True)
        monkeypatch.setattr(chat.server.service.chats.runs["writer"], "engine", silent)
        yield listener


@pytest.mark.parametrize("stream", [True, False])
def test_a_chat_counts_from_its_arrival_not_from_the_engines_first_word(
    chat: Any, slow_engine: socket.socket, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    chats = chat.server.service.chats
    monkeypatch.setattr(chats, "room", 1)
    body = {"messages": [{"role": "user", "content": "x"}], "stream": stream}
    first = threading.Thread(target=chat.post, args=("/v1/chat/completions", body))
    first.start()
    connection, _ = slow_engine.accept()
    refused = chat.post("/v1/chat/completions", body)
    assert refused.status_code == 429 and refused.headers["Retry-After"]
    connection.close()
    first.join(10)
    assert chats.active == 0


def test_an_engine_that_stops_in_the_middle_of_an_answer_is_no_bug_of_ours(
    chat: Any, slow_engine: socket.socket
) -> None:
    def half_an_answer() -> None:
        connection, _ = slow_engine.accept()
        connection.recv(65536)
        connection.sendall(b'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"choices"')
        connection.close()

    threading.Thread(target=half_an_answer, daemon=True).start()
    found = chat.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]})
    assert found.status_code == 502 and "stopped in the middle" in found.json()["error"]["message"]


def test_the_run_is_listed_and_its_labels_are_not_asked_for(chat: Any, client: openai.OpenAI) -> None:
    assert [one.id for one in client.models.list()] == ["writer"]
    assert chat.post("/predict", {"input": "x"}).status_code == 404


def test_an_engine_that_is_not_installed_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingExtraError, match="'vllm' on the PATH"):
        Engine("vllm", tmp_path, "name")
    with pytest.raises(JobError, match="known: transformers, vllm, llamacpp"):
        host([], Settings(), None, "vlm", print)


@pytest.mark.parametrize("engine", ["vllm", "llamacpp"])
def test_other_engines_are_started_with_their_own_words(
    engine: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / {"vllm": "vllm", "llamacpp": "llama-server"}[engine]
    program.write_text("#!/bin/sh\necho started with $@\n")
    program.chmod(0o755)
    (tmp_path / "model.gguf").touch()
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    started = Engine(engine, tmp_path, "name")
    started._process.wait(60)
    said = started.last_words()
    assert "--host 127.0.0.1" in said and f"--port {started.port}" in said and "name" in said
    assert ("model.gguf" in said) == (engine == "llamacpp")
    started.stop()


START_AND_WAIT = """
import pathlib, sys, time
from tuneworthy.serving.engines import Engine
engine = Engine("vllm", pathlib.Path(sys.argv[1]), "name")
time.sleep(600)
"""


def test_an_engine_does_not_outlive_a_server_that_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program, told = tmp_path / "vllm", tmp_path / "pid"
    program.write_text(f"#!/bin/sh\necho $$ > {told}.part\nmv {told}.part {told}\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    server = subprocess.Popen([sys.executable, "-c", START_AND_WAIT, str(tmp_path)])
    try:
        until = time.monotonic() + 120
        while not told.exists() and time.monotonic() < until:
            time.sleep(0.1)
        engine = psutil.Process(int(told.read_text()))
    finally:
        server.kill()
        server.wait()
    try:
        engine.wait(60)
    finally:
        with suppress(psutil.NoSuchProcess):
            engine.kill()


def test_an_engine_that_died_is_told_by_health(chat: Any, client: openai.OpenAI) -> None:
    engine = chat.server.service.chats.runs["writer"].engine
    assert chat.client.get("/health").status_code == 200
    engine.kill()
    engine._process.wait()
    assert chat.client.get("/health").status_code == 503
    with pytest.raises(openai.APIStatusError) as error:
        client.chat.completions.create(model="writer", messages=[{"role": "user", "content": "x"}])
    assert error.value.status_code == 503 and error.value.code == "engine_down"
