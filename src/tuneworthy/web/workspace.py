"""Which files the pages may name: run folders and uploaded tables of one folder, and nothing else.

A name that comes from the browser is never joined to a path: it is looked up among the names that are there.
"""

import hashlib
import json
import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tuneworthy.core.endpoint import endpoint_of
from tuneworthy.core.errors import DataError, JobError, NotFoundError
from tuneworthy.core.hashing import address
from tuneworthy.core.job import Job, is_own_metric, is_template_file
from tuneworthy.data.jobfile import load_job
from tuneworthy.data.readers import SUFFIXES, read_table
from tuneworthy.methods import METHODS
from tuneworthy.runfolder.folder import write_bytes, write_text

OWN = ".ui"  # what belongs to the pages, inside the folder of the runs
LARGEST_TABLE = 50 * 2**20  # bytes
_LONGEST_NAME = 60
_UNSAFE = re.compile(r"[^\w.-]+")
_FACTS = "table.json"


@dataclass(frozen=True, slots=True)
class KeptTable:
    """A table that was uploaded: its folder is named by the hash of its content."""

    id: str
    title: str
    path: Path

    @property
    def folder(self) -> Path:
        """Holds the table, the jobs that were started on it, and what the review writes."""
        return self.path.parent

    @property
    def checked(self) -> Path:
        """Where `check --fix` and `--apply` write."""
        return self.folder / "checked"


class Workspace:
    """The runs of one folder, and what was uploaded for them."""

    def __init__(self, runs: Path, home: Path | None = None) -> None:
        """Pages over `runs`; jobs may name model folders below `home`, where the server was started."""
        self.runs = runs.absolute()
        self.home = (home or Path.cwd()).resolve()
        self.own = self.runs / OWN
        self.uploads = self.own / "uploads"  # Gradio's, until a table is kept
        self._tables = self.own / "tables"

    def run_names(self) -> list[str]:
        """Folders that hold a run, the newest first; one look at each, for there may be ten thousand."""
        try:
            with os.scandir(self.runs) as entries:
                found = [(_changed(entry), entry.name) for entry in entries if not entry.name.startswith(".")]
        except OSError:
            return []
        known = [(when, name) for when, name in found if when is not None]
        return [name for when, name in sorted(known, key=lambda one: (-one[0], one[1]))]

    def run(self, name: str) -> Path:
        """The folder of a run; raises NotFoundError when no run is called so."""
        if name not in self.run_names():
            raise NotFoundError(f"there is no run '{name}' in {self.runs}.")
        return self.runs / name

    def tables(self) -> list[KeptTable]:
        """The uploaded tables that can still be used, by name."""
        found = []
        for path in self._tables.iterdir() if self._tables.is_dir() else ():
            with suppress(NotFoundError):
                found.append(self.table(path.name))
        return sorted(found, key=lambda table: (table.title, table.id))

    def table(self, id: str) -> KeptTable:
        """An uploaded table; raises NotFoundError when there is none."""
        known = [path.name for path in self._tables.iterdir()] if self._tables.is_dir() else []
        if id not in known:
            raise NotFoundError("this table is not here any more: upload it again.")
        folder = self._tables / id
        try:
            facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
            path = next(path for path in folder.iterdir() if path.name == facts["file"])
        except (OSError, ValueError, KeyError, StopIteration):
            raise NotFoundError("this table is damaged: upload it again.") from None
        return KeptTable(id, facts["title"], path)

    def keep(self, upload: Path, title: str) -> KeptTable:
        """Copies an uploaded file to where it stays, once it has been read as a table.

        Raises:
            DataError: it is too large, is no upload, or is not a table; nothing is kept then.
        """
        inside = upload.resolve()
        if not any(inside.is_relative_to(place.resolve()) for place in (self.uploads, self._tables)):
            raise DataError("only a file that was uploaded here can be used.")
        if inside.stat().st_size > LARGEST_TABLE:
            raise DataError(f"the table has more than {LARGEST_TABLE // 2**20} MiB; upload a sample of it.")
        title = title.replace("\\", "/").rpartition("/")[2]
        suffix = Path(title).suffix.lower()
        if suffix not in SUFFIXES:
            raise DataError(f"'{title}' is none of {', '.join(SUFFIXES)}: upload a table.")
        content = inside.read_bytes()
        id = hashlib.sha256(content + suffix.encode()).hexdigest()[:16]
        stem = _UNSAFE.sub("_", Path(title).stem).strip("._")[:_LONGEST_NAME] or "table"
        folder = self._tables / id
        if not (folder / _FACTS).exists():
            path = folder / f"{stem}{suffix}"
            write_bytes(path, content)
            try:
                read_table(path)
            except Exception:
                path.unlink()
                folder.rmdir()
                raise
            write_text(folder / _FACTS, json.dumps({"title": title, "file": path.name}, ensure_ascii=False))
        return self.table(id)

    def keep_job(self, table: KeptTable, text: str) -> tuple[Path, Job]:
        """Writes a job that was edited in the page beside its table, and reads it back.

        Raises:
            JobError: it is no job, or names files or machines that a page may not reach.
        """
        path = table.folder / f"job-{address([text])[:8]}.yaml"
        write_text(path, text)
        try:
            job = load_job(path, (), METHODS.names())
            self._confine(job, table)
        except Exception:
            path.unlink()
            raise
        return path, job

    def _confine(self, job: Job, table: KeptTable) -> None:
        """Raises JobError when a job would read or send what a page has no business with."""
        require_own(job, "tuneworthy run job.yaml")
        read = job.methods.get("adapt", {}).get("text") or ()
        files = {
            "data.path": [job.data.path],
            "data.test": [job.data.test],
            "json_schema": [job.json_schema],
            "prompt": [job.prompt if job.prompt and is_template_file(job.prompt) else None],
            "adapt.text": [read] if isinstance(read, str) else read,
        }
        for field, paths in files.items():
            for path in paths:
                if path is not None and Path(path).resolve().parent != table.folder.resolve():
                    raise JobError(
                        f"{field} names a file other than the uploaded table: start that job with "
                        "`tuneworthy run job.yaml`."
                    )
        for field, name in _models(job).items():
            looks_like_a_path = name.startswith((".", "/", "~", "\\")) or Path(name).exists()
            if endpoint_of(name) is None and looks_like_a_path and not self._is_home(Path(name)):
                raise JobError(
                    f"{field} names a folder outside {self.home}: start `tuneworthy ui` above it, or name a "
                    "model of the catalogue."
                )

    def told(self, folder: Path) -> Path:
        """A folder as the user would type it, where the server was started."""
        return folder.relative_to(self.home) if folder.is_relative_to(self.home) else folder

    def _is_home(self, path: Path) -> bool:
        return (self.home / path.expanduser()).resolve().is_relative_to(self.home)


def require_own(job: Job, command: str) -> None:
    """Raises JobError, which names the command instead, when a job runs code or sends rows elsewhere."""
    if is_own_metric(job.metric):
        raise JobError(f"a metric of your own is code: read it, then type `{command}`.")
    if isinstance(job.workers, str) and job.workers != "ray":
        raise JobError(f"workers names a cluster, which gets the rows: if it may, type `{command}`.")
    for field, name in _models(job).items():
        endpoint = endpoint_of(name)
        if endpoint is not None and not endpoint.is_local:
            raise JobError(f"{field} would send rows to {endpoint.host}: if it may, type `{command}`.")


def _models(job: Job) -> dict[str, str]:
    """The models that a job names, by field."""
    named = {
        "base_model": job.base_model,
        "prompt_model": job.prompt_model,
        "embedding_model": job.embedding_model,
        "judge.model": job.judge.model,
    }
    return {field: name for field, name in named.items() if name is not None}


def _changed(entry: "os.DirEntry[str]") -> float | None:
    """When a run last wrote, in seconds of Unix time; None for what is no run, or a link to one."""
    try:
        if entry.is_symlink():
            return None
        told = os.stat(f"{entry.path}/events.jsonl")  # noqa: PTH116 - a Path each would take most of the time
    except OSError:
        return None
    return told.st_mtime if stat.S_ISREG(told.st_mode) else None
