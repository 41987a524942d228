"""The stages of a run in pieces, where a budget or a sequential test may end them early.

Without either a stage is run as a whole. With one, fine-tuned arms go fold by fold, as many folds at a time
as run side by side; what was not run leaves the plan, so that all that follows reads the units there are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tuneworthy.budgeting import Budget, asks_a_base_model, budget_of
from tuneworthy.core.counting import counted
from tuneworthy.core.duration import brief
from tuneworthy.core.evidence import Evidence, Power
from tuneworthy.core.example import Example
from tuneworthy.core.hashing import address
from tuneworthy.core.job import Job
from tuneworthy.core.stopping import Stop
from tuneworthy.core.unit import Unit
from tuneworthy.course import Course
from tuneworthy.data.splits import Split
from tuneworthy.evaluation.assemble import ArmOutput, Scores
from tuneworthy.evaluation.looks import Looks
from tuneworthy.methods import METHODS
from tuneworthy.metrics import Metric, OfProbabilities
from tuneworthy.metrics._own import OwnMetric
from tuneworthy.sacrifice import FINAL, FORGETTING, Item, grouped, named_folds, with_search
from tuneworthy.search.settings import foreseen_fits, foreseen_trials, is_asked
from tuneworthy.units.collect import arm_outputs
from tuneworthy.units.curve import STAGE as CURVE
from tuneworthy.units.curve import curved
from tuneworthy.units.failures import failed_arms
from tuneworthy.units.plan import Plan, Question, Stage
from tuneworthy.units.seconds_ahead import seconds_ahead
from tuneworthy.verdict.words import fewer_rows, stopped
from tuneworthy.watching import FILE as WATCHED
from tuneworthy.watching import RULE, EvidenceOf, Watch


def run_untuned(plan: Plan, course: Course) -> Plan:
    """Runs the untuned arms; under a budget the cheap ones first, then prompts from the cheapest on."""
    stage = plan.stage("untuned")
    if course.budget is None or not stage.units:
        plan = course.search(plan, "untuned")
        course.run("untuned", plan.stage("untuned").units)
        return plan
    tuned = [*tuned_items(plan, course), *curve_items(plan, course)]
    items = untuned_items(stage, course, course.budget)
    course.tell([*items, *tuned], "estimated before anything ran")
    done, job = list[Unit](), course.job
    while items:
        item, *items = items
        wanted = course.wanted(item, [*items, *tuned])
        if item.kind == "search":  # of the arm that comes next
            job = course.job if wanted else without_search(course.job)
            items = with_search(items, item) if wanted else items
            continue
        if wanted:
            part = Plan(stages=(Stage(name="untuned", units=item.units),))
            units = course.search(part, "untuned", job).stage("untuned").units
            course.run("untuned", units)
            done += units
        job = course.job
    course.tell(tuned, "with the speed seen so far")
    return with_units(plan, "untuned", done)


def run_tuned(plan: Plan, course: Course, train: bool, keep: Callable[[Plan], None]) -> Plan:
    """Runs the fine-tuned arms, as far as the budget goes, and plans the learning curves.

    Args:
        plan: after the untuned arms.
        course: of the run.
        train: whether there is a reason to fine-tune at all.
        keep: writes the plan down.
    """
    if course.budget is None and course.watch is None:
        plan = curved(course.search(plan, "tuned") if train else plan, course.parts, course.job)
        keep(plan)
        course.run("tuned", plan.stage("tuned").units if train else ())
        return plan
    curves = curve_items(plan, course)
    done = _tuned(plan, course, curves) if train else []
    if train:
        plan = with_units(plan, "tuned", done)
    plan = curved(plan, course.parts, course.job)  # with the settings that the arms are measured with
    measured = [item.method for place, item in enumerate(curves) if course.wanted(item, curves[place + 1 :])]
    whole = {unit.method for unit in done if _is_whole(unit.method, done, course.split)}
    kept = [
        unit
        for unit in plan.stage(CURVE).units
        if unit.method in measured and (METHODS.get(unit.method).kind != "tuned" or unit.method in whole)
    ]
    plan = with_units(plan, CURVE, kept)
    keep(plan)
    return plan


def _tuned(plan: Plan, course: Course, curves: Sequence[Item]) -> list[Unit]:
    """The units of fine-tuned arms that were run, item by item; a sequential test asks after every round."""
    items = tuned_items(plan, course)
    if course.watch is not None and items:
        declare(course, course.watch, items)
    job, done = course.job, list[Unit]()
    while items:
        item, *items = items
        if item.kind == "seed":
            begun = {(unit.method, unit.fold) for unit in done}
            there = tuple(unit for unit in item.units if (unit.method, unit.fold) in begun)
            item = replace(item, units=there)
        ended = course.watch is not None and not course.watch.goes_on(item.method)
        asked = item.units and not ended and item.method not in failed_arms(done, course.folder.path)
        wanted = bool(asked) and course.wanted(item, [*items, *curves])
        if item.kind == "search":  # which goes with each fold
            job = job if wanted else without_search(job)
            items = with_search(items, item) if wanted else items
        elif wanted:
            part = course.search(Plan(stages=(Stage(name="tuned", units=item.units),)), "tuned", job)
            course.run("tuned", part.stage("tuned").units)
            done += part.stage("tuned").units
            if course.watch is not None:
                course.watch.saw(item.method, item.number)
        ends = not items or items[0].number != item.number
        if course.watch is not None and ends and done:
            ordered = with_units(plan, "tuned", done).stage("tuned").units
            for stop in course.watch.look(arm_outputs(ordered, course.folder.path)):
                course.folder.emit("note", text=stopped(stop))
    return done


def declare(course: Course, watch: Watch, items: Sequence[Item]) -> None:
    """Fixes which rows each look adds and how many there are to be, before the first look, and keeps it."""
    rounds = {item.number: item.folds for item in items if item.kind == "fold"}
    known = course.folder.read(WATCHED) if course.folder.exists(WATCHED) else None
    if known is None:
        gone = course.budget.forecast(items)[1] if course.budget is not None else []
        left = [item for item in items if item.kind == "fold" and item not in gone]
        planned = {item.method: [one.number for one in left if one.method == item.method] for item in left}
        known = {"rule": RULE, "alpha": course.job.verdict.alpha, "planned": planned}
        known["rounds"] = {str(number): list(folds) for number, folds in rounds.items()}
        course.folder.write(WATCHED, known)
    folds = course.split.folds
    watch.folds = [
        frozenset(row for fold in rounds[number] for row in course.split.rows(folds[fold].predict))
        for number in sorted(rounds)
    ]
    watch.planned = {arm: list(numbers) for arm, numbers in known["planned"].items()}
    course.folder.emit(
        "note",
        text=f"Sequential: fine-tuned arms are looked at after each of {counted(len(rounds), 'round')} of "
        f"folds; the error rate of {course.job.verdict.alpha:.0%} holds over all looks ({RULE}).",
    )
    if course.budget is not None:
        for item in items:  # more rows than were declared would spend more than there is
            if item.kind == "fold" and item.number not in watch.planned.get(item.method, ()):
                course.budget.refuse(item)


def untuned_items(stage: Stage, course: Course, budget: Budget) -> list[Item]:
    """Constant answers and cheap classifiers as one item, then each arm of a base model, the cheapest first.

    The search for a prompt's settings comes right before it. Where there are such arms alone the cheapest is
    needed: something has to be compared.
    """
    prompts = {unit.method for unit in stage.units if asks_a_base_model(unit.method)}
    needed = tuple(unit for unit in stage.units if unit.method not in prompts)
    found = [Item("needed", "classifiers", "", needed)] if needed else []
    asked = [
        Item("prompt", arm, arm, tuple(unit for unit in stage.units if unit.method == arm)) for arm in prompts
    ]
    for item in sorted(asked, key=lambda item: (budget.of_item(item), item.name)):
        trial, count = foreseen_trials(item.units[0], course.job, course.split, course.rows, course.models)
        if count:
            fits = count * budget.of_unit(trial) / max(budget.of_unit(item.units[0]), 1e-9)
            found.append(Item("search", f"the search for {item.method}", item.method, item.units, fits=fits))
        needs = all(one.kind == "search" for one in found)
        found.append(replace(item, kind="needed") if needs else item)
    return found


def tuned_items(plan: Plan, course: Course) -> list[Item]:
    """The search, then rounds of folds with one seed each, all arms in turn, then the further seeds."""
    units = plan.stage("tuned").units
    arms = list(dict.fromkeys(unit.method for unit in units))
    seeds = {arm: _repeats([unit for unit in units if unit.method == arm]) for arm in arms}
    found: list[Item] = []
    asked = [arm for arm in arms if is_asked(course.job, arm)]
    trials = {arm: foreseen_fits(course.job, arm, _least_rows(units, course.split)) for arm in asked}
    if any(trials.values()):
        firsts = tuple(unit for arm in asked for unit in seeds[arm][0])
        found.append(Item("search", "the search for settings", "", firsts, fits=max(trials.values())))
    together = course.watch is not None  # every look is at an arm's mean over all of its seeds
    for number, folds in enumerate(fold_rounds(course, units)):
        for arm in arms:
            repeats = seeds[arm] if together else seeds[arm][:1]
            own = tuple(unit for one in repeats for unit in one if (unit.fold or 0) in folds)
            if own:
                before = sum(len(course.split.rows(one.predict)) for one in course.split.folds[: folds[0]])
                share = before / len(course.split.test_ids)
                starts = dict.fromkeys(unit.start for unit in own if unit.start) if number == 0 else ()
                first = tuple(course.readings[start] for start in starts)
                found.append(
                    Item("fold", named_folds(arm, folds), arm, own, number, folds, share, first=first)
                )
    for arm in arms if not together else ():
        for number, fits in enumerate(seeds[arm][1:], start=2):
            found.append(Item("seed", f"seed {number} of {arm}", arm, tuple(fits)))
    return found


def fold_rounds(course: Course, units: Sequence[Unit]) -> list[tuple[int, ...]]:
    """The folds that are run together: as many as run side by side, and at most half of them.

    Those of the first start stay, whatever the machine it goes on: a sequential test's, and a budget's, whose
    decisions are about them.
    """
    folds = len(course.split.folds)
    if course.watch is not None and course.folder.exists(WATCHED):
        return [tuple(own) for own in course.folder.read(WATCHED)["rounds"].values()]
    if course.budget is not None and course.budget.rounds:
        return course.budget.rounds
    room = course.job.at_a_time or course.cores // max((unit.threads for unit in units), default=1)
    together = max(1, min(room, folds // 2))
    found = [tuple(range(at, min(at + together, folds))) for at in range(0, folds, together)]
    if course.budget is not None and units:
        course.budget.rounds = found
        course.budget.write()
    return found


def curve_items(plan: Plan, course: Course) -> list[Item]:
    """The learning curve of each arm that has one."""
    stage = curved(plan, course.parts, course.job).stage(CURVE)
    found = []
    for arm in dict.fromkeys(unit.method for unit in stage.units):
        own = tuple(unit for unit in stage.units if unit.method == arm)
        tuned = METHODS.get(arm).kind == "tuned"
        found.append(Item("tuned_curve" if tuned else "curve", f"the learning curve of {arm}", arm, own))
    return found


def with_units(plan: Plan, name: str, units: Sequence[Unit]) -> Plan:
    """The plan with a stage's units as they were run, in the order they had been planned in."""
    places = {_place(unit): place for place, unit in enumerate(plan.stage(name).units)}
    ordered = tuple(sorted(units, key=lambda unit: places[_place(unit)]))
    changed = (Stage(name=name, units=ordered) if stage.name == name else stage for stage in plan.stages)
    return Plan(stages=tuple(stage for stage in changed if stage.units))


def frozen_address(plan: Plan, job: Job) -> str:
    """The plan's address, by which the lockbox knows it.

    What may end a run early is a part of it: the same plan run again with more time is another look.
    """
    if job.budget is None and not job.sequential:
        return plan.address
    return address([plan.address, job.budget, job.sequential])


def budget(
    course: Course, question: Question, writes: bool, started: float, documents: Sequence[Example]
) -> Budget | None:
    """The job's budget, if it has one."""
    if course.job.budget is None:
        return None
    foresight = seconds_ahead(
        course.job, question, course.rows, course.split, course.models, writes, documents
    )
    return budget_of(course.job, foresight, course.folder, course.cores, started)


def watch(
    course: Course, evidence_of: EvidenceOf, truth: Mapping[str, Example], metric: Metric
) -> Watch | None:
    """The sequential test, where the job asks for one and there are folds to stop between."""
    if not course.job.sequential:
        return None
    if len(course.split.folds) == 1:
        course.folder.emit(
            "note", text="sequential does nothing here: there is one fold, so nothing to stop between."
        )
        return None
    return Watch(evidence_of, truth, not metric.open and not isinstance(metric, OfProbabilities | OwnMetric))


def evidence_with(evidence: Evidence, scores: Scores) -> Evidence:
    """The evidence with other arms and comparisons."""
    return evidence.model_copy(update={"arms": scores.arms, "comparisons": scores.comparisons})


def looked(course: Course) -> tuple[dict[str, Looks], tuple[Stop, ...]]:
    """The looks of a sequential test, and the arms that it ended; nothing without one."""
    return ({}, ()) if course.watch is None else (course.watch.looks, tuple(course.watch.stops))


def nothing_fits(course: Course, tuned: Sequence[ArmOutput]) -> str | None:
    """Why nothing was fine-tuned though there was reason to, or None."""
    if tuned or course.budget is None or not any(item.kind == "fold" for item in course.dropped):
        return None
    foreseen = course.budget.foreseen([item for item in course.dropped if item.kind == "fold"])
    return (
        f"a budget of {brief(course.budget.seconds)} leaves no time to fine-tune, which was foreseen to take "
        f"{brief(foreseen)}."
    )


def certainty(
    course: Course,
    tuned: Sequence[ArmOutput],
    power: tuple[Power, ...],
    power_of: Callable[[int], tuple[Power, ...]],
    share: bool,
) -> tuple[tuple[Power, ...], tuple[str, ...]]:
    """What the rows that fine-tunes were measured on can find, and sentences on what was left out.

    Args:
        course: of the run.
        tuned: what the fine-tuned arms answered.
        power: of all test rows.
        power_of: of fewer.
        share: whether the metric is read as a percentage.
    """
    told = []
    if course.budget is not None and course.dropped:
        names = ", ".join(grouped(course.dropped, len(course.split.folds)))
        told.append(f"The budget of {brief(course.budget.seconds)} left out: {names}.")
        course.folder.emit("note", text=told[0])
    every = len(course.split.test_ids)
    fewest = min((len(output.predictions) for output in tuned), default=every)
    if fewest == every:
        return power, tuple(told)
    told += [
        fewer_rows(output.method, power_of(len(output.predictions)), power, share)
        for output in tuned
        if power
        and len(output.predictions) < every
        and (course.watch is None or course.watch.goes_on(output.method))  # the others have said why
    ]
    return power_of(fewest), tuple(told)


def in_place_of(final: Unit, plan: Plan, course: Course) -> Unit | None:
    """The first fold's fit of a fine-tune, where the budget has no time for its final one; else None."""
    budget = course.budget
    if budget is None or METHODS.get(final.method).kind != "tuned":
        return None
    if budget.ends_with(FINAL, budget.missing(final)):
        return None
    return next(unit for unit in plan.stage("tuned").units if unit.method == final.method)


def no_time_to_measure_forgetting(course: Course) -> str | None:
    """Why what a fine-tune has forgotten is not measured, or None."""
    if course.budget is None:
        return None
    seconds = sum(one.seconds for one in course.budget.endings(()) if one.name == FORGETTING)
    if not seconds or course.budget.ends_with(FORGETTING, seconds):
        return None
    return f"the budget of {brief(course.budget.seconds)} left no time for it"


def tell_exceeded(course: Course) -> None:
    """Says at the end of a run whether it has taken more than its budget, and keeps the time spent."""
    if course.budget is None:
        return
    course.budget.write()
    took, given = course.budget.spent() - course.budget.before_s, course.budget.seconds
    if took > given:
        course.folder.emit(
            "note",
            text=f"The budget of {brief(given)} was exceeded ({brief(took)}): something took longer than was "
            "foreseen, or is never left out.",
        )


def without_search(job: Job) -> Job:
    """The job with the settings that arms have by default."""
    return job.model_copy(update={"search": job.search.model_copy(update={"trials": 0})})


def _place(unit: Unit) -> tuple[str, int | None, int, float]:
    """What tells a stage's units apart whatever their settings."""
    return unit.method, unit.fold, unit.seed, unit.share


def _repeats(units: Sequence[Unit]) -> list[list[Unit]]:
    """An arm's units by seed: the first fit of every fold, the second ones, ..."""
    count = len(units) // len({unit.fold for unit in units})
    return [list(units[number::count]) for number in range(count)]


def _least_rows(units: Sequence[Unit], split: Split) -> int:
    return min((len(split.rows(unit.fit)) for unit in units), default=0)


def _is_whole(arm: str, done: Sequence[Unit], split: Split) -> bool:
    """Whether an arm was measured in every fold."""
    return len({unit.fold for unit in done if unit.method == arm}) == len(split.folds)
