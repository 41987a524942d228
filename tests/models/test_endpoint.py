"""A model behind an endpoint: how it is named, asked, kept, and what is said when it does not answer."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chat_server import ChatServer
from tuneworthy.core.endpoint import Endpoint, endpoint_of, require_consent
from tuneworthy.core.errors import ConsentError, JobError, MissingExtraError, ModelError
from tuneworthy.models.chat import Answer, ChatClient, Unanswered
from tuneworthy.models.endpoint import read_endpoint
from tuneworthy.models.resolve import at_hand, model_ref, resolve
from tuneworthy.tasks import Message


def chats(*texts: str) -> list[list[Message]]:
    return [[{"role": "user", "content": text}] for text in texts]


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TUNEWORTHY_CACHE", str(tmp_path / "cache"))
    for name in ("TUNEWORTHY_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer(lambda messages: f"echo {messages[-1]['content']}") as server:
        yield server


def client(server: ChatServer) -> ChatClient:
    endpoint = endpoint_of(server.name)
    assert endpoint is not None
    return ChatClient(endpoint)


@pytest.mark.parametrize(
    ("name", "model", "url"),
    [
        ("openai:llama3@http://localhost:11434/v1", "llama3", "http://localhost:11434/v1"),
        ("openai:qwen3:8b@http://[::1]:1/v1/", "qwen3:8b", "http://[::1]:1/v1"),
        ("openai:org/m@2@https://h.example/v1/chat/completions", "org/m@2", "https://h.example/v1"),
    ],
)
def test_a_name_is_a_model_and_a_url(name: str, model: str, url: str) -> None:
    assert endpoint_of(name) == Endpoint(model=model, url=url)


def test_other_models_are_no_endpoints() -> None:
    assert [endpoint_of(name) for name in ("smollm2-135m", "Qwen/Qwen3-0.6B", "./openai")] == [None] * 3


@pytest.mark.parametrize("name", ["openai:", "openai:m", "openai:@http://h/v1", "openai:m@http://h:port/v1"])
def test_a_misspelt_endpoint_is_told_how_to_write_one(name: str) -> None:
    with pytest.raises(JobError, match=r"openai:<model>@<url>"):
        endpoint_of(name)


@pytest.mark.parametrize(
    "where", ["me:hunter2@h.example/v1", "h.example/v1?key=hunter2", "h.example/#hunter2"]
)
def test_a_secret_in_the_url_is_refused_and_not_repeated(where: str) -> None:
    with pytest.raises(JobError, match="TUNEWORTHY_API_KEY") as caught:
        endpoint_of(f"openai:m@https://{where}")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://localhost:1/v1", True),
        ("http://LOCALHOST/v1", True),
        ("http://127.0.0.53/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://192.168.0.7:8000/v1", False),
        ("http://localhost.example.com/v1", False),
        ("https://api.example.com/v1", False),
    ],
)
def test_only_loopback_addresses_need_no_consent(url: str, local: bool) -> None:
    endpoint = Endpoint(model="m", url=url)
    assert endpoint.is_local is local
    require_consent([endpoint], 7, allowed=True)
    if local:
        require_consent([endpoint], 7, allowed=False)
    else:
        with pytest.raises(ConsentError, match=r"7 rows to .*--send-rows"):
            require_consent([endpoint], 7, allowed=False)


def test_the_folder_of_an_endpoint_is_a_model_like_any_other(server: ChatServer) -> None:
    folder = resolve(server.name)
    assert [file.name for file in folder.iterdir()] == ["endpoint.json"]
    assert read_endpoint(folder) == endpoint_of(server.name)
    other = resolve(server.name.replace("clever", "dull"))
    assert model_ref("a", folder).digest != model_ref("a", other).digest
    assert at_hand(server.name) is None


def test_without_the_library_the_pip_line_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'tuneworthy\[endpoint\]'"):
        resolve("openai:m@http://localhost:1/v1")


def test_answers_come_in_the_order_of_the_questions_at_most_four_at_a_time() -> None:
    def slow(messages: list[dict[str, str]]) -> str:
        time.sleep(0.1 if messages[-1]["content"] == "0" else 0.02)
        return messages[-1]["content"]

    with ChatServer(slow) as server:
        answers = client(server).ask(chats(*map(str, range(12))), longest=5)
    assert [answer.text for answer in answers if isinstance(answer, Answer)] == [str(i) for i in range(12)]
    assert 1 < server.most_at_once <= 4


def test_answers_are_greedy_and_no_longer_than_asked(server: ChatServer) -> None:
    client(server).ask(chats("x"), longest=7)
    assert server.requests[0]["temperature"] == 0
    assert server.requests[0]["max_tokens"] == 7
    assert server.requests[0]["model"] == "clever"


def test_a_question_is_paid_for_once(server: ChatServer) -> None:
    first = client(server).ask(chats("a", "b", "a"), longest=5)
    assert len(server.requests) == 2
    again = client(server).ask(chats("b", "a"), longest=5)
    assert len(server.requests) == 2
    assert [a.text for a in again if isinstance(a, Answer)] == ["echo b", "echo a"]
    assert all(a.stored for a in again if isinstance(a, Answer))
    assert not any(a.stored for a in first if isinstance(a, Answer))
    client(server).ask(chats("a"), longest=6)
    assert len(server.requests) == 3  # another length is another question


def test_a_damaged_answer_is_asked_again(server: ChatServer) -> None:
    client(server).ask(chats("a"), longest=5)
    (kept,) = Path("runs/answers").rglob("*.json")
    kept.write_text("{")
    client(server).ask(chats("a"), longest=5)
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_fault_is_retried(server: ChatServer, status: int) -> None:
    server.fault = lambda n, request: (status, "busy") if n < 2 else None
    (answer,) = client(server).ask(chats("a"), longest=5)
    assert isinstance(answer, Answer)
    assert len(server.requests) == 3


def test_a_row_that_still_fails_is_unanswered_and_the_others_are_not(server: ChatServer) -> None:
    server.fault = lambda n, request: (500, "boom") if request["messages"][-1]["content"] == "b" else None
    answers = client(server).ask(chats("a", "b", "c"), longest=5)
    assert [isinstance(answer, Unanswered) for answer in answers] == [False, True, False]
    assert "HTTP 500: " in answers[1].why


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "refuses the key"),
        (403, "refuses the key"),
        (404, "has no model 'clever'"),
        (402, "quota"),
        (429, "quota"),
    ],
)
def test_what_concerns_every_row_is_one_sentence(server: ChatServer, status: int, words: str) -> None:
    server.fault = lambda n, request: (status, "no")
    with pytest.raises(ModelError, match=words) as caught:
        client(server).ask(chats(*map(str, range(40))), longest=5)
    assert "\n" not in str(caught.value)
    assert len({request["messages"][-1]["content"] for request in server.requests}) < 40  # not every row


def test_when_every_row_fails_it_is_an_error_that_says_why(server: ChatServer) -> None:
    server.fault = lambda n, request: (400, "context too long")
    with pytest.raises(ModelError, match=r"answered none of 2 questions .*context too long"):
        client(server).ask(chats("a", "b"), longest=5)


def test_a_url_where_nobody_listens_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuneworthy.models.chat.RETRIES", 0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        with pytest.raises(ModelError, match="nothing answers at"):
            ChatClient(Endpoint(model="m", url=url)).ask(chats("a"), longest=5)


def test_a_page_that_is_no_chat_is_no_answer(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "answered", lambda body, key: (200, {"hello": "world"}))
    with pytest.raises(ModelError, match="no chat completion"):
        client(server).ask(chats("a"), longest=5)


def test_a_parameter_that_the_model_refuses_is_left_out(server: ChatServer) -> None:
    def fault(n: int, request: dict[str, Any]) -> tuple[int, str] | None:
        if "max_tokens" in request:
            return 400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
        if "temperature" in request:
            return 400, "Unsupported value: 'temperature' does not support 0."
        return None

    server.fault = fault
    (answer,) = client(server).ask(chats("a"), longest=9)
    assert isinstance(answer, Answer)
    assert not answer.greedy
    assert server.requests[-1]["max_completion_tokens"] == 9


def test_the_key_comes_from_the_environment_our_own_name_first(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-theirs")
    client(server).ask(chats("a"), longest=5)
    monkeypatch.setenv("TUNEWORTHY_API_KEY", "sk-ours")
    client(server).ask(chats("b"), longest=5)
    assert server.keys == ["sk-theirs", "sk-ours"]


def test_the_key_is_in_no_file_and_no_message(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hush")
    resolve(server.name)
    server.fault = lambda n, request: (400, "bad key sk-hush") if n else None
    answers = client(server).ask(chats("a", "b"), longest=5)
    assert server.keys[0] == "sk-hush"
    assert "sk-hush" not in str(answers)
    for file in tmp_path.rglob("*.json"):
        assert "sk-hush" not in file.read_text()


def test_a_local_server_is_never_asked_through_a_proxy(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    client(server).ask(chats("a"), longest=5)
    assert len(server.requests) == 1


def test_rows_do_not_follow_a_redirect_to_another_host(server: ChatServer) -> None:
    with ChatServer(lambda messages: "leaked") as other:
        import http.server

        class Redirect(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(307)
                self.send_header("Location", f"{other.url}/chat/completions")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        with http.server.HTTPServer(("127.0.0.1", 0), Redirect) as redirecting:
            threading.Thread(target=redirecting.serve_forever, args=(0.01,), daemon=True).start()
            url = f"http://127.0.0.1:{redirecting.server_address[1]}/v1"
            with pytest.raises(ModelError, match="307"):
                ChatClient(Endpoint(model="m", url=url)).ask(chats("a"), longest=5)
            redirecting.shutdown()
        assert other.requests == []
