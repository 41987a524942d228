"""Tagger: an encoder with a token head that marks entities, or the values of a record's fields."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction, Status
from tuneworthy.engine.reader import IGNORED, Reader, ReadRow, read
from tuneworthy.methods import Answers, Setting
from tuneworthy.methods._reading import EncoderMethod, EncoderParameters, Window, fit_reader, windows
from tuneworthy.metrics._entities import entities_of
from tuneworthy.metrics._records import record_of
from tuneworthy.models.headed import HeadedEncoder, load_headed, save_headed
from tuneworthy.tasks import Task

Table = NDArray[np.float64]
Pair = tuple[str, str]  # a type and its words, or a field and its value


class Span(NamedTuple):
    """Characters `start` to `end` of a text, which are of a kind."""

    kind: str
    start: int
    end: int


def fields_of(target: str) -> list[Pair]:
    """The fields of a record with each of their values as text."""
    pairs = []
    for name, value in (record_of(target) or {}).items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None and one != "":
                pairs.append((name, one if isinstance(one, str) else json.dumps(one)))
    return pairs


def as_entities(pairs: Sequence[Pair]) -> str:
    """Entities as a target that the task formats."""
    return json.dumps([{"type": kind, "text": words} for kind, words in pairs], ensure_ascii=False)


def as_fields(pairs: Sequence[Pair]) -> str:
    """A record: a field found several times has a list."""
    record: dict[str, list[str]] = {}
    for name, value in pairs:
        record.setdefault(name, []).append(value)
    single = {name: values[0] if len(values) == 1 else values for name, values in record.items()}
    return json.dumps(single, ensure_ascii=False)


READERS: dict[str, tuple[Callable[[str], list[Pair] | None], Callable[[Sequence[Pair]], str]]] = {
    "token-classification": (entities_of, as_entities),
    "structured-extraction": (fields_of, as_fields),
}


@dataclass
class FittedTagger:
    """An encoder whose tokens get one of: outside, begin of a kind, inside of a kind."""

    setting: Setting
    parameters: EncoderParameters
    encoder: HeadedEncoder
    facts: dict[str, Any] = field(default_factory=dict)

    def rows(self, examples: Sequence[Example]) -> tuple[list[ReadRow], list[list[Window]]]:
        """Windows as rows, with their tags where an example has a target; and each example's windows."""
        reads = READERS[self.setting.task.name][0]
        rows, texts = [], []
        for example in examples:
            parts = windows(self.encoder, example.input, self.parameters.max_input_tokens)
            texts.append(parts)
            wanted = None if example.target is None else locate(example.input, reads(example.target) or [])
            for part in parts:
                tags = () if wanted is None else tags_of(part, wanted, self.setting.labels)
                rows.append(ReadRow(example.id, part.tokens, tags))
        return rows, texts

    def judged(self, examples: Sequence[Example]) -> tuple[list[Prediction], float]:
        """Predictions for validation rows, and the mean log-loss of their tokens' tags."""
        rows, texts = self.rows(examples)
        logits = read(self.encoder, rows, "token")
        loss, tags = 0.0, 0
        for row, table in zip(rows, logits, strict=True):
            wanted = np.array(row.wanted)
            asked = np.flatnonzero(wanted != IGNORED)
            scores = table[asked]
            peak = scores.max(1, keepdims=True)
            total = np.log(np.exp(scores - peak).sum(1)) + peak[:, 0]
            loss += float((total - scores[np.arange(len(asked)), wanted[asked]]).sum())
            tags += len(asked)
        return self.marked(examples, texts, logits), loss / max(1, tags)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """What it marked, written as the task writes it."""
        if not examples:
            return []
        rows, texts = self.rows([row.without_target() for row in examples])
        tell = self.setting.report
        logits = read(self.encoder, rows, "token", lambda done, total: tell(done, total, {}))
        return self.marked(examples, texts, logits)

    def marked(
        self, examples: Sequence[Example], texts: Sequence[list[Window]], logits: Sequence[Table]
    ) -> list[Prediction]:
        """The spans of every text, from the logits of its windows."""
        task, labels = self.setting.task, self.setting.labels
        writes, left = READERS[task.name][1], iter(logits)
        predictions = []
        for example, parts in zip(examples, texts, strict=True):
            spans = [span for part in parts for span in spans_of(part, next(left).argmax(-1), labels)]
            raw = task.format(writes([(span.kind, example.input[span.start : span.end]) for span in spans]))
            value = task.parse(raw, labels)
            status: Status = "parsed" if value is not None else "unparseable"
            predictions.append(Prediction(example_id=example.id, value=value, raw=raw, status=status))
        return predictions

    def save(self, folder: Path) -> None:
        """Writes an ordinary transformers folder with the tags in its configuration."""
        save_headed(self.encoder, folder / "encoder")


def locate(text: str, pairs: Sequence[Pair]) -> list[Span]:
    """Where the words of each pair stand: after the one before, else anywhere; those not found are left out.

    >>> locate("Rome to Rome", [("city", "Rome"), ("city", "Rome")])
    [Span(kind='city', start=0, end=4), Span(kind='city', start=8, end=12)]
    """
    spans, cursor = [], 0
    folded = text.lower() if len(text.lower()) == len(text) else text
    for kind, words in pairs:
        sought = words.lower() if folded is not text else words
        place = folded.find(sought, cursor) if sought else -1
        if place < 0 and sought:
            place = folded.find(sought)
        if place >= 0:
            spans.append(Span(kind, place, place + len(words)))
            cursor = place + len(words)
    return spans


def tags_of(window: Window, spans: Sequence[Span], labels: Sequence[str]) -> tuple[int, ...]:
    """A tag per token: 0 outside, 1 + 2k first of kind k, 2 + 2k later; special tokens ignored."""
    tags = []
    started: set[Span] = set()
    for start, end in window.offsets:
        if start == end:
            tags.append(IGNORED)
            continue
        inside = next((span for span in spans if start < span.end and span.start < end), None)
        if inside is None or inside.kind not in labels:
            tags.append(0)
            continue
        tags.append(1 + 2 * labels.index(inside.kind) + (inside in started))
        started.add(inside)
    return tuple(tags)


def spans_of(window: Window, tags: Sequence[int], labels: Sequence[str]) -> list[Span]:
    """The spans that tags mark; a later token without a first one starts a span, as in CoNLL's script."""
    spans: list[Span] = []
    before = 0
    for (start, end), tag in zip(window.offsets, map(int, tags), strict=True):
        if start == end:
            continue
        kind, later = divmod(tag - 1, 2) if tag else (-1, 0)
        if tag and later and before and (before - 1) // 2 == kind:
            spans[-1] = spans[-1]._replace(end=end)
        elif tag:
            spans.append(Span(labels[kind], start, end))
        before = tag
    return spans


class Tagger(EncoderMethod):
    """Full fine-tuning of the embedding model with a token head."""

    name = "tagger"
    title = "encoder fine-tune, token head"
    answers: Answers = "texts"

    def unsuited(self, task: Task, labels: Sequence[str], rows: Sequence[Example]) -> str:
        """Why it cannot answer: it marks words of the text."""
        return "" if task.name in READERS else "it marks entities or fields, and this task has none"

    def fit(
        self,
        setting: Setting,
        parameters: EncoderParameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> FittedTagger:
        """Trains all weights; validation chooses the checkpoint."""
        tags = ["O", *(f"{part}-{label}" for label in setting.labels for part in "BI")]
        encoder = load_headed(setting.models["embedder"], "token", len(tags), setting.seed)
        encoder.model.config.id2label = dict(enumerate(tags))
        encoder.model.config.label2id = {tag: i for i, tag in enumerate(tags)}
        fitted = FittedTagger(setting, parameters, encoder)
        rows, _ = fitted.rows(train)
        reader = Reader(encoder, "token", self.name, setting.dtype)
        fitted.facts = fit_reader(setting, parameters, reader, rows, validation, fitted.judged)
        reads = READERS[setting.task.name][0]
        wanted = [(row.input, reads(str(row.target)) or []) for row in train]
        fitted.facts["values_not_in_text"] = sum(
            len(pairs) - len(locate(text, pairs)) for text, pairs in wanted
        )
        return fitted

    def load(self, setting: Setting, parameters: EncoderParameters, folder: Path) -> FittedTagger:
        """Reads the folder."""
        return FittedTagger(setting, parameters, load_headed(folder / "encoder", "token"))


PLUGIN = Tagger()
