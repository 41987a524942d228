"""What is measured of a candidate on some rows, each measurement kept under the hash of what decides it."""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tuneworthy.core.errors import DataError
from tuneworthy.core.example import Example, RowSet
from tuneworthy.core.hashing import address
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ModelRef
from tuneworthy.data.repeats import group_keys
from tuneworthy.data.splits import folds_of
from tuneworthy.methods import METHODS, Setting
from tuneworthy.metrics import METRICS
from tuneworthy.models.states import Kind, States
from tuneworthy.runfolder.folder import to_json, write_bytes, write_text
from tuneworthy.search.evidence import fit_linear
from tuneworthy.tasks import TASKS
from tuneworthy.tasks._prompted import with_prompt
from tuneworthy.units.implementation import digest_of, implementation
from tuneworthy.units.plan import Question

READ_ROWS: dict[Kind, int] = {"decoder": 64, "encoder": 12}  # an encoder runs once a token
FOLDS = 5
PROMPTED_ROWS = 64


@dataclass(frozen=True)
class Candidate:
    """A base model on this machine, pinned by its digest.

    Attributes:
        name: what it is called in the ranking: of a folder its own name, where no other has that.
        folder: where it lies.
        ref: its digest.
        kind: whether it writes or only reads.
        typed: what the user called it, where that is another name.
    """

    name: str
    folder: Path
    ref: ModelRef
    kind: Kind
    typed: str | None = None


@dataclass(frozen=True)
class Probed:
    """A linear model on frozen states: a prediction for every row by a model that did not see it.

    Attributes:
        predictions: one per row, in the rows' order.
        evidence: LogME of the layer that explains all rows best, in nats per row.
        layer: that layer and how it is pooled, such as "mean@15".
    """

    predictions: tuple[Prediction, ...]
    evidence: float
    layer: str


class Measures:
    """Measures candidates on rows of one question, and keeps what it measured in a folder.

    Args:
        question: the task, labels and metric.
        seed: of folds and draws.
        folder: where measurements are kept; a second look costs nothing, also after a kill.
    """

    def __init__(self, question: Question, seed: int, folder: Path) -> None:
        self.question = question
        self._seed = seed
        self._folder = folder

    def tokens_per_word(self, candidate: Candidate, rows: Sequence[Example]) -> float:
        """Tokens over words set apart by white space: what a text costs, and how foreign it is."""

        def measure() -> float:
            from tuneworthy.models.token_counts import count_tokens

            texts = [row.input for row in rows]
            return sum(count_tokens(candidate.folder, texts)) / max(1, sum(len(t.split()) for t in texts))

        return float(self._kept("tokens_per_word", candidate, rows, measure))

    def bits_per_byte(self, candidate: Candidate, rows: Sequence[Example]) -> float | None:
        """Bits per byte on the first rows' texts; None where the folder has no head that says."""

        def measure() -> float | None:
            from tuneworthy.models import likelihood

            texts = [row.input for row in rows]
            if candidate.kind == "decoder":
                return likelihood.decoder_bits_per_byte(candidate.folder, texts)
            return likelihood.encoder_bits_per_byte(candidate.folder, texts)

        found = self._kept("bits_per_byte", candidate, rows[: READ_ROWS[candidate.kind]], measure)
        return None if found is None else float(found)

    def states(self, candidate: Candidate, rows: Sequence[Example]) -> States:
        """Pooled hidden states of the rows' texts, by layer and pooling."""
        key = {
            "measure": "states",
            "model": candidate.ref.digest,
            "implementation": digest_of("tuneworthy.models.states"),
            "texts": address([row.input for row in rows]),
        }
        file = self._folder / f"{address(key)}.npz"
        if not file.exists():
            from tuneworthy.models.states import pooled_states

            packed = io.BytesIO()
            arrays: dict[str, Any] = dict(pooled_states(candidate.folder, [row.input for row in rows]))
            np.savez(packed, **arrays)
            write_bytes(file, packed.getvalue())
        with np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}

    def probe(self, candidate: Candidate, rungs: Sequence[Sequence[Example]]) -> Probed:
        """A cross-validated linear probe on the states; the evidence chooses layer and penalty in each fold.

        Args:
            candidate: whose states.
            rungs: the rows, in the pieces in which their states are kept.
        """
        rows = [row for rung in rungs for row in rung]

        def measure() -> dict[str, Any]:
            pieces = [self.states(candidate, rung) for rung in rungs if rung]
            states = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
            predictions = cross_predict(states, rows, self.question.labels, self._seed)
            layer, whole = max(
                ((name, fit_linear(x, _members(rows, self.question.labels))) for name, x in states.items()),
                key=lambda item: item[1].evidence,
            )
            answers = [prediction.model_dump(mode="json") for prediction in predictions]
            return {"predictions": answers, "evidence": whole.evidence, "layer": layer}

        found = self._kept("probe", candidate, rows, measure)
        predictions = tuple(Prediction.model_validate(each) for each in found["predictions"])
        return Probed(predictions, float(found["evidence"]), str(found["layer"]))

    def zero_shot(self, candidate: Candidate, rows: Sequence[Example]) -> tuple[Prediction, ...]:
        """What the prompted model answers on half of the rows; the others choose its prior's correction."""
        rows = rows[:PROMPTED_ROWS]
        known, asked = rows[::2], rows[1::2]

        def measure() -> list[dict[str, Any]]:
            method = METHODS.get("zero_shot")
            setting = Setting(
                task=with_prompt(TASKS.get(self.question.task), self.question.prompt, self.question.labels),
                labels=self.question.labels,
                instruction=self.question.instruction,
                metric=METRICS.get(self.question.metric),
                seed=self._seed,
                dtype="float32",
                models={"prompter": candidate.folder},
                checkpoint=None,
                report=lambda done, total, facts: None,
            )
            fitted = method.fit(setting, method.Parameters(), known, [])
            found = fitted.predict([row.without_target() for row in asked])
            return [prediction.model_dump(mode="json") for prediction in found]

        found = self._kept("zero_shot", candidate, rows, measure)
        return tuple(Prediction.model_validate(each) for each in found)

    def _kept(
        self, measure: str, candidate: Candidate, rows: Sequence[Example], make: Callable[[], Any]
    ) -> Any:
        """The stored measurement, or a new one; its address holds model, rows, question and code."""
        key = {
            "measure": measure,
            "model": candidate.ref.digest,
            "implementation": self._implementation,
            "rows": RowSet.of(rows).address,
            "question": self.question.model_dump(mode="json"),
            "seed": self._seed,
        }
        file = self._folder / f"{address(key)}.json"
        if not file.exists():
            write_text(file, to_json(make()))
        return json.loads(file.read_text(encoding="utf-8"))

    @cached_property
    def _implementation(self) -> str:
        """The digest of the code that measures, that of the zero-shot method included."""
        prompted = implementation("zero_shot", self.question.task, self.question.metric)
        return address([digest_of("tuneworthy.search.measures"), prompted])


def cross_predict(
    states: States, rows: Sequence[Example], labels: Sequence[str], seed: int
) -> list[Prediction]:
    """Every row predicted once, by the layer and penalty of highest evidence on the other folds' rows.

    Raises:
        DataError: all rows are one group.
    """
    folds = min(FOLDS, len(set(group_keys(rows))))
    if folds < 2:
        raise DataError(
            f"the {len(rows)} training rows are one group, so none can be held out to rank models on: name "
            "another --group column."
        )
    members, found = _members(rows, labels), dict[int, Prediction]()
    for fold in folds_of(rows, folds, seed):
        held = sorted(fold)
        fitted = sorted(set(range(len(rows))) - fold)
        linear = {name: fit_linear(x[fitted], members[fitted]) for name, x in states.items()}
        best = max(linear, key=lambda name: linear[name].evidence)
        for place, scores in zip(held, linear[best].scores(states[best][held]), strict=True):
            found[place] = Prediction(example_id=rows[place].id, value=labels[int(scores.argmax())])
    return [found[place] for place in range(len(rows))]


def _members(rows: Sequence[Example], labels: Sequence[str]) -> Any:
    """1 where a row has a label, else 0, shape [rows, labels]."""
    return np.array([[float(row.target == label) for label in labels] for row in rows])
