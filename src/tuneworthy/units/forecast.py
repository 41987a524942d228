"""What a job's fits will take, before anything runs: each method's variants, their peak and their minutes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import torch

from tuneworthy.core.forecast import PlannedFit
from tuneworthy.core.job import Job
from tuneworthy.data.splits import choose_protocol
from tuneworthy.engine.encoding import EncodedRow, shared_prefix
from tuneworthy.engine.loss import WIDTH_MULTIPLE
from tuneworthy.engine.packing import pack
from tuneworthy.engine.passes import packed_pass, padded_pass
from tuneworthy.engine.recipe import default_epochs, default_steps
from tuneworthy.methods import METHODS
from tuneworthy.methods._reading import EncoderParameters, make_recipe
from tuneworthy.methods.lora import LABEL_RANK, TEXT_RANK
from tuneworthy.models.activations import Device
from tuneworthy.models.machines import Machine
from tuneworthy.models.memory import GIB, peak, weight_bytes
from tuneworthy.models.padded import TOKENS_PER_BATCH as READ_TOKENS
from tuneworthy.models.shape import Shape
from tuneworthy.models.way import Method, Pass, Way, way_of
from tuneworthy.models.work import Load, operations
from tuneworthy.units.plan import validated_parameters

DECODERS: tuple[Method, ...] = get_args(Method)  # from the most precise to the smallest
ENCODERS = ("encoder", "tagger", "span")
READERS = ("probe",)
PLANNED = (*DECODERS, *ENCODERS, *READERS)
DRAWN = 4  # batches whose mean is an update's work
READS_OF_WEIGHTS = 3  # a pass reads them forward, into activations, and into gradients or again


@dataclass(frozen=True, slots=True)
class Planner:
    """A job as a plan sees it.

    Attributes:
        job: what to do.
        rows: its longest rows as tokens, the longest first: the peak is theirs.
        typical: some of its rows, drawn at random: the minutes are theirs.
        sizes: training rows of each fit, the final one last; see `fit_sizes`.
        writes: whether the answers are texts.
    """

    job: Job
    rows: tuple[EncodedRow, ...]
    typical: tuple[EncodedRow, ...]
    sizes: tuple[int, ...]
    writes: bool

    def fits(self, method: str, model: str, shape: Shape, machine: Machine) -> Iterator[PlannedFit]:
        """Every variant of a method, with as many rows at a time as the engine would take."""
        given = self.parameters(method)
        for way in ways(method, given, machine.precision, self.writes):
            for together, one in self._passes(method, given, shape, machine.device):
                split = peak(shape, way, one, machine.device)
                eight = (way.optimizer,) if way.optimizer != "adamw" else ()
                yield PlannedFit(
                    method=method,
                    model=model,
                    precision=way.kept,
                    options=(*eight, "checkpointing") if way.checkpointing else eight,
                    rows_per_pass=together,
                    memory_gib={name: round(size / GIB, 3) for name, size in split.parts().items()},
                    total_gib=round(split.total / GIB, 3),
                    moment=split.moment,
                    fits=split.fits(machine.memory),
                    minutes=self._minutes(method, given, way, shape, together, machine),
                )

    def parameters(self, method: str) -> dict[str, Any]:
        """The method's own in this job; lora's for a variant of it that is not built in."""
        known = method if method in METHODS.names() else "lora"
        return validated_parameters(METHODS.get(known), self.job)

    def _batch(self, given: dict[str, Any]) -> int:
        return min(int(given.get("batch", 1)), min(self.sizes), len(self.rows), len(self.typical))

    def _passes(
        self, method: str, given: dict[str, Any], shape: Shape, device: Device
    ) -> Iterator[tuple[int, Pass]]:
        """The largest pass of 1, 2, 4, ... rows, as far as `batch` and `tokens_per_batch` go."""
        if method in READERS:
            longest = min(max(map(self._read, self.rows)), shape.context)
            together = max(1, READ_TOKENS // longest)
            yield together, Pass(tokens=together * longest)
            return
        batch, together = self._batch(given), 1
        while together <= batch:
            one = self._pass(method, given, shape, device, self.rows[:together], -(-batch // together))
            if together > 1 and one.tokens > int(given["tokens_per_batch"]):
                return
            yield together, one
            together *= 2

    def _pass(
        self,
        method: str,
        given: dict[str, Any],
        shape: Shape,
        device: Device,
        rows: Sequence[EncodedRow],
        pieces: int,
    ) -> Pass:
        if method in ENCODERS:
            limit = min(int(given["max_input_tokens"]), shape.context)
            return padded_pass([min(self._read(row), limit) for row in rows], pieces=pieces)
        if not shape.packed:
            answer = max(len(row.answer) for row in rows) + 1
            return padded_pass([row.length for row in rows], answer, pieces, WIDTH_MULTIPLE)
        return packed_pass(rows, pieces, blocks=device == "cpu")

    def _minutes(
        self, method: str, given: dict[str, Any], way: Way, shape: Shape, together: int, machine: Machine
    ) -> float | None:
        """Minutes of all fits, training alone: the slower of multiplying and of reading the weights."""
        rate = machine.rates.get("float32" if way.width == 4 else "bfloat16")
        if rate is None:
            return None
        flop, passes = self._work(method, given, way, shape, together)
        seconds = flop / rate
        if machine.bandwidth is not None:
            read = READS_OF_WEIGHTS * weight_bytes(shape, way.base, way.width)
            seconds = max(seconds, passes * read / machine.bandwidth)
        return round(seconds / 60, 4)

    def _work(
        self, method: str, given: dict[str, Any], way: Way, shape: Shape, together: int
    ) -> tuple[float, int]:
        """FLOP of all fits, and the passes they take."""
        if method in READERS:
            mean = float(np.mean([min(self._read(row), shape.context) for row in self.typical]))
            tokens = self.sizes[-1] * mean
            return operations(shape, way, Load(tokens, tokens * mean, 0)), max(1, round(tokens / READ_TOKENS))
        steps = sum(self._steps(method, given, size, shape) for size in self.sizes)
        batch = self._batch(given)
        passes = steps * -(-batch // together)
        if method in ENCODERS:
            limit = min(int(given["max_input_tokens"]), shape.context)
            lengths = [min(self._read(row), limit) for row in self.typical]
            load = Load(batch * float(np.mean(lengths)), batch * float(np.mean(np.square(lengths))), 0)
        else:
            load = self._update(batch, together)
        return steps * operations(shape, way, load), passes

    def _steps(self, method: str, given: dict[str, Any], rows: int, shape: Shape) -> int:
        """Updates of one fit on so many rows, as the arm's own recipe has them."""
        if method in ENCODERS:
            parameters = METHODS.get(method).Parameters.model_validate(given)
            assert isinstance(parameters, EncoderParameters)
            return make_recipe(parameters, rows, shape.hidden, 0, True).steps
        batch = min(int(given["batch"]), rows)
        steps = given["steps"] or default_steps(rows, batch, given["epochs"] or default_epochs(rows, batch))
        return min(int(steps), int(given["max_steps"] or steps))

    def _read(self, row: EncodedRow) -> int:
        """Tokens of a row that an encoder reads: not what all prompts share, nor the answer."""
        return max(1, len(row.prompt) - self._shared)

    @property
    def _shared(self) -> int:
        return shared_prefix([row.prompt for row in (*self.rows, *self.typical)])

    def _update(self, batch: int, together: int) -> Load:
        """The mean load of an update over a few drawn batches, cut into passes of so many rows."""
        rng = np.random.default_rng(0)
        loads = []
        for _ in range(DRAWN):
            drawn = [self.typical[i] for i in rng.choice(len(self.typical), batch, replace=False)]
            drawn.sort(key=lambda row: row.prompt)
            loads += [_load(drawn[at : at + together]) for at in range(0, batch, together)]
        return Load(
            tokens=sum(load.tokens for load in loads) / DRAWN,
            pairs=sum(load.pairs for load in loads) / DRAWN,
            supervised=sum(load.supervised for load in loads) / DRAWN,
        )


def fit_sizes(job: Job, rows: int, has_test: bool) -> tuple[int, ...]:
    """Training rows of every fit of a job: one for each fold, and the final one on all rows."""
    if choose_protocol(job.protocol, rows, has_test) == "crossfit":
        measured, times = rows * (1 - 1 / job.folds), job.folds
    else:
        measured, times = rows * (1 if has_test else 1 - job.test_fraction), 1
    return (*[max(1, round(measured * (1 - job.validation_fraction)))] * times, rows)


def ways(method: str, given: dict[str, Any], precision: str, writes: bool) -> Iterator[Way]:
    """Every variant of a method, the fastest first.

    Args:
        method: the arm.
        given: its parameters in the job.
        precision: what the machine trains in.
        writes: whether the answers are texts.
    """
    decoder = next((known for known in DECODERS if known == method), None)
    if decoder is None:
        yield Way("nothing" if method in READERS else "all", "float32")
        return
    rank = int(given.get("rank") or (TEXT_RANK if writes else LABEL_RANK))
    way = way_of(decoder, precision == "bfloat16", rank)
    variants = [way, replace(way, optimizer="adamw_8bit")] if method == "full" else [way]
    for variant in variants:
        yield variant
        yield replace(variant, checkpointing=True)


def _load(piece: Sequence[EncodedRow]) -> Load:
    """What one packed pass computes: of attention only what the mask allows."""
    tree = pack(piece)
    seen = int((tree.ends - torch.arange(len(tree.ends))).sum())
    return Load(len(tree.tokens), seen, len(tree.targets))
