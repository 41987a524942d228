"""`POST /v1/chat/completions`: to an engine and back, with the run's own prompt, names and errors.

The engine generates; what stands here is what clients of OpenAI's protocol miss in it: models by name, errors
in OpenAI's shape, the end of a stream, a bound on how many wait.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

import httpx
from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tuneworthy.engine.encoding import cut_input
from tuneworthy.models.decoder import Decoder
from tuneworthy.serving.engines import Engine
from tuneworthy.serving.problems import ProblemError
from tuneworthy.tasks import Message, Task

RETRY_S = 5
NO_EFFECT = ("user", "metadata", "store", "service_tier", "stream_options", "parallel_tool_calls")


@dataclass
class ChatRun:
    """A run that writes texts, behind an engine.

    Attributes:
        name: the `model` of requests.
        method, task, instruction: of the run.
        longest: tokens that an answer may have where a request does not say.
        most_input: tokens to which the run cuts an input.
        speaker: tokenizer and template of the artefact.
        context: tokens that the model reads and writes in all.
        engine: where it is served.
    """

    name: str
    method: str
    task: Task
    instruction: str
    longest: int
    most_input: int
    speaker: Decoder
    context: int
    engine: Engine = field(repr=False)

    def turns(self, messages: Sequence[Mapping[str, Any]]) -> list[Message]:
        """What the model is asked: a lone user turn becomes the run's own prompt, others stay.

        Special tokens are written apart: engines read them as the end of a turn wherever they stand.

        Raises:
            ProblemError: a message is none.
        """
        read = [_message(message, place) for place, message in enumerate(messages)]
        if len(read) == 1 and read[0]["role"] == "user":
            text = cut_input(self.speaker, read[0]["content"], self.most_input)
            read = self.task.messages(self.instruction, text)
        return self.speaker.inert(read)

    def request(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The body for the engine: greedy and as long as the run's answers, unless it says otherwise.

        Raises:
            ProblemError: it asks for what no engine here does, or is too long.
        """
        body = {key: value for key, value in asked.items() if value is not None and key not in NO_EFFECT}
        if body.pop("n", 1) != 1:
            raise ProblemError(400, "one answer a request: leave n out.", param="n")
        messages = self.turns(body["messages"])
        tokens = len(self.speaker.encode(self.speaker.render(messages)))
        most = int(body.pop("max_completion_tokens", None) or body.get("max_tokens") or self.longest)
        if tokens + most > self.context:
            raise ProblemError(
                400,
                f"{tokens} tokens of messages and {most} of answer are more than the {self.context} that "
                f"'{self.name}' has room for: shorten one of them.",
                param="messages",
                code="context_length_exceeded",
            )
        return {"temperature": 0, **body, "messages": messages, "max_tokens": most}


@dataclass
class Chats:
    """The runs that write, and how many requests may be under way.

    Attributes:
        runs: by name.
        room: requests that are answered or wait; more are refused with 429.
    """

    runs: Mapping[str, ChatRun] = field(default_factory=dict)
    room: int = 64
    active: int = 0
    client: httpx.AsyncClient | None = None

    @property
    def well(self) -> bool:
        """Whether every engine runs."""
        return all(run.engine.alive for run in self.runs.values())

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """A pool of connections to the engines for as long as the application runs."""
        limits = httpx.Limits(max_connections=self.room)
        async with httpx.AsyncClient(
            timeout=httpx.Timeout(None), limits=limits, trust_env=False
        ) as self.client:
            yield


class ChatRequest(BaseModel):
    """What OpenAI's clients send; the fields named here are those that every engine follows."""

    model_config = ConfigDict(extra="allow")

    model: str | None = None
    messages: Annotated[list[dict[str, Any]], Field(min_length=1)]
    stream: bool = False
    max_tokens: Annotated[int | None, Field(ge=1)] = None
    max_completion_tokens: Annotated[int | None, Field(ge=1)] = None
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None


def router(chats: Chats) -> APIRouter:
    """The route."""
    routes = APIRouter(tags=["chat"])

    @routes.post("/v1/chat/completions", response_model=None)
    async def complete(request: ChatRequest) -> Response:
        """An answer of a run that writes texts, whole or as a stream."""
        run = chosen(chats, request.model)
        body = run.request(request.model_dump(exclude={"model"}))
        if chats.active >= chats.room:
            raise ProblemError(
                429, "too many chats wait.", code="queue_full", headers={"Retry-After": str(RETRY_S)}
            )
        chats.active += 1  # before the engine is asked, which may let it wait
        streaming = False
        try:
            response = await _sent(chats, run, body)
            if request.stream:
                streaming = True  # it counts itself out at its end
                return _Stream(chats, response, run.name)
            return JSONResponse({**await _whole(response, run.name), "model": run.name})
        finally:
            chats.active -= not streaming

    return routes


def chosen(chats: Chats, name: str | None) -> ChatRun:
    """The run of a request; raises ProblemError."""
    known = ", ".join(chats.runs) or "none"
    if name is None and len(chats.runs) == 1:
        return next(iter(chats.runs.values()))
    if name not in chats.runs:
        raise ProblemError(
            404,
            f"no model '{name}' that writes texts is served here; known: {known}.",
            param="model",
            code="model_not_found",
        )
    return chats.runs[str(name)]


async def _sent(chats: Chats, run: ChatRun, body: dict[str, Any]) -> httpx.Response:
    """The engine's response, its head read; raises ProblemError where it has none or an error."""
    assert chats.client is not None
    model = {} if run.engine.kind == "transformers" else {"model": run.name}
    request = chats.client.build_request(
        "POST", f"{run.engine.url}/v1/chat/completions", json={**body, **model}
    )
    try:
        response = await chats.client.send(request, stream=True)
    except httpx.HTTPError as error:
        raise ProblemError(
            503,
            f"the engine of '{run.name}' does not answer.",
            code="engine_down",
            headers={"Retry-After": "5"},
        ) from error
    if response.is_success:
        return response
    said = await response.aread()
    await response.aclose()
    status = response.status_code if response.status_code in (400, 404, 413, 422, 429) else 502
    raise ProblemError(status, _message_of(said) or "the engine failed.", code="engine_error")


async def _whole(response: httpx.Response, name: str) -> dict[str, Any]:
    """An answer that is not streamed; raises ProblemError where the engine stops in its middle."""
    try:
        found: dict[str, Any] = json.loads(await response.aread())
    except (httpx.HTTPError, ValueError) as error:
        raise ProblemError(
            502, f"the engine of '{name}' stopped in the middle.", code="engine_error"
        ) from error
    finally:
        await response.aclose()
    return found


class _Stream(StreamingResponse):
    """A stream that stays counted until it ends, whoever ends it."""

    def __init__(self, chats: Chats, response: httpx.Response, name: str) -> None:
        super().__init__(_streamed(response, name), media_type="text/event-stream")
        self._chats, self._response = chats, response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it, and hangs up on the engine afterwards: it stops writing for a client that has left."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._chats.active -= 1
            await self._response.aclose()


async def _streamed(response: httpx.Response, name: str) -> AsyncIterator[str]:
    """The engine's chunks under the run's name, and the end that clients wait for."""
    try:
        async for line in response.aiter_lines():
            payload = line.removeprefix("data:").strip()
            if not line.startswith("data:") or payload == "[DONE]":
                continue
            try:
                chunk = json.loads(payload)
            except ValueError:
                chunk = {"error": "the engine sent what is no JSON"}
            if "error" in chunk:
                chunk = ProblemError(502, _message_of(payload.encode()) or "the engine failed.").content("")
            else:
                chunk["model"] = name
            yield f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"
    except httpx.HTTPError:
        failed = ProblemError(502, f"the engine of '{name}' stopped in the middle.").content("")
        yield f"data: {json.dumps(failed)}\n\n"
    yield "data: [DONE]\n\n"


def _message(given: Mapping[str, Any], place: int) -> Message:
    """A message with its text parts joined."""
    role, content = given.get("role"), given.get("content")
    if isinstance(content, list):
        parts = [part if isinstance(part, dict) else {} for part in content]
        if any(part.get("type") != "text" for part in parts):
            raise ProblemError(400, "only text parts can be read.", param=f"messages[{place}].content")
        content = "\n".join(str(part.get("text", "")) for part in parts)
    if role == "developer":
        role = "system"
    if role not in ("system", "user", "assistant") or not isinstance(content, str):
        raise ProblemError(
            400,
            "a message has a role among system, user, assistant and a content that is text.",
            param=f"messages[{place}]",
        )
    return {"role": role, "content": content}


def _message_of(body: bytes) -> str:
    """What an engine's error says, in whichever shape it says it."""
    try:
        found = json.loads(body)
    except ValueError:
        return ""
    said = found.get("error", found.get("detail")) if isinstance(found, dict) else None
    if isinstance(said, dict):
        said = said.get("message")
    return said if isinstance(said, str) else ""
