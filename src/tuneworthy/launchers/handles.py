"""Launched jobs as files: what is on disk is enough to find a job again, whatever happened to the process."""

from pathlib import Path

from tuneworthy.core.errors import NotFoundError
from tuneworthy.core.registry import did_you_mean
from tuneworthy.launchers import Handle
from tuneworthy.runfolder.folder import to_json, write_text
from tuneworthy.runfolder.workspace import workspace

FILE, BUNDLE = "handle.json", "bundle"


def place() -> Path:
    """`launched/` in the workspace: a folder for each handle, with its bundle."""
    return workspace() / "launched"


def folder_of(name: str) -> Path:
    """The folder of a handle."""
    return place() / name


def keep(handle: Handle) -> None:
    """Writes a handle, whole or not at all."""
    write_text(folder_of(handle.name) / FILE, to_json(handle))


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
