"""What more rows would buy: the learning curves of a run, from their fits to a sentence each."""

from collections.abc import Sequence
from pathlib import Path

from tuneworthy.core.example import Example
from tuneworthy.core.job import Job
from tuneworthy.core.learning import LearningCurve
from tuneworthy.core.unit import ModelRole
from tuneworthy.data.splits import Split
from tuneworthy.evaluation.assemble import ArmOutput
from tuneworthy.evaluation.learning_curve import learning_curve
from tuneworthy.metrics import METRICS
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.units.curve import STAGE, curve_outputs, learned_rows
from tuneworthy.units.executors.local import Executor
from tuneworthy.units.plan import Plan, Question

RESAMPLES = 2000  # a curve is fitted to each; a band's ends need no more


def learning_curves(
    job: Job,
    plan: Plan,
    split: Split,
    question: Question,
    outputs: Sequence[ArmOutput],
    truth: dict[str, Example],
    folder: RunFolder,
    executor: Executor,
    models: dict[ModelRole, Path],
) -> tuple[LearningCurve, ...]:
    """Fits the arms that have a curve on parts of their rows, and reads the curves off their test scores.

    Args:
        job: what to do.
        plan: with the stage of these fits, if there is one.
        split: with their rows.
        question: of the run.
        outputs: the arms as they were measured, on all rows; one that was not run has no curve.
        truth: the test rows with their targets.
        folder, executor, models: where and how units run.
    """
    stage, measured = plan.stage(STAGE), {output.method: output for output in outputs}
    units = [unit for unit in stage.units if unit.method in measured]
    if not units:
        return ()
    folder.emit("stage_started", stage=STAGE, units=[unit.title for unit in units])
    folder.emit("note", text=f"Learning curves: {len(units)} fits on parts of the training rows.")
    executor.run(units, folder, models)
    everything = len(split.rows(split.everything))
    found = []
    for arm, sizes in curve_outputs(units, split, folder.path).items():
        if all(_answers(output) == _answers(measured[arm]) for _, output in sizes):
            continue  # it learns from no row, as the best-overlap sentence, or all from the fewest
        whole = [
            unit for one in plan.stages for unit in one.units if unit.method == arm and unit.share == 1.0
        ]
        rows = learned_rows([unit for unit in whole if unit.purpose == "evaluate"], split)
        found.append(
            learning_curve(
                METRICS.get(question.metric),
                [*sizes, (rows, measured[arm])],
                everything,
                [truth[prediction.example_id] for prediction in measured[arm].predictions],
                question.labels,
                method=arm,
                confidence=job.confidence,
                resamples=min(job.resamples, RESAMPLES),
                seed=job.seed,
            )
        )
    return tuple(found)


def _answers(output: ArmOutput) -> dict[str, str | None]:
    return {one.example_id: one.value for one in output.predictions}
