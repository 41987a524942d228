"""encoder: a fine-tuned encoder with its head, as the ordinary transformers folder that pipelines load."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.engine.reader import ReadRow, read
from tuneworthy.exporters import Exporter, Given, Side, Subject, Tolerance
from tuneworthy.exporters.asking import ask
from tuneworthy.methods._reading import Window
from tuneworthy.methods.encoder import FittedEncoder, naming_of
from tuneworthy.methods.span import STRIDE, FittedSpan, question_and_text
from tuneworthy.methods.tagger import FittedTagger
from tuneworthy.models.headed import Head, HeadedEncoder

HEADS: dict[str, Head] = {"encoder": "sequence", "tagger": "token", "span": "span"}
CLASSES = {
    "sequence": ("AutoModelForSequenceClassification", "text-classification"),
    "token": ("AutoModelForTokenClassification", "token-classification"),
    "span": ("AutoModelForQuestionAnswering", ""),
}
NATS = 0.01  # the head is kept in float32
Fitted = FittedEncoder | FittedTagger | FittedSpan
Answered = tuple[list[Prediction], list[dict[str, float]]]


class Encoder:
    """Weights as they were fitted, labels in the configuration, the length of inputs in the tokenizer's."""

    name = "encoder"
    title = "encoder with its head (safetensors)"
    variants: tuple[str, ...] = ()

    def unsuited(self, subject: Subject) -> str:
        """Only the arms that fine-tune an encoder with a head have such a folder."""
        if subject.refit.arm in HEADS and (subject.refit.model / "encoder" / "config.json").exists():
            return ""
        return (
            f"it holds a fine-tuned encoder with its head, which {subject.refit.unit.method} does not make: "
            f"export an arm among {', '.join(HEADS)}"
        )

    def write(self, subject: Subject, folder: Path) -> None:
        """The saved folder, and where inputs are cut: `truncation=True` then does what the fit did."""
        shutil.copytree(subject.refit.model / "encoder", folder, dirs_exist_ok=True)
        _edit(folder / "tokenizer_config.json", model_max_length=_limit(subject))
        if subject.refit.arm == "encoder":
            several = subject.refit.setting.task.open
            kind = "multi_label_classification" if several else "single_label_classification"
            _edit(folder / "config.json", problem_type=kind)

    def expected(self, subject: Subject, rows: Sequence[Example]) -> Side:
        """The fit's answers, its windows' tokens, and its log-probabilities."""
        fitted = cast(Fitted, subject.refit.fitted)
        asked = [row.without_target() for row in rows]
        read_rows, texts = _read_rows(fitted, asked)
        logits = read(fitted.encoder, read_rows, HEADS[subject.refit.arm])
        windows = [[row.tokens for row in read_rows if row.example_id == one.id] for one in asked]
        predictions, scores = _answers(fitted, rows, texts, logits)
        tokenizer = fitted.encoder.tokenizer
        traits = {
            "labels": _labels(fitted.encoder),
            "special_tokens": {name: str(token) for name, token in tokenizer.special_tokens_map.items()},
        }
        return Side(_given(predictions, scores, windows), traits)

    def found(self, subject: Subject, folder: Path, rows: Sequence[Example]) -> Side:
        """What transformers makes of the rows with this folder; a sequence head through its pipeline."""
        arm = subject.refit.arm
        request = {
            "folder": str(folder),
            "head": HEADS[arm],
            "texts": [_texts(arm, row) for row in rows],
            "limit": _limit(subject),
            "stride": min(STRIDE, _limit(subject) // 4) if arm == "span" else 0,
        }
        reply = ask("encoder", request, "what was written")
        fitted = _without_weights(subject)
        if arm == "encoder":
            predictions, scores = _named(subject, reply, rows)
        else:
            parts = [[_window(one) for one in row["windows"]] for row in reply["rows"]]
            logits = [np.array(one["logits"]) for row in reply["rows"] for one in row["windows"]]
            predictions, scores = _answers(fitted, rows, parts, logits)
        windows = [[tuple(one["tokens"]) for one in row["windows"]] for row in reply["rows"]]
        traits = {name: reply[name] for name in ("labels", "special_tokens")}
        return Side(_given(predictions, scores, windows), traits, reply["precision"])

    def tolerance(self, subject: Subject, precision: str) -> Tolerance:
        """Nothing is rounded."""
        return Tolerance(nats=NATS)

    def usage(self, subject: Subject) -> str:
        """The pipeline, where there is one for the head."""
        kind, tag = CLASSES[HEADS[subject.refit.arm]]
        if subject.refit.arm == "encoder":
            return f"""```python
from transformers import pipeline

classify = pipeline("{tag}", model="THIS FOLDER", top_k=None)
print(classify("YOUR TEXT", truncation=True))
```{_thresholds(subject)}"""
        if subject.refit.arm == "tagger":
            return f"""```python
from transformers import pipeline

mark = pipeline("{tag}", model="THIS FOLDER", aggregation_strategy="simple")
print(mark("YOUR TEXT"))
```"""
        return f"""```python
from transformers import AutoTokenizer, {kind}

folder = "THIS FOLDER"
tokenizer, model = AutoTokenizer.from_pretrained(folder), {kind}.from_pretrained(folder)
text = "THE TEXT"
encoded = tokenizer("THE QUESTION", text, return_tensors="pt", return_offsets_mapping=True)
places = encoded.pop("offset_mapping")[0]
ends = model(**encoded)
first, last = int(ends.start_logits.argmax()), int(ends.end_logits.argmax())
print(text[places[first][0]:places[last][1]])
```"""


def _edit(file: Path, **fields: Any) -> None:
    stored = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**stored, **fields}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _limit(subject: Subject) -> int:
    """Tokens of an input at most: what the fit was told, or what the model reads."""
    own = subject.refit.unit.parameters
    asked = int(own.get("settings", own)["max_input_tokens"])
    return min(asked, cast(Fitted, subject.refit.fitted).encoder.max_length)


def _texts(arm: str, row: Example) -> list[str]:
    question, text = question_and_text(row.input) if arm == "span" else ("", row.input)
    return [question, text] if question else [text]


def _read_rows(fitted: Fitted, rows: Sequence[Example]) -> tuple[list[ReadRow], list[list[Window]]]:
    """What the model reads of each row; windows are kept where a head needs their offsets."""
    if isinstance(fitted, FittedEncoder):
        return fitted.rows(rows), []
    return fitted.rows(rows)


def _answers(
    fitted: Fitted, rows: Sequence[Example], texts: Sequence[list[Window]], logits: Sequence[Any]
) -> Answered:
    """Answers and log-probabilities from logits."""
    if isinstance(fitted, FittedEncoder):
        table = fitted.naming.probabilities(np.stack(logits))
        labels = fitted.setting.labels
        shares = [dict(zip(labels, np.log(np.clip(line, 1e-30, 1)).tolist(), strict=True)) for line in table]
        return fitted.naming.predictions(rows, table), shares
    if isinstance(fitted, FittedTagger):
        predictions = fitted.marked(rows, texts, list(logits))
    else:
        predictions = fitted.pointed(rows, texts, list(logits))
    left = iter(logits)
    scores = [_flat([_log_softmax(next(left), fitted) for _ in parts]) for parts in texts]
    return predictions, scores


def _log_softmax(logits: Any, fitted: Fitted) -> Any:
    peak = logits.max(-1, keepdims=True)
    return logits - peak - np.log(np.exp(logits - peak).sum(-1, keepdims=True))


def _flat(tables: Sequence[Any]) -> dict[str, float]:
    values = np.concatenate([table.ravel() for table in tables])
    return {str(number): float(value) for number, value in enumerate(values)}


def _given(
    predictions: Sequence[Prediction],
    scores: Sequence[dict[str, float]],
    windows: Sequence[Sequence[tuple[int, ...]]],
) -> tuple[Given, ...]:
    tokens = [tuple(token for window in parts for token in window) for parts in windows]
    triples = zip(predictions, scores, tokens, strict=True)
    return tuple(Given(p.value, score, tokens=ids) for p, score, ids in triples)


def _labels(encoder: HeadedEncoder) -> list[str]:
    found = encoder.model.config.id2label
    return [str(found[number]) for number in sorted(found, key=int)]


def _window(stored: dict[str, Any]) -> Window:
    return Window(tuple(stored["tokens"]), tuple((a, b) for a, b in stored["offsets"]))


def _without_weights(subject: Subject) -> Fitted:
    """What turns logits into answers; it has no model, and needs none."""
    refit = subject.refit
    nobody = cast(HeadedEncoder, None)
    if refit.arm == "tagger":
        return FittedTagger(refit.setting, refit.parameters, nobody)
    config = json.loads((refit.model / "encoder" / "config.json").read_text(encoding="utf-8"))
    facts = {name: config.get(name) for name in ("longest_answer_tokens", "no_answer_rows")}
    return FittedSpan(refit.setting, refit.parameters, nobody, facts)


def _named(subject: Subject, reply: dict[str, Any], rows: Sequence[Example]) -> Answered:
    """The pipeline's probabilities by label, and what is answered by them."""
    setting = subject.refit.setting
    stored = json.loads((subject.refit.model / "encoder.json").read_text(encoding="utf-8"))
    table = np.array([[row["scores"].get(label, 0.0) for label in setting.labels] for row in reply["rows"]])
    scores = [
        dict(zip(setting.labels, np.log(np.clip(line, 1e-30, 1)).tolist(), strict=True)) for line in table
    ]
    return naming_of(setting, stored.get("threshold")).predictions(rows, table), scores


def _thresholds(subject: Subject) -> str:
    """From which probability a label is given, where a text may have several."""
    if not subject.refit.setting.task.open:
        return ""
    stored = json.loads((subject.refit.model / "encoder.json").read_text(encoding="utf-8"))
    shown = json.dumps(stored["threshold"], ensure_ascii=False)
    return f"\n\nA label is given from this probability on:\n\n```json\n{shown}\n```"


PLUGIN: Exporter = Encoder()
