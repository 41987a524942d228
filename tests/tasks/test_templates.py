"""Prompts that would not end, or fail: refused in a sentence, in little time; chat templates that fail."""

from pathlib import Path

import pytest

from tuneworthy.core.errors import JobError, ModelError
from tuneworthy.models.token_counts import tokenizer_of
from tuneworthy.tasks import TASKS
from tuneworthy.tasks._prompted import with_prompt

TASK = TASKS.get("text-classification")
LABELS = ["a", "b"]
ENDLESS = [
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{{ 'a' * 10 ** 10 }}",
    "{{ '%9999999999d' | format(1) }}",
    "{{ (9 ** 9) ** 99999999 }}",
    "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
]
FAILING = [
    "{{ 1 / 0 }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{{ 'a'.encode('no') }}",
    "{{ " + "(" * 500 + "1" + ")" * 500 + " }}",
    "{{ [1] | random }}",
    "{{ lipsum() }}",
]


@pytest.mark.parametrize("template", [*ENDLESS, *FAILING])
def test_a_prompt_that_does_not_end_or_fails_is_no_template(template: str) -> None:
    with pytest.raises(JobError, match="no template that can be rendered"):
        with_prompt(TASK, "{{ input }}" + template, LABELS)


def test_a_prompt_that_fails_at_some_texts_alone_is_refused_at_those() -> None:
    task = with_prompt(TASK, "{{ input }} {{ 1 / (input | length - 3) }}", LABELS)
    assert task.messages("", "four")[-1]["content"] == "four 1.0"
    with pytest.raises(JobError, match="division by zero"):
        task.messages("", "abc")


@pytest.mark.parametrize(
    "template", ["{{ 1 / 0 }}", "{{ messages.x.y }}", "{{ messages[9:0].a() }}", "{% if %}"]
)
def test_a_chat_template_that_fails_is_refused(template: str, decoder_folder: Path) -> None:
    decoder = tokenizer_of(decoder_folder)
    decoder.tokenizer.chat_template = template
    with pytest.raises(ModelError, match="chat template of"):
        decoder.render([{"role": "user", "content": "hi"}])
