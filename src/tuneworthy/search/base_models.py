"""The ranking of base models by what their frozen states know of the labels, with successive halving.

Every candidate is measured on a few rows. Before the rows are doubled the worse half leaves, except for those
that the rows cannot tell from the best: a bad candidate costs little, and a good one is not lost to a small
draw (after Jamieson & Talwalkar 2016; the exception is ours).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tuneworthy.core.errors import ModelError
from tuneworthy.core.evidence import Estimate
from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.ranking import RankedModel
from tuneworthy.data.repeats import group_keys
from tuneworthy.engine.memory_probe import out_of_memory
from tuneworthy.evaluation.intervals import estimate
from tuneworthy.evaluation.paired import compare
from tuneworthy.metrics import METRICS, oriented
from tuneworthy.models.machines import this_machine
from tuneworthy.models.memory import GIB
from tuneworthy.models.shape import shape_of_folder
from tuneworthy.search.measures import Candidate, Measures, Probed
from tuneworthy.units.plan import Question

FEWEST_ROWS = 60  # of the first rung; on fewer, hardly any two candidates can be told apart
RESAMPLES = 2000
NO_ROOM = "memory ran out while it was read in float32: rank it on a larger machine"
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Probe:
    """A candidate's probe on the rows shown so far, and its bits per byte where it has them."""

    candidate: Candidate
    probed: Probed
    score: Estimate
    bits: float | None

    def sound(self, floor: float) -> bool:
        """Whether it reads texts better than a coder of `floor` bits per byte, as far as is known."""
        return self.bits is None or self.bits <= floor


def rank(
    candidates: Sequence[Candidate],
    rows: Sequence[Example],
    question: Question,
    measures: Measures,
    seed: int,
    tell: Tell = lambda text: None,
) -> tuple[list[RankedModel], dict[str, str]]:
    """The candidates, the one to fine-tune first, and why others could not be measured, by name.

    Those that left early come last, and after them those that read worse than counting letters.

    Args:
        candidates: at least one.
        rows: training rows with labels; nothing else is read.
        question: what is asked of them.
        measures: measures and keeps.
        seed: of the order in which rows join.
        tell: told what is being measured.

    Raises:
        ModelError: no candidate can be loaded.
    """
    rungs = rungs_of(spread(rows, seed))
    while len(rungs) > 1 and len(set(group_keys(rungs[0]))) < 2:  # a first rung of one group holds none out
        rungs[:2] = [rungs[0] + rungs[1]]
    broken = {each.name: said for each in candidates if (said := too_large(each.folder))}
    staying, gone = [each for each in candidates if each.name not in broken], list[Probe]()
    for number in range(1, len(rungs) + 1):
        shown = [row for rung in rungs[:number] for row in rung]
        probes = []
        for candidate in staying:
            tell(f"{candidate.name}: {len(shown)} rows")
            try:
                probed = measures.probe(candidate, rungs[:number])
                bits = measures.bits_per_byte(candidate, shown)
            except (ModelError, MemoryError, RuntimeError) as error:
                if not isinstance(error, ModelError) and not out_of_memory(error):
                    raise
                broken[candidate.name] = str(error) if isinstance(error, ModelError) else NO_ROOM
                continue
            score = _estimate(candidate, probed.predictions, shown, question)
            probes.append(Probe(candidate, probed, score, bits))
        if not probes:
            raise ModelError(f"no candidate can be measured: {next(iter(broken.values()))}")
        floor = letters_alone([row.input for row in shown])
        order = in_order(probes, shown, question, floor)
        if number < len(rungs):
            half = order[: (len(order) + 1) // 2]
            kept = [p for p in order if p in half or not tells_apart(order[0], p, shown, question)]
            gone = [p for p in order if p not in kept] + gone
            staying = [p.candidate for p in kept]
    ranked = []
    for probe in sorted([*order, *gone], key=lambda p: not p.sound(floor)):
        candidate, stayed = probe.candidate, probe in order
        tell(f"{candidate.name}: untrained")
        ranked.append(
            RankedModel(
                name=candidate.name,
                typed=candidate.typed,
                kind=candidate.kind,
                rows=probe.score.n,
                score=probe.score,
                evidence=probe.probed.evidence,
                layer=probe.probed.layer,
                tokens_per_word=measures.tokens_per_word(candidate, shown),
                bits_per_byte=probe.bits,
                letters_alone=None if probe.sound(floor) else floor,
                zero_shot=_untrained(candidate, shown, question, measures) if stayed else None,
                tied=stayed and probe is not order[0] and not tells_apart(order[0], probe, shown, question),
            )
        )
    return ranked, broken


def letters_alone(texts: Sequence[str]) -> float:
    """Bits per byte of a coder that knows how often each byte occurs in the texts, and nothing else."""
    counts = np.bincount(np.frombuffer("".join(texts).encode(), dtype=np.uint8))
    shares = counts[counts > 0] / max(1, counts.sum())
    return float(-(shares * np.log2(shares)).sum())


def in_order(
    probes: Sequence[Probe], rows: Sequence[Example], question: Question, floor: float = np.inf
) -> list[Probe]:
    """The best score first, with those that the rows cannot tell from it; then the same with the rest.

    Within such a group the evidence decides, which sees more than right and wrong. Models of one kind then
    share out their places by bits per byte, where all have it: what a probe cannot see is whether the layers
    above the probed one are sound. A model that takes more than `floor` bits per byte, those of counting
    letters, has unsound ones, or was made for another language: it comes after all others.
    """
    sound = [p for p in probes if p.sound(floor)]
    if 0 < len(sound) < len(probes):
        rest = [p for p in probes if p not in sound]
        return [*in_order(sound, rows, question), *in_order(rest, rows, question)]
    metric = METRICS.get(question.metric)

    def best_first(probe: Probe) -> tuple[float, float]:
        return -float(oriented(metric, np.array(probe.score.value))), -probe.probed.evidence

    waiting = sorted(probes, key=best_first)
    found: list[Probe] = []
    while waiting:
        group = [p for p in waiting if p is waiting[0] or not tells_apart(waiting[0], p, rows, question)]
        group.sort(key=lambda p: -p.probed.evidence)
        for kind in ("decoder", "encoder"):
            places = [place for place, p in enumerate(group) if p.candidate.kind == kind]
            read = [(p.bits, p) for p in (group[place] for place in places) if p.bits is not None]
            if len(read) == len(places):
                for place, (_, p) in zip(places, sorted(read, key=lambda item: item[0]), strict=True):
                    group[place] = p
        found += group
        waiting = [p for p in waiting if p not in group]
    return found


def tells_apart(a: Probe, b: Probe, rows: Sequence[Example], question: Question) -> bool:
    """Whether the 95% interval of the paired difference leaves zero out, or the test finds one without it."""
    found = compare(
        METRICS.get(question.metric),
        a.probed.predictions,
        b.probed.predictions,
        rows,
        question.labels,
        method=a.candidate.name,
        against=b.candidate.name,
        resamples=RESAMPLES,
    )
    if found.low is None or found.high is None:
        return found.p_two_sided <= 0.05
    return not found.low <= 0 <= found.high


def too_large(folder: Path) -> str:
    """Why a model cannot be measured here: its weights, in float32, are more than the memory; else empty."""
    try:
        weights = 4 * shape_of_folder(folder).parameters
    except ModelError:
        return ""  # loading it will say what is wrong
    memory = this_machine().memory
    if weights <= memory:
        return ""
    return (
        f"measuring reads it in float32, whose weights alone are {weights / GIB:.3g} GiB, and this machine "
        f"has {memory / GIB:.4g} GiB: rank it on a larger machine"
    )


def spread(rows: Sequence[Example], seed: int) -> list[Example]:
    """The rows in an order in which every beginning has each label in its share, drawn by the seed."""
    rng = np.random.default_rng(seed)
    by_label: dict[str, list[Example]] = {}
    for place in rng.permutation(len(rows)):
        by_label.setdefault(str(rows[place].target), []).append(rows[place])
    placed = [
        ((number + rng.random()) / len(members), row)
        for members in by_label.values()
        for number, row in enumerate(members)
    ]
    return [row for _, row in sorted(placed, key=lambda item: item[0])]


def rungs_of(rows: Sequence[Example]) -> list[list[Example]]:
    """Pieces of the rows: together they double from one rung to the next and end with all of them."""
    ends = [len(rows)]
    while ends[0] // 2 >= FEWEST_ROWS:
        ends.insert(0, ends[0] // 2)
    return [list(rows[start:end]) for start, end in zip([0, *ends], ends, strict=False)]


def _untrained(
    candidate: Candidate, rows: Sequence[Example], question: Question, measures: Measures
) -> Estimate | None:
    """The zero-shot score; None for an encoder, and for a decoder whose chat template refuses the prompt or
    for which memory does not last.
    """
    if candidate.kind != "decoder":
        return None
    try:
        predictions = measures.zero_shot(candidate, rows)
    except (ModelError, MemoryError, RuntimeError) as error:
        if not isinstance(error, ModelError) and not out_of_memory(error):
            raise
        return None
    asked = {prediction.example_id for prediction in predictions}
    return _estimate(candidate, predictions, [row for row in rows if row.id in asked], question)


def _estimate(
    candidate: Candidate, predictions: Sequence[Prediction], rows: Sequence[Example], question: Question
) -> Estimate:
    metric, labels = METRICS.get(question.metric), question.labels
    return estimate(
        metric, predictions, rows, labels, method=candidate.name, split="training", resamples=RESAMPLES
    )
