"""Which methods a job compares, and why each other one is not."""

from collections.abc import Sequence

from tuneworthy.core.errors import JobError
from tuneworthy.core.example import Example
from tuneworthy.core.job import Job
from tuneworthy.methods import METHODS, Method, Selective
from tuneworthy.tasks import Task


def with_arms(job: Job, task: Task, rows: Sequence[Example]) -> Job:
    """The job with the task's own arms where it names none; those that cannot run here are left out.

    Raises:
        JobError: an arm that the job names is unknown, or cannot answer what the task asks for.
    """
    for arm in job.arms:
        if reason := unsuited(METHODS.get(arm), task, rows):
            suited = [name for name in METHODS.names() if not unsuited(METHODS.get(name), task, rows)]
            raise JobError(
                f"{arm} cannot be compared on {task.name}, since {reason}: choose among {', '.join(suited)}."
            )
    arms = job.arms or tuple(arm for arm in task.arms if not unsuited(METHODS.get(arm), task, rows))
    if not job.tune:
        arms = tuple(arm for arm in arms if METHODS.get(arm).kind != "tuned")
        if not arms:
            raise JobError("no untuned arm is left: name at least one, for example --arms tfidf,zero_shot.")
    return job.model_copy(update={"arms": arms})


def unsuited(method: Method, task: Task, rows: Sequence[Example]) -> str:
    """Why a method cannot answer a task, in a clause; empty when it can."""
    wanted = "texts" if task.open else "labels"
    if method.answers not in (wanted, "any"):
        return f"it answers with {method.answers}, and this task asks for {wanted}"
    return method.unsuited(task, task.labels(rows), rows) if isinstance(method, Selective) else ""


def not_compared(job: Job, task: Task, rows: Sequence[Example]) -> dict[str, str]:
    """Every method that is no arm of the job, and why."""
    reasons = {}
    for name in METHODS.names():
        if name not in job.arms:
            known = (
                "the job leaves it out" if name in task.arms else "made for another task, unless asked for"
            )
            reasons[name] = unsuited(METHODS.get(name), task, rows) or known
    return reasons
