"""Deployed models as files: what is on disk is enough to find and delete all that was created for one."""

from pathlib import Path

from tuneworthy.core.errors import NotFoundError
from tuneworthy.core.registry import did_you_mean
from tuneworthy.deployers import Deployment
from tuneworthy.runfolder.folder import to_json, write_text
from tuneworthy.runfolder.workspace import workspace

FILE = "deployment.json"


def place() -> Path:
    """`deployed/` in the workspace: a folder for each deployment."""
    return workspace() / "deployed"


def keep(deployment: Deployment) -> None:
    """Writes a deployment, whole or not at all."""
    write_text(place() / deployment.name / FILE, to_json(deployment))


def known() -> list[Deployment]:
    """Every deployment of the workspace by name; damaged ones are passed over."""
    found = []
    for path in sorted(place().glob(f"*/{FILE}")):
        try:
            found.append(Deployment.model_validate_json(path.read_text(encoding="utf-8")))
        except ValueError:
            continue
    return found


def find(name: str) -> Deployment | None:
    """A deployment by its name; None where nothing of that name was deployed."""
    return next((one for one in known() if one.name == name), None)


def named(name: str) -> Deployment:
    """The same, or NotFoundError with the nearest name."""
    found = find(name)
    if found is None:
        names = [one.name for one in known()]
        hint = did_you_mean(name, names) if names else f"nothing was deployed from this folder ({place()})."
        raise NotFoundError(f"nothing was deployed as '{name}': {hint}")
    return found
