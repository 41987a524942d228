"""What the fits of a run will take of this machine's memory, said before the first one starts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import compress
from pathlib import Path
from typing import Any

from tuneworthy.core.errors import ModelError
from tuneworthy.core.example import Example
from tuneworthy.core.forecast import PlannedFit
from tuneworthy.core.job import Job
from tuneworthy.core.unit import ModelRole
from tuneworthy.methods import METHODS
from tuneworthy.models.four_bits import has_four_bits
from tuneworthy.models.hardware import device, free_memory, gpus
from tuneworthy.models.machines import this_machine
from tuneworthy.models.memory import GIB
from tuneworthy.models.shape import shape_of_folder
from tuneworthy.units.fit_counts import fit_counts
from tuneworthy.units.forecast import PLANNED, Planner, role_of
from tuneworthy.units.plan import Question
from tuneworthy.units.reading_ahead import METHOD as READS
from tuneworthy.units.reading_ahead import Reading, reading_fits, reading_of
from tuneworthy.units.rows_ahead import rows_ahead

SHOWN = 4  # parts of a peak in a sentence, the largest


def memory_ahead(
    job: Job,
    question: Question,
    rows: Sequence[Example],
    has_test: bool,
    models: Mapping[ModelRole, Path],
    writes: bool,
    documents: Sequence[Example] = (),
) -> tuple[list[str], dict[str, float]]:
    """A sentence for each arm that is fine-tuned: its planned peak, and where it is more than is free.

    And by arm the GiB that a fit takes at least, with one row at a time.

    Args:
        job: what to do.
        question: what every row is asked.
        rows: the labelled ones.
        has_test: whether test rows come in a file of their own.
        models: folders by role.
        writes: whether answers are texts.
        documents: unlabelled text that `adapt` reads before it is fitted.

    Raises:
        ModelError: the machine does not hold an arm's fit even with one row at a time.
    """
    reading = reading_of(job, [document.input for document in documents]) if documents else None
    arms = _planned(job, reading)
    if not arms:
        return [], {}
    longest, typical, _ = rows_ahead(job, question, rows, models.get("decoder"))
    planner = Planner(job, longest, typical, fit_counts(job, len(rows), has_test), writes)
    machine = this_machine()
    sentences, least = [], dict[str, float]()
    for arm in arms:
        role = role_of(reading.then if reading is not None and arm == READS else arm)
        name = job.base_model if role == "decoder" else job.embedding_model
        try:
            shape = shape_of_folder(models[role])
        except ModelError:  # an architecture that cannot be planned may train all the same
            continue
        if reading is not None and arm == READS:
            every, options = list(reading_fits(reading, shape, machine)), _options({})
        else:
            every, options = list(planner.fits(arm, name, shape, machine)), _options(planner.parameters(arm))
        fits = [fit for fit in every if fit.options == options]
        if not any(fit.fits for fit in fits):
            for other in _split(planner, gpus()) if arm == "lora" else ():
                every += other.fits("lora", name, shape, machine)
            if arm == "lora":
                every += planner.fits("qlora", name, shape, machine)
            raise _refusal(fits[0], machine.memory, _remedy(job, every))
        sentences.append(_sentence(fits))
        least[arm] = min(_taken(fit) for fit in fits)
    return sentences, least


def _planned(job: Job, reading: Reading | None) -> list[str]:
    """The job's fine-tuned arms that can be planned: of `adapt` the reading, and the method that follows."""
    found = dict[str, None]()
    for arm in job.arms:
        if reading is not None and arm == READS:
            found |= dict.fromkeys([READS, *([reading.then] if reading.then in PLANNED else [])])
        elif arm in PLANNED and METHODS.get(arm).kind == "tuned":
            found[arm] = None
    return list(found)


def _split(planner: Planner, most: int) -> Iterator[Planner]:
    """The plans of `lora` over more processes, each with a GPU of its own, as far as there are some."""
    for processes in range(planner.parameters("lora")["processes"] + 1, most + 1):
        given = planner.job.methods.get("lora", {}) | {"processes": processes}
        methods = {**planner.job.methods, "lora": given}
        yield replace(planner, job=planner.job.model_copy(update={"methods": methods}))


def _options(given: dict[str, Any]) -> tuple[str, ...]:
    """What an arm's parameters ask for of what a plan can vary."""
    asked = (given.get("optimizer") == "adamw_8bit", bool(given.get("gradient_checkpointing")))
    return tuple(compress(("adamw_8bit", "checkpointing"), asked))


def _refusal(least: PlannedFit, memory: float, remedy: str) -> ModelError:
    """That a fit takes too much, and what to do."""
    rows = "one row" if least.rows_per_pass == 1 else f"{least.rows_per_pass} rows"
    return ModelError(
        f"{least.method} on {least.model} takes {least.total_gib:.1f} GiB{_each(least)} even with {rows} at "
        "a time, and "
        f"this machine has {memory / GIB:.1f}: {remedy}."
    )


def _remedy(job: Job, others: Sequence[PlannedFit]) -> str:
    """What to type instead: the first of the other ways that the machine holds, where there is one."""
    found = next((fit for fit in others if fit.fits), None)
    if found is None:
        arm = others[0].method
        return f"choose a smaller base model (tuneworthy plan says what fits), or leave {arm} out of --arms"
    settings = {"adamw_8bit": "optimizer=adamw_8bit", "checkpointing": "gradient_checkpointing=true"}
    typed = [f"--set {found.method}.{settings[option]}" for option in found.options]
    if found.processes > others[0].processes:
        typed.insert(0, f"--set {found.method}.processes={found.processes}")
    if found.method != others[0].method:
        arms = (found.method if arm == others[0].method else arm for arm in job.arms)
        typed.insert(0, f"--arms {','.join(dict.fromkeys(arms))}")
    missing = "" if found.method != "qlora" or has_four_bits() else " (and pip install 'tuneworthy[qlora]')"
    return f"type {' '.join(typed)}{missing}, which takes {found.total_gib:.1f}{_each(found)}"


def _taken(fit: PlannedFit) -> float:
    """GiB that a fit takes of one memory, by all of its processes that share it."""
    return fit.total_gib * (fit.processes if device().type == "cpu" else 1)


def _each(fit: PlannedFit) -> str:
    return f" in each of {fit.processes} processes" if fit.processes > 1 else ""


def _sentence(fits: Sequence[PlannedFit]) -> str:
    """The peak with the most rows at a time that fit, and what it is made of."""
    most = max((fit for fit in fits if fit.fits), key=lambda fit: fit.rows_per_pass)
    parts = most.made_of(SHOWN)
    what = f"the reading of {READS}" if most.method == READS else f"a fit of {most.method}"
    told = f"Memory: {what} peaks at about {most.total_gib:.2f} GiB{_each(most)} ({parts})"
    free = free_memory(device()) / GIB
    if _taken(most) > free:
        return f"{told}, and {free:.1f} are free now: close other programs if it stops."
    return f"{told}; {free:.1f} are free."
