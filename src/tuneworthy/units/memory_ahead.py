"""What the fits of a run will take of this machine's memory, said before the first one starts."""

from collections.abc import Mapping, Sequence
from itertools import compress
from pathlib import Path

from tuneworthy.core.errors import ModelError
from tuneworthy.core.example import Example
from tuneworthy.core.forecast import PlannedFit
from tuneworthy.core.job import Job
from tuneworthy.core.unit import ModelRole
from tuneworthy.methods import METHODS
from tuneworthy.models.hardware import device, free_memory
from tuneworthy.models.machines import this_machine
from tuneworthy.models.memory import GIB
from tuneworthy.models.shape import shape_of_folder
from tuneworthy.units.fit_counts import fit_counts
from tuneworthy.units.forecast import PLANNED, Planner, role_of
from tuneworthy.units.plan import Question
from tuneworthy.units.rows_ahead import rows_ahead

SHOWN = 4  # parts of a peak in a sentence, the largest


def memory_ahead(
    job: Job,
    question: Question,
    rows: Sequence[Example],
    has_test: bool,
    models: Mapping[ModelRole, Path],
    writes: bool,
) -> list[str]:
    """A sentence for each arm that is fine-tuned: its planned peak, and where it is more than is free.

    Raises:
        ModelError: the machine does not hold an arm's fit even with one row at a time.
    """
    arms = [arm for arm in job.arms if arm in PLANNED and METHODS.get(arm).kind == "tuned"]
    if not arms:
        return []
    longest, typical, _ = rows_ahead(job, question, rows, models.get("decoder"))
    planner = Planner(job, longest, typical, fit_counts(job, len(rows), has_test), writes)
    machine = this_machine()
    sentences = []
    for arm in arms:
        name = job.base_model if role_of(arm) == "decoder" else job.embedding_model
        try:
            shape = shape_of_folder(models[role_of(arm)])
        except ModelError:  # an architecture that cannot be planned may train all the same
            continue
        given = planner.parameters(arm)
        asked = (given.get("optimizer") == "adamw_8bit", bool(given.get("gradient_checkpointing")))
        options = tuple(compress(("adamw_8bit", "checkpointing"), asked))
        fits = [fit for fit in planner.fits(arm, name, shape, machine) if fit.options == options]
        sentences.append(_sentence(fits, machine.memory))
    return sentences


def _sentence(fits: Sequence[PlannedFit], memory: float) -> str:
    """The peak with the most rows at a time that fit, and what it is made of."""
    holding = [fit for fit in fits if fit.fits]
    if not holding:
        least = fits[0]
        raise ModelError(
            f"{least.method} on {least.model} takes {least.total_gib:.1f} GiB even with one row at a time, "
            f"and this machine has {memory / GIB:.1f}: choose a smaller base model (tuneworthy plan says what"
            f" fits), or leave {least.method} out of --arms."
        )
    most = max(holding, key=lambda fit: fit.rows_per_pass)
    largest = sorted(most.memory_gib.items(), key=lambda part: -part[1])[:SHOWN]
    parts = ", ".join(f"{name} {size:.2f}" for name, size in largest if size >= 0.005)
    told = f"Memory: a fit of {most.method} peaks at about {most.total_gib:.2f} GiB ({parts})"
    free = free_memory(device()) / GIB
    if most.total_gib > free:
        return f"{told}, and {free:.1f} are free now: close other programs if it stops."
    return f"{told}; {free:.1f} are free."
