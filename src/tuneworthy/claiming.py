"""Whose run a folder holds: the job that made it, and whether its files are still as that job wrote them."""

import os
from pathlib import Path

from tuneworthy import unlabelled
from tuneworthy.core.errors import RunFolderError
from tuneworthy.core.hashing import address, file_digest
from tuneworthy.core.job import Job, is_own_metric, own_metric
from tuneworthy.data.jobfile import dump_job
from tuneworthy.data.loading import Loaded
from tuneworthy.runfolder import checksums
from tuneworthy.runfolder.folder import EVENTS, OWNER, RunFolder
from tuneworthy.runfolder.workspace import workspace
from tuneworthy.tasks._prompted import read_prompt
from tuneworthy.units.execute import OWN_METRIC

BEGUN = {
    ".lock",
    OWNER,
    EVENTS,
    checksums.FILE,
}  # all that a run may have when it is killed at its very start


def job_identity(job: Job, data: Loaded) -> str:
    """The address of everything that decides a run's results."""
    identity = job.identity()
    identity["data"] = {
        "rows": data.dataset.fingerprint,
        "test": data.test.fingerprint if data.test else None,
        "input": data.columns.input,
        "target": data.columns.target,
    }
    identity["prompt"] = read_prompt(job.prompt)
    if is_own_metric(job.metric):
        file, function = own_metric(job.metric)
        identity["metric"] = [function, file_digest(file)]
    if texts := unlabelled.asked(job)[0]:
        identity["methods"]["adapt"]["text"] = [file_digest(text) for text in texts]
    identity["json_schema"] = data.json_schema  # what the file says, wherever it lies
    return address(identity)


def check_place(output: Path | None) -> None:
    """Raises RunFolderError where the run folder cannot be one, before anything is read."""
    if output is not None and output.exists() and not output.is_dir():
        raise RunFolderError(f"{output} is a file, where the run folder should be: name another --output.")


def default_folder(job: Job, data: Loaded) -> Path:
    """`<name>-<hash>` in the workspace: the same job on the same data is the same folder."""
    return workspace() / f"{data.dataset.name}-{job_identity(job, data)[:8]}"


def claim(folder: RunFolder, job: Job, data: Loaded, asked: Job) -> list[str]:
    """Makes sure the folder is new or belongs to this very job, and that nothing damaged in it is read.

    Files that are not as the run wrote them are removed: the run writes each of them anew. Returns a
    sentence on each.

    Args:
        folder: the run folder, locked.
        job: what is run.
        data: the rows.
        asked: the job as it is kept in the folder, before a finding took its models away.

    Raises:
        RunFolderError: it holds another job's run, files that are no run, or a damaged file that only the
            run that was there could have written.
    """
    there = {path.name for path in folder.path.iterdir()}
    if not there & {"job.yaml", "plan.json", checksums.FILE, EVENTS}:
        if any(name not in BEGUN for name in there):
            raise RunFolderError(
                f"{folder.path} has files in it that are no run: name an empty or new --output."
            )
        return []
    damaged = checksums.damaged(folder.path)
    if checksums.FILE in damaged:
        checksums.mend(folder.path)
    if "plan.json" in there and not _is_ours(folder, job_identity(job, data), asked, data, damaged):
        raise RunFolderError(
            f"{folder.path} holds the run of another job: name another --output (finished units that "
            "both share are taken over), or delete it."
        )
    for name in damaged:
        if name in checksums.KEPT:
            raise RunFolderError(checksums.damaged_text(folder.path, name))
    for name in damaged:
        if name != checksums.FILE:
            (folder.path / name).unlink()
    return [f"{name} was damaged or edited (its checksum differs): it is written anew." for name in damaged]


def _is_ours(folder: RunFolder, identity: str, asked: Job, data: Loaded, damaged: list[str]) -> bool:
    """Whether the folder is this job's; where its plan is damaged, by the job that it keeps.

    Raises:
        RunFolderError: both are damaged.
    """
    if "plan.json" not in damaged:
        return bool(folder.read("plan.json").get("identity") == identity)
    if "job.yaml" in damaged or not folder.exists("job.yaml"):
        raise RunFolderError(
            f"plan.json and job.yaml in {folder.path} are damaged, so that nothing tells whose run it is: "
            "name another --output (its finished units are taken over), or delete it."
        )
    return folder.text("job.yaml") == stored_job(folder.path, asked, data)


def stored_job(folder: Path, job: Job, data: Loaded) -> str:
    """The job as `job.yaml` in the folder says it: with the paths of its files as seen from there."""
    resolved = job.data.model_copy(
        update={
            "path": _seen_from(folder, job.data.path) if Path(job.data.path).exists() else job.data.path,
            "test": job.data.test and _seen_from(folder, job.data.test),
            "input": data.columns.input,
            "target": data.columns.target,
        }
    )
    schema = job.json_schema and _seen_from(folder, job.json_schema)
    # A prompt's own text: the folder does not depend on where its file was.
    updates: dict[str, object] = {"prompt": read_prompt(job.prompt), "data": resolved, "json_schema": schema}
    if is_own_metric(job.metric):
        updates["metric"] = f"{OWN_METRIC}:{own_metric(job.metric)[1]}"
    if files := unlabelled.asked(job)[0]:
        seen = [_seen_from(folder, str(file)) for file in files]
        updates["methods"] = {**job.methods, "adapt": {**job.methods["adapt"], "text": seen}}
    return dump_job(job.model_copy(update=updates))


def _seen_from(folder: Path, file: str) -> str:
    """The file as `folder/job.yaml` has to name it, since a job file's paths start at its own folder."""
    try:
        return os.path.relpath(Path(file).resolve(), folder.resolve())
    except ValueError:  # another drive on Windows
        return str(Path(file).resolve())
