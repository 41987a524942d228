"""Tagger: an encoder with a token head that marks entities, or the values of a record's fields."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ArmKind, ModelRole
from tuneworthy.engine.reader import IGNORED, Reader, ReadRow, read
from tuneworthy.methods import Answers, Setting
from tuneworthy.methods._reading import EncoderParameters, Window, fit_reader, windows
from tuneworthy.methods._tuning import frozen_training, training_facts
from tuneworthy.metrics._entities import entities_of
from tuneworthy.metrics._records import record_of
from tuneworthy.models.headed import HeadedEncoder, load_headed, save_headed
from tuneworthy.tasks import Task

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

    def rows(self, examples: Sequence[Example], learn: bool) -> tuple[list[ReadRow], list[list[Window]]]:
        """Windows as rows, with their tags when they are learned from, and the windows of each example."""
        reads = READERS[self.setting.task.name][0]
        rows, texts = [], []
        for example in examples:
            parts = windows(self.encoder, example.input, self.parameters.max_input_tokens)
            texts.append(parts)
            wanted = reads(str(example.target)) if learn else None
            spans = locate(example.input, wanted or [])
            for part in parts:
                tags = tags_of(part, spans, self.setting.labels) if learn else ()
                rows.append(ReadRow(example.id, part.tokens, tags))
        return rows, texts

    def judged(self, examples: Sequence[Example]) -> tuple[list[Prediction], float]:
        """Predictions for validation rows, and the mean log-loss of their tokens' tags."""
        rows, _ = self.rows(examples, learn=True)
        loss, tags = 0.0, 0
        for row, logits in zip(rows, read(self.encoder, rows, "token"), strict=True):
            wanted = np.array(row.wanted)
            asked = np.flatnonzero(wanted != IGNORED)
            scores = logits[asked]
            peak = scores.max(1, keepdims=True)
            total = np.log(np.exp(scores - peak).sum(1)) + peak[:, 0]
            loss += float((total - scores[np.arange(len(asked)), wanted[asked]]).sum())
            tags += len(asked)
        return self.answer(examples, report=False), loss / max(1, tags)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """What it marked, written as the task writes it."""
        return self.answer(examples, report=True) if examples else []

    def answer(self, examples: Sequence[Example], report: bool) -> list[Prediction]:
        """The spans of every text."""
        task, labels = self.setting.task, self.setting.labels
        rows, texts = self.rows([row.without_target() for row in examples], learn=False)
        tell = self.setting.report if report else lambda done, total, facts: None
        logits = iter(read(self.encoder, rows, "token", lambda done, total: tell(done, total, {})))
        writes = READERS[task.name][1]
        predictions = []
        for example, parts in zip(examples, texts, strict=True):
            spans = [span for part in parts for span in marked(part, next(logits).argmax(-1), labels)]
            raw = task.format(writes([(span.kind, example.input[span.start : span.end]) for span in spans]))
            value = task.parse(raw, labels)
            status = "parsed" if value is not None else "unparseable"
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


def marked(window: Window, tags: Sequence[int], labels: Sequence[str]) -> list[Span]:
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


class Tagger:
    """Full fine-tuning of the embedding model with a token head."""

    name = "tagger"
    title = "encoder fine-tune, token head"
    kind: ArmKind = "tuned"
    models: tuple[ModelRole, ...] = ("embedder",)
    answers: Answers = "texts"
    Parameters = EncoderParameters

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
        rows, _ = fitted.rows(train, learn=True)
        reader = Reader(encoder, "token", self.name)
        outcome, recipe = fit_reader(setting, parameters, reader, rows, validation, fitted.judged)
        fitted.facts = training_facts(outcome, recipe, [row.length for row in rows])
        reads = READERS[setting.task.name][0]
        wanted = [(row.input, reads(str(row.target)) or []) for row in train]
        missing = sum(len(pairs) - len(locate(text, pairs)) for text, pairs in wanted)
        fitted.facts |= {"metric": setting.metric.name, "dtype": "float32", "values_not_in_text": missing}
        return fitted

    def freeze(
        self,
        parameters: EncoderParameters,
        facts: Sequence[dict[str, Any]],
        rows: Sequence[int],
        all_rows: int,
    ) -> EncoderParameters:
        """Steps = median kept step of the folds, scaled by rows; the learning rate they ran with."""
        return parameters.model_copy(update=frozen_training(facts, rows, all_rows))

    def load(self, setting: Setting, parameters: EncoderParameters, folder: Path) -> FittedTagger:
        """Reads the folder."""
        return FittedTagger(setting, parameters, load_headed(folder / "encoder", "token"))


PLUGIN = Tagger()
