"""What is sent: the job, its data, this package, and a script that runs them. The same job, the same bytes.

    start.sh                     installs what the place lacks, then runs the worker
    manifest.json                names, sizes and sha256 of everything else
    tuneworthy-<version>.whl     this package, as it is imported here
    pins.txt                     the versions of everything below it
    place/job.yaml               the job, every field written out, its paths inside `place/`
    place/...                    data, templates, schemas, models: where they lie here, seen from each other
    ledger.jsonl                 who has looked at these test rows before

Files keep their places relative to each other and to the run folder, so the paths in the fetched run's own
job.yaml are right here too.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tuneworthy.core.errors import LaunchError
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.hashing import address, file_digest
from tuneworthy.core.job import Job, is_own_metric, is_template_file, own_metric
from tuneworthy.data.jobfile import dump_job
from tuneworthy.data.lockbox import Opening
from tuneworthy.launchers import SentFile
from tuneworthy.launchers.package import extras, pins, wheel
from tuneworthy.runfolder.folder import to_json, write_bytes, write_text
from tuneworthy.runfolder.source import source_digest

MANIFEST, START, PINS, LEDGER, PLACE, JOB = (
    "manifest.json",
    "start.sh",
    "pins.txt",
    "ledger.jsonl",
    "place",
    "tuneworthy-job.yaml",
)
MODELS = ("base_model", "prompt_model", "embedding_model")
SCRIPT = """#!/bin/sh
# Installs what is missing here, then runs the job beside this file.
set -eu
began=$(date +%s)
here=$(cd "$(dirname "$0")" && pwd)
python=${{PYTHON:-$(command -v python || command -v python3)}}
if ! "$python" -m tuneworthy.launchers.worker --is {source} 2>/dev/null; then
    "$python" -m pip install --quiet --disable-pip-version-check -c "$here/pins.txt" "$here/{wheel}{extras}"
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall "$here/{wheel}"
fi
exec "$python" -m tuneworthy.launchers.worker --bundle "$here" --began "$began" "$@"
"""


class BundleManifest(Frozen):
    """What a bundle says of itself.

    Attributes:
        job: the job file, inside the bundle.
        run: the run folder, inside the bundle.
        files: everything but this file.
    """

    job: str
    run: str
    files: tuple[SentFile, ...]

    @property
    def digest(self) -> str:
        """The address of everything in the bundle."""
        return address(self)


def write_bundle(
    folder: Path, job: Job, texts: Sequence[Path], run: Path, past: Sequence[Opening]
) -> BundleManifest:
    """Writes the bundle into a folder.

    Args:
        folder: a new one.
        job: what to do, its paths as seen from the current folder.
        texts: files of unlabelled text that it reads.
        run: where the run folder will be here.
        past: openings of the same test rows so far.

    Raises:
        LaunchError: a file is missing, or lies on another drive.
    """
    sources = dict(_sources(job, texts))
    here = run.resolve()
    inside = _places(list(sources), here.parent)
    run_inside = f"{inside[here.parent]}/{here.name}".removeprefix("./")
    kinds: dict[str, str] = {}
    for path, what in sources.items():
        for file in [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file()):
            below = "" if file == path else f"/{file.relative_to(path).as_posix()}"
            name = f"{PLACE}/{inside[path]}{below}"
            write_bytes(folder / name, file.read_bytes())
            kinds[name] = what
    moved = _moved(job, lambda name: inside[Path(name).expanduser().resolve()])
    name, content = wheel()
    own = {
        f"{PLACE}/{JOB}": ("job", dump_job(moved).encode()),
        name: ("package", content),
        PINS: ("versions", pins().encode()),
        LEDGER: ("earlier looks", "".join(f"{one.model_dump_json()}\n" for one in past).encode()),
        START: ("script", _script(name).encode()),
    }
    for file_name, (what, bytes_) in own.items():
        write_bytes(folder / file_name, bytes_)
        kinds[file_name] = what
    sent = tuple(_sent(folder, one, kinds[one]) for one in sorted(kinds))
    manifest = BundleManifest(job=f"{PLACE}/{JOB}", run=f"{PLACE}/{run_inside}", files=sent)
    write_text(folder / MANIFEST, to_json(manifest))
    return manifest


def _sent(folder: Path, name: str, what: str) -> SentFile:
    path = folder / name
    return SentFile(path=name, what=what, size=path.stat().st_size, sha256=file_digest(path))


def read_bundle(folder: Path) -> BundleManifest:
    """A bundle's manifest, after every file was compared with it.

    Raises:
        LaunchError: a file is missing, or is not what was sent.
    """
    try:
        manifest = BundleManifest.model_validate_json((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise LaunchError(f"{folder} is no bundle: it has no {MANIFEST} that can be read.") from None
    for file in manifest.files:
        path = folder / file.path
        if not path.is_file() or file_digest(path) != file.sha256:
            raise LaunchError(f"{file.path} is not what was sent: launch the job again.")
    return manifest


def _script(wheel_name: str) -> str:
    found = extras()
    asked = f"[{','.join(found)}]" if found else ""
    return SCRIPT.format(source=source_digest(), wheel=wheel_name, extras=asked)


def _sources(job: Job, texts: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Every file and folder of this machine that the job names, and what it is."""
    named: list[tuple[str, str]] = [(job.data.path, "rows")]
    named += [(job.data.test, "test rows")] if job.data.test else []
    named += [(job.json_schema, "schema")] if job.json_schema else []
    named += [(job.prompt, "prompt")] if job.prompt and is_template_file(job.prompt) else []
    named += [(str(own_metric(job.metric)[0]), "metric")] if is_own_metric(job.metric) else []
    named += [(str(text), "unlabelled text") for text in texts]
    models = {getattr(job, field) for field in MODELS} - {None}
    named += [(name, "model") for name in sorted(models) if Path(name).expanduser().is_dir()]
    for name, what in named:
        path = Path(name).expanduser()
        if not path.exists():
            raise LaunchError(f"{name} does not exist, so it cannot be sent.")
        yield path.resolve(), what


def _places(paths: Sequence[Path], runs: Path) -> dict[Path, str]:
    """Each path, and the folder of runs, as seen from the deepest folder that holds them all."""
    try:
        common = Path(os.path.commonpath([runs, *(path.parent for path in paths)]))
    except ValueError:
        raise LaunchError("the job's files lie on several drives: put them on one to send them.") from None
    return {path: path.relative_to(common).as_posix() for path in (*paths, runs)}


def _moved(job: Job, to: Callable[[str], str]) -> Job:
    """The job with its paths replaced, as `load_job` reads them from a file in the common folder."""
    data = job.data.model_copy(
        update={"path": to(job.data.path), "test": job.data.test and to(job.data.test)}
    )
    changes: dict[str, object] = {"data": data, "json_schema": job.json_schema and to(job.json_schema)}
    if job.prompt and is_template_file(job.prompt):
        changes["prompt"] = to(job.prompt)
    if is_own_metric(job.metric):
        file, function = own_metric(job.metric)
        changes["metric"] = f"{to(str(file))}:{function}"
    for field in MODELS:
        name = getattr(job, field)
        if name and Path(name).expanduser().is_dir():
            changes[field] = to(name)
    read = job.methods.get("adapt", {}).get("text")
    if read:
        files = [read] if isinstance(read, str) else read
        adapt = {**job.methods["adapt"], "text": [to(file) for file in files]}
        changes["methods"] = {**job.methods, "adapt": adapt}
    return job.model_copy(update=changes)
