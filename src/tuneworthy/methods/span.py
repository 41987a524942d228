"""Span: an encoder with two outputs per token, which point at the first and the last token of the answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.engine.reader import Reader, ReadRow, read
from tuneworthy.methods import Answers, Setting
from tuneworthy.methods._reading import EncoderMethod, EncoderParameters, Window, fit_reader, windows
from tuneworthy.metrics._answers import NO_ANSWER, alternatives
from tuneworthy.models.headed import HeadedEncoder, load_headed, save_headed
from tuneworthy.tasks import Task

STRIDE = 128  # tokens that neighbouring windows share (Devlin et al. 2019, for SQuAD)
NOWHERE = 0  # the position that says: not in this window


def question_and_text(input: str) -> tuple[str, str]:
    """The first line, which is repeated in every window, and the rest; a single line is all text."""
    first, _, rest = input.partition("\n")
    return (first, rest) if rest else ("", input)


@dataclass
class FittedSpan:
    """An encoder that points at answers."""

    setting: Setting
    parameters: EncoderParameters
    encoder: HeadedEncoder
    facts: dict[str, Any] = field(default_factory=dict)

    def rows(self, examples: Sequence[Example]) -> tuple[list[ReadRow], list[list[Window]]]:
        """Windows as rows, and each example's windows.

        Rows have the answer's ends where their example has a target that stands in its text.
        """
        rows, texts = [], []
        for example in examples:
            question, text = question_and_text(example.input)
            parts = windows(self.encoder, text, self.parameters.max_input_tokens, question, STRIDE)
            texts.append(parts)
            place = None if example.target is None else locate(text, example.target)
            for part in parts:
                rows.append(ReadRow(example.id, part.tokens, () if place is None else ends(part, place)))
        return rows, texts

    def judged(self, examples: Sequence[Example]) -> tuple[list[Prediction], float]:
        """Predictions for validation rows, and the mean log-loss of the right ends where there are some."""
        rows, texts = self.rows(examples)
        logits = read(self.encoder, rows, "span")
        losses = [
            _log_sum(side) - side[place]
            for row, sides in zip(rows, logits, strict=True)
            if row.wanted
            for side, place in zip(sides, row.wanted, strict=True)
        ]
        return self.pointed(examples, texts, logits), float(np.mean(losses)) if losses else 0.0

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """The likeliest span of each text."""
        if not examples:
            return []
        rows, texts = self.rows([row.without_target() for row in examples])
        tell = self.setting.report
        logits = read(self.encoder, rows, "span", lambda done, total: tell(done, total, {}))
        return self.pointed(examples, texts, logits)

    def pointed(
        self,
        examples: Sequence[Example],
        texts: Sequence[list[Window]],
        logits: Sequence[NDArray[np.float64]],
    ) -> list[Prediction]:
        """The best span over a text's windows, or no answer where that is likelier in all of them."""
        longest, absent = int(self.facts["longest_answer_tokens"]), bool(self.facts["no_answer_rows"])
        left = iter(logits)
        predictions = []
        for example, parts in zip(examples, texts, strict=True):
            text = question_and_text(example.input)[1]
            _, start, end = max(best_span(part, next(left), longest, absent) for part in parts)
            value = text[start:end].strip() or NO_ANSWER
            predictions.append(Prediction(example_id=example.id, value=value, raw=value))
        return predictions

    def save(self, folder: Path) -> None:
        """Writes an ordinary transformers folder."""
        self.encoder.model.config.longest_answer_tokens = self.facts["longest_answer_tokens"]
        self.encoder.model.config.no_answer_rows = self.facts["no_answer_rows"]
        save_headed(self.encoder, folder / "encoder")


def locate(text: str, target: str) -> tuple[int, int] | None:
    """First and last character of the first acceptable answer that the text holds; (0, 0) for no answer.

    >>> locate("it rains in Rome", "rome"), locate("it rains", "[]"), locate("it rains", "snow")
    ((12, 16), (0, 0), None)
    """
    answers = alternatives(target)
    if answers == [NO_ANSWER]:
        return 0, 0
    for answer in answers:
        for whole, sought in ((text, answer), (text.lower(), answer.lower())):
            place = whole.find(sought.strip())
            if place >= 0 and len(whole) == len(text):
                return place, place + len(sought.strip())
    return None


def ends(window: Window, place: tuple[int, int]) -> tuple[int, int]:
    """Positions of the answer's first and last token; `NOWHERE` twice where the window lacks it."""
    start, end = place
    inside = [i for i, (a, b) in enumerate(window.offsets) if a < b and start < b and a < end]
    if not inside or window.offsets[inside[0]][0] > start or window.offsets[inside[-1]][1] < end:
        return NOWHERE, NOWHERE
    return inside[0], inside[-1]


def best_span(
    window: Window, logits: NDArray[np.float64], longest: int, absent: bool
) -> tuple[float, int, int]:
    """Score and characters of the likeliest span; (score, 0, 0) where no answer is allowed and likelier.

    The score is the sum of the ends' logits over that of no answer, which compares windows.
    """
    starts, stops = logits
    nowhere = float(starts[NOWHERE] + stops[NOWHERE])
    real = np.array([a < b for a, b in window.offsets])
    if not real.any():
        return 0.0, 0, 0
    tokens = np.arange(len(real))
    reach = tokens[None, :] - tokens[:, None]
    allowed = real[:, None] & real[None, :] & (reach >= 0) & (reach < longest)
    sums = np.where(allowed, starts[:, None] + stops[None, :], -np.inf)
    first, last = np.unravel_index(int(sums.argmax()), sums.shape)
    score = float(sums[first, last]) - nowhere
    if absent and score < 0:
        return score, 0, 0
    return score, window.offsets[int(first)][0], window.offsets[int(last)][1]


def _log_sum(values: NDArray[np.float64]) -> float:
    peak = values.max()
    return float(np.log(np.exp(values - peak).sum()) + peak)


class SpanReader(EncoderMethod):
    """Full fine-tuning of the embedding model with a span head."""

    name = "span"
    title = "encoder fine-tune, span head"
    answers: Answers = "texts"

    def unsuited(self, task: Task, labels: Sequence[str], rows: Sequence[Example]) -> str:
        """Why it cannot answer: it copies a span of the text."""
        if task.name != "question-answering":
            return "it points at answers to questions"
        found = sum(locate(question_and_text(row.input)[1], str(row.target)) is not None for row in rows)
        if 2 * found < len(rows):
            return f"only {found} of {len(rows)} answers stand in their text"
        return ""

    def fit(
        self,
        setting: Setting,
        parameters: EncoderParameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> FittedSpan:
        """Trains all weights; validation chooses the checkpoint."""
        encoder = load_headed(setting.models["embedder"], "span", None, setting.seed)
        fitted = FittedSpan(setting, parameters, encoder)
        rows = [row for row in fitted.rows(train)[0] if row.wanted]
        fitted.facts = {
            "longest_answer_tokens": 2 * max((row.wanted[1] - row.wanted[0] + 1 for row in rows), default=15),
            "no_answer_rows": sum(alternatives(str(row.target)) == [NO_ANSWER] for row in train),
            "answers_not_in_text": len(train) - len({row.example_id for row in rows}),
        }
        reader = Reader(encoder, "span", self.name, setting.dtype)
        fitted.facts |= fit_reader(setting, parameters, reader, rows, validation, fitted.judged)
        return fitted

    def load(self, setting: Setting, parameters: EncoderParameters, folder: Path) -> FittedSpan:
        """Reads the folder."""
        encoder = load_headed(folder / "encoder", "span")
        kept = ("longest_answer_tokens", "no_answer_rows")
        facts = {name: getattr(encoder.model.config, name) for name in kept}
        return FittedSpan(setting, parameters, encoder, facts)


PLUGIN = SpanReader()
