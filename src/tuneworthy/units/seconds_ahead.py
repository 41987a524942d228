"""How long a unit will take, before it runs: arithmetic on its tokens, at the rate of this machine.

A forecast of this kind is off by a factor of two either way. What counts is the order of sizes: units that
have run in the meantime put it right (`budgeting`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from tuneworthy.core.errors import ModelError
from tuneworthy.core.example import Example
from tuneworthy.core.job import Job
from tuneworthy.core.unit import ModelRole, Unit
from tuneworthy.data.splits import Split
from tuneworthy.engine.encoding import shared_prefix
from tuneworthy.methods import METHODS, Adapting
from tuneworthy.models.machines import Machine, this_machine, with_rates
from tuneworthy.models.shape import Shape, shape_of_folder
from tuneworthy.models.way import Way
from tuneworthy.models.work import Load, operations
from tuneworthy.units.fit_counts import fit_counts
from tuneworthy.units.forecast import PLANNED, Planner, role_of
from tuneworthy.units.plan import NOTHING, Question
from tuneworthy.units.reading_ahead import Reading, reading_fits, reading_of
from tuneworthy.units.rows_ahead import rows_ahead

PLAIN_S = 2.0  # of an arm without a model: its inner selection on a few hundred rows
LOADED_S = 3.0  # until a model stands in memory
REQUEST_S = 1.0  # of an endpoint
UNKNOWN_S = 60.0  # of a fit of which nothing can be foreseen
VALIDATION = 0.15  # of a fine-tune's training, spent on looking how it does twice an epoch (ours)
GENERAL = (9000.0, 480.0)  # tokens of `capabilities` that a model reads, and writes at most
GENERAL_LENGTH = 100.0  # of its texts
WRITING = 6.0  # a token that is written takes the time of so many that are read together (ours)


@dataclass(frozen=True)
class Foresight:
    """What a run's units are made of.

    Attributes:
        planner: the job's rows as tokens, and the arithmetic of its fits.
        shapes: of the models that could be read, by role.
        split: which rows a unit fits and predicts.
        machine: with its rates on one thread.
        reading: of unlabelled text.
        known: seconds worked out before.
    """

    planner: Planner
    shapes: Mapping[ModelRole, Shape]
    split: Split
    machine: Machine
    reading: Reading | None = None
    known: dict[tuple[object, ...], float] = field(default_factory=dict, compare=False)

    def seconds(self, unit: Unit) -> float:
        """Of one unit on its own threads; units alike in all that takes time are worked out once."""
        counts = self._count(unit.fit), self._count(unit.predict)
        key = (unit.method, repr(unit.parameters), counts, unit.threads, unit.dtype)
        if key not in self.known:
            self.known[key] = self._seconds(unit)
        return self.known[key]

    def on_all_rows(self, unit: Unit, threads: int) -> Unit:
        """About what an arm's final fit is: its settings may be others, which its folds have yet to tell."""
        final = {"purpose": "refit", "fit": self.split.everything, "predict": NOTHING, "threads": threads}
        return unit.model_copy(update=final)

    def _seconds(self, unit: Unit) -> float:
        if unit.purpose == "adapt":
            return LOADED_S + self._read_on(unit)
        if unit.purpose == "forgetting":
            return LOADED_S + self._general(unit)
        method, name = METHODS.get(unit.method), unit.method
        if isinstance(method, Adapting):
            name = str(unit.parameters["then"])
            method = METHODS.get(name)
        if not method.models:
            return PLAIN_S if method.kind != "baseline" else 0.0
        shape = self.shapes.get(method.models[0])
        predicted = self._count(unit.predict)
        if shape is None:
            return LOADED_S + REQUEST_S * predicted if method.kind == "prompt" else UNKNOWN_S
        if method.kind == "prompt":
            return LOADED_S + self._read(unit, shape, *self._prompted(unit, predicted))
        trained = self._fit(name, unit, shape)
        looks = 1 + VALIDATION if method.kind == "tuned" else 1.0
        answered = self._read(unit, shape, predicted * (self._own + self._answers), predicted)
        return LOADED_S + (UNKNOWN_S if trained is None else trained * looks + answered)

    def _count(self, rows: str) -> int:
        return 0 if rows == NOTHING else len(self.split.rows(rows))

    def _prompted(self, unit: Unit, predicted: int) -> tuple[float, float]:
        """Tokens that a prompting arm reads, and the rows they are of; rows that calibrate among them."""
        given = unit.parameters
        calibrating = min(int(given.get("calibration_rows") or 0), self._count(unit.fit))
        shown = int(given.get("k") or 0) * self._own
        if unit.method == "decision":  # each order of the options is a prompt of its own
            return predicted * int(given["orders"]) * (self._own + self._answers), predicted
        own = self._own + self._answers
        everywhere = shown if unit.method == "knn_shot" else 0.0  # the others share what they show
        return predicted * (own + everywhere) + calibrating * (own + shown), predicted + calibrating

    def _read(self, unit: Unit, shape: Shape, tokens: float, rows: float) -> float:
        """Seconds of reading so many tokens, and of writing an answer where answers are texts."""
        if not rows:
            return 0.0
        rate = self._rate(unit, "float32")
        each = tokens / rows
        labels = 1.0 if self.planner.writes else max(1.0, self._answers)
        scored = 0.0 if shape.encoder else rows * labels
        reading = operations(shape, Way("nothing", "float32"), Load(tokens, tokens * each, scored))
        if not self.planner.writes or shape.encoder:
            return reading / rate
        written = rows * self._answer
        writing = operations(shape, Way("nothing", "float32"), Load(written, written * each, written))
        return (reading + WRITING * writing) / rate

    def _read_on(self, unit: Unit) -> float:
        """Seconds in which a base model reads unlabelled text."""
        if self.reading is None or (shape := self.shapes.get(role_of(self.reading.then))) is None:
            return UNKNOWN_S
        fits = list(reading_fits(self.reading, shape, self._on_threads(unit)))
        minutes = [fit.minutes for fit in fits if fit.minutes is not None]
        return 60 * min(minutes) if minutes else UNKNOWN_S

    def _general(self, unit: Unit) -> float:
        """Seconds of measuring what a model can do besides the task."""
        if (shape := self.shapes.get("decoder")) is None:
            return UNKNOWN_S
        read, written = (
            operations(shape, Way("nothing", "float32"), Load(tokens, tokens * GENERAL_LENGTH, tokens))
            for tokens in GENERAL
        )
        return (read + WRITING * written) / self._rate(unit, "float32")

    def _fit(self, method: str, unit: Unit, shape: Shape) -> float | None:
        """Seconds of training, or of reading and fitting a classifier; None where that cannot be planned."""
        if method not in PLANNED:
            return None
        rows = max(1, self._count(unit.fit))
        counts = replace(
            self.planner.counts, learned=rows, given=rows, everything=rows, folds=1, seeds={}, searches={}
        )
        one, machine = replace(self.planner, counts=counts), self._on_threads(unit)
        ways = [fit for fit in one.fits(method, role_of(method), shape, machine) if not fit.options]
        minutes = [fit.minutes for fit in ways if fit.minutes is not None]
        return 60 * min(minutes) / 2 if minutes else None  # the plan is of a measured fit and a final one

    def _on_threads(self, unit: Unit) -> Machine:
        """The machine as a unit has it."""
        rates = {name: self._rate(unit, name) for name in self.machine.rates}
        return self.machine.model_copy(update={"rates": rates})

    def _rate(self, unit: Unit, precision: str) -> float:
        """FLOP/s on a unit's threads."""
        rate = self.machine.rates.get(precision) or self.machine.rates["float32"]
        return rate if self.machine.device == "cuda" else rate * unit.threads

    @cached_property
    def _own(self) -> float:
        """Tokens of a row that no other row shares, the mean."""
        rows = self.planner.typical
        shared = shared_prefix([row.prompt for row in rows])
        return float(np.mean([max(1, len(row.prompt) - shared) for row in rows]))

    @cached_property
    def _answer(self) -> float:
        return float(np.mean([len(row.answer) for row in self.planner.typical]))

    @cached_property
    def _answers(self) -> float:
        """Tokens of all labels, which are scored after every row; of one answer where answers are texts."""
        if self.planner.writes:
            return self._answer
        return float(sum({row.answer: len(row.answer) for row in self.planner.typical}.values()))


def seconds_ahead(
    job: Job,
    question: Question,
    rows: Sequence[Example],
    split: Split,
    models: Mapping[ModelRole, Path],
    writes: bool,
    documents: Sequence[Example] = (),
) -> Foresight:
    """Takes this machine's rates, in half a second, and the job's rows as tokens.

    Args:
        job: what to do.
        question: what every row is asked.
        rows: the labelled ones.
        split: of the run.
        models: folders by role.
        writes: whether answers are texts.
        documents: unlabelled text that `adapt` reads before it is fitted.
    """
    longest, typical, _ = rows_ahead(job, question, rows, models.get("decoder"))
    planner = Planner(job, longest, typical, fit_counts(job, len(rows), split.protocol == "holdout"), writes)
    shapes: dict[ModelRole, Shape] = {}
    for role, folder in models.items():
        try:
            shapes[role] = shape_of_folder(folder)
        except (ModelError, OSError):
            continue  # an endpoint, or an architecture that cannot be planned
    reading = reading_of(job, [document.input for document in documents]) if documents else None
    return Foresight(planner, shapes, split, _one_thread(this_machine()), reading)


def _one_thread(machine: Machine) -> Machine:
    """The machine with its rates on one thread: where others work too, several wait for the slowest."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return with_rates(machine)
    finally:
        torch.set_num_threads(threads)
