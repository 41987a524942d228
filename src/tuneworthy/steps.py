"""The steps of the main job, one function each, in the order `pipeline.run` takes them."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tuneworthy.arms import endpoints, model_names, not_compared
from tuneworthy.checks import Examined, completed, run_checks
from tuneworthy.claiming import job_identity, stored_job
from tuneworthy.core.errors import JobError
from tuneworthy.core.evidence import Evidence, Power, Verdict
from tuneworthy.core.example import Example, label_counts
from tuneworthy.core.finding import Finding
from tuneworthy.core.job import Job, is_own_metric, own_metric
from tuneworthy.core.judgement import Judgement
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ModelRef, ModelRole, Unit
from tuneworthy.data.loading import Loaded
from tuneworthy.data.lockbox import Lockbox
from tuneworthy.data.splits import Split
from tuneworthy.evaluation.assemble import ArmOutput, Scores
from tuneworthy.methods import METHODS
from tuneworthy.metrics import METRICS, Metric, OfProbabilities, is_error, is_share
from tuneworthy.metrics._own import bring_own
from tuneworthy.metrics.calibration_error import CalibrationError
from tuneworthy.reports.contents import load_contents
from tuneworthy.reports.html import render_html
from tuneworthy.reports.views_judge import judge_sentence
from tuneworthy.runfolder.folder import Listener, RunFolder
from tuneworthy.tasks import TASKS, Schema, Structured, Task, as_answered
from tuneworthy.tasks._prompted import read_prompt, with_prompt
from tuneworthy.units.collect import unit_metrics
from tuneworthy.units.execute import OWN_METRIC
from tuneworthy.units.executors.local import Executor
from tuneworthy.units.plan import (
    Plan,
    Question,
    announced,
    method_of,
    needed_roles,
    refit_unit,
    validated_parameters,
)
from tuneworthy.unlabelled import NO_TEXT, Unlabelled
from tuneworthy.verdict.facts import cautious_end, goodness, meet_target
from tuneworthy.verdict.words import no_final_fit, power

Models = dict[ModelRole, Path]


def examine(job: Job, data: Loaded) -> tuple[list[Finding], tuple[str, ...]]:
    """Every finding, and the blocking ones that the job does not accept, as sentences.

    Raises:
        JobError: the job accepts a code that no check has.
    """
    findings = run_checks(examined(job, data))
    unknown = set(job.accept) - {found.code for found in findings}
    if unknown:
        codes = ", ".join(found.code for found in findings)
        raise JobError(f"no check has the code '{min(unknown)}': known: {codes}.")
    blocking = [found for found in findings if found.blocking and found.code not in job.accept]
    return findings, tuple(f"{found.code}: {found.message}" for found in blocking)


def examine_with_models(job: Job, data: Loaded, findings: list[Finding], models: Models) -> list[Finding]:
    """The findings with those of checks that had to wait for the encoder; none of them blocks."""
    if "embedder" not in models:
        return findings
    return completed(findings, replace(examined(job, data), models={"embedder": models["embedder"]}))


def examined(job: Job, data: Loaded, slow: bool = False) -> Examined:
    """What the checks may look at: rows, other columns, and models that are on this machine already."""
    from tuneworthy.models.resolve import at_hand

    task = TASKS.get(job.task)
    wanted = {"decoder": job.base_model, "embedder": job.embedding_model}
    return Examined(
        examples=data.dataset.examples,
        test=data.test_rows,
        folds=job.folds,
        metric=job.metric if job.metric in task.metrics else task.primary_metric(data.dataset.examples),
        columns=data.others,
        group=job.data.group,
        models={role: folder for role, name in wanted.items() if (folder := at_hand(name)) is not None},
        slow=slow,
        instruction=job.instruction,
        task=task.name,
    )


def ask(job: Job, task: Task, rows: Sequence[Example], schema: Schema | None = None) -> Question:
    """What every unit is asked; `schema` is the user's own JSON Schema of the answers.

    Raises:
        JobError: the metric is unknown or another task's, or its library is not installed; the schema is
            another task's, or nothing can be written by it.
        DataError: a target breaks the schema.
    """
    if schema is not None:
        if not isinstance(task, Structured):
            raise JobError(
                f"json_schema is for structured-extraction, and the task is {task.name}: drop one."
            )
        task.check_schema(schema, rows)
    labels = task.labels(rows)
    if is_own_metric(job.metric):
        metric = bring_own(job.metric, task.open, notation=as_answered(task, labels))
    else:
        metric = task.primary_metric(rows) if job.metric == "auto" else METRICS.get(job.metric).name
    if metric not in task.metrics and not is_own_metric(job.metric):
        raise JobError(f"metric '{metric}' does not fit {task.name}: known: {', '.join(task.metrics)}.")
    check_deciding(METRICS.get(metric), job)
    # A library that is missing, or a metric of the user's own that fails, is said now, not after training.
    tried = dict.fromkeys(
        [*(task.metrics if task.open else ()), *([metric] if is_own_metric(job.metric) else ())]
    )
    target = str(rows[0].target)
    trial = [
        Prediction(example_id="right", value=task.format(target)),
        Prediction(example_id="unparseable", value=None, status="unparseable"),
    ]
    for name in tried:
        METRICS.get(name).parts(trial, [target] * len(trial), labels)
    check_thresholds(METRICS.get(metric), job)
    prompt = read_prompt(job.prompt)
    with_prompt(task, prompt, labels)
    instruction = job.instruction or task.instruction(labels)
    return Question(
        task=task.name,
        labels=labels,
        instruction=instruction,
        metric=metric,
        json_schema=schema,
        constrain=job.constrain,
        prompt=prompt,
    )


def check_thresholds(metric: Metric, job: Job) -> None:
    """Raises JobError for points where a share is meant: of an own metric without ends any number may be."""
    goal, gain = job.verdict.target_score, job.verdict.smallest_gain_worth_having
    if goal is not None and goal > 1 and is_share(metric):
        raise JobError(f"verdict.target_score = {goal:g}: {metric.name} is a share, say {goal / 100:g}.")
    if gain > 1 and (is_share(metric) or is_error(metric)):
        what = "is a share" if is_share(metric) else "is an error, a gain is a share of it"
        raise JobError(
            f"verdict.smallest_gain_worth_having = {gain:g}: {metric.name} {what}, say {gain / 100:g}."
        )


def check_deciding(metric: Metric, job: Job) -> None:
    """Raises JobError for a metric that cannot say which arm is better, or that an arm cannot have."""
    if isinstance(metric, CalibrationError):
        raise JobError(
            f"metric '{metric.name}' cannot decide, a constant answer may have the best: log_loss weighs "
            "confidence and answers together."
        )
    if isinstance(metric, OfProbabilities) and endpoints(job):
        raise JobError(
            f"metric '{metric.name}' needs probabilities, and an endpoint gives none: choose accuracy or "
            "macro_f1, or prompt a model with weights."
        )


def check_parameters(job: Job) -> None:
    """Raises JobError for no arm, an unknown arm or an impossible parameter, before anything is written."""
    if not job.arms:
        raise JobError("no arms to compare: name at least one, for example --arms tfidf,lora.")
    for arm in dict.fromkeys([*job.arms, *job.methods]):  # of an arm that is not compared, too
        validated_parameters(method_of(arm, job), job)
    if all(METHODS.get(arm).kind == "tuned" for arm in job.arms):
        raise JobError("a fine-tune alone proves nothing: add an untuned arm, for example --arms tfidf,lora.")


def write_inputs(
    folder: RunFolder,
    job: Job,
    data: Loaded,
    split: Split,
    findings: Sequence[Finding],
    texts: Unlabelled = NO_TEXT,
) -> None:
    """The resolved job, the rows, the split, the findings, and the unlabelled text."""
    folder.write_text("job.yaml", stored_job(folder.path, job, data))
    if is_own_metric(job.metric):
        folder.write_text(OWN_METRIC, own_metric(job.metric)[0].read_text(encoding="utf-8"))
    rows = [{**row.model_dump(), "part": "table"} for row in data.dataset.examples]
    known = {row["id"] for row in rows}
    rows += [{**row.model_dump(), "part": "test"} for row in data.test_rows if row.id not in known]
    rows += [{**row.model_dump(), "part": "unlabelled"} for row in texts.documents]
    folder.write_lines("rows.jsonl", rows)
    lengths = [len(row.input.split()) for row in data.dataset.examples]
    folder.write(
        "dataset.json",
        {
            "name": data.dataset.name,
            "source": data.source,
            "rows": len(data.dataset),
            "fingerprint": data.dataset.fingerprint,
            "input_columns": data.columns.input,
            "target_column": data.columns.target,
            "group_column": job.data.group,
            "task": job.task,
            "labels": {} if TASKS.get(job.task).open else label_counts(data.dataset.examples),
            "words": {"mean": round(sum(lengths) / len(lengths), 1), "max": max(lengths)},
            "test": None
            if data.test is None
            else {"source": data.test_source, "rows": len(data.test), "fingerprint": data.test.fingerprint},
        },
    )
    folder.write("split.json", {**split.model_dump(mode="json"), "all": split.everything})
    folder.write("findings.json", list(findings))
    for note in (data.columns.explanation, *data.notes, *filter(None, (texts.told,))):
        folder.emit("note", text=note)
    for found in findings:
        if found.outcome in ("issue", "tip"):
            folder.emit("note", text=f"{found.code} {found.message} {found.advice}")


def say(listener: Listener | None, text: str) -> None:
    """A note for the display, before there is a run folder to keep it in."""
    if listener is not None:
        listener({"event": "note", "text": text})


def bring_models(job: Job, say: Callable[[str], None]) -> tuple[Models, dict[ModelRole, ModelRef]]:
    """Local folders and digests of the models the arms need; fetched when absent."""
    from tuneworthy.models.resolve import model_ref, resolve

    names = model_names(job)
    for endpoint in endpoints(job):
        say(f"The prompting arms ask {endpoint.title}.")
    models: Models = {}
    refs: dict[ModelRole, ModelRef] = {}
    for role in needed_roles(job):
        models[role] = resolve(names[role], say)
        refs[role] = model_ref(names[role], models[role])
    return models, refs


def hardware() -> tuple[str, int]:
    """Training precision and cores of this machine."""
    from tuneworthy.models.hardware import cores, training_dtype

    return training_dtype(), cores()


def write_plan(
    folder: RunFolder, plan: Plan, job: Job, data: Loaded, split: Split, rows: Sequence[Example]
) -> None:
    """The plan with its arithmetic."""
    folder.write(
        "plan.json",
        {
            "identity": job_identity(job, data),
            "address": plan.address,
            "stages": announced(plan, split),
            "not_compared": not_compared(job, TASKS.get(job.task), rows),
        },
    )


def tell_power(folder: RunFolder, table: Sequence[Power], metric: str, share: bool, grouped: bool) -> None:
    """What the test rows can find, as numbers and in a sentence; silent where nothing is known of it yet."""
    if not table:
        return
    folder.emit("power", table=[row.model_dump() for row in table], text=power(table, metric, share, grouped))


def test_examples(split: Split, rows: Sequence[Example], test_rows: Sequence[Example]) -> list[Example]:
    """The rows that are predicted, with their targets: the lockbox's contents."""
    by_id = {row.id: row for row in [*rows, *test_rows]}
    return [by_id[row_id] for row_id in split.test_ids]


def ceiling(findings: Sequence[Finding], metric: str) -> dict[str, float | int]:
    """What doubtful labels allow at most, as fields of the evidence; none for a metric they do not bound."""
    found = next((one for one in findings if one.ceiling is not None), None)
    if found is None or found.ceiling is None or not METRICS.get(metric).binary:
        return {}
    return {"ceiling": found.ceiling, "doubtful_rows": len(found.rows)}


def metric_names(task: Task, primary: str) -> list[str]:
    """The task's metrics, the primary one first."""
    return [primary, *(name for name in task.metrics if name != primary)]


def reason_to_skip(job: Job, evidence: Evidence) -> str | None:
    """Why nothing should be fine-tuned after the untuned arms, or None."""
    asked = job.verdict
    if job.train_anyway:
        return None
    if evidence.rows < asked.fewest_rows_to_train:
        return (
            f"{evidence.rows} rows are fewer than {asked.fewest_rows_to_train}: nothing is fine-tuned "
            "(--train-anyway goes on)."
        )
    reached = meet_target(evidence, evidence.arms)
    if not reached:
        return None
    end, best = max(
        ((end, arm.method) for arm in reached if (end := cautious_end(evidence, arm)) is not None),
        key=lambda item: goodness(evidence, item[0]),
    )
    return (
        f"{best} already meets the target score {asked.target_score:g} without training "
        f"({'upper' if evidence.error else 'lower'} bound {end:.3f}): nothing is fine-tuned (--train-anyway "
        "goes on)."
    )


def opened(lockbox: Lockbox, plan: str, run: str, outputs: Sequence[ArmOutput]) -> dict[str, Example]:
    """The test rows with their targets, to score these arms: which is written down first."""
    arms = [output.method for output in outputs]
    return lockbox.open(plan, arms, [one.method for one in outputs if one.kind == "tuned"], run)


def write_results(
    folder: RunFolder, scores: Scores, evidence: Evidence, verdict: Verdict, lockbox: Lockbox
) -> None:
    """Estimates, comparisons, details, evidence, verdict and the openings of the test rows."""
    folder.write("estimates.json", scores.estimates)
    folder.write("comparisons.json", scores.comparisons)
    folder.write("details.json", scores.details)
    folder.write("evidence.json", evidence)
    folder.write_lines("lockbox.jsonl", lockbox.openings())
    folder.write("verdict.json", verdict)


def keep_judgement(folder: RunFolder, judgement: Judgement | None) -> None:
    """Writes `judge.json`, or removes that of an earlier job that had a judge."""
    if judgement is None:
        (folder.path / "judge.json").unlink(missing_ok=True)
        return
    folder.write("judge.json", judgement)
    folder.emit("note", text=f"Judge: {judge_sentence(judgement)}")


def final_unit(method: str, plan: Plan, split: Split, folder: RunFolder, threads: int) -> Unit:
    """The fit of the recommended method on all rows, with the settings its folds chose."""
    units = [
        unit
        for stage in plan.stages
        for unit in stage.units
        if unit.method == method and unit.purpose == "evaluate"
    ]
    facts = [unit_metrics(unit, folder.path)["facts"] for unit in units]
    return refit_unit(units, facts, split, threads)


def refit(unit: Unit, folder: RunFolder, executor: Executor, models: Models) -> None:
    """Fits the recommended method once on all rows; `predict`, export and serving use this fit."""
    folder.emit("stage_started", stage="refit", units=[unit.title])
    executor.run([unit], folder, models)
    _use(unit, folder, models)


def keep_fold(unit: Unit, verdict: Verdict, split: Split, folder: RunFolder, models: Models) -> Verdict:
    """Leaves the fit of a fold for `predict`, export and serving; the verdict with a sentence on that."""
    learned, rows = len(split.rows(unit.fit)), len(split.rows(split.everything))
    text = no_final_fit(unit.method, unit.fold, learned, rows)
    folder.emit("note", text=text)
    verdict = verdict.model_copy(update={"reasons": (*verdict.reasons, text)})
    folder.write("verdict.json", verdict)
    _use(unit, folder, models)
    return verdict


def _use(unit: Unit, folder: RunFolder, models: Models) -> None:
    """Names the fit that `predict`, export and serving use."""
    folders = {role: str(models[role]) for role in unit.models}
    folder.write("model.json", {"unit": unit.address, "method": unit.method, "folders": folders})
    shutil.rmtree(folder.path / "checkpoints", ignore_errors=True)


def report(run: Path) -> Path:
    """Renders `report.html` from the run folder's files."""
    page = run / "report.html"
    RunFolder(run).write_text(page.name, render_html(load_contents(run)))
    return page
