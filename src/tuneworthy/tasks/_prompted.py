"""A user's own prompt: a Jinja template of the user's turns, in place of the bare input."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tuneworthy.core.bounded import bounded
from tuneworthy.core.errors import JobError
from tuneworthy.core.example import Example
from tuneworthy.core.job import is_template_file
from tuneworthy.tasks import Message, Task
from tuneworthy.tasks._templates import try_prompt

VARIABLES = ("input", "instruction", "labels")
SENTINEL = "7f3c-the-text-itself-7f3c"


def read_prompt(prompt: str | None) -> str | None:
    """A job's template, from the file where it names one; raises JobError when that cannot be read."""
    if prompt is None or not is_template_file(prompt):
        return prompt
    try:
        return Path(prompt).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise JobError(
            f"the prompt '{prompt}' is neither a template, which shows the text as in "
            f"'Text: {{{{ input }}}}', nor a file that can be read ({what})."
        ) from None


def with_prompt(task: Task, template: str | None, labels: Sequence[str]) -> Task:
    """The task with every user turn rendered by the template; the task itself without one.

    The template may use `input` (the row's text, or a chat's turn), `instruction` and `labels`. It is
    sandboxed: it reads no file, calls no Python and changes nothing (Jinja's ImmutableSandboxedEnvironment),
    and has limited time and memory.

    Raises:
        JobError: the template does not compile, uses an unknown variable, lacks the input or does not end.
    """
    if template is None:
        return task
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=False)
    environment.globals = {name: environment.globals[name] for name in ("range", "dict", "namespace")}
    del environment.filters["random"]  # a prompt is the same whenever it is rendered
    try:
        try_prompt(template, tuple(labels))
        compiled = environment.from_string(template)
    except Exception as error:  # whatever a template makes Python do
        raise _unfit(error) from error
    shown = _rendered(compiled, {"input": SENTINEL, "instruction": "", "labels": list(labels)})
    if SENTINEL not in shown:
        raise JobError("the prompt does not show the text: use its variable, as in 'Text: {{ input }}'.")

    # Everything else is the task's own, whatever it offers: a subclass made here repeats nothing of it.
    def messages(
        self: Any, instruction: str, input: str, demonstrations: Sequence[Example] = ()
    ) -> list[Message]:
        """The task's turns, the user's rendered by the template."""
        known = {"instruction": instruction, "labels": list(labels)}
        return [
            {**turn, "content": _rendered(compiled, {"input": turn["content"], **known})}
            if turn["role"] == "user"
            else turn
            for turn in type(task).messages(self, instruction, input, demonstrations)
        ]

    prompted = copy.copy(task)
    kind = type(type(task).__name__, (type(task),), {"__slots__": (), "messages": messages})
    object.__setattr__(prompted, "__class__", kind)
    return prompted


def _rendered(template: Template, variables: dict[str, Any]) -> str:
    """The template's text; raises JobError where it fails, goes on too long, or writes what is no text."""
    try:
        with bounded():
            text = template.render(variables)
        text.encode()
    except Exception as error:
        raise _unfit(error) from error
    return text


def _unfit(error: Exception) -> JobError:
    said = " ".join(str(error).split())[:200] or type(error).__name__
    return JobError(
        f"the prompt is no template that can be rendered ({said}): its variables are "
        f"{', '.join(VARIABLES)}, as in 'Text: {{{{ input }}}}'."
    )
