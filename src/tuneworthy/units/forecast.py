"""What a job's fits will take, before anything runs: each method's variants, their peak and their minutes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, get_args

import numpy as np
import torch

from tuneworthy.core.forecast import PlannedFit
from tuneworthy.core.job import Job
from tuneworthy.core.unit import ModelRole
from tuneworthy.engine.encoding import EncodedRow, shared_prefix
from tuneworthy.engine.loss import WIDTH_MULTIPLE
from tuneworthy.engine.packing import pack
from tuneworthy.engine.passes import packed_pass, padded_pass
from tuneworthy.engine.recipe import default_epochs, default_steps
from tuneworthy.methods import METHODS
from tuneworthy.methods._reading import EncoderParameters, make_recipe
from tuneworthy.methods.lora import LABEL_RANK, TEXT_RANK
from tuneworthy.methods.setfit import pairs_per_row
from tuneworthy.models.activations import Device
from tuneworthy.models.contrastive import updates_of
from tuneworthy.models.machines import Machine
from tuneworthy.models.memory import GIB, peak, weight_bytes
from tuneworthy.models.padded import TOKENS_PER_BATCH as READ_TOKENS
from tuneworthy.models.shape import Shape
from tuneworthy.models.states import LONGEST as READ_OF_DECODERS
from tuneworthy.models.way import Method, Optimizer, Pass, Precision, Trains, Way, way_of
from tuneworthy.models.work import Load, operations
from tuneworthy.units.fit_counts import Counts, FitCounts
from tuneworthy.units.plan import validated_parameters

DECODERS: tuple[Method, ...] = get_args(Method)  # from the most precise to the smallest
ENCODERS = ("encoder", "tagger", "span")
PAIRED = "setfit"
READERS = ("probe", "probe_decoder")
PLANNED = (*DECODERS, *ENCODERS, PAIRED, *READERS)
DRAWN = 4  # batches whose mean is an update's work
READS_BACK = 2  # of the weights that a pass reads forward: into activations, and into gradients or again


def role_of(method: str) -> ModelRole:
    """Which of the job's models a planned method fits or reads."""
    return METHODS.get(method).models[0]


@dataclass(frozen=True, slots=True)
class Planner:
    """A job as a plan sees it.

    Attributes:
        job: what to do.
        rows: its longest rows as tokens, the longest first: the peak is theirs.
        typical: some of its rows, drawn at random: the minutes are theirs.
        counts: how many rows its fits learn from, and how often.
        writes: whether the answers are texts.
    """

    job: Job
    rows: tuple[EncodedRow, ...]
    typical: tuple[EncodedRow, ...]
    counts: FitCounts
    writes: bool

    def fits(self, method: str, model: str, shape: Shape, machine: Machine) -> Iterator[PlannedFit]:
        """Every variant of a method, with as many rows at a time as the engine would take."""
        given = self.parameters(method)
        for way in ways(method, given, machine.precision, self.writes):
            for together, one in self._passes(method, given, shape, machine.device):
                flop, passes = self._work(method, given, way, shape, together)
                minutes = minutes_of(flop, passes, way, shape, machine)
                yield planned_fit(method, model, way, shape, one, together, machine, minutes)

    def holds(self, method: str, shape: Shape, machine: Machine) -> bool:
        """Whether some variant of a method fits a machine, one row at a time."""
        given = self.parameters(method)
        _, one = next(self._passes(method, given, shape, machine.device))
        variants = ways(method, given, machine.precision, self.writes)
        return any(peak(shape, way, one, machine.device).fits(_room(machine, way)) for way in variants)

    def parameters(self, method: str) -> dict[str, Any]:
        """The method's own in this job."""
        return validated_parameters(METHODS.get(method), self.job)

    def _batch(self, given: dict[str, Any]) -> int:
        return min(int(given["batch"]), self.counts.smallest)

    def _passes(
        self, method: str, given: dict[str, Any], shape: Shape, device: Device
    ) -> Iterator[tuple[int, Pass]]:
        """The largest pass of 1, 2, 4, ... rows, as far as `batch` and `tokens_per_batch` go."""
        if method in READERS or method == PAIRED:
            longest = max(self._lengths(method, given, shape, self.rows))
            # The library passes a whole batch of pairs at once, and reading fills its batches.
            together = 2 * int(given["batch"]) if method == PAIRED else max(1, READ_TOKENS // longest)
            yield together, padded_pass([longest] * together)
            return
        batch, together = min(self._batch(given), len(self.rows)), 1  # as many as were looked at
        while together <= batch:
            rows, pieces = self.rows[:together], -(-batch // together)
            # A GPU's pass has the same tokens and no blocks, whose cut takes long where rows are long.
            tokens = self._pass(method, given, shape, "cuda", rows, pieces).tokens
            if together > 1 and tokens > int(given["tokens_per_batch"]):
                return
            yield together, self._pass(method, given, shape, device, rows, pieces)
            together *= 2

    def _pass(
        self,
        method: str,
        given: dict[str, Any],
        shape: Shape,
        device: Device,
        rows: tuple[EncodedRow, ...],
        pieces: int,
    ) -> Pass:
        if method in ENCODERS:
            return padded_pass(self._lengths(method, given, shape, rows), pieces=pieces)
        if not shape.packed:
            answer = max(len(row.answer) for row in rows) + 1
            return padded_pass([row.length for row in rows], answer, pieces, WIDTH_MULTIPLE)
        return replace(_packed(rows, device == "cpu"), pieces=pieces)

    def _work(
        self, method: str, given: dict[str, Any], way: Way, shape: Shape, together: int
    ) -> tuple[float, float]:
        """FLOP of all fits, and the passes they take."""
        if method in DECODERS:
            steps, batch = self._steps(method, given, shape), self._batch(given)
            load = self._update(batch, together)
            return steps * operations(shape, way, load), steps * -(-batch // together)
        lengths = self._lengths(method, given, shape, self.typical)
        row = Load(float(np.mean(lengths)), float(np.mean(np.square(lengths))), 0 if shape.encoder else 1)
        if method in READERS:
            rows = sum(rows * times for rows, times in self.counts.of(method, validated=False))
            return rows * operations(shape, way, row), max(1.0, rows * row.tokens / READ_TOKENS)
        steps = self._steps(method, given, shape)
        batch = together if method == PAIRED else self._batch(given)
        return steps * batch * operations(shape, way, row), steps * -(-batch // together)

    def _steps(self, method: str, given: dict[str, Any], shape: Shape) -> float:
        """Updates of all fits, as the arm's own recipe has them."""
        return sum(times * _updates(method, given, rows, shape) for rows, times in self._fits(method, given))

    def _fits(self, method: str, given: dict[str, Any]) -> Counts:
        """How many rows the arm's fits learn from; setfit sets some aside only to choose thresholds."""
        validated = method != PAIRED or (self.writes and given["threshold"] is None)
        return self.counts.of(method, validated)

    def _lengths(
        self, method: str, given: dict[str, Any], shape: Shape, rows: Sequence[EncodedRow]
    ) -> list[int]:
        """Tokens of each row that the arm reads: not what all prompts share, nor the answer."""
        limit = min(int(given.get("max_input_tokens", shape.context)), shape.context)
        if method in READERS and not shape.encoder:
            limit = min(limit, READ_OF_DECODERS)
        return [min(max(1, len(row.prompt) - self._shared), limit) for row in rows]

    @property
    def _shared(self) -> int:
        return shared_prefix([row.prompt for row in (*self.rows, *self.typical)])

    def _update(self, batch: int, together: int) -> Load:
        """The mean load of an update over a few drawn batches, cut into passes of so many rows.

        A batch of more rows than were looked at takes in proportion: a row drawn twice would share all.
        """
        rng = np.random.default_rng(0)
        looked_at = min(batch, len(self.typical))
        loads = []
        for _ in range(DRAWN):
            drawn = [self.typical[i] for i in rng.choice(len(self.typical), looked_at, replace=False)]
            drawn.sort(key=lambda row: row.prompt)
            loads += [_load(tuple(drawn[at : at + together])) for at in range(0, looked_at, together)]
        batches = DRAWN * looked_at / batch
        return Load(
            tokens=sum(load.tokens for load in loads) / batches,
            pairs=sum(load.pairs for load in loads) / batches,
            supervised=sum(load.supervised for load in loads) / batches,
        )


def planned_fit(
    method: str,
    model: str,
    way: Way,
    shape: Shape,
    one: Pass,
    together: int,
    machine: Machine,
    minutes: float | None,
) -> PlannedFit:
    """One way to fit one model: what it takes of the machine's memory, with what it takes of time.

    Args:
        method: the arm.
        model: the base model's name.
        way: how it is fitted.
        shape: of the model.
        one: the largest forward pass.
        together: rows of it.
        machine: that it runs on.
        minutes: of all fits.
    """
    split = peak(shape, way, one, machine.device)
    eight = (way.optimizer,) if way.optimizer != "adamw" else ()
    return PlannedFit(
        method=method,
        model=model,
        precision=way.kept,
        options=(*eight, "checkpointing") if way.checkpointing else eight,
        rows_per_pass=together,
        memory_gib={name: round(size / GIB, 3) for name, size in split.parts().items()},
        total_gib=round(split.total / GIB, 3),
        beside_gib=round(split.beside / GIB, 3),
        moment=split.moment,
        fits=split.fits(_room(machine, way)),
        minutes=minutes,
        processes=way.processes,
    )


def _room(machine: Machine, way: Way) -> float:
    """Bytes that a process may take: those of its own GPU, or its share of the host's."""
    return machine.memory if machine.device == "cuda" else machine.memory / way.processes


def minutes_of(flop: float, passes: float, way: Way, shape: Shape, machine: Machine) -> float | None:
    """Minutes of so much work: the slower of multiplying, and of reading the weights for so many passes.

    None where nothing is known of the machine's speed.
    """
    rate = machine.rates.get("float32" if way.width == 4 else "bfloat16")
    if rate is None:
        return None
    seconds = flop / rate
    if machine.bandwidth is not None:
        reads = 1 + READS_BACK * way.depth(shape.layers) / shape.layers
        read = reads * weight_bytes(shape, way.base, way.width)
        seconds = max(seconds, passes * read / machine.bandwidth)
    return round(seconds / 60, 4)


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
        trains: Trains = "nothing" if method in READERS else "all"
        mixed = precision == "bfloat16" and method not in READERS
        computes: Precision = "bfloat16" if mixed else "float32"
        yield Way(trains, "float32", computes, layers=given.get("layers"), returns=method != PAIRED)
        return
    rank = int(given.get("rank") or (TEXT_RANK if writes else LABEL_RANK))
    way = way_of(decoder, precision == "bfloat16", rank)
    way = replace(way, layers=given.get("layers"), processes=int(given.get("processes", 1)))
    # Moments of adapters are few: eight bits gain next to nothing, so that they are planned where asked for.
    optimizers: tuple[Optimizer, ...] = get_args(Optimizer) if method == "full" else (given["optimizer"],)
    for optimizer in optimizers:
        yield replace(way, optimizer=optimizer)
        yield replace(way, optimizer=optimizer, checkpointing=True)


def _updates(method: str, given: dict[str, Any], rows: int, shape: Shape) -> int:
    """Updates of one fit on so many rows."""
    if method == PAIRED:
        return updates_of(given["pairs_per_row"] or pairs_per_row(rows), rows, int(given["batch"]))
    if method in ENCODERS:
        parameters = METHODS.get(method).Parameters.model_validate(given)
        assert isinstance(parameters, EncoderParameters)
        return make_recipe(parameters, rows, shape.hidden, 0, 0).steps
    batch = min(int(given["batch"]), rows)
    steps = given["steps"] or default_steps(rows, batch, given["epochs"] or default_epochs(rows, batch))
    return min(int(steps), int(given["max_steps"] or steps))


@lru_cache(maxsize=256)
def _packed(rows: tuple[EncodedRow, ...], blocks: bool) -> Pass:
    """The pass of some rows, which the variants of all methods share."""
    return packed_pass(rows, blocks=blocks)


@lru_cache(maxsize=256)
def _load(piece: tuple[EncodedRow, ...]) -> Load:
    """What one packed pass computes: of attention only what the mask allows."""
    tree = pack(piece)
    seen = int((tree.ends - torch.arange(len(tree.ends))).sum())
    return Load(len(tree.tokens), seen, len(tree.targets))
