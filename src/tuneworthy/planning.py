"""The plan on its own: which models can be fine-tuned on a machine, how, how long, and for how much."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tuneworthy import steps
from tuneworthy.arms import unsuited
from tuneworthy.core.counting import counted
from tuneworthy.core.endpoint import endpoint_of
from tuneworthy.core.errors import JobError
from tuneworthy.core.forecast import FitPlan, PlannedFit, PlannedRent
from tuneworthy.core.job import Job
from tuneworthy.data.documents import read_documents
from tuneworthy.data.loading import load
from tuneworthy.data.table import Table
from tuneworthy.methods import METHODS
from tuneworthy.models.catalogue import catalogue
from tuneworthy.models.machines import (
    MACHINES,
    Machine,
    Market,
    machine_of,
    machine_with,
    read_market,
    this_machine,
    with_rates,
)
from tuneworthy.models.memory import GIB
from tuneworthy.models.shape import Shape, shape_named, shape_of_entry
from tuneworthy.search.settings import foreseen_fits
from tuneworthy.tasks import TASKS, form_of
from tuneworthy.units.fit_counts import FitCounts, fit_counts
from tuneworthy.units.forecast import DECODERS, PLANNED, Planner, role_of
from tuneworthy.units.reading_ahead import Reading, reading_fits, reading_of
from tuneworthy.units.rows_ahead import rows_ahead, rows_of_length
from tuneworthy.unlabelled import asked

PREFERRED = ("lora", "qlora", "full")  # small data: adapters, in 16 bits where they fit (Pecher et al. 2025)
RESCORED = (
    "Memory includes the float32 model with which an arm that was trained in 16 bits answers afterwards."
)


def plan_job(
    job: Job,
    table: Table | None = None,
    gpu: str | None = None,
    memory: str | None = None,
    models: Sequence[str] = (),
    length: int | None = None,
    machines: Path = MACHINES,
) -> FitPlan:
    """Plans every way to fine-tune the job's models, and others, on a machine. No weights are loaded.

    Args:
        job: what to do.
        table: rows in memory, in place of `job.data.path`.
        gpu: a card by name; with `memory` neither, this machine.
        memory: of a GPU of which nothing else is known, such as "16GiB".
        models: other base models to plan for.
        length: tokens of every row, in place of the job's own rows.
        machines: file with cards and offers.

    Raises:
        JobError: the card is unknown, the amount of memory is none, a base model only reads, or the job
            cannot be planned.
        ModelError, NotFoundError: a model has no configuration here.
    """
    if gpu is not None and memory is not None:
        raise JobError("--gpu and --memory exclude each other: name a card or an amount.")
    if endpoint_of(job.base_model) is not None:
        raise JobError(f"base_model = '{job.base_model}' is never fine-tuned: name a model with weights.")
    market = read_market(machines)
    if gpu is not None:
        machine = machine_of(market.card(gpu))
    else:
        machine = with_rates(this_machine()) if memory is None else machine_with(memory)
    task = TASKS.get(job.task)
    data = load(job, table, form_of(task))
    examples = data.trainable()
    task.check_examples(examples)
    question = steps.ask(job, task, examples, data.json_schema)
    steps.check_parameters(job.model_copy(update={"arms": job.arms or ("majority",)}))
    rows, typical, told = rows_ahead(job, question, examples)
    if length is not None:
        rows, typical, told = rows_of_length(length), rows_of_length(length), ""
    counts = fit_counts(job, len(examples), data.test is not None)
    searches = {arm: foreseen_fits(job, arm, counts.learned) for arm in PLANNED}
    counts = replace(counts, searches=searches)
    planner = Planner(job, rows, typical, counts, task.open)
    decoders = {name: shape_named(name) for name in dict.fromkeys([job.base_model, *models])}
    if reader := next((name for name, shape in decoders.items() if shape.encoder), None):
        raise JobError(f"{reader} only reads and writes nothing: name it as embedding_model.")
    others = [
        one for one in PLANNED if one not in DECODERS and not unsuited(METHODS.get(one), task, examples)
    ]
    reading = _reading(job)
    fits = tuple(_fits(planner, decoders, others, machine, reading))
    notes = (told, machine.because, told_fits(counts), told_reading(reading), RESCORED)
    return FitPlan(
        machine=machine.name,
        memory_gib=round(machine.memory / GIB, 2),
        rows=len(examples),
        longest=rows[0].length,
        fits=fits,
        largest=tuple(_largest(planner, {**_open_decoders(), **decoders}, machine)),
        rent=tuple(_rent(planner, job.base_model, decoders[job.base_model], market)),
        notes=tuple(filter(None, notes)),
    )


def _reading(job: Job) -> Reading | None:
    """What an `adapt` arm would read, where the job names unlabelled text."""
    files, column = asked(job.model_copy(update={"arms": ("adapt",)}))
    return reading_of(job, read_documents(files, column)) if files else None


def _fits(
    planner: Planner,
    decoders: Mapping[str, Shape],
    others: Sequence[str],
    machine: Machine,
    reading: Reading | None,
) -> Iterator[PlannedFit]:
    """Every way to fit the decoders, and what else reads or trains the job's own two models."""
    job = planner.job
    for name, shape in decoders.items():
        probed = [one for one in others if name == job.base_model and role_of(one) == "decoder"]
        for method in (*DECODERS, *probed):
            yield from planner.fits(method, name, shape, machine)
        if reading is not None and reading.model == name:
            yield from reading_fits(reading, shape, machine)
    small = [one for one in others if role_of(one) == "embedder"]
    reads = reading is not None and reading.model not in decoders
    if small or reads:
        shape = shape_named(job.embedding_model)
        for method in small:
            yield from planner.fits(method, job.embedding_model, shape, machine)
        if reading is not None and reads:
            yield from reading_fits(reading, shape, machine)


def _open_decoders() -> dict[str, Shape]:
    """The catalogue's models that write, by name."""
    return {name: shape_of_entry(one) for name, one in catalogue().items() if one.role == "decoder"}


def told_fits(counts: FitCounts) -> str:
    """What the time is of, in a sentence."""
    seeds = min(counts.seeds.values())
    measured = counted(counts.folds * seeds, "measured fit")
    if counts.folds > 1 and seeds > 1:
        measured += f" ({counts.folds} folds x {seeds} seeds)"
    more = [f"{counts.folds * own} of {arm}" for arm, own in counts.seeds.items() if own > seeds]
    measured += f" ({', '.join(more)})" if more else ""
    search = max(counts.searches.values(), default=0)
    searched = f", a search of up to {search:g} fits a fold" if search else ""
    return f"Time is of training alone: {measured} of a fine-tuned arm{searched}, and one on all rows."


def told_reading(reading: Reading | None) -> str:
    """What the row of `adapt` is of, in a sentence."""
    if reading is None:
        return ""
    documents = counted(len(reading.documents), "document")
    return f"adapt: the reading of {documents} alone, once; its fits afterwards are those of {reading.then}."


def _largest(planner: Planner, shapes: Mapping[str, Shape], machine: Machine) -> Iterator[PlannedFit]:
    """Of each method the largest model that it can fine-tune there."""
    names = sorted(shapes, key=lambda name: shapes[name].parameters, reverse=True)
    for method in DECODERS:
        name = next((name for name in names if planner.holds(method, shapes[name], machine)), None)
        if name is not None:
            fits = planner.fits(method, name, shapes[name], machine)
            yield _plainest([fit for fit in fits if fit.fits])


def _plainest(holding: Sequence[PlannedFit]) -> PlannedFit:
    """The fewest options that fit, and with them the most rows at a time."""
    return min(holding, key=lambda fit: (len(fit.options), -fit.rows_per_pass))


def _preferred(fits: Sequence[PlannedFit]) -> PlannedFit | None:
    """LoRA in 16 bits where it fits, else in four, else all weights; where it fits, no checkpointing."""
    for method in PREFERRED:
        holding = [fit for fit in fits if fit.method == method and fit.fits]
        if holding:
            return _plainest(holding)
    return None


def _rent(planner: Planner, name: str, shape: Shape, market: Market) -> Iterator[PlannedRent]:
    """What the job's own model costs on every machine for rent that can hold it."""
    for offer in market.offers:
        machine = machine_of(market.card(offer.card))
        fit = _preferred([fit for method in PREFERRED for fit in planner.fits(method, name, shape, machine)])
        if fit is not None and fit.minutes is not None:
            yield PlannedRent(
                offer=offer.name,
                card=offer.card,
                method=fit.method,
                precision=fit.precision,
                options=fit.options,
                minutes=fit.minutes,
                usd=round(fit.minutes / 60 * offer.usd_per_hour, 4),
                usd_per_hour=offer.usd_per_hour,
                date=offer.date,
                source=offer.source,
            )
