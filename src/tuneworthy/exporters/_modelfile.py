"""Ollama's Modelfile: a chat template in Go's words, made by looking at what the Jinja template writes.

A chat is rendered with marks in place of contents, and what stands between the marks is what each role has
around it. The pieces are written as Go's template; `render` does with them what Ollama does.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tuneworthy.core.errors import ModelError
from tuneworthy.models.decoder import Decoder
from tuneworthy.tasks import Message

MARKS = ("7f3c-system-7f3c", "7f3c-user-7f3c", "7f3c-assistant-7f3c", "7f3c-again-7f3c")
QUOTES = '"""'
SYSTEM = '{{- range .Messages }}{{ if eq .Role "system" }}'
USER, ASSISTANT = '{{ else if eq .Role "user" }}', "{{ else }}"
CONTENT, END = "{{ .Content }}", "{{ end }}{{ end }}"


@dataclass(frozen=True, slots=True)
class Around:
    """What stands before and after the content of each role, and where the answer begins."""

    system: tuple[str, str]
    user: tuple[str, str]
    assistant: tuple[str, str]
    answer: str


def around(speaker: Decoder) -> Around:
    """What the tokenizer's chat template writes around contents.

    Raises:
        ModelError: the template does not write turns one after another, each in words of its role.
    """
    system, user, assistant, again = MARKS
    turns: list[Message] = [
        {"role": "system", "content": system},
        {"role": "user", "content": user},
        {"role": "assistant", "content": assistant},
        {"role": "user", "content": again},
    ]
    parts = re.split("|".join(MARKS), speaker.render(turns))
    if len(parts) != len(MARKS) + 1:
        raise ModelError(
            f"the chat template of {speaker.folder.name} does not write each turn once, so that no Modelfile "
            "can have it: export gguf, whose file holds the template itself."
        )
    after_user = speaker.rendered(turns[:2]).partition(user)[2]
    after_assistant = speaker.rendered(turns[:3]).partition(assistant)[2]
    before_user = parts[3].removeprefix(after_assistant)
    return Around(
        (parts[0], parts[1].removesuffix(before_user)),
        (before_user, after_user),
        (parts[2].removeprefix(after_user), after_assistant),
        parts[4].removeprefix(after_user),
    )


def modelfile(pieces: Around, model: str, instruction: str, stops: Sequence[str], longest: int) -> str:
    """The whole file.

    Raises:
        ModelError: a piece or the instruction holds what a Modelfile cannot quote.
    """
    texts = [*pieces.system, *pieces.user, *pieces.assistant, pieces.answer]
    if any("{{" in text or QUOTES in text for text in texts) or QUOTES in instruction:
        raise ModelError(
            "the chat template or the instruction holds '{{' or three quotes, which a Modelfile cannot "
            "quote: export gguf, whose file holds the template itself."
        )
    template = "".join(
        (
            f"{SYSTEM}{pieces.system[0]}{CONTENT}{pieces.system[1]}",
            f"{USER}{pieces.user[0]}{CONTENT}{pieces.user[1]}",
            f"{ASSISTANT}{pieces.assistant[0]}{CONTENT}{pieces.assistant[1]}",
            f"{END}{pieces.answer}",
        )
    )
    lines = [
        f"FROM ./{model}",
        f"TEMPLATE {QUOTES}{template}{QUOTES}",
        f"SYSTEM {QUOTES}{instruction}{QUOTES}",
    ]
    lines += [f"PARAMETER stop {json.dumps(stop, ensure_ascii=False)}" for stop in stops]
    lines += ["PARAMETER temperature 0", "PARAMETER repeat_penalty 1"]
    lines += [f"PARAMETER num_predict {longest}"] if longest else []
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Read:
    """What a Modelfile says."""

    pieces: Around
    system: str
    stops: tuple[str, ...]

    def render(self, messages: Sequence[Message]) -> str:
        """A chat as Ollama renders it; the file's system turn where the chat has none."""
        turns = list(messages)
        if not any(turn["role"] == "system" for turn in turns):
            turns.insert(0, {"role": "system", "content": self.system})
        kinds = {"system": self.pieces.system, "user": self.pieces.user}
        text = ""
        for turn in turns:
            before, after = kinds.get(turn["role"], self.pieces.assistant)
            text += f"{before}{turn['content']}{after}"
        return text + self.pieces.answer


def read_modelfile(text: str) -> Read:
    """A file that `modelfile` has written, perhaps edited since.

    Raises:
        ModelError: its template is of another form, which is for Ollama alone to read.
    """
    quoted = {
        name: found.group(1)
        for name in ("TEMPLATE", "SYSTEM")
        if (found := re.search(f"^{name} {QUOTES}(.*?){QUOTES}", text, re.DOTALL | re.MULTILINE))
    }
    form = "(.*?)".join(re.escape(part) for part in _parts())
    found = re.fullmatch(form, quoted.get("TEMPLATE", ""), re.DOTALL)
    if found is None or "SYSTEM" not in quoted:
        raise ModelError("the chat template of the Modelfile is not the one that was exported")
    a, b, c, d, e, f, answer = found.groups()
    stops = [json.loads(one) for one in re.findall(r"^PARAMETER stop (.*)$", text, re.MULTILINE)]
    return Read(Around((a, b), (c, d), (e, f), answer), quoted["SYSTEM"], tuple(stops))


def _parts() -> tuple[str, ...]:
    """The fixed parts of the template, between which the pieces stand."""
    return (SYSTEM, CONTENT, USER, CONTENT, ASSISTANT, CONTENT, END, "")
