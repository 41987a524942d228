"""Question answering: a short answer, usually out of a context that comes with the question.

A target is an answer, a JSON list of acceptable ones, or SQuAD's {"text": [...], "answer_start": [...]}.
An empty list of acceptable answers says that the context holds none; it is written, and read, as "no answer".
Questions with a closed set of answers (yes, no, maybe) are a text-classification with two input columns.
Answers are compared by SQuAD's rules; F1 decides, since an answer that is nearly right is worth something.
"""

from typing import Any

from tuneworthy.core.errors import DataError
from tuneworthy.core.hashing import canonical_json
from tuneworthy.data.forms import Cells, Form, Read
from tuneworthy.data.nested import nested
from tuneworthy.metrics._answers import alternatives
from tuneworthy.tasks import Task
from tuneworthy.tasks._open import OpenTask, first_line

SQUAD = {"text", "answer_start"}


def read_answers(cells: Cells) -> Read:
    """SQuAD's answers as a JSON list of their texts, each once; other targets as they are.

    Raises:
        DataError: an answer of that form has no text.
    """
    found: Any = None if cells.target is None else nested(cells.target)
    if isinstance(found, dict) and "text" in found and found.keys() <= SQUAD:
        texts = found["text"]
    elif isinstance(found, list) and found and all(isinstance(one, dict) for one in found):
        texts = [one.get("text") for one in found]
    else:
        return Read(cells.input, cells.target)
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise DataError('the answers hold no texts: write {"text": ["..."]}, or {"text": []} for no answer.')
    answers = list(dict.fromkeys(text for text in texts if text.strip()))
    if len(answers) == 1 and alternatives(answers[0]) == answers:
        return Read(cells.input, answers[0])
    return Read(cells.input, canonical_json(answers))


PLUGIN: Task = OpenTask(
    name="question-answering",
    title="question answering",
    metrics=("answer_f1", "exact_match"),
    arms=("majority", "nearest", "sentence", "zero_shot", "few_shot", "knn_shot", "span", "lora"),
    told="Answer the question with a few words out of the context, and write nothing else.",
    read=first_line,
    form=Form(
        read=read_answers,
        layouts=(
            (("question", "context"), "answers"),
            (("question", "context"), "answer"),
            (("question",), "answer"),
        ),
        nothing="[]",
        target="answer",
    ),
)
