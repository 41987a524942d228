"""What the three prompting arms share: score every label, correct the model's prior, answer.

Where answers are texts they are written instead (`_writing`); a model behind an endpoint writes every answer
(`_asking`).

Small models prefer some labels whatever the text says. A correction of that prior is tried on training rows
and kept when it answers more of them right; the raw scores stay in the predictions.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tuneworthy.core.endpoint import Endpoint
from tuneworthy.core.errors import JobError
from tuneworthy.core.example import Example
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.prediction import Prediction
from tuneworthy.engine.best_first import Offsets, best_labels
from tuneworthy.engine.encoding import cut_input, encode_fitting_prompt, encode_labels
from tuneworthy.engine.scoring import Progress, score_labels
from tuneworthy.methods import Report, Setting
from tuneworthy.methods._asking import CHARACTERS_PER_INPUT_TOKEN, ask_endpoint, longest_written
from tuneworthy.methods._constrained import schema_of
from tuneworthy.methods._writing import longest_answer, write_answers
from tuneworthy.metrics import METRICS, Metric, oriented
from tuneworthy.models.decoder import Decoder, shared_decoder
from tuneworthy.models.endpoint import read_endpoint
from tuneworthy.tasks import Schema
from tuneworthy.tasks._chats import gist, transcribed

Matrix = NDArray[np.float64]
Label = tuple[int, ...]
Correction = Literal["none", "length", "content_free", "batch"]
CORRECTIONS: tuple[Correction, ...] = ("none", "length", "content_free", "batch")
UNSHARED = "prompts_computed_one_by_one"  # the fact that says why the engine could not share what they share
CONTENT_FREE = ("N/A", "[MASK]", "...")  # Zhao et al. 2021, "Calibrate Before Use"
FEWEST_SHORT = 32  # short rows from which demonstrations are drawn; with fewer, long rows are shown in part
Demonstrate = Callable[[Example, bool], list[Example]]  # (row, is it a training row) -> demonstrations


class PromptParameters(Frozen):
    """Parameters of every prompting arm."""

    calibration_rows: int = Field(
        48, ge=0, description="training rows on which the prior correction is chosen; 0: no correction"
    )
    correction: Correction | None = Field(
        None,
        description="prior correction; default: chosen on training rows among none, length (mean per token), "
        "content_free (Zhao et al. 2021) and batch (Zhou et al. 2024)",
    )
    max_input_tokens: int = Field(
        1024,
        ge=16,
        description="longer inputs are cut, in tokens of the model; for an endpoint, four characters each",
    )
    max_answer_tokens: int | None = Field(
        None,
        ge=1,
        description="tokens of an answer that is written, a model's thoughts included (texts, and every "
        "answer of an endpoint); default: those of the longest training answer and a margin",
    )


def demonstrable(rows: Sequence[Example], longest: int, open: bool) -> list[Example]:
    """The rows that can be demonstrations: those of at most `longest` characters.

    Where hardly any row is that short, as with whole contracts, and answers are labels, longer rows are shown
    by their beginning: a label is told by a part of the text more often than an answer is found in it.
    """
    short = [row for row in rows if _fits(row, longest)]
    if open or len(short) >= min(FEWEST_SHORT, len(rows) / 2):
        return short
    return [
        row
        if _fits(row, longest)
        else row.model_copy(update={"input": row.input[:longest].rstrip() + " ..."})
        for row in rows
        if _fits(row, longest) or transcribed(row.input) is None  # a chat has no beginning to go by
    ]


def _fits(row: Example, longest: int) -> bool:
    return len(gist(row.input)) <= longest


@dataclass
class FittedPrompt:
    """A prompt, the correction of its prior, and where its demonstrations come from."""

    setting: Setting
    parameters: PromptParameters
    demonstrate: Demonstrate
    correction: Correction = "none"
    prior: Matrix = field(default_factory=lambda: np.zeros(0))
    facts: dict[str, Any] = field(default_factory=dict)
    longest: int = 0  # tokens of an answer at most, where answers are written
    schema: Schema | None = None  # what answers are held to, where they are JSON
    left_out: int = 0  # most demonstrations of one prompt that did not fit into the model's context

    @property
    def decoder(self) -> Decoder:
        """The model that is prompted, shared with other prompting arms of this process."""
        return shared_decoder(self.setting.models["prompter"], "float32")

    @property
    def endpoint(self) -> Endpoint | None:
        """The endpoint that is prompted in place of a decoder."""
        return read_endpoint(self.setting.models["prompter"])

    def score(self, rows: Sequence[Example], training: bool, report: bool) -> Matrix:
        """Raw scores [rows, labels]: summed log p(label, stop | prompt)."""
        prompts, labels = self.encode(rows, training)
        return score_labels(self.decoder, prompts, labels, quiet_unless(report, self.setting.report))

    def encode(self, rows: Sequence[Example], training: bool) -> tuple[list[list[int]], list[Label]]:
        """Token ids of each row's prompt, with the demonstrations that fit, and of each label."""
        setting, decoder = self.setting, self.decoder
        labels = encode_labels(decoder, setting.task, setting.instruction, setting.labels)
        return self.prompts(rows, training, max(map(len, labels))), labels

    def prompts(self, rows: Sequence[Example], training: bool, answer: int) -> list[list[int]]:
        """Token ids of each row's prompt, with the demonstrations that fit beside `answer` tokens."""
        setting, decoder = self.setting, self.decoder
        room = decoder.context_length - answer
        prompts = []
        for row in rows:
            text = cut_input(decoder, row.input, self.parameters.max_input_tokens)
            prompt, left_out = encode_fitting_prompt(
                decoder, setting.task, setting.instruction, text, self.demonstrate(row, training), room
            )
            prompts.append(prompt)
            self.left_out = max(self.left_out, left_out)
        return prompts

    def calibrate(self, candidates: Sequence[Example], known: Sequence[Example]) -> None:
        """Measures the priors, and chooses the correction on training rows (never in their own prompt).

        Where answers are texts there is no prior to correct; how long they are, and what form they have, is
        measured instead.

        Args:
            candidates: training rows that the correction may be chosen on.
            known: all training rows.

        Raises:
            JobError: the job asks for the batch prior but leaves no row to measure it on, or for any prior of
                an endpoint.
        """
        if (endpoint := self.endpoint) is not None:
            self._expect_texts(endpoint, candidates)
            return
        if self.setting.task.open:
            self.longest = self.parameters.max_answer_tokens or longest_answer(
                self.decoder, self.setting, known
            )
            self.schema = schema_of(self.setting, known)
            self.facts["longest_answer_tokens"] = self.longest
            return
        rng = np.random.default_rng([self.setting.seed, 1])
        count = min(self.parameters.calibration_rows, len(candidates))
        rows = [candidates[i] for i in sorted(rng.permutation(len(candidates))[:count])]
        free = [Example(id=f"free-{i}", input=text) for i, text in enumerate(CONTENT_FREE)]
        blank = self.score(free, training=False, report=False)
        flat = np.zeros(blank.shape[1])
        priors: dict[Correction, Matrix] = {
            "none": flat,
            "length": flat,
            "content_free": np.log(softmax(blank).mean(0)),
        }
        metric, scores = self.setting.metric, dict[Correction, float]()
        if rows:
            raw = self.score(rows, training=True, report=True)
            priors["batch"] = np.log(softmax(raw).mean(0))
            corrected = {name: self._corrected(raw, name, priors[name]) for name in CORRECTIONS}
            metric, scores = scored(self.setting, rows, raw, corrected)
        best = max(CORRECTIONS, key=lambda name: scores.get(name, 0.0))  # "none" without rows: it comes first
        chosen = self.parameters.correction or best
        if chosen not in priors:
            raise JobError(
                f"the {chosen} prior is measured on training rows: set calibration_rows above 0, or another "
                "correction."
            )
        self.correction, self.prior = chosen, priors[chosen]
        self.facts |= {
            "correction": chosen,
            "calibration_rows": len(rows),
            "training_scores": {
                name: round(float(oriented(metric, np.array(score))), 4) for name, score in scores.items()
            },
        }

    def _expect_texts(self, endpoint: Endpoint, candidates: Sequence[Example]) -> None:
        if self.parameters.correction not in (None, "none"):
            raise JobError(
                f"{endpoint.title} gives no label scores, so correction = '{self.parameters.correction}' has "
                "nothing to correct: leave it out."
            )
        self.longest = self.parameters.max_answer_tokens or longest_written(self.setting, candidates)
        self.facts |= {
            "endpoint": endpoint.title,
            "longest_answer_tokens": self.longest,
            "label_scores": "none: an endpoint writes its answer, so there is no prior to correct",
        }

    def _ask(self, endpoint: Endpoint, rows: Sequence[Example]) -> list[Prediction]:
        """What the endpoint writes for each row."""
        setting, most = self.setting, CHARACTERS_PER_INPUT_TOKEN * self.parameters.max_input_tokens
        chats = [
            setting.task.messages(setting.instruction, row.input[:most], self.demonstrate(row, False))
            for row in rows
        ]
        tell = quiet_unless(True, setting.report)
        predictions, usage = ask_endpoint(endpoint, setting, rows, chats, self.longest, tell)
        self.facts |= {**usage, "inputs_cut": sum(len(row.input) > most for row in rows)}
        return predictions

    def _corrected(self, raw: Matrix, correction: Correction, prior: Matrix) -> Matrix:
        if correction == "length":
            decoder, setting = self.decoder, self.setting
            labels = encode_labels(decoder, setting.task, setting.instruction, setting.labels)
            return np.asarray(raw / np.array([len(label) for label in labels]))
        return raw - prior if correction != "none" else raw

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """The label with the highest corrected score: an answer outside the labels is impossible.

        Where answers are texts, and where an endpoint is prompted, what the model writes.
        """
        if not examples:
            return []
        if (endpoint := self.endpoint) is not None:
            return self._ask(endpoint, examples)
        if self.setting.task.open:
            prompts = self.prompts(examples, training=False, answer=self.longest)
            self.facts["demonstrations_left_out"] = self.left_out
            if self.decoder.padded_because:
                self.facts[UNSHARED] = self.decoder.padded_because
            tell = quiet_unless(True, self.setting.report)
            return write_answers(
                self.decoder, self.setting, prompts, examples, self.longest, self.schema, tell
            )
        raw = self.score(examples, training=False, report=True)
        self.facts["demonstrations_left_out"] = self.left_out
        if self.decoder.padded_because:
            self.facts[UNSHARED] = self.decoder.padded_because
        return answers(examples, raw, self._corrected(raw, self.correction, self.prior), self.setting.labels)

    def predict_labels(self, examples: Sequence[Example]) -> list[Prediction]:
        """The same labels by best-first search, without the other labels' scores."""
        if self.setting.task.open or self.endpoint is not None:
            return self.predict(examples)
        prompts, labels = self.encode(examples, training=False)
        lengths = np.array([len(label) for label in labels], dtype=np.float64)
        offsets = Offsets(
            prior=self.prior if self.correction not in ("none", "length") else np.zeros(len(labels)),
            divisor=lengths if self.correction == "length" else np.ones(len(labels)),
        )
        tell = quiet_unless(True, self.setting.report)
        return named(examples, best_labels(self.decoder, prompts, labels, offsets, tell), self.setting.labels)

    def save_correction(self, folder: Path) -> None:
        """Writes the correction."""
        stored = {
            "correction": self.correction,
            "prior": list(self.prior),
            "longest": self.longest,
            "schema": self.schema,
        }
        (folder / "correction.json").write_text(json.dumps(stored), encoding="utf-8")

    def load_correction(self, folder: Path) -> None:
        """Reads the correction."""
        stored = json.loads((folder / "correction.json").read_text(encoding="utf-8"))
        self.correction, self.prior = stored["correction"], np.array(stored["prior"])
        self.longest, self.schema = stored.get("longest", 0), stored.get("schema")

    def save(self, folder: Path) -> None:
        """Writes the correction; arms with demonstrations write those too."""
        self.save_correction(folder)


def scored(
    setting: Setting, rows: Sequence[Example], raw: Matrix, corrected: dict[Correction, Matrix]
) -> tuple[Metric, dict[Correction, float]]:
    """What the answers of each correction score, the higher the better, and by which metric.

    By the primary metric, since it is what the arm is judged by; by accuracy where that has no value on these
    rows.
    """
    targets = [str(row.target) for row in rows]
    given = {name: answers(rows, raw, table, setting.labels) for name, table in corrected.items()}
    for metric in (setting.metric, METRICS.get("accuracy")):
        scores = {
            name: float(oriented(metric, metric.value(metric.parts(one, targets, setting.labels).sum(0))))
            for name, one in given.items()
        }
        if np.isfinite(list(scores.values())).all():
            break
    return metric, scores


def answers(
    examples: Sequence[Example], raw: Matrix, corrected: Matrix, labels: Sequence[str]
) -> list[Prediction]:
    """Predictions from raw and corrected scores, both [rows, labels]."""
    probabilities = softmax(corrected)
    return [
        Prediction(
            example_id=row.id,
            value=labels[int(p.argmax())],
            scores={label: round(float(v), 6) for label, v in zip(labels, p, strict=True)},
            log_scores={label: round(float(v), 4) for label, v in zip(labels, s, strict=True)},
        )
        for row, s, p in zip(examples, raw, probabilities, strict=True)
    ]


def named(examples: Sequence[Example], chosen: Sequence[int], labels: Sequence[str]) -> list[Prediction]:
    """Predictions from label numbers, without scores."""
    pairs = zip(examples, chosen, strict=True)
    return [Prediction(example_id=row.id, value=labels[index]) for row, index in pairs]


def quiet_unless(report: bool, told: Report) -> Progress:
    """The engine's progress, passed on or not."""
    return (lambda done, total: told(done, total, {})) if report else (lambda done, total: None)


def softmax(scores: Matrix) -> Matrix:
    """Rows of log scores to rows of probabilities."""
    exponential = np.exp(scores - scores.max(1, keepdims=True))
    return np.asarray(exponential / exponential.sum(1, keepdims=True))


def frozen_correction(facts: Sequence[dict[str, Any]]) -> Correction | None:
    """The correction most folds chose; None when none was chosen."""
    chosen = [fact["correction"] for fact in facts if "correction" in fact]
    return max(CORRECTIONS, key=chosen.count) if chosen else None


def save_examples(path: Path, examples: Sequence[Example]) -> None:
    """Demonstrations as JSON lines."""
    path.write_text("".join(row.model_dump_json() + "\n" for row in examples), encoding="utf-8")


def load_examples(path: Path) -> list[Example]:
    """Demonstrations from JSON lines."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return [Example.model_validate_json(line) for line in lines if line]
