"""Which base model to fine-tune on a table: filter the candidates, then rank them on its training rows."""

from collections.abc import Sequence
from pathlib import Path

from tuneworthy import steps
from tuneworthy.core.counting import counted
from tuneworthy.core.endpoint import endpoint_of
from tuneworthy.core.errors import JobError, ModelError, TuneworthyError
from tuneworthy.core.example import Example
from tuneworthy.core.job import Job
from tuneworthy.core.ranking import RankedModel, Ranking
from tuneworthy.data.loading import load
from tuneworthy.data.splits import make_split
from tuneworthy.data.table import Table
from tuneworthy.metrics import METRICS, OfProbabilities
from tuneworthy.models.catalogue import Commercial, Entry, catalogue
from tuneworthy.models.machines import this_machine
from tuneworthy.models.memory import GIB
from tuneworthy.models.resolve import at_hand, model_ref, resolve
from tuneworthy.models.shape import shape_of_folder
from tuneworthy.models.states import kind_of
from tuneworthy.models.wanted import Wanted, most_precise, objection, too_small, unknown
from tuneworthy.models.way import Method
from tuneworthy.runfolder.workspace import workspace
from tuneworthy.search.base_models import Tell, rank
from tuneworthy.search.measures import Candidate, Measures
from tuneworthy.tasks import TASKS, form_of

WAYS: dict[Method, str] = {"full": "whole", "lora": "with LoRA", "qlora": "with LoRA on four bits"}
USES: dict[Commercial, str] = {
    "yes": "its licence allows commercial use",
    "conditions": "its licence allows commercial use on conditions",
    "no": "its licence does not allow commercial use",
    "unstated": "its licence is not stated",
}


def training_rows(job: Job, rows: Sequence[Example], test: Sequence[Example]) -> list[Example]:
    """The rows that the job's own holdout trains on; the others are left for its lockbox.

    Under crossfit every row is a test row of one fold, so there would be none that the choice has not seen.

    Raises:
        JobError: the job asks for crossfit.
    """
    if job.protocol == "crossfit":
        raise JobError(
            "protocol crossfit scores every row, so no row may choose the model: rank with protocol=holdout, "
            "or name a --test file."
        )
    split = make_split(rows, "holdout", job.folds, job.test_fraction, job.validation_fraction, job.seed, test)
    ids = {*split.rows(split.folds[0].fit), *split.rows(split.folds[0].validation)}
    return [row for row in rows if row.id in ids]


def rank_models(
    job: Job,
    table: Table | None = None,
    names: Sequence[str] = (),
    wanted: Wanted | None = None,
    tell: Tell = lambda text: None,
) -> Ranking:
    """Filters the candidates, brings them, and ranks them on the job's training rows.

    Args:
        job: the data, its task and metric.
        table: stands in for `job.data.path` when the rows are in memory already.
        names: catalogue names, Hub ids or local folders; default: models of the catalogue on this machine.
        wanted: conditions; catalogue models that do not meet them are left out, of others it is said what is
            not known. Without a machine, it is this one that has to fine-tune them.
        tell: told what is being done.

    Raises:
        JobError: the task has no closed set of labels, or no candidate is left.
        ModelError: none of the candidates could be brought.
    """
    task, wanted = TASKS.get(job.task), wanted or Wanted()
    machine = wanted.machine or this_machine()
    wanted = wanted.model_copy(update={"machine": machine})
    if task.open:
        raise JobError(
            f"models are ranked by a probe on labels, and {task.name} has none: rank on a column of labels "
            "from the same texts, for example its topic."
        )
    data = load(job, table, form_of(task))
    rows, test = data.trainable(), data.scorable_test()
    task.check_examples(rows)
    training = training_rows(job, rows, test)
    question, asked = steps.ask(job, task, training), None
    if isinstance(METRICS.get(question.metric), OfProbabilities):  # the probe's answers are labels alone
        asked = question.metric
        question = question.model_copy(update={"metric": task.primary_metric(training)})
    candidates, left_out = bring(names or on_this_machine(), wanted, tell)
    entries = {each.name: catalogue()[each.name] for each in candidates if each.name in catalogue()}
    measures = Measures(question, job.seed, workspace() / "measurements")
    places, broken = rank(candidates, training, question, measures, job.seed, tell)
    return Ranking(
        models=tuple(
            each.model_copy(update={"reason": reason(each, entries.get(each.name), places, wanted)})
            for each in places
        ),
        left_out=left_out | broken,
        metric=question.metric,
        machine=f"{machine.name}, {machine.memory / GIB:.4g} GiB",
        read_rows=len(training),
        kept_rows=len(test) or len(rows) - len(training),
        asked_metric=asked,
    )


def on_this_machine() -> list[str]:
    """The models of the catalogue that need no download."""
    return [entry.name for entry in catalogue().values() if entry.wheel is not None or at_hand(entry.name)]


def bring(names: Sequence[str], wanted: Wanted, tell: Tell) -> tuple[list[Candidate], dict[str, str]]:
    """The candidates on this machine, and why the others are left out.

    Raises:
        JobError: the conditions leave none.
        ModelError: none could be brought.
    """
    found, refused, failed = list[Candidate](), dict[str, str](), dict[str, str]()
    for name in dict.fromkeys(names):
        entry = catalogue().get(name)
        if entry is not None and (reason := objection(entry, wanted)):
            refused[name] = reason
            continue
        if endpoint_of(name) is not None:
            refused[name] = "an endpoint gives no weights to fine-tune"
            continue
        try:
            folder = resolve(name, tell)
            ref, kind = model_ref(name, folder), kind_of(folder)
        except TuneworthyError as error:
            failed[name] = str(error)
            continue
        if entry is None and (reason := _too_small(folder, wanted)):
            refused[name] = reason
            continue
        taken = ref.name != name and (ref.name in catalogue() or ref.name in {each.name for each in found})
        shown = name if taken else ref.name
        found.append(Candidate(shown, folder, ref, kind, None if shown == name else name))
    if not found and failed:
        raise ModelError(
            f"none of {counted(len(failed), 'candidate')} is there: {next(iter(failed.values()))}"
        )
    if not found:
        raise JobError("no candidate meets the conditions: drop one, or name others with --candidates.")
    return found, refused | failed


def _too_small(folder: Path, wanted: Wanted) -> str:
    """That the machine cannot fine-tune the model in a folder; empty where it can, or nobody can tell."""
    try:
        return too_small(shape_of_folder(folder), wanted.machine)
    except ModelError:
        return ""


def reason(model: RankedModel, entry: Entry | None, models: Sequence[RankedModel], wanted: Wanted) -> str:
    """What speaks for and against a model, in one sentence; `entry` where the catalogue has it."""
    said = [unknown(wanted)] if entry is None and unknown(wanted) else []
    if entry is not None and wanted.machine and (method := most_precise(entry, wanted.machine)):
        said.append(f"can be fine-tuned there {WAYS[method]}")
    if entry is not None:
        noted = [entry.restrictions, "not checked on its card" if "licence" in entry.unchecked else ""]
        notes = "; ".join(filter(None, noted))
        said.append(USES[entry.commercial] + (f" ({notes})" if notes else ""))
    if model.bits_per_byte is None:
        said.append("has no head that says how well it reads your texts")
    else:
        said.append(f"reads your texts at {model.bits_per_byte:.2f} bits per byte" + _against(model, models))
    if model.letters_alone is not None:
        said.append(
            f"counting letters takes {model.letters_alone:.2f}: its upper layers are damaged, or it was made "
            "for another language"
        )
    if model.rows < models[0].rows:
        said.append(f"left after {model.rows} rows, which tell its probe from the best")
    elif model.tied:
        said.append("your rows cannot tell its probe from the best")
    return "; ".join(said)


def _against(model: RankedModel, models: Sequence[RankedModel]) -> str:
    """The best other model of the kind, for comparison."""
    others = [
        other.bits_per_byte
        for other in models
        if other.kind == model.kind and other is not model and other.bits_per_byte is not None
    ]
    return f" (the best other {model.kind}: {min(others):.2f})" if others else ""
