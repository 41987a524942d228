"""What a tracker may be told of a run folder: settings and scores, never a row, an answer or a path."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from ruamel.yaml import YAML

from tuneworthy.core.errors import RunFolderError
from tuneworthy.core.evidence import Estimate
from tuneworthy.core.hashing import ADDRESS_LENGTH
from tuneworthy.runfolder import checksums
from tuneworthy.runfolder.events import Event
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.runfolder.unit_output import read_metrics, read_unit_file
from tuneworthy.runfolder.workspace import workspace
from tuneworthy.trackers import Outcome, Scalar, Tracked
from tuneworthy.trackers._events import seconds

SETTLED = ("steps", "batch", "epochs", "learning_rate", "rank", "parameters_trained", "trained_tokens", "C")
CARDS = ("model_card.md", "exports/*/README.md", "exports/*/model_card.md")


def tracked(run: Path, tracker: str, first: Event) -> Tracked:
    """The run as its folder's first files tell it; `first` is its first event.

    Raises:
        RunFolderError: it is no run folder.
    """
    folder = RunFolder(run)
    data = folder.read("dataset.json")
    began = datetime.fromtimestamp(seconds(first), UTC)
    return Tracked(
        id=f"{_plain(run.resolve().name)}-{began:%Y%m%d-%H%M%S}",
        project=_plain(data["name"]),
        place=workspace().resolve() / tracker,
        started=seconds(first),
        parameters=dict(_flat(job_tree(run))),
        tags={"task": data["task"], "data_fingerprint": data["fingerprint"]},
    )


def outcome(run: Path, begun: Tracked, last: Event, files: tuple[Path, ...]) -> Outcome:
    """The run as its results tell it; `last` is its last event.

    Raises:
        RunFolderError: a result is missing or damaged.
    """
    folder = RunFolder(run)
    estimates = tuple(Estimate.model_validate(one) for one in folder.read("estimates.json"))
    verdict, evidence = folder.read("verdict.json"), folder.read("evidence.json")
    recommended = {"verdict": verdict["decision"], "recommended_method": verdict["recommended_method"]}
    return Outcome(
        parameters={**begun.parameters, **_settings(folder)},
        estimates=tuple(one for one in estimates if one.label is None and one.split == "test"),
        primary=evidence["metric"],
        tags={**begun.tags, **recommended},
        headline=verdict["headline"],
        files=(*files, *(card for pattern in CARDS for card in sorted(run.glob(pattern)))),
        ended=seconds(last),
    )


def job_tree(run: Path) -> dict[str, Any]:
    """The resolved job, without the paths of this machine.

    Raises:
        RunFolderError: there is none.
    """
    try:
        text = checksums.checked(run, "job.yaml").decode()
    except RunFolderError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise RunFolderError(f"{run} is no run folder: job.yaml cannot be read.") from error
    tree: dict[str, Any] = without_paths(YAML(typ="safe", pure=True).load(text))
    return tree


def without_paths(value: Any) -> Any:
    """A tree with every absolute path cut down to its last part.

    >>> without_paths({"base_model": "/home/ada/models/tiny", "arms": ["lora"], "prompt": "/{{ input }}"})
    {'base_model': 'tiny', 'arms': ['lora'], 'prompt': '/{{ input }}'}
    """
    if isinstance(value, dict):
        return {key: without_paths(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_paths(item) for item in value]
    if isinstance(value, str) and "\n" not in value:
        path, _, function = value.rpartition(":") if ".py:" in value else (value, "", "")
        end = f":{function}" if function else ""
        for flavour in (PurePosixPath(path), PureWindowsPath(path)):
            if flavour.is_absolute() and len(flavour.parts) > 2:
                return flavour.name + end
        if path.startswith("../"):
            return PurePosixPath(path).name + end
    return value


def _settings(folder: RunFolder) -> dict[str, Scalar]:
    """Each compared method's parameters, and what its first fit settled on in numbers."""
    found: dict[str, Scalar] = {}
    told: set[str] = set()
    units = [unit for stage in folder.read("plan.json")["stages"] for unit in stage["units"]]
    for planned in units:
        output = folder.path / "units" / planned["address"]
        if planned["method"] in told or not output.exists():
            continue
        unit, facts = read_unit_file(output), read_metrics(output)["facts"]
        if unit.purpose != "evaluate":
            continue
        settled = {key: facts[key] for key in SETTLED if isinstance(facts.get(key), int | float)}
        told.add(planned["method"])
        found |= dict(_flat(without_paths({**unit.parameters, **settled}), f"{planned['method']}."))
    return found


def _flat(tree: dict[str, Any], before: str = "") -> Iterator[tuple[str, Scalar]]:
    """The leaves by dotted names; values that are not set are left out, lists are JSON."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        elif isinstance(value, str | int | float | bool):
            yield f"{before}{key}", value
        elif value:
            yield f"{before}{key}", json.dumps(value, ensure_ascii=False)


def _plain(name: str) -> str:
    """A name of letters, digits, `-` and `_`, which every tracker takes."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[: 4 * ADDRESS_LENGTH] or "run"
