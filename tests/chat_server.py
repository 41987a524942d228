"""A local HTTP server that speaks the chat-completions shape of OpenAI-compatible endpoints."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Reply = Callable[[list[dict[str, str]]], str]
Fault = Callable[[int, dict[str, Any]], tuple[int, str] | None]  # (requests so far, request) -> status, words


class ChatServer:
    """Answers every chat with `reply(messages)`, unless `fault` names an HTTP status to fail with.

    Attributes:
        requests: the bodies of the chats that were asked, in order of arrival.
        keys: the bearer token of each.
        most_at_once: how many were being answered at the same time.
        counts: whether replies carry `usage`: a token per word.
    """

    def __init__(self, reply: Reply, fault: Fault = lambda n, request: None) -> None:
        self.reply, self.fault = reply, fault
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.most_at_once = 0
        self.counts = True
        self._now = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Up to, and without, `/chat/completions`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def name(self) -> str:
        """As a job names the endpoint."""
        return f"openai:clever@{self.url}"

    def answered(self, body: dict[str, Any], key: str) -> tuple[int, dict[str, Any]]:
        """Status and body of the response to one request."""
        with self._lock:
            number = len(self.requests)
            self.requests.append(body)
            self.keys.append(key)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            failed = self.fault(number, body)
            if failed is not None:
                return failed[0], {"error": {"message": failed[1]}}
            text = self.reply(body["messages"])
        finally:
            with self._lock:
                self._now -= 1
        read = sum(len(turn["content"].split()) for turn in body["messages"])
        written = len(text.split())
        usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "stop",
        }
        return 200, {
            "id": f"chat-{number}",
            "object": "chat.completion",
            "created": 0,
            "model": "clever-1",
            "choices": [choice],
            **({"usage": usage} if self.counts else {}),
        }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                key = self.headers.get("Authorization", "").removeprefix("Bearer ")
                known = self.path == "/v1/chat/completions"
                status, shown = (
                    server.answered(body, key) if known else (404, {"error": {"message": "no such page"}})
                )
                data = json.dumps(shown).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.send_header("retry-after-ms", "1")
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Nothing: the test's output is its own."""

        return Handler
