"""Chats with a model behind an OpenAI-compatible endpoint: messages go in, a text and its usage come out.

The key is read from the environment when a question is asked, and written nowhere.
"""

import json
import os
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from difflib import SequenceMatcher
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tuneworthy.core.endpoint import Endpoint
from tuneworthy.core.errors import ModelError
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.hashing import address
from tuneworthy.core.turn_marks import apart
from tuneworthy.models.reply_bounds import bounded_replies
from tuneworthy.runfolder.folder import to_json, write_text
from tuneworthy.runfolder.workspace import workspace
from tuneworthy.tasks import Message

if TYPE_CHECKING:
    import openai

KEYS = ("TUNEWORTHY_API_KEY", "OPENAI_API_KEY")  # environment variables, the first one set is used
NO_KEY = "none"  # what local servers get, which want none
AT_A_TIME = 4  # requests
TIMEOUT_S = 300.0  # of one request: a local server may have to load the model first
RETRIES = 4  # with exponential backoff and jitter, by the client
SHOWN_ERROR = 200  # characters of a server's complaint
REPEATED = 16  # characters of a question in a complaint that are no coincidence
THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
REFUSED = ("max_tokens", "temperature")  # parameters that reasoning models may not take

Progress = Callable[[int, int], None]


class Answer(Frozen):
    """What an endpoint wrote.

    Attributes:
        text: its words.
        whole: False when it was cut at the most tokens it might have.
        prompt_tokens, completion_tokens: as the server counted them, None when it did not.
        model: what the server says has answered.
        greedy: False when the model takes no temperature, and so may answer differently next time.
        seconds: from question to answer, retries included.
        stored: it was asked and paid for before.
    """

    text: str
    whole: bool
    prompt_tokens: int | None
    completion_tokens: int | None
    model: str
    greedy: bool
    seconds: float
    stored: bool = False

    @property
    def said(self) -> str:
        """The text without the thoughts that some servers leave before it."""
        return THOUGHT.sub("", self.text)


class Unanswered(Frozen):
    """A question that got no answer, after all retries, and why."""

    why: str


def counted_tokens(answers: Sequence[Answer]) -> tuple[int, int] | tuple[None, None]:
    """Tokens read and written, of new and kept answers; None where the server did not count one of them."""
    read, written = 0, 0
    for answer in answers:
        if answer.prompt_tokens is None or answer.completion_tokens is None:
            return None, None
        read, written = read + answer.prompt_tokens, written + answer.completion_tokens
    return read, written


class ChatClient:
    """Asks one endpoint, greedily. Answers are kept in the workspace under the content of their question."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._refused: set[str] = set()

    @cached_property
    def _key(self) -> str:
        return next((os.environ[name] for name in KEYS if os.environ.get(name)), NO_KEY)

    @cached_property
    def _client(self) -> "openai.OpenAI":
        import openai

        transport = openai.DefaultHttpxClient(
            trust_env=not self.endpoint.is_local,  # no proxy between this machine and itself
            follow_redirects=False,  # rows go to the host that was named and to no other
            event_hooks={"response": [bounded_replies(lambda: TIMEOUT_S)]},
        )
        return openai.OpenAI(
            api_key=self._key,
            base_url=self.endpoint.url,
            max_retries=RETRIES,
            timeout=TIMEOUT_S,
            http_client=transport,
        )

    def ask(
        self, chats: Sequence[Sequence[Message]], longest: int, tell: Progress = lambda done, total: None
    ) -> list[Answer | Unanswered]:
        """One answer per chat, in order; four are asked at a time, the same chat once.

        Args:
            chats: each up to, and without, the answer.
            longest: tokens an answer may have.
            tell: told done and total.

        Raises:
            ModelError: the endpoint is out of reach, refuses the key, does not know the model, wants us to
                slow down for longer than we retry, or answers nothing at all. What it did answer is kept.
        """
        questions = [self._question(chat, longest) for chat in chats]
        keys = [address(question) for question in questions]
        asked: dict[str, Future[Answer | Unanswered]] = {}
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            for key, question in zip(keys, questions, strict=True):
                if key not in asked:
                    asked[key] = pool.submit(self._answer, key, question)
            try:
                for done, future in enumerate(as_completed(asked.values()), start=1):
                    future.result()
                    tell(done, len(asked))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        answers = [asked[key].result() for key in keys]
        first = answers[0] if answers else None
        if isinstance(first, Unanswered) and not any(isinstance(answer, Answer) for answer in answers):
            raise ModelError(
                f"{self.endpoint.title} answered none of {len(answers)} questions ({first.why}): look into "
                "its log, or name another endpoint."
            )
        return answers

    def _question(self, chat: Sequence[Message], longest: int) -> dict[str, Any]:
        """All that decides an answer: its address is the answer's.

        Local servers read special tokens in what a turn says as the end of it: they are written apart.
        """
        return {
            **self.endpoint.model_dump(),
            "messages": [{"role": turn["role"], "content": apart(turn["content"])} for turn in chat],
            "temperature": 0,
            "max_tokens": longest,
        }

    def _answer(self, key: str, question: dict[str, Any]) -> Answer | Unanswered:
        kept = workspace() / "answers" / key[:2] / f"{key}.json"
        try:
            return Answer.model_validate({**json.loads(kept.read_text(encoding="utf-8")), "stored": True})
        except (OSError, ValueError):
            pass  # not asked yet, or damaged
        answer = self._request(question)
        if isinstance(answer, Answer):
            write_text(kept, to_json(answer))
        return answer

    def _request(self, question: dict[str, Any]) -> Answer | Unanswered:
        import openai

        started = time.perf_counter()
        try:
            reply = self._create(question)
        except openai.APITimeoutError:
            return Unanswered(why=f"no answer within {TIMEOUT_S:.0f} s")
        except openai.APIConnectionError:
            raise ModelError(
                f"nothing answers at {self.endpoint.url}: start the server, or check the URL; answers so far "
                "are kept."
            ) from None
        except openai.APIStatusError as error:
            if (every := self._of_every_row(error.status_code)) is not None:
                raise ModelError(every) from None  # the server's own words may hold a part of the key
            return Unanswered(why=f"HTTP {error.status_code}: {self._complaint(error, question)}")
        except openai.OpenAIError as error:
            return Unanswered(why=type(error).__name__)
        except ValueError:
            return Unanswered(why="the reply is no JSON")
        seconds = time.perf_counter() - started
        if not isinstance(reply, openai.types.chat.ChatCompletion) or not reply.choices:
            return Unanswered(why="the reply is no chat completion")
        choice, usage = reply.choices[0], reply.usage
        try:  # the client checks no types: a server may say anything
            return Answer(
                text=choice.message.content or "",
                whole=choice.finish_reason != "length",
                prompt_tokens=usage.prompt_tokens if usage else None,
                completion_tokens=usage.completion_tokens if usage else None,
                model=str(reply.model or self.endpoint.model),
                greedy="temperature" not in self._refused,
                seconds=round(seconds, 4),
            )
        except (AttributeError, ValueError):
            return Unanswered(why="the reply is no chat completion")

    def _of_every_row(self, status: int) -> str | None:
        """What a status says that holds for every row, so that no row is to blame; None for one row's."""
        host, model = self.endpoint.host, self.endpoint.model
        if status in (401, 403):
            return (
                f"{host} refuses the key (HTTP {status}): set {KEYS[0]} or {KEYS[1]} in the environment to "
                f"one that may use {model}."
            )
        if status == 404:
            return (
                f"{self.endpoint.url} has no model '{model}' (HTTP 404): check the name, and that the URL "
                "ends before /chat/completions, mostly in /v1."
            )
        if status in (402, 429):
            return (
                f"{host} has had too many requests, or no quota is left (HTTP {status}, after {RETRIES} "
                "retries): type the same command again later, answers so far are kept."
            )
        return None

    def _create(self, question: dict[str, Any]) -> Any:
        """The request; again without a parameter that the model says it does not take."""
        import openai

        messages = question["messages"]
        while True:
            spelt: dict[str, Any] = {"temperature": question["temperature"]}
            spelt["max_tokens"] = question["max_tokens"]
            if "temperature" in self._refused:
                del spelt["temperature"]
            if "max_tokens" in self._refused:
                spelt["max_completion_tokens"] = spelt.pop("max_tokens")
            try:
                return self._client.chat.completions.create(
                    model=question["model"], messages=messages, **spelt
                )
            except openai.BadRequestError as error:
                refused = {name for name in REFUSED if name in spelt and f"'{name}'" in error.message}
                if not refused:
                    raise
                self._refused |= refused

    def _complaint(self, error: "openai.APIStatusError", question: dict[str, Any]) -> str:
        """A server's own words, in one line; never with the key in them, nor with a part of the row."""
        words = " ".join(error.message.split())
        words = (words if self._key == NO_KEY else words.replace(self._key, "***"))[:SHOWN_ERROR]
        said = " ".join(" ".join(turn["content"].split()) for turn in question["messages"])
        found = SequenceMatcher(None, said, words, autojunk=False)
        if found.find_longest_match().size >= REPEATED:
            return "the server repeats the question"
        return words
