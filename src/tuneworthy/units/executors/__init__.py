"""Where units run."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tuneworthy.units.executors.local import Executor, LocalExecutor


@contextmanager
def executor_for(
    workers: int | str | None, cores: int, least_gib: Mapping[str, float] | None = None
) -> Iterator[Executor]:
    """What a job's `workers` asks for, for as long as the block lasts.

    Args:
        workers: units at a time on this machine, or the Ray cluster that runs them (see `Job.workers`).
        cores: of this machine.
        least_gib: memory that a fit of an arm takes at least, where that was planned.

    Raises:
        MissingExtraError: Ray is asked for and not installed.
    """
    if not isinstance(workers, str):
        yield LocalExecutor(cores, workers, least_gib)
        return
    from tuneworthy.units.executors.ray import RayExecutor

    executor = RayExecutor(workers, cores)
    try:
        yield executor
    finally:
        executor.close()
