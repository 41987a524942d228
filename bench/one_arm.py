"""One arm through the main job's own units, without the other arms and without a verdict."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tuneworthy as tw
from tasks import SETS, drawn, read, written
from tuneworthy import steps
from tuneworthy.core.evidence import Comparison
from tuneworthy.core.example import Example
from tuneworthy.core.hashing import address
from tuneworthy.core.job import DataSpec, Job
from tuneworthy.core.ranking import Ranking
from tuneworthy.data.loading import load
from tuneworthy.data.splits import Split, make_split
from tuneworthy.evaluation.assemble import ArmOutput
from tuneworthy.evaluation.intervals import estimate
from tuneworthy.evaluation.paired import compare
from tuneworthy.metrics import METRICS
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.search.settings import searched
from tuneworthy.tasks import TASKS
from tuneworthy.units.collect import arm_outputs
from tuneworthy.units.executors.local import LocalExecutor
from tuneworthy.units.plan import Question, make_plan

Row = dict[str, Any]


@dataclass(frozen=True)
class Measured:
    """What an arm answered on the test rows, and what it was asked."""

    arm: str
    output: ArmOutput
    rows: list[Example]
    question: Question
    folder: Path
    minutes: float

    @property
    def score(self) -> Row:
        """The primary metric of the first fit with its interval."""
        metric = METRICS.get(self.question.metric)
        found = estimate(
            metric, self.output.predictions, self.rows, self.question.labels, method=self.arm, resamples=2000
        )
        return {"metric": found.metric, **{key: getattr(found, key) for key in ("value", "low", "high", "n")}}

    @property
    def studies(self) -> list[Row]:
        """What searches left in the run folder."""
        files = sorted((self.folder / "search").glob("*.json"))
        return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def paired(a: Measured, b: Measured, names: tuple[str, str]) -> Comparison:
    """`a` minus `b` on the same rows, over their fits on several seeds where there are any."""
    return compare(
        METRICS.get(a.question.metric),
        a.output.predictions,
        b.output.predictions,
        a.rows,
        a.question.labels,
        method=names[0],
        against=names[1],
        repeats=(a.output.repeats, b.output.repeats),
        resamples=5000,
    )


def drawn_job(name: str, data: Path, place: Path, rows: int, test_rows: int, seed: int) -> tuple[Job, Row]:
    """A job of one seed on rows drawn by seed from a public set; and how many there are, with their hash."""
    given = SETS[name]
    place.mkdir(parents=True, exist_ok=True)
    train = drawn(read(data / name, "train"), rows, seed, given.target, given.least)
    test = drawn(read(data / name, "test"), test_rows, seed + 1)
    files = {
        part: written(place / f"{part}.csv", some, given) for part, some in (("train", train), ("test", test))
    }
    spec = DataSpec(path=str(files["train"]), input=given.input, target=given.target, test=str(files["test"]))
    job = Job(data=spec, task=given.task, protocol="holdout", seed=seed, seeds=1, resamples=2000)
    hashes = {
        part: {"count": len(some), "hash": address(some)} for part, some in (("train", train), ("test", test))
    }
    return job, hashes


def one_arm(job: Job, arm: str, output: Path, split: Split | None = None) -> Measured:
    """Fits the arm as the job says, its search included; a run that was stopped goes on.

    Args:
        job: with a test file, which is what is asked unless `split` says otherwise.
        arm: its name.
        output: the run folder.
        split: the rows that are fitted and asked; default: those of a holdout.
    """
    job = job.model_copy(update={"arms": (arm,)})
    task, data = TASKS.get(job.task), load(job)
    rows, test = data.trainable(), data.scorable_test()
    question = steps.ask(job, task, rows)
    models, refs = steps.bring_models(job, print)
    split = split or make_split(
        rows, "holdout", job.folds, job.test_fraction, job.validation_fraction, job.seed, test
    )
    dtype, cores = steps.hardware()
    executor = LocalExecutor(cores, job.at_a_time)
    started = time.perf_counter()
    with RunFolder(output) as run:
        steps.write_inputs(run, job, data, split, [])
        plan = make_plan(job, split, question, refs, dtype, cores)
        stage = next(stage.name for stage in plan.stages if stage.units)
        plan = searched(plan, stage, job, split, rows, run, executor, models)
        units = plan.stage(stage).units
        executor.run(units, run, models)
        [found] = arm_outputs(units, run.path)
    return Measured(arm, found, test, question, output, round((time.perf_counter() - started) / 60, 2))


def ranked(job: Job, folders: Iterable[Path]) -> Ranking:
    """The candidates as `models rank` orders them on the job's training rows."""
    return tw.rank_models(
        job.data.path,
        input=job.data.input,
        target=job.data.target,
        test=job.data.test,
        candidates=[str(folder) for folder in folders],
        task=job.task,
        seed=job.seed,
    )
