"""Launched jobs as files: what is on disk is enough to find a job again, whatever happened to the process."""

from pathlib import Path

from tuneworthy.core.errors import NotFoundError
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.registry import did_you_mean
from tuneworthy.launchers import Handle
from tuneworthy.launchers.archive import Content, Manifest, is_untouched
from tuneworthy.runfolder.folder import to_json, write_text
from tuneworthy.runfolder.workspace import workspace

FILE, BUNDLE, BROUGHT = "handle.json", "bundle", "brought.json"


class Brought(Frozen):
    """What the last fetch of a handle wrote, and where: a later one may replace that and nothing else."""

    run: str
    files: dict[str, Content]


def place() -> Path:
    """`launched/` in the workspace: a folder for each handle, with its bundle."""
    return workspace() / "launched"


def folder_of(name: str) -> Path:
    """The folder of a handle."""
    return place() / name


def keep(handle: Handle) -> None:
    """Writes a handle, whole or not at all."""
    write_text(folder_of(handle.name) / FILE, to_json(handle))


def keep_brought(handle: Handle, run: Path, manifest: Manifest) -> None:
    """Remembers what a fetch has written."""
    brought = Brought(run=str(run), files=manifest.files)
    write_text(folder_of(handle.name) / BROUGHT, to_json(brought))


def is_as_brought(handle: Handle, run: Path) -> bool:
    """Whether a folder is the one that the last fetch wrote, with nothing changed since."""
    try:
        stored = (folder_of(handle.name) / BROUGHT).read_text(encoding="utf-8")
        brought = Brought.model_validate_json(stored)
    except (OSError, ValueError):
        return False
    return brought.run == str(run) and is_untouched(run, brought.files)


def known() -> list[Handle]:
    """Every handle of the workspace by name; damaged ones are passed over."""
    found = []
    for path in sorted(place().glob(f"*/{FILE}")):
        try:
            found.append(Handle.model_validate_json(path.read_text(encoding="utf-8")))
        except ValueError:
            continue
    return found


def find(name: str) -> Handle | None:
    """A handle by its name; None where nothing of that name was launched."""
    return next((one for one in known() if one.name == name), None)


def named(name: str) -> Handle:
    """The same, or NotFoundError with the nearest name."""
    handle = find(name)
    if handle is None:
        names = [one.name for one in known()]
        hint = did_you_mean(name, names) if names else f"nothing was launched from this folder ({place()})."
        raise NotFoundError(f"nothing was launched as '{name}': {hint}")
    return handle
