"""Who may ask and how much, what a full queue says, and what happens at the end."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from serving.conftest import client_of
from toy import toy_rows
from tuneworthy.core.errors import JobError
from tuneworthy.hosting import host
from tuneworthy.serving.server import Settings, api_key, run_names

TEXTS = [row["text"] for row in toy_rows(40, seed=3)]
SECRET = "privateword"


@pytest.fixture(scope="module")
def strict(serve: Any) -> Any:
    """A server with a key and small limits."""
    return serve(
        "lora", key="right key", batch_rows=1, queue_rows=4, most_rows=4, most_bytes=4000, most_tokens=64
    )


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    "sent", [{}, bearer("wrong"), {"Authorization": "Bearer"}, {"Authorization": "right key"}]
)
def test_without_the_key_nothing_is_answered(sent: dict[str, str], strict: Any) -> None:
    for path, body in (("/predict", {"input": "x"}), ("/v1/systemone", {})):
        response = strict.post(path, body, headers=sent)
        assert response.status_code == 401 and response.json()["error"]["code"] == "invalid_api_key"
    assert strict.client.get("/v1/models", headers=sent).status_code == 401
    assert strict.client.get("/metrics", headers=sent).status_code == 401
    assert strict.client.get("/health", headers=sent).status_code == 200


def test_the_openapi_page_needs_no_key_and_loads_nothing_from_elsewhere(strict: Any) -> None:
    page = strict.client.get("/docs")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert page.status_code == 200 and len(loaded) >= 2
    for address in loaded:
        assert address.startswith(strict.url)
        assert strict.client.get(address).status_code == 200
    assert "https://" not in page.text and '"validatorUrl": null' in page.text
    assert strict.client.get("/openapi.json").status_code == 200


def test_with_the_key_in_either_header_it_answers(strict: Any) -> None:
    for headers in (bearer("right key"), {"X-API-Key": "right key"}):
        assert strict.post("/predict", {"input": "my parcel"}, headers=headers).status_code == 200


def test_a_server_that_others_can_reach_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TUNEWORTHY_SERVE_KEY", raising=False)
    assert api_key("127.0.0.1") is None and api_key("::1") is None
    with pytest.raises(JobError, match="TUNEWORTHY_SERVE_KEY"):
        api_key("0.0.0.0")
    monkeypatch.setenv("TUNEWORTHY_SERVE_KEY", "guessed")
    assert api_key("127.0.0.1") == "guessed"
    with pytest.raises(JobError, match="guess at a key of 7 characters"):
        api_key("0.0.0.0")
    monkeypatch.setenv("TUNEWORTHY_SERVE_KEY", "k" * 16)
    assert api_key("0.0.0.0") == "k" * 16


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", ""])
def test_a_name_that_was_rebound_to_this_machine_is_refused(host: str, both: Any) -> None:
    assert both.client.get("/v1/models", headers={"Host": host}).status_code == 421
    assert both.client.get("/v1/models", headers={"Host": "localhost:1"}).status_code == 200


CROSS = (
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://["},
    {"Origin": "http://[::1"},
    {"Origin": "http://127.0.0.1:3000"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
)


@pytest.mark.parametrize("headers", CROSS, ids=str)
def test_a_page_of_another_site_is_not_answered_where_there_is_no_key(headers: Any, both: Any) -> None:
    for sent in (
        {"content": b'{"input": "x", "model": "probe"}'},
        {"json": {"input": "x", "model": "probe"}},
    ):
        response = both.client.post("/predict", headers=headers, **sent)
        assert response.status_code == 403 and response.json()["error"]["code"] == "origin"
    before = both.client.options("/predict", headers={**headers, "Access-Control-Request-Method": "POST"})
    assert before.status_code == 403
    assert not [name for name in before.headers if name.startswith("access-control-")]


def test_its_own_page_and_programs_are(both: Any) -> None:
    own = {"Origin": both.url, "Sec-Fetch-Site": "same-origin"}
    for headers in ({}, own):
        assert both.post("/predict", {"input": "x", "model": "probe"}, headers=headers).status_code == 200
    assert both.client.get(
        "/docs", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    ).is_success


def test_every_answer_tells_a_browser_to_make_nothing_of_it(both: Any, strict: Any) -> None:
    answers = [
        both.client.get("/health"),
        both.client.get("/docs"),
        both.client.get("/nowhere"),
        both.client.get("/v1/models", headers={"Host": "evil.example"}),
        both.client.get("/v1/models", headers={"Origin": "http://["}),
        both.post("/predict", {"input": "x", "model": "probe"}),
        both.post("/predict", {}),
        strict.client.get("/v1/models"),
    ]
    for answer in answers:
        said = answer.headers
        assert said["x-content-type-options"] == "nosniff" and said["x-frame-options"] == "DENY"
        assert said["referrer-policy"] == "no-referrer" and said["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in said["content-security-policy"]
        assert ("script-src" in said["content-security-policy"]) == (answer is answers[1])
        assert not [name for name in said if name.startswith("access-control-") or name == "server"]


def test_a_body_that_does_not_come_is_not_waited_for(both: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuneworthy.serving.gate.BODY_S", 0.5)
    host, _, port = both.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as slow:
        head = [
            "POST /predict HTTP/1.1",
            f"Host: {host}",
            "Content-Type: application/json",
            "Content-Length: 99",
        ]
        slow.sendall("\r\n".join([*head, "", '{"input']).encode())
        assert slow.recv(64).startswith(b"HTTP/1.1 408")
    assert both.post("/predict", {"input": "x", "model": "probe"}).status_code == 200


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "..%2f..%2fsecret", "probe/../../x", "C:\\x"])
def test_no_name_of_a_client_becomes_a_path(name: str, both: Any) -> None:
    assert both.post("/predict", {"input": "x", "model": name}).status_code == 404
    assert both.client.get(f"/v1/models/{quote(name, safe='')}").status_code == 404
    assert both.client.get(f"/swagger/{name}").status_code == 404


def test_what_is_too_large_is_said_to_be(strict: Any) -> None:
    headers = bearer("right key")

    def pieces() -> Any:
        yield b'{"input": "'
        for _ in range(100):
            yield b"word " * 20
        yield b'"}'

    responses = {
        "bytes": strict.post("/predict", {"input": "x" * 5000}, headers=headers),
        "bytes, unsaid": strict.client.post(
            "/predict", content=pieces(), headers={**headers, "Content-Type": "application/json"}
        ),
        "tokens": strict.post("/predict", {"input": "qwertz " * 60}, headers=headers),
        "rows": strict.post("/predict/batch", {"inputs": ["x"] * 5}, headers=headers),
    }
    assert {name: one.status_code for name, one in responses.items()} == dict.fromkeys(responses, 413)
    assert "more than the 64" in responses["tokens"].json()["error"]["message"]


@pytest.mark.parametrize("given", ["", "   ", None])
def test_a_blank_text_is_the_clients_mistake(given: Any, both: Any) -> None:
    response = both.post("/predict", {"input": given, "model": "probe"})
    assert response.status_code == 422 and response.json()["error"]["param"] == "input"


def test_a_full_queue_says_when_to_come_back_and_loses_nobody(strict: Any) -> None:
    barrier = threading.Barrier(30)

    def ask(number: int) -> Any:
        barrier.wait()
        body = {"inputs": TEXTS[:3]}
        return strict.post("/predict/batch", body, headers=bearer("right key"))

    with ThreadPoolExecutor(30) as pool:
        responses = list(pool.map(ask, range(30)))
    full = [one for one in responses if one.status_code == 429]
    answered = [one for one in responses if one.status_code == 200]
    assert full and answered and len(full) + len(answered) == 30
    assert all(int(one.headers["Retry-After"]) >= 1 for one in full)
    assert len({str([p["label"] for p in one.json()["predictions"]]) for one in answered}) == 1


def test_two_folders_of_one_name_cannot_be_told_apart(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="rename"):
        run_names([tmp_path / "a" / "run", tmp_path / "b" / "run"])


def test_a_port_that_is_taken_is_a_sentence(both: Any, runs: Any) -> None:
    port = int(both.url.rsplit(":", 1)[1])
    with pytest.raises(JobError, match=f":{port} cannot be listened on"):
        host([runs["probe"]], Settings(port=port), None, "transformers", print)


def test_told_to_stop_it_finishes_what_it_took_refuses_what_is_new_and_has_logged_no_text(
    runs: Any, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-m", "tuneworthy.cli.main", "serve", str(runs["lora"]), "--port", "0"]
    with log.open("w") as out:
        process = subprocess.Popen(
            [*command, "--batch-rows", "1", "--threads", "1"],
            stdout=out,
            stderr=out,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    try:
        url = _url(log, process)
        client = client_of(url)
        assert client.post("/predict", json={"inputs": SECRET}).status_code == 422
        body = {"inputs": [f"{text} {SECRET}" for text in TEXTS] * 3}
        with ThreadPoolExecutor(20) as pool:
            under_way = [pool.submit(client.post, "/predict/batch", json=body) for _ in range(3)]
            while "tuneworthy_waiting_rows 0.0" in client.get("/metrics").text:
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            late = client_of(url)
            assert late.get("/health").status_code == 503
            refused = late.post("/predict", json={"input": "x"})
            assert refused.status_code == 503 and "Retry-After" in refused.headers
            answers = [one.result() for one in under_way]
        assert [one.status_code for one in answers] == [200] * 3
        assert all(len(one.json()["predictions"]) == len(body["inputs"]) for one in answers)
        assert process.wait(20) == 0
        assert SECRET not in log.read_text()
    finally:
        process.kill()


def _url(log: Path, process: subprocess.Popen[bytes]) -> str:
    """Where the server says it is."""
    until = time.monotonic() + 90
    while time.monotonic() < until and process.poll() is None:
        found = re.search(r"serving on (http://\S+)", log.read_text())
        if found:
            return found[1]
        time.sleep(0.1)
    raise AssertionError(log.read_text())
