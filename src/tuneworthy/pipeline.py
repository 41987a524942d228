"""The main job, top to bottom: from a table of examples to a verdict. Read this first.

Each step writes its result into the run folder; a run that is killed and started again finds its finished
units there and comes to the same end. The steps' details are in `steps.py`.
"""

from functools import partial
from pathlib import Path

from tuneworthy import (
    arms,
    budgeting,
    claiming,
    forgetting,
    growth,
    judging,
    rounds,
    similarity,
    steps,
    unlabelled,
)
from tuneworthy.core.evidence import Evidence
from tuneworthy.core.job import Job, is_own_metric
from tuneworthy.course import Course
from tuneworthy.data.loading import load
from tuneworthy.data.lockbox import Lockbox, check_ledger, ledger_path
from tuneworthy.data.splits import choose_protocol, make_split
from tuneworthy.data.table import Table
from tuneworthy.evaluation.assemble import score_arms
from tuneworthy.evaluation.hardest import hardest_of_best
from tuneworthy.evaluation.resolution import (
    claim_of,
    deciding_pair,
    power_of,
    rows_to_settle_difference,
    unevenness_of,
    whole_of,
)
from tuneworthy.metrics import METRICS, is_error, is_share
from tuneworthy.runfolder.environment import environment
from tuneworthy.runfolder.folder import Listener, RunFolder
from tuneworthy.runfolder.unit_output import remove_leftovers
from tuneworthy.search.settings import check_search
from tuneworthy.tasks import TASKS, form_of
from tuneworthy.tracking import Trackers, check_tracking
from tuneworthy.units.adaptation import STAGE, adapted
from tuneworthy.units.collect import arm_outputs
from tuneworthy.units.curve import check_curve, draw_parts, why_none
from tuneworthy.units.executors import executor_for
from tuneworthy.units.failures import failed_arms, require_one, sentences
from tuneworthy.units.memory_ahead import memory_ahead
from tuneworthy.units.plan import make_plan
from tuneworthy.verdict.rules import decide


def run(
    job: Job,
    output: Path | None = None,
    table: Table | None = None,
    listener: Listener | None = None,
) -> Path:
    """Runs the main job and returns its run folder.

    Args:
        job: what to do.
        output: the run folder; default `<name>-<hash of job and data>` in the workspace, so that the same
            command again continues the same run.
        table: rows in memory, in place of `job.data.path`.
        listener: told every event, for a progress display.

    Raises:
        TuneworthyError: the user's mistake, one sentence; nothing is written before data and job are sound.
    """
    # 1. Read, split and examine. Nothing is written until data and job are sound.
    started = budgeting.clock()
    claiming.check_place(output)
    task = TASKS.get(job.task)
    data = load(job, table, form_of(task))
    rows, test_rows = data.trainable(), data.scorable_test()
    task.check_examples(rows)
    job = arms.with_arms(job, task, rows)
    # Which rows a unit may fit, validate on and predict is decided here, once.
    protocol = choose_protocol(job.protocol, len(rows), data.test is not None)
    split = make_split(
        rows, protocol, job.folds, job.test_fraction, job.validation_fraction, job.seed, test_rows
    )
    test_count = len(split.test_ids)
    arms.check_consent(job, split)
    findings, blocking = steps.examine(job, data)
    asked = job
    if blocking:
        job = arms.without_models(job)  # no compute on data with a fault that decides the result
    question = steps.ask(job, task, rows, data.json_schema)
    steps.check_parameters(job)
    texts = unlabelled.bring(job, steps.test_examples(split, rows, test_rows))
    split = texts.with_rows(split)
    parts = draw_parts(job, split, rows)  # of the training rows, for learning curves
    split = parts.split
    judging.check_judge(job, task)
    check_search(asked)
    check_curve(asked)
    check_tracking(job)

    # 2. Bring the models; everything from here on is kept in the run folder.
    models, refs = steps.bring_models(job, lambda text: steps.say(listener, text))
    findings = steps.examine_with_models(job, data, findings, models)
    foreseen, least_gib = memory_ahead(
        job, question, rows, data.test is not None, models, task.open, texts.documents
    )
    dtype, cores = steps.hardware()
    check_ledger(ledger_path())
    with (
        RunFolder(output or claiming.default_folder(job, data)) as folder,
        Trackers(job.tracking) as trackers,
        executor_for(job.workers, cores, least_gib) as executor,
    ):
        damaged = claiming.claim(folder, job, data, asked)
        remove_leftovers(folder.path / "units")
        if listener is not None:
            folder.listen(listener)
        folder.emit(
            "run_started",
            run=str(folder.path),
            rows=len(rows),
            labels=0 if task.open else len(question.labels),
            protocol=protocol,
        )
        for text in damaged:
            folder.emit("note", text=text)
        steps.write_inputs(folder, asked, data, split, findings, texts)
        trackers.follow(folder)

        # 3. Plan: every unit, and what this many rows can show, before anything runs.
        plan = adapted(make_plan(job, split, question, refs, dtype, cores), job, texts.address, cores)
        folder.write("environment.json", environment(dtype, cores))
        # Settings that a search fills in later come from validation rows alone.
        frozen = rounds.frozen_address(plan, job)
        steps.write_plan(folder, plan, job, data, split, rows)
        folder.emit("planned", stages={one.name: [unit.title for unit in one.units] for one in plan.stages})
        for text in (*foreseen, *why_none(job, parts)):
            folder.emit("note", text=text)
        deciding = METRICS.get(question.metric)
        whole = whole_of(deciding, task, rows)
        share = is_share(deciding) and not is_own_metric(job.metric)
        resolving = partial(
            power_of,
            deciding,
            whole=whole,
            alpha=job.verdict.alpha,
            unevenness=unevenness_of(deciding, rows),
        )
        power = resolving(test_count)
        steps.tell_power(folder, power, question.metric, share, job.data.group is not None)

        # 4. Untuned arms first. The lockbox opens to score what has run; units never see its targets.
        readings = {unit.address: unit for unit in plan.stage(STAGE).units}
        course = Course(job, split, rows, folder, executor, models, cores, parts, readings)
        course.budget = rounds.budget(course, question, task.open, started, texts.documents)
        plan = rounds.run_untuned(plan, course)
        untuned = arm_outputs(plan.stage("untuned").units, folder.path)
        require_one(untuned, plan.stage("untuned").units, folder.path)
        lockbox = Lockbox(steps.test_examples(split, rows, test_rows), ledger_path())
        opened = partial(steps.opened, lockbox, frozen, folder.path.name)
        truth = opened(untuned)
        metrics = steps.metric_names(task, question.metric)
        asked_of = question.labels, question.metric
        scores = score_arms(untuned, truth, *asked_of, metrics, job, cores)
        assumed, power = power, resolving(test_count, truth, deciding_pair(untuned, scores))
        if power != assumed:
            steps.tell_power(folder, power, question.metric, share, job.data.group is not None)

        evidence = Evidence(
            metric=question.metric,
            error=is_error(deciding),
            share=share,
            fine_tuning=arms.fine_tuning_of(job),
            whole=whole,
            arms=scores.arms,
            comparisons=scores.comparisons,
            thresholds=job.verdict,
            rows=len(rows),
            test_rows=test_count,
            protocol=protocol,
            power=power,
            blocking=blocking,
            **steps.ceiling(findings, question.metric),
            past_tuned_arms=lockbox.past_tuned_arms(frozen),
        )

        # 5. Fine-tune, unless an untuned arm is good enough already or the rows are too few.
        skipped = steps.reason_to_skip(job, evidence)
        asked_for = plan.tuned_methods
        course.watch = rounds.watch(
            course,
            lambda seen, looks: rounds.evidence_with(
                evidence,
                score_arms([*untuned, *seen], opened(seen), *asked_of, [question.metric], job, cores, looks),
            ),
            truth,
            deciding,
        )
        plan = rounds.run_tuned(
            plan, course, not skipped, lambda made: steps.write_plan(folder, made, job, data, split, rows)
        )
        tuned = [] if skipped else arm_outputs(plan.stage("tuned").units, folder.path)
        ran = [*plan.stage("untuned").units, *(() if skipped else plan.stage("tuned").units)]
        failed = failed_arms(ran, folder.path)
        failures = sentences(failed)
        for text in failures:
            folder.emit("note", text=text)
        if not skipped and not tuned and not failed.keys().isdisjoint(asked_for):
            evidence = evidence.model_copy(update={"fine_tuning": "failed"})
        elif not skipped and (no_time := rounds.nothing_fits(course, tuned)):
            skipped, evidence = no_time, evidence.model_copy(update={"fine_tuning": "no_time"})
        if skipped and asked_for:
            folder.emit("note", text=skipped)

        # 6. The evidence with the tuned arms, then the verdict: a pure function of it.
        outputs = [*untuned, *tuned]
        looks, stops = rounds.looked(course)
        scores = score_arms(outputs, opened(tuned), *asked_of, metrics, job, cores, looks)
        pair = deciding_pair(outputs, scores)
        power, left_out = rounds.certainty(
            course, tuned, resolving(test_count, truth, pair), lambda few: resolving(few, truth, pair), share
        )
        claim = claim_of(evidence, len(tuned), job.confidence)
        evidence = evidence.model_copy(
            update={
                "arms": scores.arms,
                "comparisons": scores.comparisons,
                "tuned_skipped": skipped if asked_for else None,
                "power": power,
                "left_out": (*left_out, *failures),
                "stops": stops,
                "rows_to_settle": rows_to_settle_difference(deciding, scores, outputs, truth, claim),
                "hardest": hardest_of_best(deciding, scores, outputs, truth, job.verdict.alpha),
                "curves": growth.learning_curves(
                    job, plan, split, question, outputs, truth, folder, executor, models
                ),
            }
        )
        verdict = decide(evidence)
        if not blocking:  # a second view of prose, which the verdict does not know of
            scores = similarity.with_similarity(job, scores, outputs, truth, folder, models.get("embedder"))
        steps.write_results(folder, scores, evidence, verdict, lockbox)

        # 7. A judge's second opinion, where the job asks for one: the verdict stands already.
        steps.keep_judgement(folder, judging.judge(job, question, outputs, scores, truth))

        # 8. Refit the recommended method on all rows with the settings its folds chose; what a fine-tune has
        # forgotten is a reason more, and no decision. Then report.
        threads, method = job.threads or cores, verdict.recommended_method
        final = steps.final_unit(method, plan, split, folder, threads)
        if fold := rounds.in_place_of(final, plan, course):
            verdict = steps.keep_fold(fold, verdict, split, folder, models)
        else:
            steps.refit(final, folder, executor, models)
        verdict = forgetting.with_what_was_forgotten(
            verdict,
            evidence,
            plan,
            job,
            refs,
            folder,
            executor,
            models,
            threads,
            rounds.no_time_to_measure_forgetting(course),
        )
        rounds.tell_exceeded(course)
        steps.report(folder.path)
        folder.emit("run_finished", decision=verdict.decision, recommended_method=verdict.recommended_method)
        return folder.path
