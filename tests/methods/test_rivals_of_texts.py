"""The rivals that need no language model where answers are texts."""

import math
from dataclasses import replace
from typing import Any

import pytest

from tuneworthy.core.example import Example
from tuneworthy.methods import METHODS, Setting
from tuneworthy.methods._sentences import sentences
from tuneworthy.metrics import METRICS
from tuneworthy.metrics._own import OwnMetric
from tuneworthy.tasks import TASKS


def setting(task: str, metric: str) -> Setting:
    return Setting(
        task=TASKS.get(task),
        labels=(),
        instruction="",
        metric=METRICS.get(metric),
        seed=0,
        dtype="float32",
        models={},
        checkpoint=None,
        report=lambda done, total, facts: None,
    )


def row(number: int, text: str, target: str) -> Example:
    return Example(id=str(number), input=text, target=target, row=number)


def answer(method: str, given: Setting, train: list[Example], text: str) -> Any:
    plugin = METHODS.get(method)
    fitted = plugin.fit(given, plugin.Parameters(), train, [])
    return fitted.predict([Example(id="new", input=text)])[0].value


@pytest.mark.parametrize("end", ["first", "last"])
def test_lead_takes_as_many_sentences_from_the_end_that_summaries_resemble(end: str) -> None:
    rows = []
    for i in range(8):
        said = [f"Alpha {i} opens the matter.", f"Then beta {i} follows it.", f"Gamma {i} closes all."]
        rows.append(row(i, " ".join(said), " ".join(said[:2] if end == "first" else said[1:])))
    found = answer(
        "lead", setting("summarization", "answer_f1"), rows, "One is here. Two is there. Three is gone."
    )
    assert found == ("One is here. Two is there." if end == "first" else "Two is there. Three is gone.")


def test_the_sentence_with_the_rarer_words_of_the_question_is_found() -> None:
    text = (
        "question: Who painted the ceiling of the chapel?\n"
        "context: The chapel stands in Rome. The ceiling was painted by Michelangelo. The chapel is old."
    )
    found = answer("sentence", setting("question-answering", "answer_f1"), [row(0, "a", "b")], text)
    assert found == "The ceiling was painted by Michelangelo."


def test_the_nearest_rows_first_answer_is_copied() -> None:
    rows = [
        row(0, "where is my parcel", '["It is on its way.", "Coming."]'),
        row(1, "cancel my order", "Done."),
    ]
    given = setting("text-generation", "chrf")
    assert answer("nearest", given, rows, "where is the parcel of mine") == "It is on its way."


def test_sentences_end_where_they_should() -> None:
    assert sentences("It cost 3.5 million. Nobody knew! Why? Line one\nline two") == [
        "It cost 3.5 million.",
        "Nobody knew!",
        "Why?",
        "Line one",
        "line two",
    ]


def missed_words(answers: list[str | None], targets: list[str]) -> list[float]:
    """Words of the target that are not in the answer: an error without a highest value."""
    pairs = zip(answers, targets, strict=True)
    return [float(len(set(right.split()) - set(str(given).split()))) for given, right in pairs]


def test_lead_takes_what_an_error_of_the_users_own_is_least_for() -> None:
    rows = [row(i, f"Alpha {i}. Beta {i}. Gamma {i}.", f"Alpha {i}. Beta {i}. unsaid else") for i in range(6)]
    own = OwnMetric("missed", "missed", missed_words, 0.0, math.inf, True)
    given = replace(setting("summarization", "answer_f1"), metric=own)
    lead: Any = METHODS.get("lead")
    facts = lead.fit(given, lead.Parameters(), rows, []).facts
    assert (facts["count"], facts["end"], facts["training_score"]) == (2, "first", 2.0)
