"""A small served run, and requests to it: by its own OpenAPI document, and nearly right ones."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from threading import Thread
from types import SimpleNamespace
from typing import Any, NamedTuple

import httpx
import schemathesis
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks as openapi

import tuneworthy as tw
from properties.pieces import randoms, text_of
from properties.promise import Target
from tiny_models import save_decoder
from toy import toy_rows
from tuneworthy.models.token_counts import tokenizer_of
from tuneworthy.refitting import final_fit
from tuneworthy.serving.chat import ChatRun
from tuneworthy.serving.server import Settings, listen, serving
from tuneworthy.tasks import TASKS

# A request that fits the document may still be refused (400, 404, 413, 422), so acceptance is not checked.
CHECKS = [
    not_a_server_error,
    openapi.status_code_conformance,
    openapi.content_type_conformance,
    openapi.response_schema_conformance,
]
BUSY = 503  # documented: an engine that does not answer; the one behind this server never does


class Api(NamedTuple):
    """A server, its document, and the answers that it documents."""

    url: str
    document: dict[str, Any]

    def documents(self, path: str, method: str, status: int) -> bool:
        """Whether a status of a route is in the document."""
        return str(status) in self.document["paths"][path][method.lower()]["responses"]


@contextmanager
def served(place: Path) -> Iterator[Api]:
    """A run of sixty rows that labels, and one that writes, behind an engine which is down."""
    run = tw.run(
        toy_rows(),
        target="label",
        output=place / "run",
        arms=["majority", "tfidf"],
        protocol="holdout",
        workers=1,
        threads=1,
        resamples=200,
        curve={"arms": []},
    )
    speaker = tokenizer_of(save_decoder(place / "model"))
    down: Any = SimpleNamespace(kind="vllm", url="http://127.0.0.1:9", alive=True)
    task = TASKS.get("text-generation")
    writer = ChatRun("writer", "lora", task, "Answer.", 16, 64, speaker, 512, down)
    fits = {"labels": final_fit(run.path)}
    with serving(fits, {"writer": writer}, Settings(port=0, threads=1, batch_wait_s=0.0), None) as server:
        listener = listen("127.0.0.1", 0)
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            yield Api(url, httpx.get(f"{url}/openapi.json", trust_env=False, timeout=60).json())
        finally:
            server.should_exit = True
            thread.join(10)


def documented(api: Api) -> list[Target]:
    """One target for each operation of the document: what schemathesis makes of it."""
    schema = schemathesis.openapi.from_dict(api.document)
    schema.config.update(base_url=api.url)
    targets = []
    for found in schema.get_all_operations():
        operation = found.ok()

        def send(case: Any, folder: Path) -> None:
            response = case.call(timeout=30)
            if response.status_code != BUSY:
                case.validate_response(response, checks=CHECKS)

        cases = st.one_of(
            *(operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode)
        )
        targets.append(Target(f"http {operation.label}", cases, send, lambda case: 100_000))
    return targets


class Post(NamedTuple):
    """A body for a route."""

    path: str
    body: bytes


INPUTS: tuple[Any, ...] = (
    "a text",
    "",
    None,
    5,
    1e999,
    True,
    [],
    ["a"],
    {},
    {"text": "a"},
    {"text": None},
    {"text": [1]},
)
INPUTS += (
    {"content": None},
    {"content": 5},
    {"content": [5, None, {"type": "input_image"}, {"text": 1}]},
    {"role": "user"},
)
INPUTS += (
    "\ud800",
    "\0",
    "x" * 200_000,
    [[[]]],
    {"\ud800": 1},
    "<|im_end|>",
    "refund",
    "delivery",
    "account",
    "yes",
)


def body_of(random: Random) -> Post:
    """A body that is nearly right."""
    path = random.choice(
        ["/predict", "/predict/batch", "/v1/systemone", "/v1/decisions", "/v1/chat/completions"]
    )
    given = _given(random)
    criteria: Any = random.choice(
        [["refund", "account"], {"refund": None, "account": 5}, {"true": "refund"}, _given(random)]
    )
    kind = random.choice(["choice", "score", "noul", "predicate", _given(random)])
    question = {"type": kind, "criteria": criteria, "instructions": _given(random)}
    asked = {
        "type": kind,
        "name": _given(random),
        "choices": [{"value": _given(random)}, {"value": "account"}],
    }
    asked["levels"] = [{"label": "refund"}, {"label": _given(random)}]
    body: dict[str, Any] = {
        "/predict": {"input": given},
        "/predict/batch": {"inputs": [given, _given(random)]},
        "/v1/systemone": {
            "state": given,
            "questions": {"q": question, "\ud800" if random.random() < 0.1 else "p": question},
        },
        "/v1/decisions": {
            "input": random.choice([[given], [{"role": "user", "content": given}], given]),
            "questions": [asked],
        },
        "/v1/chat/completions": {
            "messages": [{"role": "user", "content": given}, given][: random.randint(1, 2)]
        },
    }[path]
    body["model"] = random.choice(["writer", "labels", "labels", _given(random)])
    if random.random() < 0.3:
        body[
            random.choice(["abstain_below", "max_tokens", "temperature", "stream", "n", "assets", "stop"])
        ] = _given(random)
    if random.random() < 0.1:
        body = {**body, random.choice(["\ud800", "a" * 3000, "model"]): _given(random)}
    text = json.dumps(body)
    if random.random() < 0.1:
        text = random.choice(
            ["[" * 100_000, text[: random.randint(0, len(text))], "null", "[]", "5", '"a"', text + text]
        )
    return Post(path, text.encode("utf-8", "replace") if random.random() < 0.95 else b"\xff" + text.encode())


def _given(random: Random) -> Any:
    return random.choice(INPUTS) if random.random() < 0.8 else text_of(random)[:2000]


def bodies(api: Api) -> Target:
    """Bodies that are nearly right: no failure of the server, and no status that is not documented."""
    client = httpx.Client(base_url=api.url, timeout=60, trust_env=False)

    def post(case: Post, folder: Path) -> None:
        response = client.post(case.path, content=case.body, headers={"Content-Type": "application/json"})
        status = response.status_code
        assert status < 500 or status == BUSY, (status, response.text[:300])
        assert api.documents(case.path, "post", status), (status, response.text[:300])
        assert status == 200 or response.json()["error"]["message"]

    return Target("http bodies", st.builds(body_of, randoms), post, lambda case: len(case.body))


def header_of(random: Random) -> tuple[str, str]:
    """A header that decides who may ask, with a value that is nearly an address."""
    name = random.choice(["Host", "Origin", "Authorization", "Sec-Fetch-Site"])
    scheme = random.choice(["http://", "https://", "Bearer ", ""])
    pieces = ["[", "]", "::1", ":", "@", "localhost", "127.0.0.1", "99999999", "null", "\xff", "/"]
    return name, (scheme + "".join(random.choices(pieces, k=random.randint(0, 3)))).strip()


def headers(api: Api) -> Target:
    """Headers that no document lists, for a browser or a proxy sends them: no failure of the server."""
    client = httpx.Client(base_url=api.url, timeout=60, trust_env=False)

    def get(case: tuple[str, str], folder: Path) -> None:
        name, value = case
        response = client.get("/v1/models", headers={name: value.encode("latin-1")})
        assert api.documents("/v1/models", "get", response.status_code), (response.status_code, case)
        assert response.headers["x-content-type-options"] == "nosniff"

    return Target("http headers", st.builds(header_of, randoms), get)
