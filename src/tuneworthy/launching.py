"""The same job elsewhere: sent, watched, brought back. Where it runs is a file in `launchers/`."""

import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from tuneworthy import arms, steps, unlabelled
from tuneworthy.claiming import default_folder, job_identity
from tuneworthy.core.counting import counted
from tuneworthy.core.duration import brief
from tuneworthy.core.errors import (
    ConsentError,
    JobError,
    LaunchError,
    NotFoundError,
    RunFolderError,
    TuneworthyError,
)
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.hashing import address, file_digest
from tuneworthy.core.job import Job
from tuneworthy.data.loading import load
from tuneworthy.data.lockbox import ledger_path, read_openings, record
from tuneworthy.data.splits import choose_protocol, make_split
from tuneworthy.launchers import LAUNCHERS, OVER, Handle, Launcher, Parcel, Status, Terms
from tuneworthy.launchers.archive import Manifest, is_empty, read_manifest, same_files, unpack
from tuneworthy.launchers.bundle import write_bundle
from tuneworthy.launchers.handles import (
    BUNDLE,
    find,
    folder_of,
    is_as_brought,
    keep,
    keep_brought,
    place,
)
from tuneworthy.launchers.terms import Wanted, require, terms_of
from tuneworthy.models.catalogue import catalogue
from tuneworthy.models.machines import read_market
from tuneworthy.models.resolve import at_hand
from tuneworthy.planning import plan_job
from tuneworthy.runfolder.disk import unwritable
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.search.settings import check_search
from tuneworthy.tasks import TASKS, form_of
from tuneworthy.units.curve import check_curve
from tuneworthy.units.forecast import PLANNED

POLL_S = 20.0  # between two looks at a job that is waited for
TRIES = 5  # of a question that a place does not answer
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job that could be sent, and what is foreseen of it.

    Attributes:
        handle: as it would be kept.
        bundle: the folder with its files.
        foreseen: how long training takes there, in a sentence.
    """

    handle: Handle
    bundle: Path
    foreseen: str


class Fetched(Frozen):
    """What a fetch brought.

    Attributes:
        run: the run folder.
        manifest: of the archive.
        was_here: whether the folder had these very files already.
    """

    run: str
    manifest: Manifest
    was_here: bool


def dry_run(job: Job, wanted: Wanted) -> Prepared:
    """Everything that `launch` would send and ask for; nothing is kept and no network is touched.

    Raises:
        TuneworthyError: what `launch` would raise for the job, its data and the terms.
    """
    with tempfile.TemporaryDirectory() as scratch:
        return _prepare(job, wanted, Path(scratch) / BUNDLE)


def launch(job: Job, wanted: Wanted, allowed: bool = False, say: Say = lambda text: None) -> Handle:
    """Sends a job. What is on disk afterwards, or after any crash on the way, finds it again.

    Args:
        job: what to do.
        wanted: where and on which terms.
        allowed: whether rows may leave this machine.
        say: told what happens, in sentences.

    Raises:
        ConsentError: rows would leave this machine and nobody has allowed it.
        JobError: the job cannot run elsewhere, or the time limit costs more than is allowed.
        LaunchError, MissingExtraError: the place cannot be asked.
    """
    launcher = LAUNCHERS.get(wanted.launcher)
    require(launcher)
    place().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place(), prefix=".launching-") as scratch:
        made = _prepare(job, wanted, Path(scratch) / BUNDLE)
        handle = made.handle
        if handle.where.leaves and not allowed:
            what = f"{counted(handle.parcel.rows, 'row')} to {handle.where.place}"
            raise ConsentError(
                f"this would send {what}: allow it with --send-rows.", question=f"Send {what}?"
            )
        before = find(handle.name)
        if before is not None and (before.sent or before.parcel.digest != handle.parcel.digest):
            state = _state_before(launcher, before)
            there = _there(before, handle, state, say)
            if there is not None:
                return there
            if before.sent and state.phase != "written":
                handle = _again(launcher, handle, before.attempt + 1)
        elif before is not None:
            handle = _again(launcher, handle, before.attempt)  # it may have arrived: the same name finds it
        if before is not None:
            handle = handle.model_copy(update={"fetched": before.fetched})
        folder = folder_of(handle.name)
        shutil.rmtree(folder / BUNDLE, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        made.bundle.rename(folder / BUNDLE)
        keep(handle)  # before it is sent: a crash in between loses nothing
    service = launcher.submit(handle, folder / BUNDLE, folder)
    handle = handle.model_copy(update={"sent": True, "service": service})
    keep(handle)
    return handle


def _state_before(launcher: Launcher, before: Handle) -> Status:
    """How the job is that stands on disk under this name, also where nobody noted that it had arrived."""
    try:
        return launcher.status(before)
    except LaunchError as error:
        raise LaunchError(
            f"{error} {before.name} was launched there before: name another --output to leave it alone."
        ) from error


def _there(before: Handle, handle: Handle, state: Status, say: Say) -> Handle | None:
    """What was launched before, where it is what is wanted now; None where that may be forgotten.

    Raises:
        LaunchError: it runs, or has finished and nobody has fetched it, with other files.
    """
    same = before.parcel.digest == handle.parcel.digest
    if state.phase not in OVER and state.phase != "written":
        if not same:
            raise LaunchError(
                f"{before.name} is {state.phase} with other files: wait for it and fetch it, or end it with "
                f"tuneworthy fetch {before.name} --cancel."
            )
        say(f"It is {state.phase} there already.")
        return before
    if state.phase != "finished":
        return None
    if not same and before.came is None:
        raise LaunchError(
            f"{before.name} has finished with other files and was not fetched: tuneworthy fetch "
            f"{before.name} first, or name another --output."
        )
    if not same or before.came in ("stopped", "failed"):
        return None
    say(f"It has finished there already: tuneworthy fetch {before.name}")
    return before


def _again(launcher: Launcher, handle: Handle, attempt: int) -> Handle:
    """The same under the name of another attempt."""
    parcel = handle.parcel.model_copy(update={"name": f"{handle.parcel.stem}-{attempt}"})
    where = launcher.where(parcel, handle.terms)
    return handle.model_copy(update={"parcel": parcel, "where": where, "attempt": attempt})


def status(handle: Handle) -> Status:
    """How a launched job is, asked of the place; one that never arrived is "written"."""
    if not handle.sent:
        return Status(phase="written", told="it was not sent: the same launch again sends it")
    return _asked(handle).status(handle)


def cancel(handle: Handle) -> None:
    """Asks for a job's end."""
    _asked(handle).cancel(handle)


def logs(handle: Handle, seen: int = 0) -> Iterator[str]:
    """Lines that a job has printed so far, without the first `seen`."""
    return _asked(handle).logs(handle, seen)


def follow(handle: Handle, say: Say, every: float = POLL_S) -> Status:
    """Passes on what a job prints until it ends; a place that cannot be asked for a while is asked again."""
    seen, phase, missed, mute = 0, "", 0, 0
    while True:
        try:
            found = status(handle)
        except LaunchError as error:
            missed += 1
            if missed == TRIES:
                raise
            say(f"{error} Asking again.")
            time.sleep(every)
            continue
        missed = 0
        if found.phase != phase:
            phase = found.phase
            say(f"{handle.name}: {phase}" + (f" ({found.told})" if found.told else ""))
        if phase == "written":
            return found
        try:
            for line in logs(handle, seen):
                seen += 1
                say(line)
            mute = 0
        except LaunchError as error:  # no reason to miss the end: a right may be lacking for the log alone
            mute += 1
            if mute == 1:
                say(f"{error} Its state is followed all the same.")
        if phase in OVER and (not mute or mute >= TRIES):
            return found
        time.sleep(every)


def fetch(handle: Handle, archive: Path | None = None, output: Path | None = None) -> Fetched:
    """Brings the run folder back, verified file by file; the workspace's ledger learns who saw the test rows.

    Args:
        handle: what was launched.
        archive: one that the user has brought here; downloaded where it is None.
        output: the run folder; the one that was named at launch where it is None.

    Raises:
        LaunchError: there is nothing to fetch, or it is not what this job's bundle gives.
        RunFolderError: other files are where the run folder would be.
    """
    if archive is None:
        archive = _asked(handle).collect(handle, folder_of(handle.name))
    elif not archive.is_file():
        raise NotFoundError(f"{archive} does not exist: name the archive (run.tar.gz) that the job left.")
    manifest = read_manifest(archive)
    if manifest.bundle != handle.parcel.digest:
        raise LaunchError(f"{archive} is the run of another job than {handle.name}: nothing was taken.")
    if not manifest.files:
        raise LaunchError(
            f"the job ended before it had a run folder: {manifest.told or 'look at its --logs'}"
        )
    run = (output or Path(handle.run)).resolve()
    if run.exists() and not run.is_dir():
        raise RunFolderError(f"{run} is a file, where the run folder would be: name another --output.")
    was_here = same_files(run, manifest)
    if not was_here:
        if not (is_empty(run) or is_as_brought(handle, run)):
            raise RunFolderError(f"{run} holds other files than this run: name another --output.")
        with RunFolder(run) if run.exists() else nullcontext():  # nobody goes on with it meanwhile
            unpack(archive, run)
    record(ledger_path(), read_openings(run / "lockbox.jsonl"))
    keep_brought(handle, run, manifest)
    brought = {"fetched": file_digest(archive), "came": manifest.state, "sent": True}  # so it had arrived
    keep(handle.model_copy(update=brought))
    return Fetched(run=str(output or handle.run), manifest=manifest, was_here=was_here)


def _asked(handle: Handle) -> Launcher:
    launcher = LAUNCHERS.get(handle.launcher)
    require(launcher)
    return launcher


def _prepare(job: Job, wanted: Wanted, bundle: Path) -> Prepared:
    """Reads, checks and packs; all that can be wrong with the job is said before anything leaves."""
    launcher = LAUNCHERS.get(wanted.launcher)
    terms = terms_of(launcher, wanted, read_market(wanted.machines))
    task = TASKS.get(job.task)
    data = load(job, None, form_of(task))
    rows, test_rows = data.trainable(), data.scorable_test()
    task.check_examples(rows)
    if job.tracking:
        job = job.model_copy(update={"tracking": ()})  # it wants keys; `tuneworthy track` does it afterwards
    job = arms.with_arms(job, task, rows)
    _check_endpoints(job)
    _, blocking = steps.examine(job, data)
    if blocking:
        raise JobError(f"nothing is sent: {blocking[0]} See tuneworthy check, or --accept its code.")
    steps.ask(job, task, rows, data.json_schema)
    steps.check_parameters(job)
    check_search(job)
    check_curve(job)
    protocol = choose_protocol(job.protocol, len(rows), data.test is not None)
    split = make_split(
        rows, protocol, job.folds, job.test_fraction, job.validation_fraction, job.seed, test_rows
    )
    run = wanted.output or default_folder(job, data)
    handle_name = f"{run.name}-{wanted.launcher}"
    try:
        taken = run.exists() and any(run.iterdir())
    except OSError as error:
        raise unwritable(run, error) from error
    if taken and getattr(find(handle_name), "fetched", None) is None:
        raise RunFolderError(f"{run} holds a run already: go on with it there, or name another --output.")
    fingerprint = address(sorted(split.test_ids))
    past = [one for one in read_openings(ledger_path()) if one.fingerprint == fingerprint]
    manifest = write_bundle(bundle, job, unlabelled.asked(job)[0], run, past)
    stem = re.sub(r"[^a-z0-9]+", "-", f"tw-{run.name[:36]}".lower()).strip("-") + f"-{manifest.digest[:8]}"
    parcel = Parcel(
        stem=stem,
        name=f"{stem}-1",
        title=run.name,
        rows=len(data.dataset.examples) + len(data.test_rows),
        files=manifest.files,
        digest=manifest.digest,
        tags={
            "tuneworthy-data": data.dataset.fingerprint,
            "tuneworthy-job": job_identity(job, data),
            "tuneworthy-bundle": manifest.digest,
        },
    )
    handle = Handle(
        name=handle_name,
        launcher=wanted.launcher,
        parcel=parcel,
        terms=terms,
        where=launcher.where(parcel, terms),
        run=str(run),
    )
    return Prepared(handle, bundle, _foreseen(job, terms, wanted.machines))


def _check_endpoints(job: Job) -> None:
    """A key would have to go along, or the endpoint is this machine's own."""
    asked = [one.name for one in arms.endpoints(job)] + ([job.judge.model] if job.judge.model else [])
    if asked:
        raise JobError(f"no key is sent along, so a job that asks {asked[0]} runs here only: tuneworthy run.")


def _foreseen(job: Job, terms: Terms, machines: Path) -> str:
    """How long training would take there; no network is asked, so some models have no answer."""
    if not set(job.arms) & set(PLANNED):
        return "Nothing of it is fine-tuned."
    card = terms.price.card
    if card is None or not all(_is_known(name) for name in (job.base_model, job.embedding_model)):
        return "Training time there is not foreseen: the card or a model's shape is not known here."
    try:
        plan = plan_job(job, gpu=card, machines=machines)
    except TuneworthyError as error:
        return f"Training time there is not foreseen: {error}"
    ways = [
        min(fits, key=lambda fit: (len(fit.options), -fit.rows_per_pass))
        for arm in job.arms
        if (fits := [fit for fit in plan.fits if fit.method == arm and fit.fits and fit.minutes is not None])
    ]
    if not ways:
        return f"No arm of this job is foreseen to fit on {card}."
    told = ", ".join(f"{fit.method} {brief((fit.minutes or 0) * 60)}" for fit in ways)
    return f"Foreseen on {card}, of training alone: {told}; an estimate that no card has confirmed."


def _is_known(name: str) -> bool:
    return name in catalogue() or at_hand(name) is not None
